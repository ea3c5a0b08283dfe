//! The product's client against the product's server, with the proxy between them: what the client makes
//! of each fault.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use faulty_orchestrator::{Faults, FaultyOrchestrator};
use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use media::{Chain, RenditionProfile};
use orchestrator::{
    BodyContainer, BodyHash, ClientConfig, OrchestratorClient, OrchestratorInfo, OutputFormat,
    PixelPrice, SegmentJob, TranscodeError, TranscodeResult,
    server::{
        EncodedRendition, OrchestratorServer, ServerConfig, TranscodeFailure, TranscodeRequest,
        Transcoder,
    },
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

/// Bytes of every rendition made here.
const RENDITION: usize = 10_000;
/// How long the upstream takes.
const WORK: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Fake;

impl Transcoder for Fake {
    fn transcode(
        &self,
        request: TranscodeRequest,
    ) -> BoxFuture<'_, Result<Vec<EncodedRendition>, TranscodeFailure>> {
        Box::pin(async move {
            tokio::time::sleep(WORK).await;
            let rendition = || EncodedRendition { data: vec![7; RENDITION].into(), pixels: 1 };
            Ok(request.profiles.iter().map(|_| rendition()).collect())
        })
    }
}

struct Scene {
    proxy: FaultyOrchestrator,
    client: OrchestratorClient,
    _upstream: JoinSet<()>,
}

async fn upstream() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let config = ServerConfig::new(format!("http://{addr}").parse().unwrap());
    let router = OrchestratorServer::new(config, Arc::new(Fake)).router();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            connections.spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(socket), service).await);
            });
        }
    });
    (addr, tasks)
}

async fn scene() -> Scene {
    let (addr, tasks) = upstream().await;
    let upstream = format!("http://{addr}").parse().unwrap();
    let proxy = FaultyOrchestrator::start(upstream, "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let config = ClientConfig {
        download_timeout: Duration::from_millis(500),
        call_timeout: Duration::from_millis(500),
        ..ClientConfig::default()
    };
    let client = OrchestratorClient::new(config).unwrap();
    Scene { proxy, client, _upstream: tasks }
}

fn job() -> SegmentJob {
    SegmentJob {
        manifest_id: "stream".into(),
        sequence: 7,
        duration: Duration::from_secs(2),
        source: media::VideoCodec::H264,
        profiles: ["P360p30fps16x9", "P240p30fps16x9"]
            .map(|name| RenditionProfile::preset(name).unwrap())
            .into(),
        output: OutputFormat::MpegTs,
        body: Chain::from(bytes::Bytes::from_static(b"segment")),
        hashed: BodyHash::default(),
        container: BodyContainer::MpegTs,
        force_session_reinit: false,
        upload_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    }
}

impl Scene {
    async fn session(&self) -> OrchestratorInfo {
        let address = self.proxy.url().parse().unwrap();
        self.client.get_orchestrator(&address, &job().capabilities()).await.unwrap()
    }

    async fn transcode(&self, faults: Faults) -> Result<TranscodeResult, TranscodeError> {
        let info = self.session().await;
        self.proxy.set(faults).unwrap();
        self.client.transcode(&info, &job()).await
    }
}

async fn failure(faults: Faults) -> TranscodeError {
    let shown = format!("{faults:?}");
    scene().await.transcode(faults).await.expect_err(&shown)
}

#[tokio::test]
async fn without_faults_it_is_an_orchestrator_like_any_other() {
    let scene = scene().await;
    let info = scene.session().await;
    assert_eq!(info.transcoder().to_string(), scene.proxy.url());
    let result = scene.client.transcode(&info, &job()).await.unwrap();
    assert!(result.renditions.iter().all(|it| it.data.len() == RENDITION));
    assert_eq!(result.bytes_received, 20_000);
    let update = result.info.unwrap();
    assert_eq!(update.transcoder().to_string(), scene.proxy.url());
    scene.client.transcode(&update, &job()).await.unwrap();
    scene.client.end_session(&update).await.unwrap();
    let stats = scene.proxy.stats();
    assert_eq!((stats.discoveries, stats.segments, stats.transcoded), (1, 2, 2));
    assert_eq!(stats.renditions, 4);
}

#[tokio::test]
async fn uploads_are_refused() {
    let error = failure(Faults { status: Some(503), ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::Refused { status: 503, .. }), "{error}");
    let error = failure(Faults { capped: true, ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::Capped), "{error}");
    let error = failure(Faults { hang: true, ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::UploadTimeout(_)), "{error}");
    let error = failure(Faults { huge_header: true, ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::Transport(_)), "{error}");
}

#[tokio::test]
async fn tokens_of_before_go_stale_and_later_ones_work() {
    let scene = scene().await;
    let faults = Faults { stale_token: true, ..Faults::default() };
    let error = scene.transcode(faults).await.unwrap_err();
    assert!(matches!(error, TranscodeError::TokenRejected(_)), "{error}");
    let renewed = scene.session().await;
    scene.client.transcode(&renewed, &job()).await.unwrap();
}

#[tokio::test]
async fn results_are_wrong() {
    let text = Some("No keyframes in input".to_owned());
    let error = failure(Faults { error: text, ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::Media(_)), "{error}");
    let error = failure(Faults { foreign_url: true, ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::ForeignUrl(_)), "{error}");
    for faults in [
        Faults { wrong_count: true, ..Faults::default() },
        Faults { wrong_sequence: true, ..Faults::default() },
        Faults { garbage_result: true, ..Faults::default() },
    ] {
        let error = failure(faults).await;
        assert!(matches!(error, TranscodeError::BadResult(_)), "{error}");
    }
}

#[tokio::test]
async fn a_session_nobody_opened_fails_when_it_is_used() {
    let scene = scene().await;
    let faults = Faults { new_session_id: true, ..Faults::default() };
    let update = scene.transcode(faults).await.unwrap().info.unwrap();
    let error = scene.client.transcode(&update, &job()).await.unwrap_err();
    assert!(matches!(error, TranscodeError::TokenRejected(_)), "{error}");
}

#[tokio::test]
async fn results_come_late() {
    let scene = scene().await;
    let begun = Instant::now();
    let faults = Faults { delay_factor: Some(3.0), delay_ms: 50, ..Faults::default() };
    let result = scene.transcode(faults).await.unwrap();
    assert!(begun.elapsed() >= 3 * WORK + Duration::from_millis(50));
    let timing = result.timing;
    assert!(timing.transcoded - timing.uploaded > 2 * WORK, "only the result is late");
    let error = failure(Faults { delay_ms: 2_000, ..Faults::default() }).await;
    assert!(matches!(error, TranscodeError::TranscodeTimeout(_)), "{error}");
}

#[tokio::test]
async fn renditions_are_not_delivered() {
    for (faults, text) in [
        (Faults { redirect: true, ..Faults::default() }, "status 302"),
        (Faults { drop_mid_body: true, ..Faults::default() }, ""),
        (Faults { endless: true, ..Faults::default() }, "larger than"),
        (Faults { drip_bytes_per_second: Some(1_000), ..Faults::default() }, "longer than"),
        // The renditions here are no video.
        (Faults { black: true, ..Faults::default() }, "status 502"),
    ] {
        let shown = format!("{faults:?}");
        let error = failure(faults).await;
        assert!(matches!(error, TranscodeError::Download { .. }), "{shown}: {error}");
        assert!(error.to_string().contains(text), "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_truncated_rendition_looks_whole() {
    let faults = Faults { truncate: true, ..Faults::default() };
    let result = scene().await.transcode(faults).await.unwrap();
    assert!(result.renditions.iter().all(|it| it.data.len() == RENDITION / 2));
    let faults = Faults { drip_bytes_per_second: Some(100_000), ..Faults::default() };
    let result = scene().await.transcode(faults).await.unwrap();
    assert!(result.renditions.iter().all(|it| it.data.len() == RENDITION), "slow, but whole");
}

#[tokio::test]
async fn an_echo_is_the_segment_itself_and_other_faults_apply_to_it() {
    let scene = scene().await;
    let result = scene.transcode(Faults { echo: true, ..Faults::default() }).await.unwrap();
    // The upstream's would be RENDITION bytes long.
    assert!(result.renditions.iter().all(|it| &*it.data == b"segment" && it.pixels == 0));
    let stats = scene.proxy.stats();
    assert_eq!((stats.segments, stats.transcoded, stats.renditions), (1, 1, 2));
    let truncated = Faults { echo: true, truncate: true, ..Faults::default() };
    let result = scene.transcode(truncated).await.unwrap();
    assert!(result.renditions.iter().all(|it| &*it.data == b"seg"));
    let error = scene.transcode(Faults { echo: true, wrong_count: true, ..Faults::default() });
    assert!(matches!(error.await, Err(TranscodeError::BadResult(_))));
}

#[tokio::test]
async fn discovery_fails() {
    for (faults, kind) in [
        (Faults { capped: true, ..Faults::default() }, "capped"),
        (Faults { hang_discovery: true, ..Faults::default() }, "timeout"),
        (Faults { price: Some([1, 0]), ..Faults::default() }, "price"),
        (Faults { huge_header: true, ..Faults::default() }, "unreachable"),
    ] {
        let scene = scene().await;
        scene.proxy.set(faults).unwrap();
        let address = scene.proxy.url().parse().unwrap();
        let asked = scene.client.get_orchestrator(&address, &job().capabilities()).await;
        let error = asked.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_price_rises_while_the_session_runs() {
    let scene = scene().await;
    scene.proxy.set(Faults { price: Some([1_200, 1]), ..Faults::default() }).unwrap();
    let info = scene.session().await;
    assert_eq!(info.price(), PixelPrice::new(1_200, 1));
    scene.proxy.set(Faults { price: Some([5_000, 2]), ..Faults::default() }).unwrap();
    let update = scene.client.transcode(&info, &job()).await.unwrap().info.unwrap();
    assert_eq!(update.price(), PixelPrice::new(2_500, 1));
}

async fn control(scene: &Scene, method: Method, path: &str, body: &str) -> (StatusCode, String) {
    let url = format!("{}{path}", scene.proxy.url());
    let request = Request::builder().method(method).uri(url).body(Body::from(body.to_owned()));
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let response = client.request(request.unwrap()).await.unwrap();
    let status = response.status();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn faults_are_switched_over_http() {
    let scene = scene().await;
    let info = scene.session().await;
    let set = r#"{"status": 500, "huge_header": true}"#;
    let (status, _) = control(&scene, Method::PUT, "/_faults", set).await;
    assert_eq!(status, StatusCode::OK);
    let (_, shown) = control(&scene, Method::GET, "/_faults", "").await;
    assert!(shown.contains(r#""status":500"#), "{shown}");
    scene.client.transcode(&info, &job()).await.unwrap_err();

    let (status, reason) = control(&scene, Method::PUT, "/_faults", r#"{"status": 1}"#).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(reason.contains("300 to 599"), "{reason}");
    let (_, unchanged) = control(&scene, Method::GET, "/_faults", "").await;
    assert_eq!(unchanged, shown);

    let (status, _) = control(&scene, Method::DELETE, "/_faults", "").await;
    assert_eq!(status, StatusCode::OK);
    scene.client.transcode(&info, &job()).await.unwrap();
    let (_, stats) = control(&scene, Method::GET, "/_stats", "").await;
    assert!(stats.contains(r#""segments":2"#), "{stats}");
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let upstream = "http://127.0.0.1:1".parse().unwrap();
    FaultyOrchestrator::start(upstream, "0.0.0.0:0".parse().unwrap()).await.unwrap_err();
}
