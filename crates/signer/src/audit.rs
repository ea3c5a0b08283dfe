//! A line for each thing that was asked of a signer.

use serde::Serialize;

/// Longest text that a client chose, in characters.
const MAX_TEXT: usize = 256;

/// What was asked, by whom, and what came of it. Holds no secret and no signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// Name of the client's token, or `-` where none is needed.
    pub client: String,
    /// `identity`, `segment`, `live` or `login`.
    pub what: &'static str,
    /// `signed`, `repeated`, `refused` or `failed`.
    pub outcome: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Wei of expected value of the tickets, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ev: Option<String>,
    /// How many tickets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tickets: Option<u32>,
    /// The first ticket's nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_nonce: Option<u32>,
    /// Who is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The stream, or a live job's manifest id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The segment's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// The orchestrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orchestrator: Option<String>,
    /// The orchestrator's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The gateway's name of the payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<String>,
}

impl AuditEntry {
    /// The line, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// A client's text, no longer than is kept; nothing where it is empty.
#[must_use]
pub fn audited(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT).collect())
}
