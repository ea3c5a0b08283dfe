//! Every way to say no to a pushed segment, and the status that says it.

use http::StatusCode;

use super::{ConfigurationError, PathError, SegmentError, request::CONFIGURATION};

/// Why a pushed segment is not answered with its renditions. `Display` is what the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushRefusal {
    /// Neither POST nor PUT.
    #[error("segments are sent with PUT or POST")]
    Method,
    /// The path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A header field can't be read.
    #[error("{name}: {reason}")]
    Header {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The configuration header.
    #[error("{CONFIGURATION}: {0}")]
    Configuration(#[from] ConfigurationError),
    /// Something the gateway does not do.
    #[error("{0}")]
    NotBuilt(&'static str),
    /// The body broke off.
    #[error("the body broke off")]
    BodyBroken,
    /// The body did not come in time.
    #[error("the body did not come within {0} s")]
    BodyLate(u64),
    /// The body is longer than is taken.
    #[error("a segment has at most {limit} bytes")]
    TooLarge {
        /// Bytes taken.
        limit: u64,
    },
    /// No key, another key, or the webhook said no.
    #[error("{0}")]
    Forbidden(String),
    /// The body is not a segment that can be worked with.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Every attempt was used up, or every orchestrator finds fault with the media.
    #[error("{0}")]
    Unusable(String),
    /// A fault that may be over at the next try.
    #[error("{0}")]
    Transient(String),
    /// No more streams are taken.
    #[error("the gateway has no room for another stream")]
    NoStreamSlot,
    /// The header has profiles, and the stream has others.
    #[error("the profiles of the header are not those the stream has")]
    LaddersDisagree,
    /// The answer did not come in time.
    #[error("no result within {0} s")]
    ResultLate(u64),
    /// No orchestrator takes work.
    #[error("no orchestrator session is available")]
    NoOrchestrator,
    /// A bound on what is under way is reached; says which.
    #[error("{0}")]
    Full(&'static str),
    /// The gateway is about to end.
    #[error("the gateway is shutting down")]
    ShuttingDown,
}

impl PushRefusal {
    /// The response status. To clients, 422 is final for the segment, 500 and 503 may be tried again.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Path(_)
            | Self::Header { .. }
            | Self::Configuration(_)
            | Self::BodyBroken
            | Self::BodyLate(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Segment(_) | Self::Unusable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Transient(_)
            | Self::NoStreamSlot
            | Self::LaddersDisagree
            | Self::ResultLate(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotBuilt(_) => StatusCode::NOT_IMPLEMENTED,
            Self::NoOrchestrator | Self::Full(_) | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// Whether the same segment would be refused again: the refusal is its answer.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Segment(_) | Self::Unusable(_))
    }

    /// A short, bounded name for metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path(_) => "path",
            Self::Header { .. } => "header",
            Self::Configuration(_) => "configuration",
            Self::NotBuilt(_) => "not built",
            Self::BodyBroken => "body broken",
            Self::BodyLate(_) => "body late",
            Self::TooLarge { .. } => "too large",
            Self::Forbidden(_) => "forbidden",
            Self::Segment(_) => "segment",
            Self::Unusable(_) => "unusable",
            Self::Transient(_) => "transient",
            Self::NoStreamSlot => "no stream slot",
            Self::LaddersDisagree => "ladders disagree",
            Self::ResultLate(_) => "result late",
            Self::NoOrchestrator => "no orchestrator",
            Self::Full(_) => "full",
            Self::ShuttingDown => "shutting down",
        }
    }
}
