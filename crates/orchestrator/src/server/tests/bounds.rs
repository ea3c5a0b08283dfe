//! A client against orchestrators that send too much, or too slowly.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use prost::Message;
use tokio::net::TcpListener;
use tonic::{Request, Response as GrpcResponse, Status};

use super::support::{Listening, client, job, listen};
use crate::{
    ClientConfig, OrchestratorAddress, OrchestratorClient, OrchestratorInfo, SegmentJob,
    TranscodeError,
    proto::{
        self, EndTranscodingSessionRequest, EndTranscodingSessionResponse, OrchestratorRequest,
        PingPong, TranscodeData, TranscodedSegmentData,
        orchestrator_server::{Orchestrator, OrchestratorServer},
        transcode_result,
    },
};

/// A gRPC service that says too much.
#[derive(Clone, Debug)]
struct Talkative {
    base: String,
    nodes: usize,
    header: usize,
}

#[tonic::async_trait]
impl Orchestrator for Talkative {
    async fn get_orchestrator(
        &self,
        _: Request<OrchestratorRequest>,
    ) -> Result<GrpcResponse<proto::OrchestratorInfo>, Status> {
        let info = proto::OrchestratorInfo {
            transcoder: self.base.clone(),
            auth_token: Some(proto::AuthToken::default()),
            capabilities: Some(job(b"").capabilities().to_wire()),
            nodes: vec!["n".repeat(1_000); self.nodes],
            ..proto::OrchestratorInfo::default()
        };
        let mut response = GrpcResponse::new(info);
        if self.header > 0 {
            response.metadata_mut().insert("x-long", "h".repeat(self.header).parse().unwrap());
        }
        Ok(response)
    }

    async fn end_transcoding_session(
        &self,
        _: Request<EndTranscodingSessionRequest>,
    ) -> Result<GrpcResponse<EndTranscodingSessionResponse>, Status> {
        Err(Status::unknown("not today"))
    }

    async fn ping(&self, _: Request<PingPong>) -> Result<GrpcResponse<PingPong>, Status> {
        Ok(GrpcResponse::new(PingPong { value: vec![0; 300 << 10].into() }))
    }
}

struct Fake {
    _listening: Listening,
    address: OrchestratorAddress,
}

/// An orchestrator whose `/segment` is this, beside a good and an endless rendition.
async fn start(
    nodes: usize,
    header: usize,
    segment: impl Fn(&str) -> Response + Clone + Send + Sync + 'static,
) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let grpc = OrchestratorServer::new(Talkative { base: base.clone(), nodes, header });
    let address = base.parse().unwrap();
    let router = Router::new()
        .route_service("/net.Orchestrator/{method}", grpc)
        .route(
            "/segment",
            post(async move |body: Bytes| {
                drop(body);
                segment(&base)
            }),
        )
        .route("/good", get(async || "rendition"))
        .route("/drip", get(async || drip()))
        .route("/endless", get(async || endless()))
        .route("/large", get(async || vec![0; 8 << 20]));
    Fake { _listening: listen(listener, router, None), address }
}

/// One byte each 20 ms, without end.
fn drip() -> Response {
    let bytes = futures_util::stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
    });
    Body::from_stream(bytes).into_response()
}

/// As many bytes as are taken.
fn endless() -> Response {
    let piece = || Ok::<_, Infallible>(Bytes::from_static(&[7; 16 << 10]));
    Body::from_stream(futures_util::stream::repeat_with(piece)).into_response()
}

fn renditions(base: &str, path: &str) -> Response {
    let segment = TranscodedSegmentData { url: format!("{base}{path}"), ..Default::default() };
    let segments = vec![segment; 2];
    let data = transcode_result::Result::Data(TranscodeData { segments, ..Default::default() });
    let result = proto::TranscodeResult { result: Some(data), ..Default::default() };
    result.encode_to_vec().into_response()
}

fn hasty() -> OrchestratorClient {
    let download_timeout = Duration::from_millis(200);
    OrchestratorClient::new(ClientConfig { download_timeout, ..ClientConfig::default() }).unwrap()
}

async fn session(fake: &Fake) -> OrchestratorInfo {
    client().get_orchestrator(&fake.address, &job(b"").capabilities()).await.unwrap()
}

/// The error of an attempt that has 200 ms, and that it came within a second.
async fn failure(
    segment: impl Fn(&str) -> Response + Clone + Send + Sync + 'static,
) -> TranscodeError {
    let fake = start(0, 0, segment).await;
    let info = session(&fake).await;
    let limit = Duration::from_millis(200);
    let job = SegmentJob { timeout: limit, upload_timeout: limit, ..job(b"segment") };
    let attempt = hasty();
    let attempt = attempt.transcode(&info, &job);
    tokio::time::timeout(Duration::from_secs(2), attempt).await.expect("in time").unwrap_err()
}

#[tokio::test]
async fn an_oversize_grpc_message_is_refused() {
    let needs = job(b"").capabilities();
    let fake = start(200, 0, |_| StatusCode::OK.into_response()).await;
    client().get_orchestrator(&fake.address, &needs).await.unwrap();
    let fake = start(300, 0, |_| StatusCode::OK.into_response()).await;
    let error = client().get_orchestrator(&fake.address, &needs).await.unwrap_err();
    assert_eq!(error.kind(), "unreachable", "{error}");
    assert!(error.to_string().contains("message length too large"), "{error}");
    client().ping(&fake.address, Bytes::new()).await.unwrap_err();
}

#[tokio::test]
async fn an_oversize_grpc_header_is_refused() {
    let needs = job(b"").capabilities();
    let fake = start(0, 8 << 10, |_| StatusCode::OK.into_response()).await;
    client().get_orchestrator(&fake.address, &needs).await.unwrap();
    let fake = start(0, 40 << 10, |_| StatusCode::OK.into_response()).await;
    let error = client().get_orchestrator(&fake.address, &needs).await.unwrap_err();
    assert_eq!(error.kind(), "unreachable", "{error}");
}

#[tokio::test]
async fn oversize_or_countless_headers_of_an_answer_are_refused() {
    let huge = |_: &str| [("x-long", "h".repeat(600 << 10))].into_response();
    let error = failure(huge).await;
    assert_eq!(error.kind(), "transport", "{error}");
    let many = |_: &str| {
        let mut headers = HeaderMap::new();
        for _ in 0..200 {
            headers.append("x-many", HeaderValue::from_static("1"));
        }
        headers.into_response()
    };
    let error = failure(many).await;
    assert_eq!(error.kind(), "transport", "{error}");
}

#[tokio::test]
async fn an_endless_result_ends_at_its_bound_and_a_slow_one_at_its_deadline() {
    let error = failure(|_| endless()).await;
    assert_eq!(error.kind(), "transport", "{error}");
    let error = failure(|_| drip()).await;
    assert_eq!(error.kind(), "transcode_timeout", "{error}");
}

#[tokio::test]
async fn a_refusals_text_is_bounded_in_size_and_time() {
    let error = failure(|_| (StatusCode::INTERNAL_SERVER_ERROR, endless()).into_response()).await;
    assert_eq!(error.kind(), "refused", "{error}");
    assert!(error.to_string().len() < 300);
    let error = failure(|_| (StatusCode::INTERNAL_SERVER_ERROR, drip()).into_response()).await;
    assert_eq!(error.kind(), "transcode_timeout", "{error}");
}

#[tokio::test]
async fn an_upload_is_not_redirected() {
    let moved = |base: &str| {
        let target = format!("{base}/good");
        (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, target)]).into_response()
    };
    let error = failure(moved).await;
    assert!(matches!(error, TranscodeError::Refused { status: 307, .. }), "{error}");
}

#[tokio::test]
async fn a_slow_rendition_ends_at_its_deadline_and_an_endless_one_at_its_bound() {
    for (path, text) in [
        ("/drip", "took longer than 200ms"),
        ("/endless", "larger than"),
        // No 2 s of these bit rates can be this large.
        ("/large", "larger than"),
    ] {
        let error = failure(move |base| renditions(base, path)).await;
        assert_eq!(error.kind(), "download", "{path}: {error}");
        assert!(error.to_string().contains(text), "{path}: {error}");
    }
}

#[tokio::test]
async fn bytes_of_both_ways_are_counted() {
    let fake = start(0, 0, |base| renditions(base, "/good")).await;
    let result = client().transcode(&session(&fake).await, &job(b"segment")).await.unwrap();
    assert_eq!((result.bytes_sent, result.bytes_received), (7, 18));
}
