//! How long the client waits, and how much it takes.

use std::time::Duration;

/// Waits and limits of an [`OrchestratorClient`](crate::OrchestratorClient). The defaults are the
/// reference gateway's, but for the size of a rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Longest wait for a connection that will carry gRPC, TLS included.
    pub grpc_connect_timeout: Duration,
    /// Longest wait for a connection that will carry a segment or a rendition, TLS included.
    pub http_connect_timeout: Duration,
    /// Longest wait for the answer of one gRPC call, connecting included.
    pub call_timeout: Duration,
    /// Longest time to fetch one rendition.
    pub download_timeout: Duration,
    /// Largest rendition accepted, in bytes, however much the job's bit rate and duration would allow.
    /// A job may have up to twelve in memory at a time.
    pub max_rendition_bytes: usize,
    /// Unused HTTP connections are closed after this long.
    pub idle_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            grpc_connect_timeout: Duration::from_secs(3),
            http_connect_timeout: Duration::from_secs(2),
            call_timeout: Duration::from_millis(2_500),
            download_timeout: Duration::from_secs(4),
            max_rendition_bytes: 64 << 20,
            idle_timeout: Duration::from_secs(60),
        }
    }
}
