//! The HTTP client that asks hooks.

use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use https::{Connections, HttpsClient, HttpsError};
use rustls::RootCertStore;

use super::endpoint::HookEndpoint;

/// How long a whole call may take, from looking up the host to the answer's last byte.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// How long a connection without a call stays open.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Connections without a call that are kept for each hook.
const IDLE_MAX: usize = 4;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HookClientError {
    /// This machine has no certificates of authorities: no server could be trusted.
    #[error(
        "no trusted certificates on this machine: install them (ca-certificates), or name a file in SSL_CERT_FILE"
    )]
    NoRoots,
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Why a hook did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The call took longer than it may.
    #[error("no complete answer within {} s", CALL_LIMIT.as_secs())]
    Timeout,
    /// The answer is longer than is read.
    #[error("the answer has more than {max} bytes")]
    Oversized {
        /// Bytes read at most.
        max: usize,
    },
}

impl From<HttpsError> for HookError {
    fn from(error: HttpsError) -> Self {
        match error {
            HttpsError::Broken(text) => Self::Unreachable(text),
            HttpsError::Oversized(max) => Self::Oversized { max },
        }
    }
}

/// What a hook answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// What a hook is asked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) body: Bytes,
    /// Value of `Headgate-Signature`.
    pub(super) signature: Option<String>,
    /// Longest answer that is read, in bytes.
    pub(super) answer_max: usize,
}

/// Asks hooks over HTTP/1.1 or HTTP/2. Servers are verified against this machine's trusted certificates;
/// redirects are not followed. Cheap to clone; connections are shared.
#[derive(Clone, Debug)]
pub struct HookClient(HttpsClient);

impl HookClient {
    /// A client without a connection. Reads this machine's trusted certificates; they are needed only if
    /// one of the endpoints is `https`.
    ///
    /// # Errors
    /// When they are needed and there are none.
    pub fn new<'a>(
        endpoints: impl IntoIterator<Item = &'a HookEndpoint>,
    ) -> Result<Self, HookClientError> {
        if !endpoints.into_iter().any(HookEndpoint::is_tls) {
            return Self::trusting(RootCertStore::empty());
        }
        let roots = https::system_roots();
        if roots.is_empty() { Err(HookClientError::NoRoots) } else { Self::trusting(roots) }
    }

    fn trusting(roots: RootCertStore) -> Result<Self, HookClientError> {
        let connections =
            Connections { connect_limit: CALL_LIMIT, idle_limit: IDLE_LIMIT, idle_max: IDLE_MAX };
        Ok(Self(HttpsClient::new(roots, connections)?))
    }

    /// One call, to its end.
    ///
    /// # Errors
    /// When there is no complete answer in time and within its limit.
    pub(super) async fn ask(
        &self,
        endpoint: &HookEndpoint,
        question: Question,
    ) -> Result<Answer, HookError> {
        let call = self.ask_at_leisure(endpoint, question);
        tokio::time::timeout(CALL_LIMIT, call).await.unwrap_or(Err(HookError::Timeout))
    }

    async fn ask_at_leisure(
        &self,
        endpoint: &HookEndpoint,
        question: Question,
    ) -> Result<Answer, HookError> {
        let max = question.answer_max;
        let (head, body) = self.0.send(request(endpoint, question)).await?.into_parts();
        let body = https::read_body(body, max).await?;
        Ok(Answer { status: head.status, body })
    }
}

fn request(endpoint: &HookEndpoint, question: Question) -> Request<Bytes> {
    let with_body = !question.body.is_empty();
    let mut request = Request::new(question.body);
    *request.method_mut() = question.method;
    *request.uri_mut() = endpoint.uri().clone();
    let headers = request.headers_mut();
    let agent = concat!("headgate/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if with_body {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(authorization) = endpoint.authorization() {
        headers.insert(header::AUTHORIZATION, authorization);
    }
    if let Some(signature) = question.signature.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(super::signature::HEADER, signature);
    }
    request
}

#[cfg(test)]
mod tests;
