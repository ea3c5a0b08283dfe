//! Publishers with several layers and audio tracks: ready-made renditions beside what is transcoded.

use std::{collections::BTreeSet, path::Path, time::Duration};

use tokio::process::Command;

use crate::{
    browser::watch,
    support::{
        Gateway, QUICK,
        encoder::{Publisher, current_ffmpeg, decode_errors},
        watcher::Report,
    },
    whip::{decoding_says, publish},
};

const SECONDS: u32 = 26;
/// A picture of 640x360, the same at 426x240, and two tones, as OBS sends them.
const TWO_OF_EACH: &str = "-filter_complex [0:v]split[large][scaled];[scaled]scale=426:240[small] \
    -map [large] -map [small] -map 1:a -map 1:a -rtmp_enhanced_codecs avc1,mp4a -c:v libx264 \
    -preset ultrafast -g 60 -keyint_min 60 -sc_threshold 0 -b:v:0 600k -b:v:1 200k \
    -c:a aac -b:a:0 96k -b:a:1 64k";

async fn ended(gateway: &Gateway) {
    let ended = |list: &str| list.contains("ENDLIST");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(15), ended).await;
}

/// URIs of the variants, in the order they are listed.
fn variants(report: &Report) -> Vec<&str> {
    report.multivariant.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

/// Numbers that a rendition lists with media.
fn shown(report: &Report, name: &str) -> BTreeSet<u64> {
    let track = report.track(&format!("/{name}.m3u8"));
    track.entries.iter().filter(|(_, entry)| !entry.gap).map(|(number, _)| *number).collect()
}

/// What `tests/browser/choices.mjs` saw.
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Choices {
    audio: Vec<String>,
    quality: Vec<String>,
    offered: bool,
    played_seconds: f64,
    /// Renditions whose segments were asked for after the choice.
    asked: Vec<String>,
    errors: Vec<String>,
}

/// Chooses the last audio track and the highest quality on the watch page, for `seconds`.
async fn choose(gateway: &Gateway, seconds: u32) -> Choices {
    let http = gateway.app.addresses().http.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/choices.mjs");
    let mut command = Command::new("node");
    command.arg(script).args([format!("http://{http}/watch/cam"), seconds.to_string()]);
    let output = tokio::time::timeout(Duration::from_secs(90), command.kill_on_drop(true).output());
    let output = output.await.expect("the browser ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_of_an_encoder_are_renditions_and_spare_rungs() {
    let gateway = Gateway::start(QUICK, |_| {});
    gateway.ready().await;
    let watcher = gateway.watch("cam");
    let url = gateway.publish_url("cam");
    let ffmpeg = current_ffmpeg();
    let publisher = Publisher::encoding(&ffmpeg, "640x360", 30, TWO_OF_EACH, &url, SECONDS);
    let ((went_well, said), chosen) = tokio::join!(publisher.finish(), choose(&gateway, 8));
    assert!(went_well, "{said}");
    assert!(chosen.offered && chosen.errors.is_empty(), "{chosen:?}");
    assert_eq!(chosen.audio, ["Audio", "Audio 2"]);
    assert_eq!(chosen.quality.len(), 4, "Auto and three: {chosen:?}");
    assert!(chosen.played_seconds > 5.0, "{chosen:?}");
    let asked = |name: &str| chosen.asked.iter().any(|asked| asked == name);
    assert!(asked("audio-2") && asked("source"), "{chosen:?}");
    ended(&gateway).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let expected = ["cam/source-240p.m3u8", "cam/source.m3u8", "cam/144p.m3u8"];
    assert_eq!(variants(&report), expected, "240p comes with the source");
    let audio = report.multivariant.lines().filter(|line| line.contains("TYPE=AUDIO"));
    let audio: Vec<_> = audio.collect();
    assert!(audio[0].contains("NAME=\"Audio\",DEFAULT=YES"), "{audio:?}");
    assert!(audio[1].contains("NAME=\"Audio 2\"") && !audio[1].contains("YES"), "{audio:?}");
    let all = shown(&report, "source");
    assert!(all.len() >= 6, "{all:?}");
    for name in ["source", "source-240p", "144p", "audio", "audio-2"] {
        let track = report.track(&format!("/{name}.m3u8"));
        let file = gateway.data_dir.join(format!("{name}.mp4"));
        std::fs::write(&file, track.joined()).unwrap();
        assert_eq!(decode_errors(&file).await, "", "{name}");
        assert!(name == "144p" || shown(&report, name) == all, "{name} has gaps");
        let discontinuities = track.entries.values().filter(|entry| entry.discontinuity).count();
        assert_eq!(discontinuities, 0, "{name}");
    }
    let transcoded = shown(&report, "144p");
    assert!(transcoded.len() + 2 >= all.len(), "{transcoded:?} of {all:?}");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_of_a_browser_play_without_any_transcoding() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    let publish = publish(&gateway, "cam", 40, &["simulcast"]);
    let (published, seen) = tokio::join!(publish, watch(&gateway, "cam", 20));
    assert!(published.published, "{published:?}");
    ended(&gateway).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let names = ["source", "source-360p", "source-180p"];
    let shown = names.map(|name| shown(&report, name));
    println!("shown: {shown:?}");
    // Browsers begin with the smallest layer, and send the others once they know the way to carry them.
    let together = &(&shown[0] & &shown[1]) & &shown[2];
    assert!(together.len() >= 8, "{shown:?}");
    assert!(shown[2].len() >= 15, "the smallest never pauses: {shown:?}");
    for name in names {
        let file = gateway.data_dir.join(format!("{name}.mp4"));
        std::fs::write(&file, report.track(&format!("/{name}.m3u8")).joined()).unwrap();
        assert_eq!(decoding_says(&file).await, "", "{name}");
    }
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 4.0, "{seen:?}");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_pauses_its_largest_layer_goes_on_with_the_others() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    let publish = publish(&gateway, "cam", 45, &["simulcast", "pause"]);
    let (published, seen) = tokio::join!(publish, watch(&gateway, "cam", 36));
    assert!(published.published, "{published:?}");
    ended(&gateway).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let shown = ["source", "source-360p", "source-180p"].map(|name| shown(&report, name));
    println!("shown: {shown:?}");
    let missing = shown[1].difference(&shown[0]).count();
    assert!((4..=12).contains(&missing), "15 s of 45 are paused: {shown:?}");
    assert!(shown[0].last() >= shown[1].iter().nth_back(2), "it is back: {shown:?}");
    assert!(shown[1].len() >= 18 && shown[2].len() >= 18, "the others never pause: {shown:?}");
    // The page may have been showing that very layer.
    assert!(seen.started && seen.errors.is_empty(), "{seen:?}");
    assert!(seen.played_seconds > seen.watched_seconds - 6.0, "{seen:?}");
    gateway.shut_down().await;
}
