//! What the gateway believes of the chain, and for how long.
//!
//! Tickets are bound to L1 blocks, rounds and funds. The tracker keeps the latest answers, and goes on
//! with them while no node answers: for as long as [`TrackerConfig::max_age`], then payments stop.

use std::time::{Duration, Instant};

use alloy_primitives::U256;
use tickets::{ChainView, ExpirationParams, SenderFunds};

use crate::Block;

/// An L1 block takes at least as long: one slot.
const L1_BLOCK_TIME: u64 = 12;
/// A lower L1 block is believed once the higher one was not confirmed for so long.
const BACK_AFTER: Duration = Duration::from_secs(60);

/// When to ask, and how long answers are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerConfig {
    /// Time between polls; a failed one is repeated after as long.
    pub poll_every: Duration,
    /// From this age on answers are called cached.
    pub fresh_for: Duration,
    /// From this age on nothing is paid: what an orchestrator quotes lives about 8 minutes.
    pub max_age: Duration,
}

impl TrackerConfig {
    /// How long, by default, answers are good while no node answers.
    pub const DEFAULT_MAX_AGE: Duration = Duration::from_secs(600);
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_secs(5),
            fresh_for: Duration::from_secs(60),
            max_age: Self::DEFAULT_MAX_AGE,
        }
    }
}

/// One poll's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The latest block.
    pub block: Block,
    /// Number of the protocol's last initialized round.
    pub last_initialized_round: u64,
    /// The latest round whose block hash is stored, which may be the one before.
    pub round: ExpirationParams,
    /// The sender's funds; the default where there is no sender.
    pub funds: SenderFunds,
    /// Wei that orchestrators claimed from the reserve in this round.
    pub claimed_in_round: U256,
}

/// What to go by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackedView {
    /// Blocks and rounds. While answers are missing the L1 block is the highest it can be by now, so that
    /// params are refused too early rather than too late.
    pub chain: ChainView,
    /// The sender's funds, as of the last answer.
    pub funds: SenderFunds,
    /// Wei claimed from the reserve, as of the last answer.
    pub claimed_in_round: U256,
    /// How long the chain hasn't been seen to go on.
    pub age: Duration,
    /// Whether that is longer than usual.
    pub is_cached: bool,
}

/// Why nothing may be paid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// No answer yet.
    #[error("nothing is known of the chain yet")]
    Unknown,
    /// The last block was seen too long ago.
    #[error("the chain was last seen to go on {} s ago, the limit is {} s", age.as_secs(), limit.as_secs())]
    TooOld {
        /// How long ago.
        age: Duration,
        /// The limit.
        limit: Duration,
    },
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    observation: Observation,
    /// When the chain's own block number last grew.
    advanced_at: Instant,
    /// When an answer last confirmed an L1 block as high.
    confirmed_at: Instant,
}

/// Keeps the latest [`Observation`].
#[derive(Clone, Debug)]
pub struct ChainTracker {
    config: TrackerConfig,
    seen: Option<Seen>,
    poll_at: Option<Instant>,
}

impl ChainTracker {
    /// A tracker that knows nothing, and wants to poll at once.
    #[must_use]
    pub const fn new(config: TrackerConfig) -> Self {
        Self { config, seen: None, poll_at: None }
    }

    /// When to poll next; `None` for at once.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.poll_at
    }

    /// A poll ended, in whatever way.
    pub fn handle_polled(&mut self, now: Instant) {
        self.poll_at = Some(now + self.config.poll_every);
    }

    /// Takes a poll's answers. Those of a lower block than known are dropped, until the higher one has not
    /// been confirmed for a minute: nodes lag, and a single one may have told too high a block. Says
    /// whether they were taken.
    pub fn handle_observation(&mut self, now: Instant, observation: Observation) -> bool {
        let Some(seen) = &mut self.seen else {
            self.seen = Some(Seen { observation, advanced_at: now, confirmed_at: now });
            return true;
        };
        let (block, known) = (observation.block, seen.observation.block);
        let lower = block.l1_number < known.l1_number || block.number < known.number;
        if lower && now.saturating_duration_since(seen.confirmed_at) < BACK_AFTER {
            return false;
        }
        if lower || block.number > known.number {
            seen.advanced_at = now;
        }
        seen.confirmed_at = now;
        seen.observation = observation;
        true
    }

    /// What is known, however old.
    #[must_use]
    pub fn last(&self) -> Option<&Observation> {
        self.seen.as_ref().map(|seen| &seen.observation)
    }

    /// What to go by now. A node that answers the same block again and again is as good as none: age
    /// counts from when the chain was last seen to go on.
    pub fn view(&self, now: Instant) -> Result<TrackedView, ViewError> {
        let seen = self.seen.as_ref().ok_or(ViewError::Unknown)?;
        let age = now.saturating_duration_since(seen.advanced_at);
        let limit = self.config.max_age;
        if age >= limit {
            return Err(ViewError::TooOld { age, limit });
        }
        let observation = &seen.observation;
        let is_cached = age >= self.config.fresh_for;
        let passed = if is_cached { age.as_secs() / L1_BLOCK_TIME } else { 0 };
        Ok(TrackedView {
            chain: ChainView {
                l1_block: observation.block.l1_number.saturating_add(passed),
                last_initialized_round: observation.last_initialized_round,
                round: observation.round,
            },
            funds: observation.funds,
            claimed_in_round: observation.claimed_in_round,
            age,
            is_cached,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn observation(number: u64, l1_number: u64) -> Observation {
        Observation {
            block: Block { number, l1_number, timestamp: number, base_fee: U256::ZERO },
            last_initialized_round: 7,
            round: ExpirationParams::default(),
            funds: SenderFunds { deposit: U256::from(number), ..SenderFunds::default() },
            claimed_in_round: U256::ZERO,
        }
    }

    fn tracker() -> ChainTracker {
        ChainTracker::new(TrackerConfig::default())
    }

    #[test]
    fn nothing_is_paid_before_the_chain_is_known() {
        assert_eq!(tracker().view(start()), Err(ViewError::Unknown));
        assert_eq!(tracker().poll_timeout(), None);
    }

    #[test]
    fn the_last_answers_are_used_for_a_while_then_payments_stop() {
        let (mut tracker, now) = (tracker(), start());
        assert!(tracker.handle_observation(now, observation(1_000, 100)));
        let at = |age: u64| tracker.view(now + seconds(age));
        let view = at(59).unwrap();
        assert_eq!((view.chain.l1_block, view.is_cached), (100, false));
        let view = at(60).unwrap();
        assert_eq!((view.chain.l1_block, view.is_cached), (105, true));
        let view = at(599).unwrap();
        assert_eq!((view.chain.l1_block, view.funds.deposit), (149, U256::from(1_000)));
        let old = ViewError::TooOld { age: seconds(600), limit: seconds(600) };
        assert_eq!(at(600), Err(old));
        assert_eq!(
            old.to_string(),
            "the chain was last seen to go on 600 s ago, the limit is 600 s"
        );
        assert!(tracker.handle_observation(now + seconds(700), observation(1_001, 150)));
        assert!(!tracker.view(now + seconds(700)).unwrap().is_cached);
    }

    #[test]
    fn a_chain_that_stands_still_grows_old_though_it_answers() {
        let (mut tracker, now) = (tracker(), start());
        for age in (0..600).step_by(5) {
            assert!(tracker.handle_observation(now + seconds(age), observation(1_000, 100)));
            tracker.handle_polled(now + seconds(age));
            assert_eq!(tracker.poll_timeout(), Some(now + seconds(age + 5)));
        }
        assert!(tracker.view(now + seconds(599)).unwrap().is_cached);
        assert!(tracker.view(now + seconds(600)).is_err());
    }

    #[test]
    fn the_l1_block_may_stand_while_the_chain_goes_on() {
        let (mut tracker, now) = (tracker(), start());
        for age in 0..1_000 {
            tracker.handle_observation(now + seconds(age), observation(1_000 + age, 100));
        }
        let view = tracker.view(now + seconds(1_000)).unwrap();
        assert_eq!((view.chain.l1_block, view.is_cached), (100, false));
    }

    #[test]
    fn lower_blocks_are_dropped_unless_they_insist() {
        let (mut tracker, now) = (tracker(), start());
        tracker.handle_observation(now, observation(1_000, 5_000_000));
        for age in 1..60 {
            assert!(!tracker.handle_observation(now + seconds(age), observation(1_000 + age, 100)));
        }
        assert_eq!(tracker.last(), Some(&observation(1_000, 5_000_000)));
        assert!(tracker.handle_observation(now + seconds(60), observation(1_060, 100)));
        let view = tracker.view(now + seconds(60)).unwrap();
        assert_eq!((view.chain.l1_block, view.is_cached), (100, false));
        assert!(!tracker.handle_observation(now + seconds(61), observation(999, 100)));
    }
}
