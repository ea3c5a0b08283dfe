//! How a refusal looks.

use serde::{Deserialize, Serialize};

/// Header of the answer to a request whose ticket params are too old: where to ask for new ones.
pub const ORCHESTRATOR_URL: &str = "livepeer-orchestrator-url";

/// Body of every answer that isn't 200, as go-livepeer's signer gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For people.
    pub message: String,
    /// A short name of the reason. Not of go-livepeer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The limit that was reached, such as `hour`. Not of go-livepeer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// In how many seconds the same request may be granted; absent where waiting doesn't help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl ErrorAnswer {
    /// With a message only.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { error: ErrorBody { message, code: None, limit: None, retry_after: None } }
    }
}
