//! Redeems winning tickets in the background, one at a time.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chain::{BrokerEvent, ChainError, ChainWatcher, FeePolicy, Patience, Receipt};
use orchestrator::server::{RedeemError, Redeemer};
use tickets::{Address, B256, PrivateKey, U256, WinningTicket};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    redemption_journal::{RedemptionJournal, Step},
    redemption_queue::{Redeemable, RedemptionQueue, params_end},
    tickets_lock::TicketsLock,
    winning_tickets::WinningTickets,
};

/// What a ticket pays must be so much of what redeeming costs, in percent.
const HEADROOM_PERCENT: u64 = 120;
/// Longest wait for a new block, so that tickets that wait for one are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Who redeems, and within which limits.
#[derive(Clone, Debug)]
pub(crate) struct RedemptionConfig {
    /// Sends the transactions, and pays for them.
    pub(crate) key: PrivateKey,
    /// Whom the tickets pay.
    pub(crate) recipient: Address,
    pub(crate) fees: FeePolicy,
    pub(crate) patience: Patience,
}

/// The orchestrator's winning tickets: on the disk before the payment is answered, on the chain later.
/// The contract takes each only once, and the journal sees to it that no second transaction is paid for
/// while the first one's fate is open, whenever this process ends.
#[derive(Debug)]
pub(crate) struct Redemptions {
    config: RedemptionConfig,
    watcher: Arc<ChainWatcher>,
    won: WinningTickets,
    queue: Mutex<RedemptionQueue>,
    journal: Arc<Mutex<RedemptionJournal>>,
    news: Notify,
}

/// Why a try came to nothing yet; with the chain's own faults among it.
#[derive(Debug, thiserror::Error)]
enum Hitch {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("it pays {pays} wei, redeeming costs {costs} wei now")]
    NotWorth { pays: U256, costs: U256 },
    #[error("what is done about it can't be put down: {0}")]
    Journal(io::Error),
}

impl Redemptions {
    /// Goes on with what earlier processes won in this directory. No params of theirs are valid any
    /// more, so these tickets can be redeemed at once.
    ///
    /// # Errors
    /// When the files can't be opened or read.
    pub(crate) fn open(
        data_dir: &Path,
        lock: TicketsLock,
        config: RedemptionConfig,
        watcher: Arc<ChainWatcher>,
    ) -> io::Result<Self> {
        let (journal, steps) = RedemptionJournal::open(data_dir)?;
        drop(journal);
        if let Err(error) = drop_settled(data_dir, &lock, &steps) {
            tracing::warn!(%error, "winning tickets that are settled stay on the disk");
        }
        let won = WinningTickets::open(data_dir, lock)?;
        let (tickets, unreadable) = WinningTickets::read(data_dir)?;
        let (journal, _) = RedemptionJournal::open(data_dir)?;
        if unreadable > 0 {
            tracing::warn!(lines = unreadable, "lines of winning tickets can't be read");
        }
        let queue = left_over(tickets, &steps);
        if queue.len() > 0 {
            tracing::info!(tickets = queue.len(), "winning tickets of earlier are to be redeemed");
        }
        let (queue, journal) = (Mutex::new(queue), Arc::new(Mutex::new(journal)));
        Ok(Self { config, watcher, won, queue, journal, news: Notify::new() })
    }

    /// Wei that a sender owes for tickets that aren't redeemed yet.
    pub(crate) fn pending(&self, sender: Address) -> U256 {
        self.queue().pending(sender)
    }

    /// Redeems until `stopped`; what is under way then gets `grace` to end. The rest is on the disk.
    pub(crate) async fn run(&self, stopped: CancellationToken, grace: Duration) {
        while !stopped.is_cancelled() {
            let Some(ticket) = self.next() else {
                self.wait(&stopped).await;
                continue;
            };
            let attempt = self.redeem_one(&ticket);
            tokio::pin!(attempt);
            let attempt = tokio::select! {
                attempt = &mut attempt => attempt,
                () = stopped.cancelled() => match timeout(grace, attempt).await {
                    Ok(attempt) => attempt,
                    Err(_late) => break,
                },
            };
            self.settle(&ticket, attempt);
        }
        let left = self.queue().len();
        if left > 0 {
            tracing::info!(tickets = left, "winning tickets are left for the next start");
        }
    }

    fn next(&self) -> Option<Redeemable> {
        let l1_block = self.watcher.view().ok()?.chain.l1_block;
        self.queue().next(Instant::now().into_std(), l1_block).cloned()
    }

    async fn wait(&self, stopped: &CancellationToken) {
        let latest = Instant::now() + LOOK_EVERY;
        tokio::select! {
            () = tokio::time::sleep_until(latest) => {}
            () = self.news.notified() => {}
            () = stopped.cancelled() => {}
        }
    }

    async fn redeem_one(&self, ticket: &Redeemable) -> Result<Step, Hitch> {
        let client = self.watcher.client();
        if client.is_redeemed(ticket.hash).await? {
            return Ok(Step::Redeemed { by: None });
        }
        let valid_for = client.ticket_validity_period().await?;
        let made_in = ticket.won.ticket.expiration.creation_round;
        if made_in.saturating_add(valid_for) <= client.current_round().await? {
            return Ok(Step::Expired);
        }
        let RedemptionConfig { key, fees, patience, .. } = &self.config;
        let nonce = self.open_nonce(ticket).await?;
        let plan = client.plan_redemption(&ticket.won, key.address(), fees, nonce).await?;
        let (pays, costs) = (self.worth(ticket).await?, plan.likely_cost());
        let percent = |amount: U256, percent: u64| amount.saturating_mul(U256::from(percent));
        if percent(pays, 100) <= percent(costs, HEADROOM_PERCENT) {
            return Err(Hitch::NotWorth { pays, costs });
        }
        let nonce = plan.transaction.nonce;
        self.write(ticket.hash, Step::Sending { nonce }).await.map_err(Hitch::Journal)?;
        self.queue().handle_sent(ticket.hash, nonce);
        let receipt = client.carry_out_redemption(&plan, key, fees, patience).await?;
        Ok(Step::Redeemed { by: Some((receipt.hash, paid(&receipt), receipt.fee())) })
    }

    /// The nonce of a transaction that may yet get into a block: with it, only one of the two can.
    async fn open_nonce(&self, ticket: &Redeemable) -> Result<Option<u64>, ChainError> {
        let Some(sent) = ticket.sent_nonce else { return Ok(None) };
        let account = self.config.key.address();
        let mined = self.watcher.client().mined_transactions(account).await?;
        Ok((sent >= mined).then_some(sent))
    }

    /// What the contract would pay for it now: no more than the sender has left.
    async fn worth(&self, ticket: &Redeemable) -> Result<U256, ChainError> {
        let (client, ticket) = (self.watcher.client(), &ticket.won.ticket);
        let (funds, _claimed) = client.sender_funds(ticket.sender).await?;
        if funds.deposit >= ticket.face_value {
            return Ok(ticket.face_value);
        }
        let claimable = client.claimable_reserve(ticket.sender, self.config.recipient).await?;
        Ok(ticket.face_value.min(funds.deposit.saturating_add(claimable)))
    }

    fn settle(&self, ticket: &Redeemable, attempt: Result<Step, Hitch>) {
        let (hash, face_value) = (ticket.hash, ticket.won.ticket.face_value);
        let sender = ticket.won.ticket.sender;
        let step = match attempt {
            Ok(step) => step,
            Err(reason) => {
                tracing::warn!(%hash, %face_value, %sender, %reason, "a winning ticket is not redeemed yet");
                return self.queue().handle_failure(Instant::now().into_std(), hash);
            }
        };
        match &step {
            Step::Redeemed { by: Some((transaction, paid, fee)) } => {
                tracing::info!(%hash, %face_value, %sender, %transaction, %paid, %fee, "a winning ticket is redeemed");
            }
            Step::Redeemed { by: None } => {
                tracing::info!(%hash, %face_value, %sender, "a winning ticket was redeemed before");
            }
            Step::Expired => {
                tracing::error!(%hash, %face_value, %sender, "a winning ticket has expired");
            }
            Step::Sending { .. } => {}
        }
        // Unsaved, it is found on the chain again after the next start.
        if let Err(error) = journal(&self.journal).append(hash, &step) {
            tracing::error!(%hash, %error, "what became of a winning ticket can't be put down");
        }
        self.queue().remove(hash);
    }

    async fn write(&self, hash: B256, step: Step) -> io::Result<()> {
        let file = Arc::clone(&self.journal);
        let writing = move || journal(&file).append(hash, &step);
        tokio::task::spawn_blocking(writing).await.map_err(io::Error::other)?
    }

    fn queue(&self) -> MutexGuard<'_, RedemptionQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Redeemer for Redemptions {
    fn has_room(&self) -> bool {
        self.won.has_room()
    }

    fn redeem(&self, won: WinningTicket) -> Result<(), RedeemError> {
        // Params of this very moment live the longest.
        let not_before = self.watcher.view().ok().map(|view| params_end(view.chain.l1_block));
        let hash = won.ticket.hash();
        let kept = self.won.redeem(won.clone());
        self.queue().push(Redeemable { hash, won, not_before, sent_nonce: None });
        self.news.notify_one();
        kept
    }
}

fn journal(journal: &Mutex<RedemptionJournal>) -> MutexGuard<'_, RedemptionJournal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes room for new ones. The journal comes second: ended in between, it still says of every ticket that
/// is kept what was done about it.
fn drop_settled(
    data_dir: &Path,
    lock: &TicketsLock,
    steps: &HashMap<B256, Step>,
) -> io::Result<()> {
    let is_settled = |hash: &B256| steps.get(hash).is_some_and(Step::is_last);
    let dropped = WinningTickets::drop_settled(data_dir, lock, is_settled)?;
    if dropped > 0 {
        tracing::info!(tickets = dropped, "winning tickets that are settled were dropped");
    }
    RedemptionJournal::shorten(data_dir)
}

fn left_over(tickets: Vec<WinningTicket>, steps: &HashMap<B256, Step>) -> RedemptionQueue {
    let mut queue = RedemptionQueue::default();
    for won in tickets {
        let hash = won.ticket.hash();
        let step = steps.get(&hash);
        if step.is_some_and(Step::is_last) {
            continue;
        }
        let sent_nonce = step.and_then(|step| match step {
            Step::Sending { nonce } => Some(*nonce),
            Step::Redeemed { .. } | Step::Expired => None,
        });
        queue.push(Redeemable { hash, won, not_before: Some(0), sent_nonce });
    }
    queue
}

/// What the contract says it paid.
fn paid(receipt: &Receipt) -> U256 {
    let amounts = receipt.logs.iter().filter_map(|log| match BrokerEvent::read(log)? {
        BrokerEvent::WinningTicketTransfer { amount, .. } => Some(amount),
        BrokerEvent::DepositFunded { .. }
        | BrokerEvent::ReserveFunded { .. }
        | BrokerEvent::Withdrawal { .. }
        | BrokerEvent::Unlock { .. }
        | BrokerEvent::UnlockCancelled { .. } => None,
    });
    amounts.fold(U256::ZERO, U256::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use tickets::{ExpirationParams, Ticket};

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("headgate-redemptions-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::remove_dir_all(&path).unwrap_or_default();
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn won(sender_nonce: u32) -> WinningTicket {
        let ticket = Ticket {
            recipient: Address::repeat_byte(1),
            sender: Address::repeat_byte(2),
            face_value: U256::from(100),
            win_prob: U256::MAX,
            sender_nonce,
            recipient_rand_hash: B256::ZERO,
            expiration: ExpirationParams::default(),
        };
        let signature = PrivateKey::from_bytes(&[7; 32]).unwrap().sign(b"");
        WinningTicket { ticket, signature, recipient_rand: U256::from(8) }
    }

    #[test]
    fn what_is_settled_goes_and_what_may_pay_yet_stays() {
        let directory = directory("settled");
        let lock = TicketsLock::try_take(&directory).unwrap();
        let kept = WinningTickets::open(&directory, lock).unwrap();
        (1..=5).for_each(|nonce| kept.redeem(won(nonce)).unwrap());
        drop(kept);
        let (mut journal, _) = RedemptionJournal::open(&directory).unwrap();
        for (nonce, step) in [
            (1, Step::Sending { nonce: 7 }),
            (1, Step::Redeemed { by: None }),
            (2, Step::Expired),
            (3, Step::Sending { nonce: 8 }),
            (4, Step::Sending { nonce: 9 }),
            (4, Step::Redeemed { by: Some((B256::ZERO, U256::from(1), U256::from(2))) }),
        ] {
            journal.append(won(nonce).ticket.hash(), &step).unwrap();
        }
        let (_, steps) = RedemptionJournal::open(&directory).unwrap();
        let lock = TicketsLock::try_take(&directory).unwrap();
        drop_settled(&directory, &lock, &steps).unwrap();
        let (tickets, _) = WinningTickets::read(&directory).unwrap();
        assert_eq!(tickets, [won(3), won(5)]);
        let mut queue = left_over(tickets, &steps);
        assert_eq!(queue.len(), 2);
        let now = Instant::now().into_std();
        let first = queue.next(now, 0).unwrap();
        assert_eq!((&first.won, first.sent_nonce), (&won(3), Some(8)));
        let told = RedemptionJournal::open(&directory).unwrap().1;
        assert_eq!(told, steps, "a short journal goes on telling what became of each");
    }
}
