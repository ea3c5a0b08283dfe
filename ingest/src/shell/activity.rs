//! When a publisher was last heard, and whether it has left.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The last time any byte of a publisher arrived, and whether its publish is over. Written by its
/// connection, read by whoever decides whether a second publisher may take its place.
#[derive(Debug)]
pub struct Activity {
    base: Instant,
    /// Milliseconds after `base`.
    last: AtomicU64,
    ended: AtomicBool,
}

impl Activity {
    /// Heard at `now`.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { base: now, last: AtomicU64::new(0), ended: AtomicBool::new(false) }
    }

    /// Notes that bytes arrived at `now`.
    pub fn touch(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.base).as_millis();
        self.last.fetch_max(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes that the publish is over, for good: its last event is all that may still come.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether the publish is over. True before [`PublisherEvent::Ended`](crate::PublisherEvent::Ended)
    /// is sent, so a publisher that returns at once need not wait until the stream has read that.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// How long no byte has arrived, to the millisecond.
    #[must_use]
    pub fn silent_for(&self, now: Instant) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        now.saturating_duration_since(self.base).saturating_sub(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_touch() {
        let start = crate::shell::now();
        let activity = Activity::new(start);
        activity.touch(start + Duration::from_secs(3));
        activity.touch(start + Duration::from_secs(1));
        assert_eq!(activity.silent_for(start + Duration::from_secs(8)), Duration::from_secs(5));
        assert_eq!(activity.silent_for(start), Duration::ZERO);
    }
}
