//! What can go wrong with an orchestrator, and what to do about it.

use std::time::Duration;

use crate::{AddressError, EthAddressError, ForbiddenAddress, MediaFault, PriceError};

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS for orchestrators can't be set up: {0}")]
pub struct ClientSetupError(#[from] rustls::Error);

/// What a failed attempt means for the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Send it again to the same orchestrator, over a new session.
    Same,
    /// Send it to another orchestrator.
    Other,
    /// Give it up: no orchestrator will do better.
    Never,
}

/// Why an orchestrator offered no session.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It can't be reached, or does not speak the protocol.
    #[error("orchestrator not reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("orchestrator did not answer within {0:?}")]
    Timeout(Duration),
    /// It has no free session.
    #[error("orchestrator has no free session")]
    Capped,
    /// It does not serve this gateway.
    #[error("orchestrator refused: {0}")]
    Refused(String),
    /// It names no service URI: the node does no work itself.
    #[error("orchestrator names no service URI")]
    NoTranscoder,
    /// Its service URI can't be used.
    #[error("orchestrator's service URI: {0}")]
    ServiceUri(AddressError),
    /// It, or where it says it takes segments, is where the policy forbids it to be.
    #[error("orchestrator's address: {0}")]
    ForbiddenAddress(#[from] ForbiddenAddress),
    /// It sent no token.
    #[error("orchestrator sent no auth token")]
    MissingToken,
    /// Its token is too large to carry in a header.
    #[error("orchestrator sent an oversized auth token")]
    OversizedToken,
    /// It quotes a price that is none.
    #[error("orchestrator's price: {0}")]
    BadPrice(#[from] PriceError),
    /// It names a key, or a recipient of payments, that is no address.
    #[error("orchestrator's identity: {0}")]
    BadEthAddress(#[from] EthAddressError),
    /// It can't do what the job needs.
    #[error("orchestrator lacks capabilities the job needs")]
    Incompatible,
}

impl DiscoveryError {
    /// A bounded label for logs and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Capped => "capped",
            Self::Refused(_) => "refused",
            Self::NoTranscoder => "no_transcoder",
            Self::ServiceUri(_) => "service_uri",
            Self::ForbiddenAddress(_) => "forbidden_address",
            Self::MissingToken | Self::OversizedToken => "token",
            Self::BadPrice(_) => "price",
            Self::BadEthAddress(_) => "eth_address",
            Self::Incompatible => "incompatible",
        }
    }

    /// Whether it tells against the orchestrator; being full does not.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::Capped)
    }
}

/// Why a session could not be ended, or a ping was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It can't be reached.
    #[error("orchestrator not reached: {0}")]
    Unreachable(String),
    /// It answered with an error.
    #[error("orchestrator refused: {0}")]
    Refused(String),
    /// It did not answer in time.
    #[error("orchestrator did not answer within {0:?}")]
    Timeout(Duration),
}

/// Why an attempt to have a segment transcoded failed. Variants name the side at fault.
#[derive(Debug, thiserror::Error)]
pub enum TranscodeError {
    /// The job itself breaks a limit of the wire.
    #[error("the job can't be sent: {0}")]
    InvalidJob(&'static str),
    /// No connection.
    #[error("orchestrator not reached: {0}")]
    Connect(String),
    /// Where it says it takes segments is where the policy forbids it to be.
    #[error("orchestrator's address: {0}")]
    ForbiddenAddress(#[from] ForbiddenAddress),
    /// The connection broke while the segment went up or the result was awaited.
    #[error("connection to the orchestrator broke: {0}")]
    Transport(String),
    /// No response headers within the job's upload timeout.
    #[error("upload took longer than {0:?}")]
    UploadTimeout(Duration),
    /// No result within the job's timeout.
    #[error("transcoding took longer than {0:?}")]
    TranscodeTimeout(Duration),
    /// It no longer knows the session's token or ticket params (it restarted), or they are too old.
    #[error("orchestrator does not accept the session: {0}")]
    TokenRejected(String),
    /// It has no free session.
    #[error("orchestrator has no free session")]
    Capped,
    /// Too many segments of this session wait already.
    #[error("orchestrator is busy with earlier segments of the session")]
    Busy,
    /// It answered with a status other than 200.
    #[error("orchestrator refused with status {status}: {text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The start of the body.
        text: String,
    },
    /// A fault of the segment, not of the orchestrator.
    #[error("segment can't be transcoded: {}", .0.as_str())]
    Media(MediaFault),
    /// It could not transcode.
    #[error("orchestrator failed: {0}")]
    Failed(String),
    /// Its answer is no result: unreadable, neither error nor data, or the wrong number of renditions.
    #[error("orchestrator's result is unusable: {0}")]
    BadResult(String),
    /// A rendition's URL is not on the orchestrator's own origin.
    #[error("rendition is offered at a foreign URL: {0}")]
    ForeignUrl(String),
    /// A rendition could not be fetched.
    #[error("rendition {rendition} could not be fetched: {reason}")]
    Download {
        /// Name of the profile.
        rendition: String,
        /// What happened.
        reason: String,
    },
}

impl TranscodeError {
    /// What it means for the segment.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::TokenRejected(_) => Retry::Same,
            Self::InvalidJob(_) | Self::Media(_) => Retry::Never,
            Self::Connect(_)
            | Self::ForbiddenAddress(_)
            | Self::Transport(_)
            | Self::UploadTimeout(_)
            | Self::TranscodeTimeout(_)
            | Self::Capped
            | Self::Busy
            | Self::Refused { .. }
            | Self::Failed(_)
            | Self::BadResult(_)
            | Self::ForeignUrl(_)
            | Self::Download { .. } => Retry::Other,
        }
    }

    /// A bounded label for logs and metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InvalidJob(_) => "invalid_job",
            Self::Connect(_) => "connect",
            Self::ForbiddenAddress(_) => "forbidden_address",
            Self::Transport(_) => "transport",
            Self::UploadTimeout(_) => "upload_timeout",
            Self::TranscodeTimeout(_) => "transcode_timeout",
            Self::TokenRejected(_) => "token",
            Self::Capped => "capped",
            Self::Busy => "busy",
            Self::Refused { .. } => "refused",
            Self::Media(_) => "media",
            Self::Failed(_) => "failed",
            Self::BadResult(_) => "bad_result",
            Self::ForeignUrl(_) => "foreign_url",
            Self::Download { .. } => "download",
        }
    }

    /// Whether it tells against the orchestrator. Being full or busy, having restarted, or meeting a
    /// broken segment does not.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::TokenRejected(_)
                | Self::Capped
                | Self::Busy
                | Self::InvalidJob(_)
                | Self::Media(_)
        )
    }

    /// The error a non-200 status and its body stand for (livepeer-wire §3.5).
    pub(crate) fn from_status(status: u16, text: &str) -> Self {
        let text = text.trim();
        match (status, text) {
            (403, "invalid auth token" | "expired auth token" | "missing auth token") => {
                Self::TokenRejected(text.to_owned())
            }
            (403, "OrchestratorCapped") => Self::Capped,
            // livepeer-wire §4.8.
            (400, _)
                if text.contains("TicketParams expired")
                    || text.contains("invalid recipientRand") =>
            {
                Self::TokenRejected(clip(text))
            }
            _ => Self::Refused { status, text: text.to_owned() },
        }
    }

    /// The error a text inside a `TranscodeResult` stands for (livepeer-wire §3.5).
    pub(crate) fn from_result(text: &str) -> Self {
        if text.contains("OrchestratorBusy") {
            return Self::Busy;
        }
        if text.contains("OrchestratorCapped") {
            return Self::Capped;
        }
        MediaFault::find(text).map_or_else(|| Self::Failed(clip(text)), Self::Media)
    }
}

/// Whether a failure to connect is one of policy.
pub(crate) fn forbidden(error: &(dyn std::error::Error + 'static)) -> Option<ForbiddenAddress> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(forbidden) = error.downcast_ref::<ForbiddenAddress>() {
            return Some(forbidden.clone());
        }
        next = error.source();
    }
    None
}

/// A text with an error's causes, which say what was refused, and by whom; its start.
pub(crate) fn with_causes(text: &str, error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    clip(&causes.fold(text.to_owned(), |text, cause| format!("{text}: {cause}")))
}

/// The start of a peer's text: enough for a log line.
pub(crate) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_say_what_to_do() {
        let table = [
            (402, "base64 decode error: x\n", "refused", Retry::Other, true),
            (403, "ErrorSegEncoding\n", "refused", Retry::Other, true),
            (403, "invalid duration\n", "refused", Retry::Other, true),
            (403, "ErrSegSig\n", "refused", Retry::Other, true),
            (403, "incompatible capabilities\n", "refused", Retry::Other, true),
            (403, "missing auth token\n", "token", Retry::Same, false),
            (403, "invalid auth token\n", "token", Retry::Same, false),
            (403, "expired auth token\n", "token", Retry::Same, false),
            (403, "OrchestratorCapped\n", "capped", Retry::Other, false),
            (403, "Forbidden\n", "refused", Retry::Other, true),
            (400, "Insufficient balance\n", "refused", Retry::Other, true),
            (500, "Internal Server Error\n", "refused", Retry::Other, true),
        ];
        for (status, text, kind, retry, fault) in table {
            let error = TranscodeError::from_status(status, text);
            assert_eq!(error.kind(), kind, "{text}");
            assert_eq!(error.retry(), retry, "{text}");
            assert_eq!(error.is_fault(), fault, "{text}");
        }
    }

    #[test]
    fn result_texts_say_what_to_do() {
        let table = [
            ("OrchestratorBusy", "busy", Retry::Other, false),
            ("OrchestratorCapped", "capped", Retry::Other, false),
            ("MismatchedSegments", "failed", Retry::Other, true),
            ("ZeroSegments", "failed", Retry::Other, true),
            ("no transcoders available", "failed", Retry::Other, true),
            ("Remote transcoder took too long", "failed", Retry::Other, true),
            ("No keyframes in input", "media", Retry::Never, false),
            ("lpms: TranscoderInvalidVideo", "media", Retry::Never, false),
        ];
        for (text, kind, retry, fault) in table {
            let error = TranscodeError::from_result(text);
            assert_eq!(error.kind(), kind, "{text}");
            assert_eq!(error.retry(), retry, "{text}");
            assert_eq!(error.is_fault(), fault, "{text}");
        }
    }
}
