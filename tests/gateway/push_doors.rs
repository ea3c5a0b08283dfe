//! Who may push, and what they are told before and after.

use std::{process::Stdio, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use media::Redacted;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Gateway, QUICK,
    encoder::{Publisher, SMALL},
    hook::Hook,
    http::Answer,
    pushing::{TINY, parts, push, push_with, segments},
};

const KEYED: &str = "shutdown_grace = \"0s\"\n[[stream]]\nname = \"studio\"\nstream_key = \"a-secret-key\"\nplayback_id = \"public\"\n";
const SOON: Duration = Duration::from_secs(20);

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What a client is told that waits for leave to send its segment: status line and body.
async fn asked_for_leave(gateway: &Gateway, path: &str) -> String {
    let addr = gateway.app.addresses().http.unwrap();
    let mut connection = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    let read = async {
        let mut bytes = [0; 1024];
        // The connection is closed after a refusal: what was not sent can't be skipped.
        while !said.contains("100 Continue") {
            match connection.read(&mut bytes).await.unwrap() {
                0 => return,
                count => said.push_str(&String::from_utf8_lossy(&bytes[..count])),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("an answer without a body");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_can_not_be_taken_is_refused_before_its_body() {
    let gateway = Gateway::start(&format!("streams = 1\n{KEYED}"), |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    });
    let unknown = asked_for_leave(&gateway, "/live/another-key/0.ts").await;
    assert!(unknown.starts_with("HTTP/1.1 403"), "{unknown}");
    assert!(unknown.ends_with("no stream has this key\n"), "{unknown}");
    let known = asked_for_leave(&gateway, "/live/a-secret-key/0.ts").await;
    assert!(known.starts_with("HTTP/1.1 100"), "{known}");
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("a-secret-key"), 60);
    let live = |streams: &str| streams.contains("\"published\":true");
    gateway.admin().wait_for("/v1/streams", SOON, live).await;
    let taken = asked_for_leave(&gateway, "/live/a-secret-key/0.ts").await;
    assert!(taken.starts_with("HTTP/1.1 403"), "{taken}");
    assert!(taken.ends_with("the stream is published over RTMP\n"), "{taken}");
    publisher.kill().await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_full_says_so_before_the_body() {
    let second =
        "[[stream]]\nname = \"two\"\nstream_key = \"another-secret\"\nplayback_id = \"two\"\n";
    let gateway = Gateway::start(&format!("streams = 1\n{KEYED}{second}"), |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    });
    let pieces = segments(&gateway.data_dir, &TINY, 1, "ts").await;
    let first = push(&gateway, "/live/a-secret-key/0.ts", pieces[0].clone()).await;
    assert_eq!(first.status, StatusCode::OK, "{}", text(&first));
    let full = asked_for_leave(&gateway, "/live/another-secret/0.ts").await;
    assert!(full.starts_with("HTTP/1.1 500"), "{full}");
    assert!(full.ends_with("no room for another stream\n"), "{full}");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_without_video_come_back_as_the_operators_renditions() {
    let ladder = "ladder = [\"P240p30fps16x9\", { name = \"tiny\", width = 160, height = 90, bitrate = 100000 }]\n";
    let gateway = Gateway::start(&format!("{KEYED}{ladder}"), |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    });
    let file = gateway.data_dir.join("sound.ts");
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args("-v error -f lavfi -i sine=frequency=440:sample_rate=48000 -t 2".split(' '));
    command.args(["-c:a", "aac", "-f", "mpegts"]).arg(&file).stdin(Stdio::null());
    assert!(command.status().await.unwrap().success());
    let sound = Bytes::from(std::fs::read(&file).unwrap());
    let answer = push(&gateway, "/live/a-secret-key/0.ts", sound.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", text(&answer));
    let copies = [("P240p30fps16x9", &sound), ("tiny", &sound)];
    let found = parts(&answer);
    let found: Vec<_> = found.iter().map(|(name, body)| (name.as_str(), body)).collect();
    assert_eq!(found, copies);
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn push_can_be_switched_off() {
    let gateway = Gateway::start(&format!("{QUICK}[push]\nenabled = false\n"), |args| {
        args.no_transcode = Some(true);
    });
    let body = Bytes::from(vec![0; 3 << 20]);
    let answer = push(&gateway, "/live/cam/0.ts", body).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(text(&answer).contains("HTTP push is switched off"), "{}", text(&answer));
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("cam"), 60);
    gateway.viewer().wait_for("/cam.m3u8", SOON, |_| true).await;
    publisher.kill().await;
    gateway.shut_down().await;
}

/// A gateway whose streams are the hook's to allow, but for one.
fn asking(hook: &Hook, transcode: bool) -> Gateway {
    let url = hook.url("/auth");
    Gateway::start(KEYED, |args| {
        args.open = Some(false);
        args.no_transcode = Some(!transcode);
        args.auth_webhook = Some(Redacted::new(url));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_webhook_gives_a_pushed_stream_its_name_and_ladder_once() {
    let hook = Hook::start().await;
    let gateway = asking(&hook, true);
    gateway.ready().await;
    let pieces = segments(&gateway.data_dir, &TINY, 4, "ts").await;
    for (number, piece) in pieces[..3].iter().enumerate() {
        let path = format!("/live/mapped-key/{number}.ts?token=t");
        let answer = push(&gateway, &path, piece.clone()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", text(&answer));
        let found = parts(&answer);
        assert_eq!(found.len(), 1, "the webhook's ladder");
        assert_eq!(found[0].0, "tiny");
    }
    let addr = gateway.app.addresses().http.unwrap();
    assert_eq!(hook.urls(), [format!("http://{addr}/live/mapped-key/0.ts?token=t")]);
    let viewer = gateway.viewer();
    viewer.wait_for("/match/tiny.m3u8", SOON, |list| list.matches("#EXTINF").count() >= 3).await;
    assert_eq!(viewer.get("/mapped-key.m3u8").await.status, 404, "the key is public");

    // The header's profiles have to be those of the webhook.
    let other = r#"{"profiles":[{"name":"big","width":320,"height":180,"bitrate":200000}]}"#;
    let fields = [("livepeer-transcode-configuration", other)];
    let refused = push_with(&viewer, "/live/mapped-key/3.ts?token=t", &fields, pieces[3].clone());
    let refused = refused.await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", text(&refused));

    // What the webhook was not asked about is not what it let in, and a stream has one client.
    let without = push(&gateway, "/live/mapped-key/3.ts", pieces[3].clone()).await;
    assert_eq!((without.status, hook.urls().len()), (StatusCode::OK, 2), "{}", text(&without));

    // The stream's end is the end of the webhook's word.
    let gone = |streams: &str| streams == "{\"streams\":[]}";
    let kicked = gateway.admin();
    let kicked =
        kicked.send(http::Method::DELETE, "/v1/streams/match/publisher", &[], Bytes::new());
    assert_eq!(kicked.await.unwrap().status, StatusCode::NO_CONTENT);
    gateway.admin().wait_for("/v1/streams", SOON, gone).await;
    let again = push(&gateway, "/live/mapped-key/9.ts?token=t", pieces[3].clone()).await;
    assert_eq!((again.status, hook.urls().len()), (StatusCode::OK, 3), "{}", text(&again));
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_webhook_refuses_a_pushed_stream_before_its_body() {
    let hook = Hook::start().await;
    let gateway = asking(&hook, false);
    let refused = asked_for_leave(&gateway, "/live/unknown-key/0.ts").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(refused.ends_with("the auth webhook refuses this stream\n"), "{refused}");
    // Whatever would make a key public, or take another's name; and a hook that says nothing.
    for (key, status) in [
        ("allowed-key", "500"),
        ("echoed-key", "500"),
        ("greedy-key", "403"),
        ("hanging-key", "500"),
        ("flooding-key", "500"),
    ] {
        let refused = asked_for_leave(&gateway, &format!("/live/{key}/0.ts")).await;
        assert!(refused.starts_with(&format!("HTTP/1.1 {status}")), "{key}: {refused}");
    }
    assert_eq!(hook.urls().len(), 6, "each is asked about once: {:?}", hook.urls());
    let pieces = segments(&gateway.data_dir, &TINY, 2, "ts").await;
    let configured = push(&gateway, "/live/a-secret-key/0.ts", pieces[0].clone()).await;
    assert_eq!(configured.status, StatusCode::OK, "{}", text(&configured));
    assert_eq!(hook.urls().len(), 6, "a configured key is nobody else's business");
    let source_only = push(&gateway, "/live/source-key/0.ts", pieces[1].clone()).await;
    assert_eq!(source_only.status, StatusCode::OK, "{}", text(&source_only));
    assert!(source_only.body.is_empty(), "an empty ladder");
    gateway.shut_down().await;
}
