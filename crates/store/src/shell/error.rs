//! What an engine says when it did not do what it was asked to.

use std::fmt;

use crate::error::RowError;

/// Why the engine did not do what it was asked to.
#[derive(Clone, Debug)]
pub(super) enum EngineError {
    /// It was not done in time.
    Late,
    /// It was closed.
    Closed,
    /// It was opened to be read.
    ReadOnly,
    /// Another gateway is the ledger's writer.
    LedgerTaken,
    /// Another gateway was the ledger's writer in between.
    LedgerMoved,
    /// A payment of that name is there.
    Twice(i64),
    /// A row of that name is there, or one that was to be changed is not.
    Conflict,
    /// The connection is not the one on which it was begun, or read.
    Anew,
    /// A part of a batch is there, and not all of it.
    InPart,
    /// It has done it, and what it found makes no sense.
    Row(RowError),
    /// In its own words.
    Other(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it took too long"),
            Self::Closed => f.write_str("it is closed"),
            Self::ReadOnly => f.write_str("it was opened to be read"),
            Self::LedgerTaken => f.write_str("another gateway writes to its ledger"),
            Self::LedgerMoved => f.write_str("another gateway wrote to its ledger in between"),
            Self::Twice(payment) => write!(f, "payment {payment} is on record already"),
            Self::Conflict => f.write_str("a row is there that was new, or is not there any more"),
            Self::Anew => f.write_str("its connection was lost"),
            Self::InPart => f.write_str("a part of these entries is on record already"),
            Self::Row(fault) => fault.fmt(f),
            Self::Other(fault) => f.write_str(fault),
        }
    }
}

impl From<RowError> for EngineError {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl From<sqlx::Error> for EngineError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the driver's errors are open-ended, and all others are told in its words"
    )]
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(fault) if fault.is_unique_violation() => Self::Conflict,
            other => Self::Other(other.to_string()),
        }
    }
}
