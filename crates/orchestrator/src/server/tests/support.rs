//! A fake transcoder, a listening orchestrator, and jobs to send.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use media::{Chain, RenditionProfile};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{
    BodyContainer, BodyHash, ClientConfig, OrchestratorAddress, OrchestratorClient,
    OrchestratorInfo, OutputFormat, SegmentJob,
    server::{
        EncodedRendition, OrchestratorServer, ServerConfig, TranscodeFailure, TranscodeRequest,
        Transcoder,
    },
};

/// Most bytes of a request's head over HTTP/2: six hundred tickets have some 60 kB.
const MAX_HEAD: u32 = 128 << 10;

/// What the fake does with one segment.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// One rendition per profile, told apart by size and input length.
    Encode,
    /// The same, after a while.
    Slow(Duration),
    /// The same, once a permit is added to the fake's gate.
    Gated,
    Fail(TranscodeFailure),
    /// So many renditions, whatever was asked for.
    Count(usize),
    /// Renditions of this size.
    Large(usize),
    Panic,
}

/// A transcoder that follows a script, then encodes.
#[derive(Debug)]
pub(super) struct FakeTranscoder {
    pub(super) script: Mutex<VecDeque<Act>>,
    pub(super) requests: Mutex<Vec<TranscodeRequest>>,
    pub(super) gate: Semaphore,
    /// Calls whose future was dropped before its end.
    pub(super) cancelled: AtomicUsize,
}

impl FakeTranscoder {
    pub(super) fn new(script: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Self {
            script: Mutex::new(script.into_iter().collect()),
            requests: Mutex::default(),
            gate: Semaphore::new(0),
            cancelled: AtomicUsize::new(0),
        })
    }

    pub(super) fn request_count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

struct CountDrop<'a>(Option<&'a AtomicUsize>);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        if let Some(counter) = self.0 {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What the fake makes of a profile.
pub(super) fn rendition(width: u32, height: u32, input: usize) -> EncodedRendition {
    let data = Bytes::from(format!("{width}x{height} of {input} bytes"));
    EncodedRendition { data, pixels: u64::from(width) * u64::from(height) }
}

impl Transcoder for FakeTranscoder {
    fn transcode(
        &self,
        request: TranscodeRequest,
    ) -> BoxFuture<'_, Result<Vec<EncodedRendition>, TranscodeFailure>> {
        Box::pin(async move {
            let mut dropped = CountDrop(Some(&self.cancelled));
            self.requests.lock().unwrap().push(request.clone());
            let act = self.script.lock().unwrap().pop_front().unwrap_or(Act::Encode);
            let len = request.input.len();
            let each = request.profiles.iter();
            let mut renditions: Vec<_> =
                each.map(|profile| rendition(profile.width, profile.height, len)).collect();
            let result = match act {
                Act::Encode => Ok(renditions),
                Act::Slow(wait) => {
                    tokio::time::sleep(wait).await;
                    Ok(renditions)
                }
                Act::Gated => {
                    self.gate.acquire().await.unwrap().forget();
                    Ok(renditions)
                }
                Act::Fail(failure) => Err(failure),
                Act::Count(count) => {
                    renditions.resize(count, rendition(2, 2, len));
                    Ok(renditions)
                }
                Act::Large(size) => {
                    for rendition in &mut renditions {
                        rendition.data = Bytes::from(vec![7; size]);
                    }
                    Ok(renditions)
                }
                Act::Panic => panic!("the script says so"),
            };
            dropped.0 = None;
            result
        })
    }
}

/// A listener on loopback with a service behind it, until it is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) at: SocketAddr,
    _tasks: JoinSet<()>,
}

pub(super) fn listen(
    listener: TcpListener,
    router: axum::Router,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Listening {
    let at = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            let service = TowerToHyperService::new(router.clone());
            let tls = tls.clone().map(TlsAcceptor::from);
            connections.spawn(async move {
                let mut serve = auto::Builder::new(TokioExecutor::new());
                serve.http2().max_header_list_size(MAX_HEAD);
                match tls {
                    Some(tls) => {
                        let Ok(socket) = tls.accept(socket).await else { return };
                        drop(serve.serve_connection(TokioIo::new(socket), service).await);
                    }
                    None => drop(serve.serve_connection(TokioIo::new(socket), service).await),
                }
            });
        }
    });
    Listening { at, _tasks: tasks }
}

/// A listening orchestrator.
#[derive(Debug)]
pub(super) struct Orchestrator {
    pub(super) server: OrchestratorServer,
    pub(super) transcoder: Arc<FakeTranscoder>,
    pub(super) listening: Listening,
    pub(super) address: OrchestratorAddress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Plaintext,
    Tls,
}

impl Orchestrator {
    pub(super) async fn start(
        transport: Transport,
        script: impl IntoIterator<Item = Act>,
        configure: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, transport, script, configure)
    }

    pub(super) fn on(
        listener: TcpListener,
        transport: Transport,
        script: impl IntoIterator<Item = Act>,
        configure: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        Self::build(listener, transport, script, |mut config, transcoder| {
            configure(&mut config);
            OrchestratorServer::new(config, transcoder)
        })
    }

    pub(super) fn build(
        listener: TcpListener,
        transport: Transport,
        script: impl IntoIterator<Item = Act>,
        build: impl FnOnce(ServerConfig, Arc<dyn Transcoder>) -> OrchestratorServer,
    ) -> Self {
        let at = listener.local_addr().unwrap();
        let scheme = if transport == Transport::Tls { "https" } else { "http" };
        let address: OrchestratorAddress = format!("{scheme}://{at}").parse().unwrap();
        let transcoder = FakeTranscoder::new(script);
        let server = build(ServerConfig::new(address.clone()), Arc::clone(&transcoder) as _);
        let tls = (transport == Transport::Tls)
            .then(|| Arc::new(crate::server::self_signed_certificate("127.0.0.1").unwrap()));
        let listening = listen(listener, server.router(), tls);
        Self { server, transcoder, listening, address }
    }

    pub(super) async fn session(&self, client: &OrchestratorClient) -> OrchestratorInfo {
        client.get_orchestrator(&self.address, &job(b"").capabilities()).await.unwrap()
    }
}

pub(super) fn client() -> OrchestratorClient {
    OrchestratorClient::new(ClientConfig::default()).unwrap()
}

/// Two renditions of a segment with this body.
pub(super) fn job(body: &[u8]) -> SegmentJob {
    let presets = ["P360p30fps16x9", "P240p30fps16x9"];
    let duration = Duration::from_secs(2);
    SegmentJob {
        manifest_id: "stream".into(),
        sequence: 42,
        duration,
        source: media::VideoCodec::H264,
        profiles: presets.map(|name| RenditionProfile::preset(name).unwrap()).into(),
        output: OutputFormat::MpegTs,
        body: Chain::from(Bytes::copy_from_slice(body)),
        hashed: BodyHash::default(),
        container: BodyContainer::MpegTs,
        force_session_reinit: false,
        upload_timeout: SegmentJob::default_upload_timeout(duration),
        timeout: SegmentJob::default_timeout(duration),
    }
}

/// Waits until something holds, for at most five seconds.
pub(super) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
