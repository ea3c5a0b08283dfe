//! One exchange with one node.

use std::{error::Error, time::Duration};

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::rpc_url::RpcUrl;
use crate::{EndpointFault, json_rpc::printable};

/// How long a connection without a call stays open.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// Most header fields of an answer, and most bytes of them over HTTP/2.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Longest error text that is kept, in characters.
const TEXT_MAX: usize = 300;

/// Keeps and shares its connections. Servers are verified; redirects are not followed.
#[derive(Clone)]
pub(super) struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl HttpClient {
    /// A client without any connection yet, whose connections must stand within `connect_limit`.
    pub(super) fn new(
        roots: RootCertStore,
        connect_limit: Duration,
    ) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_limit));
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
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .build(connector);
        Ok(Self(client))
    }

    /// Posts a call and reads the answer, of at most `max` bytes. The caller limits the time.
    pub(super) async fn post(
        &self,
        url: &RpcUrl,
        body: Vec<u8>,
        max: usize,
    ) -> Result<Bytes, EndpointFault> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.uri().clone();
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json.clone());
        request.headers_mut().insert(header::ACCEPT, json);
        let response = self.0.request(request).await.map_err(|error| unreachable(&error))?;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(EndpointFault::RateLimited(retry_after(&head.headers)));
        }
        if head.status == StatusCode::SERVICE_UNAVAILABLE && retry_after(&head.headers).is_some() {
            return Err(EndpointFault::RateLimited(retry_after(&head.headers)));
        }
        let body = Limited::new(body, max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                EndpointFault::Oversized(max)
            } else {
                unreachable(error.as_ref())
            }
        })?;
        let body = body.to_bytes();
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

/// The error with its causes, which say what was refused, and by whom.
fn unreachable(error: &(dyn Error + 'static)) -> EndpointFault {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    EndpointFault::Unreachable(printable(&text, TEXT_MAX))
}
