//! The client: a request, the head of its answer, the body.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::text::with_causes;

/// Most header fields of an answer, and most bytes of them over HTTP/2.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: u32 = 16 << 10;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Longest wait until one stands.
    pub connect_limit: Duration,
    /// How long one without a call stays open.
    pub idle_limit: Duration,
    /// Those without a call that are kept, per server.
    pub idle_max: usize,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpsError {
    /// No connection, or it broke: a line of text.
    #[error("{0}")]
    Broken(String),
    /// The answer has more bytes than are read, which are so many.
    #[error("the answer has more than {0} bytes")]
    Oversized(usize),
}

/// Asks servers over HTTP/1.1 or HTTP/2, with or without TLS. Servers are verified; redirects are not
/// followed. Cheap to clone; connections are kept and shared.
#[derive(Clone)]
pub struct HttpsClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsClient")
    }
}

impl HttpsClient {
    /// A client without any connection yet; `roots` sign the certificates of TLS servers.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(roots: RootCertStore, connections: Connections) -> Result<Self, rustls::Error> {
        let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connections.connect_limit));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(connections.idle_limit)
            .pool_max_idle_per_host(connections.idle_max)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request and waits for the head of its answer. The caller limits the time.
    ///
    /// # Errors
    /// [`HttpsError::Broken`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, HttpsError> {
        let answer = self.0.request(request.map(Full::new)).await;
        answer.map_err(|error| HttpsError::Broken(with_causes(&error)))
    }
}

/// Reads an answer's body, of at most `max` bytes. The caller limits the time.
///
/// # Errors
/// See [`HttpsError`].
pub async fn read_body(body: Incoming, max: usize) -> Result<Bytes, HttpsError> {
    let body = Limited::new(body, max).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            HttpsError::Oversized(max)
        } else {
            HttpsError::Broken(with_causes(error.as_ref()))
        }
    })?;
    Ok(body.to_bytes())
}
