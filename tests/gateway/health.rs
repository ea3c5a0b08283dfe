//! How a stream arrives, told to its owner and the operator: ffmpeg publishes, Chromium looks.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    Gateway, QUICK,
    encoder::{LONG_GOPS, Publisher, SILENT, SMALL},
    http::Answer,
};

/// One stream, whose key and playback id are different values.
const STREAM: &str = "shutdown_grace = \"0s\"\n[[stream]]\nname = \"studio\"\nstream_key = \"right-key-1\"\nplayback_id = \"cam\"\n";
const LIMIT: Duration = Duration::from_secs(40);

fn closed() -> Gateway {
    Gateway::start(STREAM, |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    })
}

/// What `tests/browser/owner.mjs` saw.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Seen {
    good: bool,
    panel: bool,
    health: Option<String>,
    warnings: Vec<String>,
    figures: std::collections::BTreeMap<String, String>,
    note: Option<String>,
    address: String,
    key_in_requests: bool,
    asked_for_health: bool,
    loaded_panel: bool,
    errors: Vec<String>,
}

async fn look(gateway: &Gateway, key: &str, wanted: &str) -> Seen {
    let http = gateway.app.addresses().http.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/owner.mjs");
    let mut command = Command::new("node");
    command.arg(script).args([&format!("http://{http}/watch/cam"), key, wanted]);
    // Where pictures of it are wanted, for people to look at.
    if let Ok(folder) = std::env::var("HEADGATE_SCREENSHOTS") {
        let name = if key.is_empty() { "viewer" } else { wanted };
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        command.arg(format!("{folder}/watch-{}", name.to_lowercase()));
    }
    let output = command.kill_on_drop(true).output();
    let limit = Duration::from_secs(120);
    let output = tokio::time::timeout(limit, output).await.expect("the browser ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
}

/// Asks as an owner does.
async fn ask(gateway: &Gateway, authorization: Option<&str>) -> Answer {
    let fields: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
    let viewer = gateway.viewer();
    viewer.send(Method::GET, "/ingest-health", &fields, Bytes::new()).await.unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn kinds(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_key_frame_interval_is_told_to_owner_and_operator_and_a_short_one_is_not() {
    let gateway = closed();
    let publisher = Publisher::start(&LONG_GOPS, &gateway.publish_url("right-key-1"), 100);
    let admin = gateway.admin();
    let has = |text: &str| json(text)["warnings"].to_string().contains("Keyframe every 8.3 s");
    let report = admin.wait_for("/v1/streams/studio/health", LIMIT, has).await;
    let report = json(report.text());
    // A busy machine may have others to tell of.
    assert!(kinds(&report).contains(&"key_frames_far"), "{report}");
    let warning = &report["warnings"][0];
    assert_eq!(
        warning["text"], "Keyframe every 8.3 s: set it to 2 s in ffmpeg (-g 60)",
        "{report}"
    );
    assert_eq!((&report["health"], &report["transport"]), (&"fair".into(), &"rtmp".into()));
    assert!(report["encoder"].as_str().unwrap().starts_with("Lavf"), "{report}");
    let video = &report["tracks"][0];
    assert_eq!((&video["width"], &video["announced_frame_rate"]), (&320.into(), &30.0.into()));
    assert!((29.0..31.0).contains(&video["frame_rate"].as_f64().unwrap()), "{video}");
    assert!(video["reordering"].as_u64().unwrap() >= 1, "{video}");
    let listed = json(admin.get("/v1/streams").await.text());
    assert_eq!(listed["streams"][0]["health"], "fair", "{listed}");
    let metrics = admin.get("/metrics").await;
    let counted = "headgate_ingest_health_warnings{kind=\"key_frames_far\"} 1";
    assert!(metrics.text().contains(counted), "{}", metrics.text());

    let seen = look(&gateway, "right-key-1", "Keyframe every 8.3 s").await;
    assert!(seen.good && seen.errors.is_empty(), "{seen:?}");
    assert_eq!(seen.health.as_deref(), Some("fair"), "{seen:?}");
    assert!(seen.warnings[0].contains("Set it to 2 s in ffmpeg (-g 60)."), "{seen:?}");
    assert_eq!(seen.figures["Keyframe every"], "8.3 s", "{seen:?}");
    assert!(!seen.key_in_requests && seen.address.ends_with("/watch/cam"), "{seen:?}");
    publisher.kill().await;

    let publisher = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 60);
    let measured = |text: &str| {
        let report = json(text);
        report["publishing"] == true && report["tracks"][0]["gop"]["usual_ms"] == 2_000
    };
    let report = admin.wait_for("/v1/streams/studio/health", LIMIT, measured).await;
    let seen = look(&gateway, "right-key-1", "none").await;
    assert!(seen.good && seen.errors.is_empty(), "{seen:?}");
    assert_eq!(seen.health.as_deref(), Some("good"), "{seen:?}");
    assert!(!kinds(&json(report.text())).contains(&"key_frames_far"), "{}", report.text());
    publisher.kill().await;
    let away = |text: &str| json(text)["health"] == "away";
    admin.wait_for("/v1/streams/studio/health", LIMIT, away).await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_owner_sees_anything() {
    let gateway = closed();
    let off_air = ask(&gateway, Some("Bearer right-key-1")).await;
    assert_eq!(off_air.status, StatusCode::NOT_FOUND);
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("right-key-1"), 90);
    gateway.viewer().wait_for("/cam.m3u8", LIMIT, |_| true).await;
    let answer = ask(&gateway, Some("Bearer right-key-1")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let report = json(answer.text());
    assert_eq!((&report["playback_id"], &report["publishing"]), (&"cam".into(), &true.into()));
    // The playback id is no key.
    for wrong in [
        None,
        Some("Bearer cam"),
        Some("Bearer studio"),
        Some("Basic right-key-1"),
        Some("Bearer "),
    ] {
        let answer = ask(&gateway, wrong).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong:?}");
        assert!(!answer.text().contains("tracks"), "{}", answer.text());
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
    let viewer = look(&gateway, "", "").await;
    assert!(viewer.good && !viewer.panel, "{viewer:?}");
    assert!(!viewer.asked_for_health && !viewer.loaded_panel, "{viewer:?}");
    let guess = look(&gateway, "wrong-key-1", "refused").await;
    assert!(guess.good && guess.panel && guess.figures.is_empty(), "{guess:?}");
    assert!(guess.note.unwrap().contains("No live stream has this key"));
    publisher.kill().await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_sound_is_told_so() {
    let gateway = Gateway::without_transcoding(QUICK);
    let publisher = Publisher::start(&SILENT, &gateway.publish_url("mute"), 40);
    let has = |text: &str| json(text)["warnings"].to_string().contains("no_sound");
    let report = gateway.admin().wait_for("/v1/streams/mute/health", LIMIT, has).await;
    assert!(kinds(&json(report.text())).contains(&"no_sound"), "{}", report.text());
    publisher.kill().await;
    gateway.shut_down().await;
}
