//! What an orchestrator knows of the chain: the port, and two that ask nobody.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::{BoxFuture, ready};
use tickets::{Address, ExpirationParams, ReceiverView, SenderFloat, SenderFunds, U256, keccak256};

/// Seconds of an L1 block, and of a round, where both are made up.
const OFFLINE_BLOCK: u64 = 12;
const OFFLINE_ROUND: u64 = 24 * 60 * 60;

/// The chain as last heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainState {
    /// Blocks, rounds, and whether the orchestrator is in the active set.
    pub view: ReceiverView,
    /// Wei that a unit of gas costs; redeeming is priced with it.
    pub gas_price: U256,
}

/// What the chain says about somebody who wants to pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderAccount {
    /// Deposit and reserve, and from when on they can be withdrawn.
    pub funds: SenderFunds,
    /// What of the reserve is certain for this orchestrator.
    pub float: SenderFloat,
}

impl SenderAccount {
    /// Of somebody nothing is known about, and everything is taken on trust.
    #[must_use]
    pub const fn trusted() -> Self {
        let funds =
            SenderFunds { deposit: U256::MAX, reserve: U256::MAX, withdraw_round: U256::ZERO };
        let float = SenderFloat {
            funds_remaining: U256::MAX,
            claimed_in_round: U256::ZERO,
            claimed_by_recipient: U256::ZERO,
            pool_size: 1,
            deposit: U256::MAX,
            pending: U256::ZERO,
        };
        Self { funds, float }
    }
}

/// The port through which an orchestrator that is paid sees the chain.
pub trait PaymentChain: Send + Sync + fmt::Debug + 'static {
    /// The latest blocks and rounds, from memory: it is asked several times per segment. While they
    /// are unknown or too old, say that the orchestrator isn't active.
    fn state(&self) -> ChainState;

    /// What is known about a sender, or why it can't be known; the text goes to the gateway. It is
    /// asked once or twice per segment and waited for at most two seconds: keep answers for a while.
    fn sender(&self, sender: Address) -> BoxFuture<'_, Result<SenderAccount, String>>;
}

/// A chain that stands still until it is told otherwise, for tests.
#[derive(Debug, Default)]
pub struct StaticChain {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    state: ChainState,
    senders: HashMap<Address, Result<SenderAccount, String>>,
}

impl StaticChain {
    /// A chain in this state, where nobody has funds.
    #[must_use]
    pub fn new(state: ChainState) -> Self {
        Self { known: Mutex::new(Known { state, senders: HashMap::new() }) }
    }

    /// Goes on to another state.
    pub fn set_state(&self, state: ChainState) {
        self.known().state = state;
    }

    /// What it says about a sender from now on.
    pub fn set_sender(&self, sender: Address, account: Result<SenderAccount, String>) {
        self.known().senders.insert(sender, account);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PaymentChain for StaticChain {
    fn state(&self) -> ChainState {
        self.known().state
    }

    fn sender(&self, sender: Address) -> BoxFuture<'_, Result<SenderAccount, String>> {
        let account = self.known().senders.get(&sender).cloned();
        Box::pin(ready(account.unwrap_or_else(|| Ok(SenderAccount::default()))))
    }
}

/// No chain at all: every sender is taken to have all the funds there are, blocks and rounds follow
/// the wall clock. Nobody's deposit, reserve or withdrawal is checked, and winning tickets are made in
/// rounds that no contract knows, so they can't be redeemed. What remains are the checks of the wire:
/// signatures, terms, prices, nonces, ages, credit.
#[derive(Clone, Copy, Debug)]
pub struct OfflineChain {
    wall_clock: fn() -> SystemTime,
}

impl OfflineChain {
    /// Follows this clock.
    #[must_use]
    pub const fn new(wall_clock: fn() -> SystemTime) -> Self {
        Self { wall_clock }
    }
}

impl PaymentChain for OfflineChain {
    /// Block numbers are some six times the real ones, so that gateways that follow the chain never
    /// take the params for expired.
    fn state(&self) -> ChainState {
        let age = (self.wall_clock)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let creation_round = age.as_secs() / OFFLINE_ROUND + 1;
        let creation_round_block_hash = keccak256(format!("offline round {creation_round}"));
        let view = ReceiverView {
            l1_block: age.as_secs() / OFFLINE_BLOCK,
            last_initialized_round: creation_round,
            round: ExpirationParams { creation_round, creation_round_block_hash },
            active: true,
        };
        ChainState { view, gas_price: U256::ZERO }
    }

    fn sender(&self, _: Address) -> BoxFuture<'_, Result<SenderAccount, String>> {
        Box::pin(ready(Ok(SenderAccount::trusted())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_blocks_follow_the_clock() {
        let of = |clock: fn() -> SystemTime| OfflineChain::new(clock).state().view;
        let (first, later) = (of(|| UNIX_EPOCH), of(|| UNIX_EPOCH + Duration::from_secs(86_411)));
        assert_eq!((first.l1_block, later.l1_block), (0, 7_200));
        assert_eq!((first.last_initialized_round, later.last_initialized_round), (1, 2));
        assert!(first.round.is_complete() && first.round != later.round && later.active);
        let lately = of(|| UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        assert!(lately.l1_block > 100_000_000, "beyond any chain's, so that params look alive");
        let account = SenderAccount::trusted();
        assert_eq!(account.float.max_float(), U256::MAX);
        assert!(!account.funds.unlock_soon(u64::MAX));
    }
}
