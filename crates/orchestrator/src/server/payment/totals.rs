//! Sums of what was paid.

use tickets::Wei;

/// What an orchestrator was paid and has charged since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentTotals {
    /// Value of all tickets that were credited.
    pub credited: Wei,
    /// What the work that was done cost.
    pub debited: Wei,
    /// Tickets credited.
    pub tickets: u64,
    /// Tickets that won, credited or not.
    pub winning: u64,
    /// Payments taken, those without tickets included.
    pub payments: u64,
    /// Payments refused.
    pub refused: u64,
}
