//! The HTTP client that carries segments and renditions.

use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    body::ChainBody,
    config::ClientConfig,
    connector::{OrchestratorConnector, Traffic},
};
use crate::{
    NetworkPolicy, TranscodeError,
    error::{forbidden, with_causes},
};

/// Receive windows of HTTP/2: room for a rendition per stream, and for a ladder per connection.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Largest list of headers taken over HTTP/2, in bytes.
pub(super) const MAX_HEADER_LIST: u32 = 16 << 10;
/// Most headers taken over HTTP/1.1; together they are never larger than the read buffer, 408 KiB.
const MAX_HEADERS: usize = 64;

/// Keeps and shares its connections.
pub(super) type HttpClient = Client<OrchestratorConnector, ChainBody>;

/// A client without any connection yet, that connects where the policy allows.
///
/// # Errors
/// When TLS can't be set up.
pub(super) fn new(
    config: &ClientConfig,
    policy: NetworkPolicy,
) -> Result<HttpClient, rustls::Error> {
    let limit = config.http_connect_timeout;
    let connector = OrchestratorConnector::new(Traffic::Http, policy, limit)?;
    Ok(Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(config.idle_timeout)
        .http1_max_headers(MAX_HEADERS)
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build(connector))
}

/// Tells a connection that never stood from one that broke.
pub(super) fn transport_error(error: hyper_util::client::legacy::Error) -> TranscodeError {
    if let Some(forbidden) = forbidden(&error) {
        return TranscodeError::ForbiddenAddress(forbidden);
    }
    let text = with_causes(&error.to_string(), &error);
    if error.is_connect() { TranscodeError::Connect(text) } else { TranscodeError::Transport(text) }
}
