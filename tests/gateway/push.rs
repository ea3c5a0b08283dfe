//! HTTP push, as MistServer and Livepeer's tools do it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::support::{
    Gateway, QUICK,
    encoder::decode_errors,
    pushing::{HD, parts, push, segments},
};

const RENDITIONS: [&str; 3] = ["480p", "360p", "240p"];

#[tokio::test(flavor = "multi_thread")]
async fn segments_are_answered_with_their_renditions_and_play_as_a_stream() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let pieces = segments(&gateway.data_dir, &HD, 6, "ts").await;
    let mut joined: Vec<Vec<u8>> = vec![Vec::new(); RENDITIONS.len()];
    for (number, piece) in pieces.iter().enumerate() {
        let answer = push(&gateway, &format!("/live/cam/{number}.ts"), piece.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
        let found = parts(&answer);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, RENDITIONS, "segment {number}");
        for (whole, (_, body)) in joined.iter_mut().zip(found) {
            whole.extend_from_slice(&body);
        }
    }
    // Each rendition is one whole transport stream, sound included.
    for (name, whole) in RENDITIONS.iter().zip(&joined) {
        let file = gateway.data_dir.join(format!("{name}.ts"));
        std::fs::write(&file, whole).unwrap();
        assert_eq!(decode_errors(&file).await, "", "{name}");
        let read = container::ts::read(&whole.clone().into()).unwrap();
        let (video, audio) = (read.video.unwrap(), read.audio.unwrap());
        assert_eq!(video.samples.len(), 6 * 60, "{name}");
        assert!(audio.samples.len() > 12 * 46, "{name}");
    }
    let again = push(&gateway, "/live/cam/5.ts", pieces[5].clone()).await;
    assert_eq!(again.status, StatusCode::OK, "a repeated segment");
    assert_eq!(parts(&again).len(), 3);
    let list = gateway.viewer().get("/stream/cam/source.m3u8").await;
    assert_eq!(list.status, StatusCode::OK);
    let listed = list.text().matches("#EXTINF").count() - list.text().matches("#EXT-X-GAP").count();
    assert_eq!(listed, 6, "the repeated one is not listed twice: {}", list.text());
    let master = gateway.viewer().get("/stream/cam.m3u8").await;
    assert!(master.text().contains("cam/480p.m3u8"), "{}", master.text());
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mp4_comes_back_as_mp4_with_the_clients_ladder() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let pieces = segments(&gateway.data_dir, &HD, 1, "mp4").await;
    let ladder =
        r#"{"profiles":[{"name":"tiny","width":320,"height":180,"bitrate":200000,"fps":30}]}"#;
    let fields = [("accept", "multipart/mixed"), ("livepeer-transcode-configuration", ladder)];
    let viewer = gateway.viewer();
    let answer = viewer.send(Method::POST, "/live/m/0.mp4", &fields, pieces[0].clone());
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    let found = parts(&answer);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "tiny");
    let read = container::mp4::read(&found[0].1).unwrap();
    assert_eq!(read.video.unwrap().samples.len(), 60);
    let file = gateway.data_dir.join("tiny.mp4");
    std::fs::write(&file, &found[0].1).unwrap();
    assert_eq!(decode_errors(&file).await, "");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kicked_stream_ends_and_may_be_pushed_anew() {
    // A publisher that has left would be waited for.
    let patient = QUICK.replace("\"2s\"", "\"10m\"");
    let gateway = Gateway::start(&patient, |args| args.no_transcode = Some(true));
    let pieces = segments(&gateway.data_dir, &HD, 2, "ts").await;
    let kick = || async {
        let path = "/v1/streams/cam/publisher";
        gateway.admin().send(Method::DELETE, path, &[], Bytes::new()).await.unwrap().status
    };
    assert_eq!(kick().await, StatusCode::NOT_FOUND);
    let first = push(&gateway, "/live/cam/0.ts", pieces[0].clone()).await;
    assert_eq!(first.status, StatusCode::OK, "{}", String::from_utf8_lossy(&first.body));
    assert_eq!(kick().await, StatusCode::NO_CONTENT);
    let limit = Duration::from_secs(5);
    let none = |streams: &str| streams == "{\"streams\":[]}";
    gateway.admin().wait_for("/v1/streams", limit, none).await;
    let ended = |list: &str| list.contains("#EXT-X-ENDLIST");
    gateway.viewer().wait_for("/stream/cam/source.m3u8", limit, ended).await;
    let second = push(&gateway, "/live/cam/1.ts", pieces[1].clone()).await;
    assert_eq!(second.status, StatusCode::OK, "{}", String::from_utf8_lossy(&second.body));
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_garbage_are_refused_and_harm_nobody() {
    let keyed =
        "[[stream]]\nname = \"cam\"\nstream_key = \"a-secret-key\"\nplayback_id = \"public\"\n";
    let gateway = Gateway::start(&format!("{QUICK}{keyed}"), |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    });
    let status = |path: &'static str, bearer: &'static str, body: &'static [u8]| {
        let viewer = gateway.viewer();
        async move {
            let token = format!("Bearer {bearer}");
            let fields = [("authorization", token.as_str())];
            let fields = if bearer.is_empty() { &[][..] } else { &fields[..] };
            viewer.send(Method::PUT, path, fields, Bytes::from_static(body)).await.unwrap().status
        }
    };
    assert_eq!(status("/live/cam/0.ts", "", b"x").await, StatusCode::FORBIDDEN);
    assert_eq!(status("/live/cam/0.ts", "wrong-key", b"x").await, StatusCode::FORBIDDEN);
    let unreadable = StatusCode::UNPROCESSABLE_ENTITY;
    assert_eq!(status("/live/cam/0.ts", "a-secret-key", b"no stream").await, unreadable);
    assert_eq!(status("/live/cam/0.ts", "a-secret-key", b"").await, unreadable);
    assert_eq!(status("/live/cam/0.mkv", "a-secret-key", b"x").await, StatusCode::BAD_REQUEST);
    let get = gateway.viewer().get("/live/cam/0.ts").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    gateway.shut_down().await;
}
