//! Limits of an orchestrator.

use std::time::Duration;

use crate::OrchestratorAddress;

/// How an [`super::OrchestratorServer`] presents itself, and what it takes at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where gateways reach it, as they will see it: the base of uploads and of rendition URLs.
    pub service_uri: OrchestratorAddress,
    /// Live transcoding sessions at a time; one more is refused with `OrchestratorCapped`.
    pub max_sessions: usize,
    /// Segments of one session that may wait while another is transcoded; one more is answered with
    /// `OrchestratorBusy`.
    pub session_queue: usize,
    /// A session without a segment for this long ends, and its renditions go with it.
    pub session_idle: Duration,
    /// Validity of a session's token.
    pub token_lifetime: Duration,
    /// Largest segment taken, in bytes.
    pub max_segment_bytes: u64,
    /// Bytes of all segments in memory, arriving or waiting, rounded up to 1 MiB each; while it is used
    /// up, segments are answered with `OrchestratorBusy`. Never less than one largest segment.
    pub upload_memory: u64,
    /// Longest time a segment may take to arrive; a segment that plays longer may take that long.
    pub upload_timeout: Duration,
    /// Bytes of renditions kept per session until they are fetched; the oldest go first.
    pub session_result_bytes: usize,
    /// Objects kept per rendition of a session; the oldest go first.
    pub results_per_rendition: usize,
}

impl ServerConfig {
    /// The network's usual limits, at this service URI.
    #[must_use]
    pub const fn new(service_uri: OrchestratorAddress) -> Self {
        Self {
            service_uri,
            max_sessions: 10,
            session_queue: 4,
            session_idle: Duration::from_secs(70),
            token_lifetime: Duration::from_secs(30 * 60),
            max_segment_bytes: 300_000_000,
            upload_memory: 512 << 20,
            upload_timeout: Duration::from_secs(30),
            session_result_bytes: 128 << 20,
            results_per_rendition: 12,
        }
    }
}
