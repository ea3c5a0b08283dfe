//! The HTTP client that asks a signer.

use std::{error::Error, fmt};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::client::{SignerClientConfig, SignerSetupError, Trust};
use crate::SignerError;

/// Most header fields of an answer, and most bytes of them over HTTP/2.
const HEADERS_MAX: usize = 64;
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Longest answer: a payment of a hundred tickets has some 11 kB.
const ANSWER_MAX: usize = 256 << 10;
/// Connections without a call that are kept.
const IDLE_MAX: usize = 8;
/// Longest error text that is kept, in bytes.
const TEXT_MAX: usize = 300;

/// Keeps and shares its connections.
#[derive(Clone)]
pub(super) struct HttpClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    pub(super) fn new(config: &SignerClientConfig) -> Result<Self, SignerSetupError> {
        let roots =
            if config.url.is_tls() { roots(&config.trust)? } else { RootCertStore::empty() };
        let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(config.deadline));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .build(connector);
        Ok(Self(client))
    }

    /// One call, to the answer's last byte.
    pub(super) async fn call(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, SignerError> {
        let answer = self.0.request(request).await;
        let answer = answer.map_err(|error| SignerError::unreachable(with_causes(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| SignerError::unreachable(with_causes(error.as_ref())))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

fn roots(trust: &Trust) -> Result<RootCertStore, SignerSetupError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "trusted certificates can't be read");
            }
            let (_added, _unreadable) = roots.add_parsable_certificates(found.certs);
        }
        Trust::Authority(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|_| SignerSetupError::Authority)?)?;
            }
        }
    }
    if roots.is_empty() { Err(SignerSetupError::NoRoots) } else { Ok(roots) }
}

/// An error with its causes, which say what was refused, and by whom.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    clip(text)
}

/// A peer's words, no longer than is worth keeping and without control characters.
pub(super) fn clip(mut text: String) -> String {
    let end = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text.replace(char::is_control, " ")
}
