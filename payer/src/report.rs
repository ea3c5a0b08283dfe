//! Where every wei went.

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
