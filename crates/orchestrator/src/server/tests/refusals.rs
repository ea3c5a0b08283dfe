//! Uploads that are refused, by what is on the wire.

use std::time::Duration;

use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use media::Chain;
use prost::Message;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tower::ServiceExt;

use super::support::{Act, Orchestrator, Transport, client, eventually, job};
use crate::{
    Retry, TranscodeError,
    keccak::keccak_of,
    proto::{AuthToken, SegData, VideoProfile},
    segment_credentials,
};

/// The segment data a client would send.
async fn valid(orchestrator: &Orchestrator, body: &[u8]) -> SegData {
    let info = orchestrator.session(&client()).await;
    let hash = keccak_of(&Chain::from(Bytes::copy_from_slice(body)));
    segment_credentials::seg_data(&job(body), info.token(), &hash, Bytes::new()).unwrap()
}

fn upload(data: &SegData, body: &'static [u8]) -> Request<Body> {
    let header = STANDARD.encode(data.encode_to_vec());
    let request = Request::post("/segment").header("Livepeer-Segment", header);
    request.body(Body::from(body)).unwrap()
}

async fn answer(orchestrator: &Orchestrator, request: Request<Body>) -> (StatusCode, String) {
    let response = orchestrator.server.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn statuses_and_texts_are_the_networks() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |_| {}).await;
    let valid = valid(&orchestrator, b"segment").await;
    let token = valid.auth_token.clone().unwrap();
    let forged = AuthToken { expiration: token.expiration + 1, ..token };
    let profile = |change: fn(&mut VideoProfile)| {
        let mut data = valid.clone();
        change(&mut data.full_profiles[0]);
        data
    };
    for (data, text) in [
        (SegData::default(), "empty seg data\n"),
        (SegData { duration: -1, ..valid.clone() }, "invalid duration\n"),
        (profile(|p| p.format = 9), "unrecognized profile output format\n"),
        (profile(|p| p.profile = 9), "unrecognized encoder profile\n"),
        (profile(|p| p.encoder = 9), "unrecognized video codec\n"),
        (SegData { auth_token: None, ..valid.clone() }, "missing auth token\n"),
        (SegData { auth_token: Some(forged), ..valid.clone() }, "invalid auth token\n"),
        (SegData { hash: Bytes::from_static(&[0; 32]), ..valid.clone() }, "Forbidden\n"),
        (SegData { hash: Bytes::new(), ..valid.clone() }, "Forbidden\n"),
    ] {
        let (status, body) = answer(&orchestrator, upload(&data, b"segment")).await;
        assert_eq!((status, body.as_str()), (StatusCode::FORBIDDEN, text));
    }
    let (status, _) = answer(&orchestrator, upload(&valid, b"segment")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(orchestrator.transcoder.request_count(), 1);
    assert_eq!(orchestrator.server.stats().refused, 9);
}

#[tokio::test]
async fn a_strangers_url_is_not_fetched() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |_| {}).await;
    let data = valid(&orchestrator, b"segment").await;
    let mut request = upload(&data, b"http://169.254.169.254/latest/meta-data");
    let kind = "application/vnd+livepeer.uri".parse().unwrap();
    request.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    let (status, text) = answer(&orchestrator, request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("fetches no URLs"), "{text}");
}

#[tokio::test]
async fn renditions_are_served_by_exact_name_only() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |_| {}).await;
    let data = valid(&orchestrator, b"segment").await;
    let session = data.auth_token.clone().unwrap().session_id;
    answer(&orchestrator, upload(&data, b"segment")).await;
    let get = async |path: String| {
        answer(&orchestrator, Request::get(path).body(Body::empty()).unwrap()).await
    };
    let base = format!("/stream/{session}/P360p30fps16x9");
    let (status, body) = get(format!("{base}/42.ts")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "640x360 of 7 bytes"));
    for path in [
        format!("{base}/42.mp4"),
        format!("{base}/41.ts"),
        format!("{base}/%2e%2e%2f42.ts"),
        format!("{base}/../P360p30fps16x9/42.ts"),
        "/stream/x/P360p30fps16x9/42.ts".to_owned(),
        "/".to_owned(),
    ] {
        assert_eq!(get(path.clone()).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let head = Request::head(format!("{base}/42.ts")).body(Body::empty()).unwrap();
    let response = orchestrator.server.router().oneshot(head).await.unwrap();
    assert_eq!(response.headers()["content-length"], "18");
    assert_eq!(response.headers()["content-type"], "video/mp2t");
}

#[tokio::test]
async fn an_oversize_segment_is_refused_in_words() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |config| {
        config.max_segment_bytes = 100_000;
    })
    .await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let error = client.transcode(&info, &job(&vec![1; 2_000_000])).await.unwrap_err();
    assert!(matches!(error, TranscodeError::Refused { status: 413, .. }), "{error}");
    assert_eq!(error.retry(), Retry::Other);
    assert_eq!(orchestrator.server.stats().sessions, 0);
}

#[tokio::test]
async fn results_larger_than_a_session_may_keep_are_an_error() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [Act::Large(600)], |config| {
        config.session_result_bytes = 1_000;
    })
    .await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let error = client.transcode(&info, &job(b"segment")).await.unwrap_err();
    assert!(error.to_string().contains("larger than a session may keep"), "{error}");
}

#[tokio::test]
async fn an_upload_cut_short_leaves_nothing_behind() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |config| {
        config.upload_timeout = Duration::from_millis(200);
    })
    .await;
    let body = b"segment";
    let data = SegData { duration: 1, ..valid(&orchestrator, body).await };
    let header = STANDARD.encode(data.encode_to_vec());
    let head = format!(
        "POST /segment HTTP/1.1\r\nHost: x\r\nLivepeer-Segment: {header}\r\n\
         Content-Length: 5000000\r\n\r\n"
    );
    let stats = || orchestrator.server.stats();

    let mut cut = TcpStream::connect(orchestrator.listening.at).await.unwrap();
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.write_all(&[0; 100_000]).await.unwrap();
    drop(cut);
    let mut stuck = TcpStream::connect(orchestrator.listening.at).await.unwrap();
    stuck.write_all(head.as_bytes()).await.unwrap();
    eventually("the stuck upload is refused", || stats().refused >= 1).await;
    assert_eq!((stats().sessions, orchestrator.transcoder.request_count()), (0, 0));

    let client = client();
    let info = orchestrator.session(&client).await;
    client.transcode(&info, &job(body)).await.unwrap();
}
