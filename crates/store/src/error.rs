//! What can go wrong with the store, and with a row of it.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use media::SequenceNumber;
use orchestrator::AddressError;
use payer::PaymentId;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// In a file.
    File(PathBuf),
    /// On a server: its URL, without a password.
    Server(String),
}

impl From<&Path> for StorePlace {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(url) => f.write_str(url),
        }
    }
}

/// Why the store could not be opened, read or written.
///
/// The engine's own words are part of the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file can't be opened or created, or is no database; the server can't be reached, lets nobody
    /// in, or has no such database.
    #[error("the store {place} can't be opened: {fault}")]
    Open {
        /// Which one.
        place: StorePlace,
        /// What the engine says.
        fault: String,
    },
    /// The text is no URL of a server; it isn't repeated, since it may hold a password.
    #[error("the store's URL can't be used: {0}")]
    Url(&'static str),
    /// A later version of the program has written it.
    #[error(
        "the store {place} has schema {found}, and this version knows none above {known}: \
         use the version that wrote it, or another store"
    )]
    SchemaTooNew {
        /// Which one.
        place: StorePlace,
        /// The first version of its schema that this version of the program does not know.
        found: i64,
        /// The latest it knows.
        known: i64,
    },
    /// The schema can't be brought up to date, is not what its version says, or is of an earlier version
    /// where it is only read.
    #[error("the schema of the store {place} can't be used: {fault}")]
    Schema {
        /// Which one.
        place: StorePlace,
        /// What the engine says.
        fault: String,
    },
    /// It took too long. A write may still take effect.
    #[error("the store did not {operation} within {limit:?}")]
    Timeout {
        /// What it was to do.
        operation: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It was closed before.
    #[error("the store is closed")]
    Closed,
    /// The engine failed: no space, another process that holds the file, damage.
    #[error("the store can't {operation}: {fault}")]
    Engine {
        /// What it was to do.
        operation: &'static str,
        /// What the engine says.
        fault: String,
    },
    /// A number that no column can hold.
    #[error("sequence number {0} is too large to be kept")]
    SequenceTooLarge(SequenceNumber),
    /// A number of a payment that no column can hold.
    #[error("{column} is {value}, too large to be kept")]
    NumberTooLarge {
        /// The column's name.
        column: &'static str,
        /// The number.
        value: u64,
    },
    /// Another gateway writes to the same ledger.
    #[error(
        "another gateway writes to the ledger of this store; give each gateway a store of its own"
    )]
    LedgerTaken,
    /// Another gateway wrote to the ledger while this one had lost its connection.
    #[error(
        "another gateway wrote to the ledger of this store while the connection was lost; restart this \
         one to go on from what is there"
    )]
    LedgerMoved,
    /// A payment of that name is on record: another gateway writes to the same store, or it was
    /// appended twice.
    #[error("payment {0} is on record already; does another gateway use the same store?")]
    PaymentTwice(PaymentId),
    /// What was kept can't be understood.
    #[error("the store holds what can't be read: {0}")]
    Row(#[from] RowError),
}

/// Why a row can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// It names no orchestrator.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A text that is no amount, no price, or none of the words it may be.
    #[error("{column} holds no {what}")]
    Unreadable {
        /// The column's name.
        column: &'static str,
        /// What it should be.
        what: &'static str,
    },
    /// A number outside of its range.
    #[error("{column} is {value}")]
    OutOfRange {
        /// The column's name.
        column: &'static str,
        /// What it holds.
        value: i64,
    },
}
