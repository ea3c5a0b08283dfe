//! Why a WHIP request is turned away, and what it is told.

use http::StatusCode;
use peers::{FragmentError, OfferError};

use crate::Refusal;

/// Every way in which a request is turned away. The text is told to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhipRefusal {
    /// Neither a bearer token nor a key in the path.
    #[error("a stream key is missing: send it as Authorization: Bearer KEY, or post to /whip/KEY")]
    NoKey,
    /// Another token than the session was made with, or none.
    #[error("this is another publisher's session")]
    NotYours,
    /// There is no such session, or no longer.
    #[error("there is no such session")]
    NoSession,
    /// Not what the resource takes.
    #[error("the method is not allowed here; these are: {0}")]
    Method(&'static str),
    /// Another kind of content.
    #[error("the content has to be {0}")]
    ContentType(&'static str),
    /// A body longer than is read.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// A body that did not come whole, or in time.
    #[error("the body did not come whole")]
    Body,
    /// An offer that can't be taken.
    #[error("{0}")]
    Offer(#[from] OfferError),
    /// A fragment that can't be taken.
    #[error("{0}")]
    Fragment(#[from] FragmentError),
    /// A PATCH that does not say of which ICE session it speaks.
    #[error("If-Match is missing: send the ETag, or * with new credentials to restart ICE")]
    NoIfMatch,
    /// A PATCH about an ICE session that is over.
    #[error("the ETag is not the session's: ICE was restarted")]
    Stale,
    /// `If-Match: *` without new credentials.
    #[error("If-Match: * restarts ICE, which needs another ice-ufrag and ice-pwd")]
    NothingToRestart,
    /// New credentials with an ETag.
    #[error("other ICE credentials restart ICE, which needs If-Match: *")]
    RestartUnasked,
    /// The restart failed. The session goes on, but its connection need not: part of the restart may have
    /// been done.
    #[error("ICE can't be restarted: {0}")]
    RestartFailed(String),
    /// The publisher is not let in.
    #[error("{0}")]
    Admission(#[from] Refusal),
    /// A limit is met.
    #[error("{0}")]
    Full(&'static str),
    /// The offer looks right, and can't be answered.
    #[error("{0}")]
    Unanswerable(String),
}

impl WhipRefusal {
    /// The status that says so.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoKey => StatusCode::UNAUTHORIZED,
            Self::NotYours => StatusCode::FORBIDDEN,
            Self::NoSession => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body => StatusCode::BAD_REQUEST,
            Self::Offer(error) if error.is_malformed() => StatusCode::BAD_REQUEST,
            Self::Fragment(FragmentError::Text(_) | FragmentError::Candidate) => {
                StatusCode::BAD_REQUEST
            }
            Self::NoIfMatch => StatusCode::PRECONDITION_REQUIRED,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::Offer(_)
            | Self::Fragment(FragmentError::Credentials | FragmentError::Empty)
            | Self::NothingToRestart
            | Self::RestartUnasked
            | Self::RestartFailed(_)
            | Self::Unanswerable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Admission(refusal) => match refusal {
                Refusal::UnknownKey | Refusal::Rejected(_) => StatusCode::FORBIDDEN,
                Refusal::AlreadyPublishing => StatusCode::CONFLICT,
                Refusal::ShuttingDown | Refusal::TooManyStreams => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A short, bounded name for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NoKey | Self::NotYours | Self::Admission(_) => "not admitted",
            Self::NoSession => "no session",
            Self::Method(_) | Self::ContentType(_) | Self::TooLarge(_) | Self::Body => "request",
            Self::Offer(_) | Self::Unanswerable(_) => "offer",
            Self::Fragment(_) => "fragment",
            Self::NoIfMatch | Self::Stale | Self::NothingToRestart | Self::RestartUnasked => {
                "precondition"
            }
            Self::RestartFailed(_) => "restart",
            Self::Full(_) => "full",
        }
    }
}
