//! One exchange with one node.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use https::{Connections, HttpsClient, HttpsError};
use rustls::RootCertStore;

use super::rpc_url::RpcUrl;
use crate::EndpointFault;

/// How long a connection without a call stays open.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Keeps and shares its connections.
#[derive(Clone)]
pub(super) struct HttpClient(HttpsClient);

impl From<HttpsError> for EndpointFault {
    fn from(error: HttpsError) -> Self {
        match error {
            HttpsError::Broken(text) => Self::Unreachable(text),
            HttpsError::Oversized(max) => Self::Oversized(max),
        }
    }
}

impl HttpClient {
    /// A client without any connection yet, whose connections must stand within `connect_limit`.
    pub(super) fn new(
        roots: RootCertStore,
        connect_limit: Duration,
    ) -> Result<Self, rustls::Error> {
        // As many stay as there were calls at once.
        let connections =
            Connections { connect_limit, idle_limit: IDLE_LIMIT, idle_max: usize::MAX };
        Ok(Self(HttpsClient::new(roots, connections)?))
    }

    /// Posts a call and reads the answer, of at most `max` bytes. The caller limits the time.
    pub(super) async fn post(
        &self,
        url: &RpcUrl,
        body: Vec<u8>,
        max: usize,
    ) -> Result<Bytes, EndpointFault> {
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.uri().clone();
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json.clone());
        request.headers_mut().insert(header::ACCEPT, json);
        let (head, body) = self.0.send(request).await?.into_parts();
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(EndpointFault::RateLimited(retry_after(&head.headers)));
        }
        if head.status == StatusCode::SERVICE_UNAVAILABLE && retry_after(&head.headers).is_some() {
            return Err(EndpointFault::RateLimited(retry_after(&head.headers)));
        }
        let body = https::read_body(body, max).await?;
        // Some nodes send JSON-RPC errors with a status of failure.
        if !head.status.is_success() && !body.starts_with(b"{\"jsonrpc\"") {
            return Err(EndpointFault::Status(head.status.as_u16()));
        }
        Ok(body)
    }
}

/// Seconds that the node asks to wait. A date isn't read: the usual rest does.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
