//! What is put on record.

use std::{fmt, time::SystemTime};

use tickets::{NonceMark, Price, Settlement, Wei};

/// Names a payment of a gateway, once and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(pub u64);

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that happened to money, for a store that keeps all of it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// To be on record before a ticket leaves the house.
    Sent(Box<Sent>),
    /// How that ended.
    Settled(Box<Settled>),
    /// A session's account is closed; what was left on it is lost, or owed where it is negative.
    Closed {
        /// When.
        at: SystemTime,
        /// Whose account.
        recipient: [u8; 20],
        /// Of which session.
        session_id: String,
        /// What was left.
        left: Wei,
    },
}

/// A payment that goes along with a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its name, once and for ever.
    pub payment: PaymentId,
    /// When.
    pub at: SystemTime,
    /// The stream's name.
    pub stream: String,
    /// Whose stream it is.
    pub owner: Option<String>,
    /// The segment's number.
    pub sequence: u64,
    /// The stream's attempt.
    pub attempt: u64,
    /// The orchestrator's URL.
    pub orchestrator: String,
    /// Who is paid; zero where nothing is.
    pub recipient: [u8; 20],
    /// The orchestrator's session.
    pub session_id: String,
    /// What it asks.
    pub price: Price,
    /// Pixels the segment was taken to have.
    pub estimated_pixels: u64,
    /// How long the segment plays, in microseconds.
    pub duration_micros: u64,
    /// Credit of before that went along; may be negative.
    pub carried: Wei,
    /// Tickets.
    pub tickets: u32,
    /// What they are worth.
    pub added: Wei,
    /// How far nonces are used once they are sent.
    pub mark: Option<NonceMark>,
}

/// How an attempt ended, for the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing left the house.
    Withdrawn,
    /// The request was begun, and no response header came.
    NoAnswer,
    /// There was an answer, and no result.
    Failed,
    /// It was done: so many pixels.
    Done {
        /// Pixels of all renditions.
        pixels: u64,
    },
}

impl Ending {
    /// A short name for records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
            Self::Done { .. } => "done",
        }
    }
}

/// Where a payment went: the four amounts of the settlement are what was carried and added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which payment.
    pub payment: PaymentId,
    /// When.
    pub at: SystemTime,
    /// How the attempt ended.
    pub ending: Ending,
    /// Where the money went.
    pub settlement: Settlement,
}
