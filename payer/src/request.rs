//! What an attempt wants to be paid for.

use std::time::Duration;

use tickets::{PaidRendition, Price, TicketParams};

/// What an orchestrator asks, all from one of its messages: its ticket params commit to the price
/// (livepeer-wire §4.1), so no two messages may be mixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The session's id, from the orchestrator's token: credit belongs to it.
    pub session_id: String,
    /// What pixels cost.
    pub price: Price,
    /// What tickets have to be; `None` from one that takes no payment.
    pub params: Option<TicketParams>,
}

/// A segment about to be sent to an orchestrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRequest {
    /// The stream's name.
    pub stream: String,
    /// Whose stream it is, where the operator says so.
    pub owner: Option<String>,
    /// The segment's sequence number.
    pub sequence: u64,
    /// The stream's attempt.
    pub attempt: u64,
    /// The orchestrator's address on the network, for records.
    pub orchestrator: String,
    /// The pool through which it is used, for budgets that keep something back.
    pub pool: String,
    /// What it asks.
    pub terms: Terms,
    /// The most that may be paid for pixels; `None`: any price.
    pub price_cap: Option<Price>,
    /// What is asked for.
    pub renditions: Vec<PaidRendition>,
    /// The segment's duration.
    pub duration: Duration,
}
