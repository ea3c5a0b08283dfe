//! A client against orchestrators that lie.

use std::{sync::Arc, time::UNIX_EPOCH};

use axum::{
    Router,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use prost::Message;
use tokio::net::TcpListener;

use super::support::{Listening, client, job, listen};
use crate::{
    ClientConfig, NetworkPolicy, OrchestratorClient, OrchestratorInfo, TranscodeError,
    proto::{self, TranscodeData, TranscodedSegmentData, transcode_result},
};

/// Answers every upload with these bytes, and serves a few odd renditions.
async fn start(
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> (Listening, OrchestratorInfo) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer(&base));
    let router = Router::new()
        .route("/segment", post(async move |_: Bytes| answer.as_ref().clone()))
        .route("/good", get(async || "rendition"))
        .route("/empty", get(async || ""))
        .route("/large", get(async || vec![0_u8; 3_000]))
        .route("/partial", get(async || (StatusCode::PARTIAL_CONTENT, "rendition")))
        .route("/moved", get(async || (StatusCode::FOUND, [(LOCATION, "/good")]).into_response()));
    let wire = proto::OrchestratorInfo {
        transcoder: base.clone(),
        auth_token: Some(proto::AuthToken::default()),
        ..proto::OrchestratorInfo::default()
    };
    let now = tokio::time::Instant::now().into_std();
    let address = base.parse().unwrap();
    let policy = NetworkPolicy::Anywhere;
    let info = OrchestratorInfo::from_discovery(&address, policy, wire, now, UNIX_EPOCH).unwrap();
    (listen(listener, router, None), info)
}

fn data(base: &str, paths: &[&str]) -> Vec<u8> {
    let segments = paths
        .iter()
        .map(|path| TranscodedSegmentData { url: format!("{base}{path}"), ..Default::default() })
        .collect();
    let result = transcode_result::Result::Data(TranscodeData { segments, ..Default::default() });
    proto::TranscodeResult { result: Some(result), ..Default::default() }.encode_to_vec()
}

async fn outcome(
    answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
) -> Result<usize, TranscodeError> {
    let (_listening, info) = start(answer).await;
    client().transcode(&info, &job(b"segment")).await.map(|result| result.renditions.len())
}

#[tokio::test]
async fn a_result_needs_one_rendition_per_profile() {
    assert_eq!(outcome(|base| data(base, &["/good", "/good"])).await.unwrap(), 2);
    for paths in [&["/good"][..], &[], &["/good"; 3]] {
        let error = outcome(|base| data(base, paths)).await.unwrap_err();
        assert_eq!(error.kind(), "bad_result", "{error}");
    }
    assert_eq!(outcome(|_| Vec::new()).await.unwrap_err().kind(), "bad_result");
    assert_eq!(outcome(|_| vec![0xff; 100]).await.unwrap_err().kind(), "bad_result");
    let endless = outcome(|_| vec![0; 2 << 20]).await.unwrap_err();
    assert_eq!(endless.kind(), "transport", "{endless}");
}

#[tokio::test]
async fn a_result_of_another_segment_is_none() {
    let of = |seq: i64| {
        move |base: &str| {
            let result = data(base, &["/good", "/good"]);
            let result = proto::TranscodeResult::decode(&*result).unwrap();
            proto::TranscodeResult { seq, ..result }.encode_to_vec()
        }
    };
    assert_eq!(outcome(of(42)).await.unwrap(), 2);
    assert_eq!(outcome(of(0)).await.unwrap(), 2, "unsaid");
    for seq in [41, 43, -1] {
        let error = outcome(of(seq)).await.unwrap_err();
        assert_eq!(error.kind(), "bad_result", "{error}");
    }
}

#[tokio::test]
async fn only_whole_renditions_of_a_plain_200_count() {
    for (path, text) in [
        ("/moved", "status 302"),
        ("/partial", "status 206"),
        ("/absent", "status 404"),
        ("/empty", "empty"),
    ] {
        let error = outcome(move |base| data(base, &["/good", path])).await.unwrap_err();
        assert_eq!(error.kind(), "download", "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let foreign = outcome(|_| data("http://127.0.0.1:1", &["/good", "/good"])).await.unwrap_err();
    assert_eq!(foreign.kind(), "foreign_url");
}

#[tokio::test]
async fn a_rendition_beyond_the_limit_is_not_read() {
    let (_listening, info) = start(|base| data(base, &["/good", "/large"])).await;
    let config = ClientConfig { max_rendition_bytes: 2_000, ..ClientConfig::default() };
    let client = OrchestratorClient::new(config).unwrap();
    let error = client.transcode(&info, &job(b"segment")).await.unwrap_err();
    assert!(error.to_string().contains("larger than 2000 bytes"), "{error}");
}
