//! Connections to orchestrators, and to nobody else.
//!
//! Orchestrators show self-signed certificates made anew at every start, with an IP address in a DNS
//! name where it suits them: there is nothing to verify them against (livepeer-wire §2.3). So this
//! path takes any certificate. It is a type of its own, [`OrchestratorConnector`], and the TLS
//! configuration never leaves this file, so that no other client can come to use it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
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

use super::resolver::PolicedResolver;
use crate::{NetworkPolicy, address::ip_literal};

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

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The connections made: plaintext or TLS over TCP.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Where the latest connection of a connector led.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met(Arc<Mutex<Option<IpAddr>>>);

impl Met {
    /// The peer's address; `None` before the first connection.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, address: IpAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

/// Opens connections to orchestrators: plaintext for `http`, unverified TLS for `https`, and only to
/// addresses its policy allows.
#[derive(Clone, Debug)]
pub(crate) struct OrchestratorConnector {
    inner: HttpsConnector<HttpConnector<PolicedResolver>>,
    policy: NetworkPolicy,
    connect_timeout: Duration,
    force_tls: bool,
    met: Met,
}

impl OrchestratorConnector {
    /// A connector whose connections must stand, TLS included, within `connect_timeout`.
    pub(crate) fn new(
        traffic: Traffic,
        policy: NetworkPolicy,
        connect_timeout: Duration,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(AnyCertificate { provider: Arc::clone(&provider) });
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(PolicedResolver::new(policy));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let inner = match traffic {
            Traffic::Http => builder.enable_http1().enable_http2().wrap_connector(tcp),
            Traffic::Grpc => builder.enable_http2().wrap_connector(tcp),
        };
        Ok(Self { inner, policy, connect_timeout, force_tls: false, met: Met::default() })
    }

    /// A connector of the same kind for one orchestrator, and where it will have led. `tls` stands in
    /// for the URI's scheme: the gRPC library refuses `https` URIs when its own TLS is not compiled in,
    /// so it is given `http` ones.
    pub(crate) fn for_one(&self, tls: bool) -> (Self, Met) {
        let met = Met::default();
        (Self { force_tls: tls, met: met.clone(), ..self.clone() }, met)
    }

    /// Names are checked when they are resolved, literal addresses here.
    fn connect(
        &mut self,
        uri: Uri,
    ) -> Result<impl Future<Output = Result<Stream, BoxError>> + use<>, BoxError> {
        if let Some(address) = uri.host().and_then(ip_literal) {
            self.policy.check(address)?;
        }
        let uri = if self.force_tls { with_https(uri)? } else { uri };
        Ok(self.inner.call(uri))
    }
}

impl Service<Uri> for OrchestratorConnector {
    type Response = Stream;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (limit, met) = (self.connect_timeout, self.met.clone());
        let connecting = self.connect(uri);
        Box::pin(async move {
            let stream = tokio::time::timeout(limit, connecting?)
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connect timed out"))??;
            met.set(peer(&stream)?.ip());
            Ok(stream)
        })
    }
}

fn peer(stream: &Stream) -> io::Result<SocketAddr> {
    match stream {
        MaybeHttpsStream::Http(tcp) => tcp.inner().peer_addr(),
        MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner().peer_addr(),
    }
}

fn with_https(uri: Uri) -> Result<Uri, http::Error> {
    let mut parts = uri.into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    Ok(Uri::from_parts(parts)?)
}
