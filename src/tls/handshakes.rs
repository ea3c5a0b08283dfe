//! The handshakes of one listener: their deadline, their bounds, and what becomes of them.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use acme::Challenges;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{Acceptor, ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{Certificates, Protocol, under_way::UnderWay};
use crate::config::ListenerConfig;

/// How long a peer may take for a handshake, from the moment it is connected.
const LIMIT: Duration = Duration::from_secs(5);
/// Most handshakes under way at one listener.
const UNDER_WAY: usize = 1_024;
/// First byte of a TLS handshake (RFC 8446 §5.1: ContentType handshake).
const TLS: u8 = 22;
/// First byte of RTMP (its version), which is no TLS.
const RTMP: u8 = 3;

/// Shakes hands with those who connect to one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handshakes {
    listener: &'static str,
    protocol: Protocol,
    certificates: Certificates,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Handshakes {
    /// For the listener with this name and these limits on connections. Some of its places are never
    /// taken by handshakes, and no address can take more than half of the rest.
    pub(crate) fn new(
        listener: &'static str,
        protocol: Protocol,
        certificates: Certificates,
        limits: &ListenerConfig,
    ) -> Self {
        let total = UNDER_WAY.min(limits.connections.saturating_mul(3) / 4);
        let under_way = UnderWay::new(total, limits.connections_per_ip.min(total / 2));
        let under_way = Arc::new(Mutex::new(under_way));
        Self { listener, protocol, certificates, under_way }
    }

    /// The encrypted stream; `None` when there is none in time, when others need the place, or when the
    /// listener closes. Then the log and the metrics have it, and the connection is closed.
    pub(crate) async fn shake(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        closed: &CancellationToken,
    ) -> Option<TlsStream<TcpStream>> {
        let place = Place::take(&self.under_way, peer);
        let shaken = tokio::select! {
            biased;
            () = closed.cancelled() => return None,
            () = place.displaced.cancelled() => Err(Fault::Displaced),
            shaken = tokio::time::timeout(LIMIT, self.accept(stream)) => {
                shaken.unwrap_or(Err(Fault::Late))
            }
        };
        let metrics = self.certificates.metrics();
        match shaken {
            Ok(stream) => {
                metrics.shaken(self.listener, "done");
                Some(stream)
            }
            Err(fault) => {
                metrics.shaken(self.listener, fault.kind());
                self.log(peer, &fault);
                None
            }
        }
    }

    async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fault> {
        let mut first = [0; 1];
        let length = stream.peek(&mut first).await.map_err(Fault::Failed)?;
        let [first] = first;
        match first {
            _ if length == 0 => Err(Fault::Closed),
            TLS => {
                let acceptor = self.certificates.acceptor(self.protocol);
                match (self.certificates.challenges(), acceptor) {
                    (None, Some(acceptor)) => acceptor.accept(stream).await.map_err(Fault::Failed),
                    (challenges, acceptor) => accept_or_answer(stream, challenges, acceptor).await,
                }
            }
            RTMP => Err(Fault::PlainRtmp),
            b'A'..=b'Z' => Err(Fault::PlainHttp),
            _ => Err(Fault::NoTls),
        }
    }

    /// A publisher has to hear of it from the operator; browsers say it themselves.
    fn log(&self, peer: SocketAddr, fault: &Fault) {
        let listener = self.listener;
        if matches!(fault, Fault::Answered) {
            tracing::info!(listener, %peer, "answered a check of our domain");
        } else if self.protocol == Protocol::Rtmp && !matches!(fault, Fault::Closed) {
            tracing::info!(listener, %peer, "TLS handshake failed: {fault}");
        } else {
            tracing::debug!(listener, %peer, "TLS handshake failed: {fault}");
        }
    }
}

/// Answers one who checks our domain; shakes hands with others, if there is a certificate.
async fn accept_or_answer(
    stream: TcpStream,
    challenges: Option<&Challenges>,
    acceptor: Option<TlsAcceptor>,
) -> Result<TlsStream<TcpStream>, Fault> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let start = start.map_err(Fault::Failed)?;
    if let Some(answer) = challenges.and_then(|it| it.handshake(&start.client_hello())) {
        let mut checked = start.into_stream(answer).await.map_err(Fault::Failed)?;
        checked.shutdown().await.map_err(Fault::Failed)?;
        return Err(Fault::Answered);
    }
    if let Some(acceptor) = acceptor {
        let config = Arc::clone(acceptor.config());
        return start.into_stream(config).await.map_err(Fault::Failed);
    }
    // The peer hears an alert (access denied) instead of a closed connection.
    let refusal = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Failed(io::Error::other(error)))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(NoCertificate));
    drop(start.into_stream(Arc::new(refusal)).await);
    Err(Fault::NoCertificate)
}

/// Nothing to show yet.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Shakes hands where one peer more or less matters little: within the deadline, without bounds of its own.
/// `None` when there is no encrypted stream; then the log says why.
pub(crate) async fn shake_hands(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<TlsStream<TcpStream>> {
    let shaken = tokio::time::timeout(LIMIT, acceptor.accept(stream)).await;
    let fault = match shaken {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => Fault::Failed(error),
        Err(_late) => Fault::Late,
    };
    tracing::debug!(%peer, "TLS handshake failed: {fault}");
    None
}

/// Why there is no encrypted stream.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the peer speaks plain RTMP instead of TLS")]
    PlainRtmp,
    #[error("the peer speaks plain HTTP instead of TLS")]
    PlainHttp,
    #[error("the peer speaks something else than TLS")]
    NoTls,
    #[error("{0}")]
    Failed(io::Error),
    #[error("there is no certificate yet")]
    NoCertificate,
    #[error("it was a check of our domain")]
    Answered,
    #[error("the peer closed before it said anything")]
    Closed,
    #[error("the handshake was not done in {:?}", LIMIT)]
    Late,
    #[error("too many handshakes under way, and this one was the oldest")]
    Displaced,
}

impl Fault {
    /// A short, bounded name for metrics.
    const fn kind(&self) -> &'static str {
        match self {
            Self::PlainRtmp | Self::PlainHttp | Self::NoTls => "no TLS",
            Self::Failed(_) => "failed",
            Self::NoCertificate => "no certificate",
            Self::Answered => "challenge",
            Self::Closed => "closed",
            Self::Late => "late",
            Self::Displaced => "displaced",
        }
    }
}

/// One handshake's place among those under way; dropping it frees the place.
struct Place {
    under_way: Arc<Mutex<UnderWay>>,
    number: u64,
    displaced: CancellationToken,
}

impl Place {
    fn take(under_way: &Arc<Mutex<UnderWay>>, peer: SocketAddr) -> Self {
        let mut table = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, displaced) = table.enter(peer.ip());
        Self { under_way: Arc::clone(under_way), number, displaced }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        table.leave(self.number);
    }
}
