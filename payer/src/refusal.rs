//! Why nothing is paid, and so nothing is sent.

use tickets::{LedgerError, Price, Remedy, SenderError};

use crate::budget::Budget;

/// Why a segment is not paid for. No nonce is used, nothing is on record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A price without the terms to pay it on.
    #[error(
        "missing ticket params: the orchestrator asks for {0} wei per pixel and takes no tickets"
    )]
    MissingParams(Price),
    /// It asks for more than is paid.
    #[error("price: {price} wei per pixel, where at most {cap} are paid")]
    PriceOverCap {
        /// What it asks.
        price: Price,
        /// The most that is paid.
        cap: Price,
    },
    /// It asks for more than twice what it asked at the session's start.
    #[error("Orchestrator price has more than doubled, from {initial} to {price} wei per pixel")]
    PriceDoubled {
        /// At the start.
        initial: Price,
        /// Now.
        price: Price,
    },
    /// The sender's checks.
    #[error(transparent)]
    Sender(#[from] SenderError),
    /// The session's account can't take it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It would take more than the operator allows.
    #[error("budget: {budget} leaves {left} wei, and {wanted} are needed")]
    Budget {
        /// Which.
        budget: Box<Budget>,
        /// Whether it leaves too little for any pool, not only for this one.
        used_up: bool,
        /// What may still be spent, rounded down.
        left: String,
        /// What the tickets are worth, rounded up.
        wanted: String,
    },
    /// The chain has not been heard of, or not for too long.
    #[error("chain: no recent block is known, so tickets might not be redeemable")]
    ChainUnknown,
    /// More sessions of one recipient than are kept: its session ids are not to be trusted.
    #[error("too many sessions of this orchestrator are paid at once")]
    ManySessions,
    /// More sessions than there are accounts for.
    #[error("too many sessions are paid at once")]
    TooManySessions,
}

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// New terms from the same orchestrator.
    Refresh,
    /// Another orchestrator.
    Other,
    /// It asks too much: another orchestrator.
    Price,
    /// Another pool, for which a part of the budget is kept.
    Pool,
    /// None, until the operator or time allows it again.
    Nobody,
}

impl Refusal {
    /// What follows from it.
    #[must_use]
    pub const fn class(&self) -> RefusalClass {
        match self {
            Self::PriceOverCap { .. } | Self::PriceDoubled { .. } => RefusalClass::Price,
            Self::MissingParams(_) | Self::ManySessions | Self::Ledger(_) => RefusalClass::Other,
            Self::Budget { used_up: false, .. } => RefusalClass::Pool,
            Self::Budget { .. } | Self::ChainUnknown | Self::TooManySessions => {
                RefusalClass::Nobody
            }
            Self::Sender(error) => match error.remedy() {
                Remedy::Refresh => RefusalClass::Refresh,
                Remedy::Other => RefusalClass::Other,
                Remedy::Operator => RefusalClass::Nobody,
            },
        }
    }

    /// Whether the deposit is too small for what winning tickets would pay: for the operator to know,
    /// though another orchestrator may ask for less.
    #[must_use]
    pub const fn is_for_want_of_funds(&self) -> bool {
        matches!(self, Self::Sender(SenderError::FaceValueTooHigh { .. }))
    }

    /// A short name for records and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MissingParams(_) => "missing_params",
            Self::PriceOverCap { .. } => "price",
            Self::PriceDoubled { .. } => "price_doubled",
            Self::Sender(error) => error.kind(),
            Self::Ledger(_) => "ledger",
            Self::Budget { .. } => "budget",
            Self::ChainUnknown => "chain_unknown",
            Self::ManySessions => "many_sessions",
            Self::TooManySessions => "too_many_sessions",
        }
    }
}
