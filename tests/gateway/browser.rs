//! A real browser watches: headless Chromium on our watch page, with hls.js from the binary.

use std::{path::Path, time::Duration};

use tokio::process::Command;

use crate::support::{
    Gateway,
    encoder::{Publisher, SMALL},
};

/// What `tests/browser/watch.mjs` saw.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    pub(crate) started: bool,
    #[serde(default)]
    pub(crate) watched_seconds: f64,
    #[serde(default)]
    pub(crate) played_seconds: f64,
    #[serde(default)]
    pub(crate) longest_still_ms: f64,
    pub(crate) errors: Vec<String>,
    #[serde(default)]
    pub(crate) sizes: Vec<String>,
    #[serde(default)]
    text: String,
}

pub(crate) async fn watch(gateway: &Gateway, id: &str, seconds: u32) -> Seen {
    let http = gateway.app.addresses().http.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/watch.mjs");
    let url = format!("http://{http}/watch/{id}");
    let output = Command::new("node")
        .arg(script)
        .arg(url)
        .arg(seconds.to_string())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(150), output)
        .await
        .expect("the browser ends")
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
}

/// Whether this build carries the player; `make player` fetches it.
fn has_player() -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("playback/player/node_modules/hls.js").exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_starts_by_itself_and_plays_through_a_publishers_absence() {
    assert!(has_player(), "no player in this build: run `make player` first");
    let gateway = Gateway::without_transcoding(
        "shutdown_grace = \"0s\"\n[publisher]\nreconnect_window = \"30s\"\n",
    );
    let url = gateway.publish_url("cam");
    let publish = async {
        // The page is open before anyone publishes.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let first = Publisher::start(&SMALL, &url, 60);
        tokio::time::sleep(Duration::from_secs(16)).await;
        first.kill().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        Publisher::start(&SMALL, &url, 50)
    };
    let (seen, publisher) = tokio::join!(watch(&gateway, "cam", 35), publish);
    publisher.kill().await;
    gateway.shut_down().await;
    assert!(seen.started, "never started: {}", seen.text);
    assert!(seen.errors.is_empty(), "{seen:?}");
    // Filler is played as well; only the first stand-in may come before there is some.
    assert!(seen.played_seconds > seen.watched_seconds - 4.0, "{seen:?}");
    assert!(seen.longest_still_ms < 4_000.0, "{seen:?}");
}
