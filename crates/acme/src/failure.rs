//! Why there is no certificate.

use std::time::Duration;

use https::printable;
use instant_acme::{Error, Problem};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Nobody answers, or somebody else does.
    Unreached,
    /// The server, or those who check domains for it, won't have it so.
    Refused,
    /// The server does not know the account: it has to be made anew.
    NoAccount,
}

impl FailureKind {
    /// A short, bounded name for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreached => "unreached",
            Self::Refused => "refused",
            Self::NoAccount => "no account",
        }
    }
}

/// Why there is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AcmeFailure {
    /// What follows from it.
    pub kind: FailureKind,
    /// A line of text, in parts others' words.
    pub reason: String,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl AcmeFailure {
    pub(crate) fn refused(reason: impl AsRef<str>) -> Self {
        let reason = printable(reason.as_ref());
        Self { kind: FailureKind::Refused, reason, retry_after: None }
    }

    pub(crate) fn unreached(reason: impl AsRef<str>) -> Self {
        let reason = printable(reason.as_ref());
        Self { kind: FailureKind::Unreached, reason, retry_after: None }
    }
}

impl From<Error> for AcmeFailure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(problem) => {
                let unknown = problem.r#type.as_deref()
                    == Some("urn:ietf:params:acme:error:accountDoesNotExist");
                let kind = if unknown { FailureKind::NoAccount } else { FailureKind::Refused };
                Self { kind, ..Self::refused(said(problem)) }
            }
            // The transport's own, and what no ACME server says: a proxy's page, or nothing.
            Error::Other(_) | Error::Json(_) | Error::Str(_) | Error::Http(_) => {
                Self::unreached(error.to_string())
            }
            Error::Crypto
            | Error::KeyRejected
            | Error::InvalidUri(_)
            | Error::Timeout(_)
            | Error::Unsupported(_)
            | _ => Self::refused(error.to_string()),
        }
    }
}

/// What a server said, in its words where it has any.
pub(crate) fn said(problem: &Problem) -> String {
    let Problem { r#type, detail, subproblems, .. } = problem;
    let mut text = detail.clone().or_else(|| r#type.clone()).unwrap_or_default();
    for sub in subproblems {
        text.push_str("; ");
        text.push_str(sub.detail.as_deref().or(sub.r#type.as_deref()).unwrap_or_default());
    }
    text
}
