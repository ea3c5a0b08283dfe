//! How far wall time without media has been covered by stand-ins.

use std::time::{Duration, Instant};

/// A rest of wall time shorter than this gets no stand-in of its own: it is absorbed, the timeline
/// goes on without it, and program date time is that much early.
const SHORTEST: Duration = Duration::from_millis(100);

/// Most wall time made up for at once. A machine that slept for hours continues from now.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// Wall time since the last access unit, and what part of it stand-ins have covered.
///
/// Counted in arrival times, so neither the publisher's clock nor a stepped wall clock matters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Absence {
    covered_until: Instant,
    /// Whether a stand-in was made, or the publisher is known to have left: then the rest until its
    /// return is covered too.
    counts: bool,
}

impl Absence {
    /// Nothing has arrived since `last_arrival`.
    pub(crate) fn new(now: Instant, last_arrival: Instant, publisher_left: bool) -> Self {
        let earliest = now.checked_sub(CATCH_UP_MAX).unwrap_or(last_arrival);
        let covered_until = last_arrival.min(now).max(earliest);
        Self { covered_until, counts: publisher_left }
    }

    /// The publisher is known to have left.
    pub(crate) const fn publisher_left(&mut self) {
        self.counts = true;
    }

    /// Whether stand-ins cover the time until media is back.
    pub(crate) const fn counts(&self) -> bool {
        self.counts
    }

    pub(crate) const fn covered_until(&self) -> Instant {
        self.covered_until
    }

    /// When the next stand-in of length `goal` is due.
    pub(crate) fn due(&self, goal: Duration) -> Option<Instant> {
        self.covered_until.checked_add(goal)
    }

    /// Covers `goal` more when that much has passed; answers when it was due.
    pub(crate) fn cover(&mut self, now: Instant, goal: Duration) -> Option<Instant> {
        let due = self.due(goal).filter(|due| *due <= now)?;
        let earliest = now.checked_sub(CATCH_UP_MAX).unwrap_or(due);
        self.covered_until = due.max(earliest);
        self.counts = true;
        Some(due)
    }

    /// Media is back: what is left to cover, less than a whole stand-in.
    pub(crate) fn rest(&self, back: Instant) -> Option<Duration> {
        let rest = back.saturating_duration_since(self.covered_until);
        (self.counts && rest >= SHORTEST).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::instant;

    const GOAL: Duration = Duration::from_secs(2);

    #[test]
    fn covers_wall_time_in_whole_goals_and_a_rest() {
        let mut absence = Absence::new(instant(500), instant(0), true);
        assert_eq!(absence.cover(instant(1_999), GOAL), None);
        assert_eq!(absence.cover(instant(5_000), GOAL), Some(instant(2_000)));
        assert_eq!(absence.cover(instant(5_000), GOAL), Some(instant(4_000)));
        assert_eq!(absence.cover(instant(5_000), GOAL), None);
        assert_eq!(absence.rest(instant(5_000)), Some(Duration::from_secs(1)));
        assert_eq!(absence.rest(instant(4_099)), None);
    }

    #[test]
    fn a_short_silence_of_a_publisher_that_stayed_is_not_covered() {
        let mut absence = Absence::new(instant(0), instant(0), false);
        assert_eq!(absence.rest(instant(1_900)), None);
        assert!(absence.cover(instant(2_000), GOAL).is_some());
        assert!(absence.rest(instant(3_900)).is_some());
    }

    #[test]
    fn hours_asleep_make_a_minute_of_stand_ins() {
        let mut absence = Absence::new(instant(0), instant(0), true);
        let now = instant(10 * 3_600_000);
        let made = std::iter::from_fn(|| absence.cover(now, GOAL)).count();
        assert!(made <= 32, "{made}");
    }
}
