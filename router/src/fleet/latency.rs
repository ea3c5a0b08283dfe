//! How long an orchestrator takes, in thousandths of the segment's duration.

use std::{collections::VecDeque, time::Duration};

use super::UNKNOWN_LATENCY;

/// Attempts the spread is taken from.
const RECENT: usize = 20;
/// Attempts after which the spread says something.
const ENOUGH: usize = 4;
/// Segments shorter than this count as this long: a round trip does not shrink with them.
const SHORTEST: Duration = Duration::from_secs(1);
/// Faster than this is never slow, whatever it was before, in thousandths.
const ALWAYS_FAST: u32 = 250;

/// Smoothed latency, its usual level, and its spread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latency {
    smoothed: Option<u32>,
    /// Follows slowly: what "slow" is measured against.
    usual: u32,
    /// The latest [`RECENT`] attempts.
    recent: VecDeque<u32>,
}

/// An attempt's time in thousandths of its segment's duration.
pub(crate) fn permille(elapsed: Duration, duration: Duration) -> u32 {
    let whole = duration.max(SHORTEST).as_micros();
    let share = elapsed.as_micros().saturating_mul(1_000).checked_div(whole).unwrap_or(0);
    u32::try_from(share).unwrap_or(u32::MAX).min(100_000)
}

impl Latency {
    /// What was learned in an earlier run.
    pub(crate) const fn remembered(smoothed: u32) -> Self {
        Self { smoothed: Some(smoothed), usual: smoothed, recent: VecDeque::new() }
    }

    /// Takes the time of an attempt that delivered. A good one after a slow stretch counts in full, so
    /// that an orchestrator that healed is back at once.
    pub(crate) fn observe(&mut self, permille: u32) {
        self.take(permille, 350);
    }

    fn take(&mut self, permille: u32, weight: u64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        let healed = self.is_slow() && permille <= self.usual.saturating_mul(3) / 2;
        if healed {
            self.recent.clear();
        }
        self.recent.push_back(permille);
        let Some(before) = self.smoothed else {
            (self.smoothed, self.usual) = (Some(permille), permille);
            return;
        };
        let smoothed = if healed { permille } else { step(before, permille, weight) };
        self.smoothed = Some(smoothed);
        self.usual = step(self.usual, permille, 30);
    }

    /// Takes the time of an attempt that was given up: it would have taken longer, so it weighs more.
    pub(crate) fn observe_at_least(&mut self, permille: u32) {
        // That a new one was not done at once does not make it faster than what is assumed of it.
        if permille > self.smoothed.unwrap_or(UNKNOWN_LATENCY) {
            self.take(permille, 700);
        }
    }

    /// Smoothed; `None` before the first attempt.
    pub(crate) const fn smoothed(&self) -> Option<u32> {
        self.smoothed
    }

    /// Nearly twice as slow as usual, and slow enough to matter.
    pub(crate) fn is_slow(&self) -> bool {
        self.smoothed
            .is_some_and(|smoothed| smoothed > ALWAYS_FAST && smoothed / 9 >= self.usual / 5)
    }

    /// What 19 of 20 attempts stay below; `None` while too few are known.
    pub(crate) fn p95(&self) -> Option<u32> {
        if self.recent.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<_> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let index = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied()
    }
}

/// One step of an exponentially weighted average, with a weight in thousandths.
fn step(before: u32, observed: u32, weight: u64) -> u32 {
    let sum = u64::from(before) * (1_000 - weight) + u64::from(observed) * weight;
    u32::try_from(sum / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_slower_shows_within_five_segments_and_heals_with_one() {
        let mut latency = Latency::default();
        for _ in 0..30 {
            latency.observe(300);
        }
        assert!(!latency.is_slow());
        let slow_after = (1..=5).find(|_| {
            latency.observe(900);
            latency.is_slow()
        });
        assert!(slow_after.is_some_and(|segments| segments <= 4), "{slow_after:?}");
        latency.observe(320);
        assert!(!latency.is_slow());
        assert_eq!(latency.smoothed(), Some(320));
    }

    #[test]
    fn jitter_of_a_fast_one_is_not_slowness() {
        let mut latency = Latency::default();
        for permille in [20, 25, 20, 90, 22, 150, 21, 200] {
            latency.observe(permille);
        }
        assert!(!latency.is_slow());
    }

    #[test]
    fn the_spread_needs_four_attempts() {
        let mut latency = Latency::default();
        for permille in [100, 200, 150] {
            latency.observe(permille);
            assert_eq!(latency.p95(), None);
        }
        latency.observe(900);
        assert_eq!(latency.p95(), Some(900));
        (0..20).for_each(|_| latency.observe(100));
        assert_eq!(latency.p95(), Some(100));
    }

    #[test]
    fn a_new_one_that_was_given_up_early_is_not_known_as_fast() {
        let mut latency = Latency::default();
        latency.observe_at_least(120);
        assert_eq!(latency.smoothed(), None);
        latency.observe_at_least(900);
        assert_eq!(latency.smoothed(), Some(900));
    }

    #[test]
    fn an_attempt_that_was_given_up_counts_only_upwards() {
        let mut latency = Latency::remembered(400);
        latency.observe_at_least(300);
        assert_eq!(latency.smoothed(), Some(400));
        latency.observe_at_least(1_400);
        assert_eq!(latency.smoothed(), Some(1_100));
        assert_eq!(permille(Duration::from_millis(500), Duration::from_secs(2)), 250);
        assert_eq!(permille(Duration::from_millis(500), Duration::from_millis(20)), 500);
    }
}
