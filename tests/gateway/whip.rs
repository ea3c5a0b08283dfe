//! Publishing over WebRTC: Chromium with a fake camera, through WHIP, to a player.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{process::Command, task::JoinSet};

use crate::{
    browser::watch,
    support::{
        Gateway, QUICK,
        encoder::current_ffmpeg,
        lossy::LossyRelay,
        watcher::{Report, Watcher},
    },
};

/// What `tests/browser/publish.mjs` saw.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Published {
    pub(crate) published: bool,
    status: u16,
    text: String,
    connected_after_ms: f64,
    frames: u64,
    pub(crate) retransmitted: u64,
    protocol: Option<String>,
    pub(crate) restart: Option<Restart>,
    etag: String,
    delete_status: u16,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Restart {
    pub(crate) status: u16,
    etag: String,
    pub(crate) took_ms: f64,
}

pub(crate) async fn publish(
    gateway: &Gateway,
    key: &str,
    seconds: u32,
    options: &[&str],
) -> Published {
    let http = gateway.app.addresses().http.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/publish.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([format!("http://{http}/whip"), key.to_owned(), seconds.to_string()])
        .args(options)
        .kill_on_drop(true)
        .output();
    let limit = Duration::from_secs(u64::from(seconds) + 60);
    let output = tokio::time::timeout(limit, output).await.expect("the browser ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}\n{said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_publishes_and_another_plays_it() {
    let gateway = Gateway::without_transcoding(QUICK);
    let publish = publish(&gateway, "cam", 30, &[]);
    let (published, seen) = tokio::join!(publish, watch(&gateway, "cam", 12));
    assert!(published.published, "{published:?}");
    assert_eq!(published.protocol.as_deref(), Some("udp"), "{published:?}");
    assert_eq!(published.delete_status, 200, "{published:?}");
    assert!(published.connected_after_ms < 5_000.0, "{published:?}");
    assert!(seen.started, "never started: {seen:?}");
    assert!(seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 3.0, "{seen:?}");
    gateway.shut_down().await;
}

/// The client has moved: it has another address, and nothing reaches the old one.
#[tokio::test(flavor = "multi_thread")]
async fn an_ice_restart_and_an_offer_without_ssrc_do_not_stop_a_stream() {
    let gateway = Gateway::without_transcoding(QUICK);
    let server = gateway.app.addresses().webrtc.unwrap();
    let relay = Arc::new(LossyRelay::start(server, 0, Duration::from_millis(5), 1).await);
    let mut hook = JoinSet::new();
    let tell = format!("tell={}", relay.moves_when_asked(&mut hook).await);
    let via = format!("via={}", relay.addr.port());
    let options = ["restart", "nossrc", &tell, &via];
    let publish = publish(&gateway, "cam", 30, &options);
    let (published, seen) = tokio::join!(publish, watch(&gateway, "cam", 18));
    let restart = published.restart.as_ref().expect("it restarted");
    assert_eq!(restart.status, 200, "{published:?}");
    assert_ne!(restart.etag, published.etag, "{published:?}");
    assert!(restart.took_ms < 3_000.0, "{published:?}");
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 4.0, "{seen:?}");
    gateway.shut_down().await;
}

/// A network that lets no UDP through.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_publishes_over_tcp() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    let published = publish(&gateway, "cam", 12, &["tcp"]).await;
    assert!(published.published, "{published:?}");
    assert_eq!(published.protocol.as_deref(), Some("tcp"), "{published:?}");
    assert_plays(&gateway, watcher, 12).await;
    gateway.shut_down().await;
}

/// A twentieth of all datagrams is lost on a way of 40 ms there and back, and once all of them for 200 ms:
/// what is shown decodes, and sound and picture are together.
#[tokio::test(flavor = "multi_thread")]
async fn a_lossy_network_breaks_no_picture() {
    let gateway = Gateway::without_transcoding(QUICK);
    let server = gateway.app.addresses().webrtc.unwrap();
    let relay = LossyRelay::start(server, 50, Duration::from_millis(20), 1).await;
    let via = format!("via={}", relay.addr.port());
    let watcher = gateway.watch("cam");
    let options = ["beats", &via];
    let publish = publish(&gateway, "cam", 30, &options);
    let burst = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        relay.block_for(Duration::from_millis(200)).await;
    };
    let (published, ()) = tokio::join!(publish, burst);
    assert!(published.published, "{published:?}");
    assert!(published.retransmitted > 0, "{published:?}");
    let (carried, lost) = relay.counts();
    assert!(lost > carried / 40, "{lost} of {carried} lost");
    assert_plays(&gateway, watcher, 30).await;
    let apart = apart(&track_file(&gateway, "source"), &track_file(&gateway, "audio")).await;
    assert_together("source", &apart);
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_turned_away_before_it_gets_an_answer() {
    let gateway = Gateway::start(QUICK, |args| {
        args.open = Some(false);
        args.no_transcode = Some(true);
    });
    let published = publish(&gateway, "wrong", 1, &[]).await;
    assert!(!published.published);
    assert_eq!(published.status, 403, "{published:?}");
    assert_eq!(published.text, "stream key is not known\n");
    gateway.shut_down().await;
}

/// A white picture at the beginning of each second of media, for a tenth of it; black ones else.
fn flashes(size: &str) -> String {
    format!(
        "color=c=black:s={size}:r=30,drawbox=c=white:t=fill:enable='lt(mod(t,1),0.1)',\
         format=yuv420p"
    )
}
/// A tone when the picture is white.
const BEEPS: &str = "aevalsrc='if(lt(mod(t,1),0.1),0.5*sin(2*PI*1000*t),0)':s=48000";
/// By how much sound and picture may be apart, in seconds.
const APART: f64 = 0.045;

/// From which beat on sound and picture are together: the first reports have come, and been followed.
const TOGETHER_AFTER: usize = 8;

/// The beats that say how it is at the end.
const LAST_BEATS: usize = 10;

pub(crate) fn track_file(gateway: &Gateway, track: &str) -> PathBuf {
    gateway.data_dir.join(format!("{track}.mp4"))
}

/// Once the stream has ended: no rule was broken, and all is there.
async fn assert_plays(gateway: &Gateway, watcher: Watcher, seconds: u32) {
    assert_decodes(gateway, watcher, seconds).await.assert_clean();
}

/// Once the stream has ended: everything that was listed decodes, picture and sound, and nearly all that
/// was sent is there.
pub(crate) async fn assert_decodes(gateway: &Gateway, watcher: Watcher, seconds: u32) -> Report {
    let limit = Duration::from_secs(15);
    gateway.viewer().wait_for("/cam/source.m3u8", limit, |list| list.contains("ENDLIST")).await;
    let report = watcher.finish().await;
    for name in ["source", "audio"] {
        let file = track_file(gateway, name);
        std::fs::write(&file, report.track(name).joined()).unwrap();
        assert_eq!(decoding_says(&file).await, "", "{name}");
        let listed = report.track(name).entries.values().filter(|entry| !entry.gap);
        let listed: f64 = listed.map(|entry| entry.duration).sum();
        assert!(listed > f64::from(seconds) - 4.0, "{name} has {listed} s");
    }
    report
}

/// What FFmpeg says when it decodes the file. Pictures of a browser come when they come: on a grid of
/// frames some would share a place.
pub(crate) async fn decoding_says(file: &Path) -> String {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-err_detect", "explode", "-i"])
        .arg(file)
        .args(["-vsync", "passthrough", "-enc_time_base", "1:90000", "-f", "null", "-"])
        .output();
    let output = output.await.unwrap();
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        said.push_str(&output.status.to_string());
    }
    said
}

/// In what was written by [`assert_plays`], each tone begins with its picture.
async fn assert_in_step(gateway: &Gateway) {
    let apart = apart(&track_file(gateway, "source"), &track_file(gateway, "audio")).await;
    println!("sound after picture, in seconds: {apart:.3?}");
    assert!(apart.len() >= 8, "{apart:?}");
    assert!(apart.iter().skip(2).all(|it| it.abs() < APART), "{apart:?}");
}

/// How much later than its flash each tone begins, in seconds. What ends with its file has not begun, and
/// sound that was on its way at the end is missing.
pub(crate) async fn apart(video: &Path, audio: &Path) -> Vec<f64> {
    let flashes = moments(video, "-vf", "blackdetect=d=0.3", "black_end:");
    let beeps = moments(audio, "-af", "silencedetect=n=-30dB:d=0.3", "silence_end:");
    let (mut flashes, mut beeps) = tokio::join!(flashes, beeps);
    flashes.pop();
    beeps.pop();
    let end = beeps.last().map_or(0.0, |beep| beep + 0.5);
    flashes.retain(|flash| *flash < end);
    let apart = |flash: &f64| {
        let distances = beeps.iter().map(|beep| beep - flash);
        distances.min_by(|a, b| a.abs().total_cmp(&b.abs())).expect("a tone")
    };
    flashes.iter().map(apart).collect()
}

/// Most beats, and the last ones in the middle. Where a picture with a flash was lost, its beat is off.
pub(crate) fn assert_together(name: &str, apart: &[f64]) {
    let settled = apart.get(TOGETHER_AFTER..).unwrap_or_default();
    let off = settled.iter().filter(|it| it.abs() >= APART).count();
    let mut last = settled[settled.len() - LAST_BEATS..].to_vec();
    last.sort_by(f64::total_cmp);
    let middle = last[LAST_BEATS / 2];
    println!(
        "{name}: {:.1} ms apart at the end, {off} beats of {} off",
        middle * 1e3,
        settled.len()
    );
    assert!(middle.abs() < APART && off * 5 < settled.len(), "{name}: {apart:?}");
}

/// When something ends that FFmpeg's filter finds, on the file's own clock.
async fn moments(file: &Path, option: &str, filter: &str, mark: &str) -> Vec<f64> {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-copyts", "-i"])
        .arg(file)
        .args([option, filter, "-f", "null", "-"])
        .output();
    let said = String::from_utf8(output.await.unwrap().stderr).unwrap();
    let values = said.split(mark).skip(1);
    values.filter_map(|text| text.split_whitespace().next()?.parse().ok()).collect()
}

/// The Python that has aiortc.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webrtc/venv/bin/python");
    assert!(python.exists(), "no aiortc: run `make tests/webrtc/venv/installed`");
    python
}

/// FFmpeg's WHIP muxer waits for our DTLS hello, hears no wish for key frames, and ends its session.
#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_publishes_over_webrtc() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    publish_with_ffmpeg(&gateway, "cam", 15).await;
    assert_plays(&gateway, watcher, 15).await;
    assert_in_step(&gateway).await;
    gateway.shut_down().await;
}

/// FFmpeg's WHIP muxer with flashes and beeps.
pub(crate) fn ffmpeg_publisher(gateway: &Gateway, key: &str, seconds: u32, size: &str) -> Command {
    let http = gateway.app.addresses().http.unwrap();
    let mut publisher = Command::new(current_ffmpeg());
    publisher
        .args(["-v", "error", "-re", "-f", "lavfi", "-i", &flashes(size)])
        .args(["-re", "-f", "lavfi", "-i", BEEPS, "-t", &seconds.to_string(), "-c:v", "libx264"])
        .args(["-preset", "ultrafast", "-profile:v", "baseline", "-bf", "0", "-g", "60"])
        .args(["-c:a", "libopus", "-ac", "2", "-f", "whip", "-authorization", key])
        .arg(format!("http://{http}/whip"))
        .kill_on_drop(true);
    publisher
}

/// Lets it publish for so long, and end by itself.
pub(crate) async fn publish_with_ffmpeg(gateway: &Gateway, key: &str, seconds: u32) {
    let published = ffmpeg_publisher(gateway, key, seconds, "640x360").output();
    let limit = Duration::from_secs(u64::from(seconds) + 45);
    let published = tokio::time::timeout(limit, published).await.expect("FFmpeg ends").unwrap();
    let said = String::from_utf8_lossy(&published.stderr);
    assert!(published.status.success(), "{said}");
}

/// aiortc codes with x264; its sender reports say when something left, not when it was captured.
#[tokio::test(flavor = "multi_thread")]
async fn aiortc_publishes_over_webrtc() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    publish_with_aiortc(&gateway, "cam", 15, &[]).await;
    assert_decodes(&gateway, watcher, 15).await;
    assert_in_step(&gateway).await;
    gateway.shut_down().await;
}

/// Publishes flashes and beeps with `tests/webrtc/publish.py`.
pub(crate) async fn publish_with_aiortc(
    gateway: &Gateway,
    key: &str,
    seconds: u32,
    options: &[&str],
) {
    let http = gateway.app.addresses().http.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/webrtc/publish.py");
    let publisher = Command::new(python())
        .arg(script)
        .args([format!("http://{http}/whip"), key.to_owned(), seconds.to_string()])
        .args(options)
        .kill_on_drop(true)
        .output();
    let limit = Duration::from_secs(u64::from(seconds) + 45);
    let published = tokio::time::timeout(limit, publisher).await.expect("aiortc ends").unwrap();
    let said = String::from_utf8_lossy(&published.stderr);
    assert_eq!(String::from_utf8_lossy(&published.stdout).trim(), "connected", "{said}");
}
