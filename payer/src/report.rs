//! Where every wei went.

use std::ops::AddAssign;

use tickets::Wei;

/// Sums of a part of the record: `sent = debited + written_off + in_doubt + in_flight + left`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportTotals {
    /// Attempts that were paid, or could have been.
    pub attempts: u64,
    /// Of these, done.
    pub segments: u64,
    /// Pixels that came back.
    pub pixels: u64,
    /// How long the segments play that came back, in microseconds; twice where one came back twice.
    pub duration_micros: u64,
    /// Tickets that were made.
    pub tickets: u64,
    /// What tickets are worth that left the house.
    pub sent: Wei,
    /// What work cost.
    pub debited: Wei,
    /// What was taken without a result.
    pub written_off: Wei,
    /// What was sent, and nobody knows whether it arrived.
    pub in_doubt: Wei,
    /// What goes along with attempts in flight.
    pub in_flight: Wei,
    /// What is left on accounts, or owed where it is negative.
    pub left: Wei,
}

impl ReportTotals {
    /// Whether every wei that was sent is accounted for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let parts = [&self.debited, &self.written_off, &self.in_doubt, &self.in_flight, &self.left];
        parts.into_iter().cloned().sum::<Wei>() == self.sent
    }
}

impl AddAssign<&Self> for ReportTotals {
    /// Adds sums of another part. Counts end at what fits.
    fn add_assign(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.segments = self.segments.saturating_add(other.segments);
        self.pixels = self.pixels.saturating_add(other.pixels);
        self.duration_micros = self.duration_micros.saturating_add(other.duration_micros);
        self.tickets = self.tickets.saturating_add(other.tickets);
        self.sent += &other.sent;
        self.debited += &other.debited;
        self.written_off += &other.written_off;
        self.in_doubt += &other.in_doubt;
        self.in_flight += &other.in_flight;
        self.left += &other.left;
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// The stream's name.
    pub stream: String,
    /// The orchestrator's URL.
    pub orchestrator: String,
    /// The day, by UTC, as `2026-11-28`.
    pub day: String,
    /// Its sums.
    pub totals: ReportTotals,
}
