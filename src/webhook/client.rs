//! The HTTP client that asks hooks.

use std::{fmt, time::Duration};

use axum::body::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::endpoint::HookEndpoint;

/// How long a whole call may take, from looking up the host to the answer's last byte.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// How long a connection without a call stays open.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Connections without a call that are kept for each hook.
const IDLE_MAX: usize = 4;
/// Most header fields of an answer, and most bytes of them over HTTP/2.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Longest error text that is kept, in bytes.
const TEXT_MAX: usize = 300;

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
#[derive(Clone)]
pub struct HookClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl fmt::Debug for HookClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookClient")
    }
}

impl HookClient {
    /// A client without a connection. Reads this machine's trusted certificates; they are needed only if
    /// one of the endpoints is `https`.
    ///
    /// # Errors
    /// When they are needed and there are none.
    pub fn new<'a>(
        endpoints: impl IntoIterator<Item = &'a HookEndpoint>,
    ) -> Result<Self, HookClientError> {
        let mut roots = RootCertStore::empty();
        if endpoints.into_iter().any(HookEndpoint::is_tls) {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "trusted certificates can't be read");
            }
            let (added, _unreadable) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                return Err(HookClientError::NoRoots);
            }
        }
        Self::trusting(roots)
    }

    fn trusting(roots: RootCertStore) -> Result<Self, HookClientError> {
        let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CALL_LIMIT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .build(connector);
        Ok(Self(client))
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
        let response =
            self.0.request(request(endpoint, question)).await.map_err(|error| broken(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HookError::Oversized { max }
            } else {
                broken(error.as_ref())
            }
        })?;
        Ok(Answer { status: head.status, body: body.to_bytes() })
    }
}

fn request(endpoint: &HookEndpoint, question: Question) -> Request<Full<Bytes>> {
    let with_body = !question.body.is_empty();
    let mut request = Request::new(Full::new(question.body));
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

/// The error with its causes, which say what was refused, and by whom.
fn broken(error: &(dyn std::error::Error + 'static)) -> HookError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    let end = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    HookError::Unreachable(text)
}

#[cfg(test)]
mod tests;
