//! Connections to orchestrators, and to nobody else.
//!
//! Orchestrators show self-signed certificates made anew at every start, with an IP address in a DNS
//! name where it suits them: there is nothing to verify them against (livepeer-wire §2.3). So this
//! path takes any certificate. It is a type of its own, [`OrchestratorConnector`], and the TLS
//! configuration never leaves this file, so that no other client can come to use it.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{Uri, uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tower::Service;

/// Takes any certificate, yet checks that the peer holds its key: handshake signatures are verified.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What the connection will carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// HTTP/2 in TLS where the peer offers it, else HTTP/1.1.
    Http,
    /// gRPC: HTTP/2 only.
    Grpc,
}

/// Opens connections to orchestrators: plaintext for `http`, unverified TLS for `https`.
#[derive(Clone, Debug)]
pub(crate) struct OrchestratorConnector {
    inner: HttpsConnector<HttpConnector>,
    connect_timeout: Duration,
    force_tls: bool,
}

impl OrchestratorConnector {
    /// A connector whose connections must stand, TLS included, within `connect_timeout`.
    pub(crate) fn new(traffic: Traffic, connect_timeout: Duration) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(AnyCertificate { provider: Arc::clone(&provider) });
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let inner = match traffic {
            Traffic::Http => builder.enable_http1().enable_http2().wrap_connector(tcp),
            Traffic::Grpc => builder.enable_http2().wrap_connector(tcp),
        };
        Ok(Self { inner, connect_timeout, force_tls: false })
    }

    /// The same, with TLS whatever the URI's scheme says. The gRPC library refuses `https` URIs when
    /// its own TLS is not compiled in, so it is given `http` ones.
    pub(crate) fn over_tls(&self) -> Self {
        Self { force_tls: true, ..self.clone() }
    }
}

impl Service<Uri> for OrchestratorConnector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.connect_timeout;
        let uri = if self.force_tls { with_https(uri) } else { Ok(uri) };
        let connecting = uri.map(|uri| self.inner.call(uri));
        Box::pin(async move {
            tokio::time::timeout(limit, connecting?)
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connect timed out"))?
        })
    }
}

fn with_https(uri: Uri) -> Result<Uri, http::Error> {
    let mut parts = uri.into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    Ok(Uri::from_parts(parts)?)
}
