//! What has to be kept before a signature is given away.

use serde::{Deserialize, Serialize};
use tickets::{B256, Wei};

/// One line of the signer's journal. Amounts are exact, as `7` or `20/3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// Tickets are about to be signed.
    Signed(Signed),
    /// A journal begins with this: all that records up to `through` came to follows.
    Snapshot {
        /// Number of the last record that went into it.
        through: u64,
        /// Wei of expected value signed in all.
        total: String,
    },
    /// Of a snapshot: what a stream spent in a minute.
    Spent {
        /// Minutes since 1970.
        minute: u64,
        /// The stream.
        stream: String,
        /// Wei of expected value.
        ev: String,
    },
    /// Of a snapshot: nonces that were signed.
    Used {
        /// Of which params.
        recipient_rand_hash: String,
        /// A bit for each nonce.
        nonces: String,
        /// When one was last used, in minutes since 1970.
        minute: u64,
    },
    /// Of a snapshot: a payment that may be asked for again.
    Payment {
        /// Client and payment id.
        name: String,
        /// Digest of its request.
        digest: String,
    },
}

/// Tickets that are about to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Number of the record, one more than the one before.
    pub number: u64,
    /// Minutes since 1970.
    pub minute: u64,
    /// The stream.
    pub stream: String,
    /// Wei of expected value of all tickets.
    pub ev: String,
    /// Whose nonces.
    pub recipient_rand_hash: String,
    /// The first nonce.
    pub first_nonce: u32,
    /// How many.
    pub count: u32,
    /// Client and payment id, where the same request may come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Digest of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A record that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of the journal can't be read: {0}")]
pub struct RecordFault(pub(crate) &'static str);

pub(crate) fn hash(text: &str) -> Result<B256, RecordFault> {
    text.parse().map_err(|_| RecordFault("a digest"))
}

pub(crate) fn wei(text: &str) -> Result<Wei, RecordFault> {
    text.parse().map_err(|_| RecordFault("an amount"))
}
