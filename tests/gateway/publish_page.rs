//! The publish page in a real browser: from its button to a player.

use std::{path::Path, time::Duration};

use tokio::process::Command;

use crate::{
    browser::watch,
    support::{Gateway, QUICK},
};

/// What `tests/browser/publish_page.mjs` saw.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Seen {
    address: String,
    live: bool,
    title: String,
    detail: String,
    muted: String,
    phase: String,
    bitrate: String,
    protocol: String,
    watch_page: String,
    owners_page: String,
    ended: String,
    key_in_requests: bool,
    elsewhere: Vec<String>,
    deleted: bool,
    errors: Vec<String>,
}

async fn go_live(gateway: &Gateway, key: &str, seconds: u32) -> Seen {
    let http = gateway.app.addresses().http.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/publish_page.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([format!("http://{http}"), key.to_owned(), seconds.to_string()])
        .kill_on_drop(true)
        .output();
    let limit = Duration::from_secs(u64::from(seconds) + 90);
    let output = tokio::time::timeout(limit, output).await.expect("the browser ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_goes_live_with_the_key_of_its_address_and_a_viewer_sees_it() {
    let gateway = Gateway::without_transcoding(QUICK);
    let key = "studio-7";
    let (admin, limit) = (gateway.admin(), Duration::from_secs(40));
    let is_measured =
        |text: &str| text.contains("\"kind\":\"audio\"") && !text.contains("\"usual_ms\":null");
    let (seen, watched, measured) = tokio::join!(
        go_live(&gateway, key, 25),
        watch(&gateway, key, 10),
        admin.wait_for("/v1/streams/studio-7/health", limit, is_measured),
    );
    let measured: serde_json::Value = serde_json::from_str(measured.text()).unwrap();
    assert_eq!((&measured["transport"], &measured["lost_permille"]), (&"whip".into(), &0.into()));
    assert!(measured["encoder"].as_str().unwrap().starts_with("Chrome "), "{measured}");
    assert!(seen.live, "{seen:?}");
    assert!(seen.errors.is_empty(), "{seen:?}");
    assert!(seen.address.ends_with("/publish"), "the key stays in the address: {seen:?}");
    assert!(!seen.key_in_requests, "the key is in a URL: {seen:?}");
    assert!(seen.elsewhere.is_empty(), "{seen:?}");
    assert_eq!((seen.phase.as_str(), seen.muted.as_str()), ("live", "true"), "{seen:?}");
    assert!(seen.bitrate.contains("bit/s"), "{seen:?}");
    assert_eq!(seen.protocol, "UDP", "{seen:?}");
    assert!(seen.watch_page.ends_with("/watch/studio-7"), "{seen:?}");
    assert!(seen.owners_page.ends_with("/watch/studio-7#key=studio-7"), "{seen:?}");
    assert!(seen.deleted, "{seen:?}");
    assert_eq!(seen.ended, "The stream has ended", "{seen:?}");
    assert!(watched.started && watched.errors.is_empty(), "{watched:?}");
    assert!(watched.played_seconds > watched.watched_seconds - 4.0, "{watched:?}");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_in_words_that_a_key_is_wrong() {
    let gateway = Gateway::start(QUICK, |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    });
    let seen = go_live(&gateway, "wrong", 1).await;
    assert!(!seen.live, "{seen:?}");
    assert_eq!(seen.title, "Stream key refused");
    assert!(seen.detail.contains("“Stream key is not known.”"), "{seen:?}");
    gateway.shut_down().await;
}
