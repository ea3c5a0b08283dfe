//! What an engine says when it did not do what it was asked to.

use crate::error::RowError;

/// Why the engine did not do what it was asked to.
#[derive(Clone, Debug)]
pub(super) enum EngineError {
    /// No connection came free in time.
    Late,
    /// It was closed.
    Closed,
    /// A payment of that name is there.
    Twice(i64),
    /// It has done it, and what it found makes no sense.
    Row(RowError),
    /// In its own words.
    Other(String),
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
            sqlx::Error::PoolTimedOut => Self::Late,
            sqlx::Error::PoolClosed => Self::Closed,
            other => Self::Other(other.to_string()),
        }
    }
}
