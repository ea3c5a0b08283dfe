//! When the next worker may be started.

use std::time::{Duration, Instant};

/// Doubles the wait after each failed start, up to a limit; a start that works clears it.
#[derive(Debug, Default)]
pub(super) struct SpawnBackoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl SpawnBackoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// The earliest time of the next start; `None` for at once.
    pub(super) const fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    pub(super) fn failed(&mut self, now: Instant) {
        let wait = Self::FIRST.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.checked_add(wait);
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit_and_forgets_after_a_success() {
        let now = tokio::time::Instant::now().into_std();
        let mut backoff = SpawnBackoff::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            backoff.failed(now);
            waits.push(backoff.not_before().unwrap().duration_since(now).as_millis());
        }
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        backoff.succeeded();
        assert_eq!(backoff.not_before(), None);
    }
}
