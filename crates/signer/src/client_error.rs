//! Why a signer gave nothing that can be used.

use std::time::Duration;

use tickets::Address;

/// What a signer did that it never may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It signs for another address than before, or than was configured.
    #[error("it signs for {found}, not for {expected}")]
    OtherAddress {
        /// Who pays.
        expected: Address,
        /// Who it says it signs for.
        found: Address,
    },
    /// A signature isn't the payer's.
    #[error("bad signature: {0}")]
    BadSignature(String),
    /// The answer isn't one of a signer.
    #[error("unreadable answer: {0}")]
    Unreadable(String),
}

/// Why a signer gave nothing that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// No connection, no answer in time, or an answer that says to come back.
    #[error("signer unreachable: {message}")]
    Unreachable {
        /// Why.
        message: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// One of its limits is reached.
    #[error("signer's limit {limit} reached: {message}")]
    Limited {
        /// Which: `hour`, `day`, `total` or `stream`.
        limit: String,
        /// The signer's words.
        message: String,
        /// When the same may be granted; `None` where waiting doesn't help.
        retry_after: Option<Duration>,
    },
    /// It doesn't sign this: the request, or the orchestrator's terms, can't be used.
    #[error("signer refused ({code}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// A short name: `request`, `nonce`, `expired`, …
        code: String,
        /// The signer's words.
        message: String,
    },
    /// It doesn't know the token.
    #[error("signer refused the token: {0}")]
    Unauthorized(String),
    /// It must not be used.
    #[error("signer distrusted: {0}")]
    Distrusted(#[from] Distrust),
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignerErrorKind {
    /// Try again later: nobody can be paid with tickets now.
    Unreachable,
    /// Nobody can be paid as much now.
    Limited,
    /// This payment can't be had; others can.
    Refused,
    /// Nobody can be paid until the operator acts.
    Unauthorized,
    /// Nobody can be paid until the operator acts.
    Distrusted,
}

impl SignerErrorKind {
    /// A short name for records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "signer_unreachable",
            Self::Limited => "signer_limit",
            Self::Refused => "signer_refused",
            Self::Unauthorized => "signer_unauthorized",
            Self::Distrusted => "signer_distrusted",
        }
    }
}

impl SignerError {
    /// What follows from it.
    #[must_use]
    pub const fn kind(&self) -> SignerErrorKind {
        match self {
            Self::Unreachable { .. } => SignerErrorKind::Unreachable,
            Self::Limited { .. } => SignerErrorKind::Limited,
            Self::Refused { .. } => SignerErrorKind::Refused,
            Self::Unauthorized(_) => SignerErrorKind::Unauthorized,
            Self::Distrusted(_) => SignerErrorKind::Distrusted,
        }
    }

    /// When to ask again, where the signer said it.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { retry_after, .. } | Self::Limited { retry_after, .. } => {
                *retry_after
            }
            Self::Refused { .. } | Self::Unauthorized(_) | Self::Distrusted(_) => None,
        }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::Unreachable { message: message.into(), retry_after: None }
    }
}
