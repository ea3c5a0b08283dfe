//! The chain as an orchestrator that is paid sees it.
//!
//! Blocks, rounds and the price of gas are polled, and told from memory. Senders are asked for when they
//! pay, and what was heard is good for half a minute; when no node answers it goes on being good for as
//! long as blocks do.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chain::{ChainClient, ChainError, ChainWatcher, TrackerConfig};
use futures_util::future::BoxFuture;
use orchestrator::server::{ChainState, PaymentChain, SenderAccount};
use tickets::{Address, ReceiverView, SenderFloat, U256};
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    time::{Instant, timeout},
};

use crate::redemptions::Redemptions;

/// How long what was heard of a sender is good.
const FRESH: Duration = Duration::from_secs(30);
/// How long it is good while no node answers.
const STALE: Duration = TrackerConfig::DEFAULT_MAX_AGE;
/// Wait before a sender is asked for again where the last question failed.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Longest wait for one answer; the orchestrator waits for two seconds.
const ANSWER_LIMIT: Duration = Duration::from_millis(1_500);
/// Questions about senders at a time: anybody may claim to be one.
const QUESTIONS: usize = 8;
/// Most senders that are remembered; the one that was heard of the longest ago goes first.
const SENDERS_MAX: usize = 1_024;
/// How often the price of gas, the pool and the registration are looked at.
const SLOW_POLL: Duration = Duration::from_secs(30);

/// Follows the chain for one orchestrator.
#[derive(Debug)]
pub(crate) struct FollowedChain {
    watcher: Arc<ChainWatcher>,
    recipient: Address,
    redemptions: Arc<Redemptions>,
    slow: Mutex<Slow>,
    senders: Mutex<HashMap<Address, Arc<Sender>>>,
    questions: Semaphore,
}

/// What changes slowly.
#[derive(Clone, Copy, Debug, Default)]
struct Slow {
    gas_price: U256,
    pool_size: u64,
    registered: Option<bool>,
}

/// A sender, as last heard of. The lock is held while it is asked for, so that it is asked for once.
#[derive(Debug)]
struct Sender {
    last_used: Mutex<Instant>,
    heard: AsyncMutex<Heard>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    account: Option<(SenderAccount, Instant)>,
    ask_again: Option<Instant>,
}

impl Heard {
    /// What can be said without asking.
    fn fresh(&self, now: Instant) -> Option<SenderAccount> {
        self.younger_than(now, FRESH)
    }

    /// What can be said where nobody answers.
    fn usable(&self, now: Instant) -> Option<SenderAccount> {
        self.younger_than(now, STALE)
    }

    fn younger_than(&self, now: Instant, age: Duration) -> Option<SenderAccount> {
        let young = |at: Instant| now.saturating_duration_since(at) < age;
        self.account.filter(|(_, at)| young(*at)).map(|(account, _)| account)
    }

    fn may_ask(&self, now: Instant) -> bool {
        self.ask_again.is_none_or(|at| at <= now)
    }

    fn handle_answer(&mut self, now: Instant, answer: Option<SenderAccount>) {
        match answer {
            Some(account) => *self = Self { account: Some((account, now)), ask_again: None },
            None => self.ask_again = Some(now + ASK_AGAIN),
        }
    }
}

impl FollowedChain {
    /// Looks at the chain once, so that the first quote is right.
    ///
    /// # Errors
    /// When no node answers.
    pub(crate) async fn start(
        watcher: Arc<ChainWatcher>,
        recipient: Address,
        redemptions: Arc<Redemptions>,
    ) -> anyhow::Result<Self> {
        let chain = Self {
            watcher,
            recipient,
            redemptions,
            slow: Mutex::default(),
            senders: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
        };
        chain.watcher.poll().await;
        if let Some(fault) = chain.watcher.fault() {
            return Err(fault.into());
        }
        chain.poll_slow().await?;
        Ok(chain)
    }

    /// Follows the chain until the future is dropped.
    pub(crate) async fn run(&self) {
        let slow = async {
            loop {
                tokio::time::sleep(SLOW_POLL).await;
                if let Err(error) = self.poll_slow().await {
                    tracing::debug!(%error, "gas price, pool and registration are not known anew");
                }
            }
        };
        tokio::join!(self.watcher.run(), slow);
    }

    async fn poll_slow(&self) -> Result<(), ChainError> {
        let client = self.client();
        let (gas_price, pool_size) = (client.gas_price().await?, client.pool_size().await?);
        let registered = client.is_active(self.recipient).await?;
        let before = {
            let mut slow = lock(&self.slow);
            let before = slow.registered;
            *slow = Slow { gas_price, pool_size, registered: Some(registered) };
            before
        };
        if !registered && before != Some(false) {
            let recipient = self.recipient;
            tracing::warn!(%recipient, "this orchestrator is not in the active set: gateways don't find it, and the network's contracts pay it from deposits only, if at all");
        } else if registered && before == Some(false) {
            tracing::info!("this orchestrator is in the active set now");
        }
        Ok(())
    }

    fn client(&self) -> &ChainClient {
        self.watcher.client()
    }

    async fn account(&self, sender: Address) -> Result<SenderAccount, String> {
        let entry = self.entry(sender);
        let mut heard = entry.heard.lock().await;
        if let Some(account) = heard.fresh(Instant::now()) {
            return Ok(account);
        }
        if heard.may_ask(Instant::now()) {
            let answer = timeout(ANSWER_LIMIT, self.ask(sender)).await;
            let answer = answer.unwrap_or_else(|_| Err(ChainError::Unavailable("late".to_owned())));
            if let Err(error) = &answer {
                tracing::debug!(%sender, %error, "a sender's funds are not known anew");
            }
            heard.handle_answer(Instant::now(), answer.ok());
        }
        heard.usable(Instant::now()).ok_or_else(|| "the chain does not answer".to_owned())
    }

    async fn ask(&self, sender: Address) -> Result<SenderAccount, ChainError> {
        let Ok(_turn) = self.questions.acquire().await else { return Ok(SenderAccount::default()) };
        let client = self.client();
        let (funds, claimed_in_round) = client.sender_funds(sender).await?;
        let float = SenderFloat {
            funds_remaining: funds.reserve,
            claimed_in_round,
            claimed_by_recipient: client.claimed_reserve(sender, self.recipient).await?,
            // Without a pool there is nobody to share with.
            pool_size: lock(&self.slow).pool_size.max(1),
            deposit: funds.deposit,
            pending: U256::ZERO,
        };
        Ok(SenderAccount { funds, float })
    }

    fn entry(&self, sender: Address) -> Arc<Sender> {
        let now = Instant::now();
        let mut senders = lock(&self.senders);
        if senders.len() >= SENDERS_MAX && !senders.contains_key(&sender) {
            let oldest = senders.iter().min_by_key(|(_, entry)| *lock(&entry.last_used));
            let oldest = oldest.map(|(sender, _)| *sender);
            oldest.and_then(|oldest| senders.remove(&oldest));
        }
        let fresh =
            || Arc::new(Sender { last_used: Mutex::new(now), heard: AsyncMutex::default() });
        let entry = Arc::clone(senders.entry(sender).or_insert_with(fresh));
        *lock(&entry.last_used) = now;
        entry
    }
}

impl PaymentChain for FollowedChain {
    fn state(&self) -> ChainState {
        let gas_price = lock(&self.slow).gas_price;
        let Ok(view) = self.watcher.view() else {
            // Nothing is quoted or taken on blocks that may be long gone.
            return ChainState { gas_price, ..ChainState::default() };
        };
        let view = ReceiverView {
            l1_block: view.chain.l1_block,
            last_initialized_round: view.chain.last_initialized_round,
            round: view.chain.round,
            // Tickets of a round without its block's hash can't be redeemed.
            active: view.chain.round.is_complete(),
        };
        ChainState { view, gas_price }
    }

    fn sender(&self, sender: Address) -> BoxFuture<'_, Result<SenderAccount, String>> {
        Box::pin(async move {
            let mut account = self.account(sender).await?;
            account.float.pending = self.redemptions.pending(sender);
            Ok(account)
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_known_for_a_while_where_nobody_answers() {
        let (mut heard, start) = (Heard::default(), Instant::now());
        let account = SenderAccount::trusted();
        let moment = Duration::from_millis(1);
        assert!(heard.may_ask(start) && heard.usable(start).is_none());
        heard.handle_answer(start, Some(account));
        assert_eq!(heard.fresh(start + FRESH - moment), Some(account));
        assert_eq!(heard.fresh(start + FRESH), None);
        assert!(heard.may_ask(start + FRESH));
        // One failed question is enough for a while: segments don't wait for each.
        heard.handle_answer(start + FRESH, None);
        assert!(!heard.may_ask(start + FRESH + ASK_AGAIN - moment));
        assert!(heard.may_ask(start + FRESH + ASK_AGAIN));
        assert_eq!(heard.usable(start + STALE - moment), Some(account));
        assert_eq!(heard.usable(start + STALE), None);
        heard.handle_answer(start + STALE, Some(account));
        assert_eq!(heard.fresh(start + STALE), Some(account));
    }
}
