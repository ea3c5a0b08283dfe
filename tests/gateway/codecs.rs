//! HEVC and AV1 over Enhanced RTMP, with an H.264 ladder beside them.

use std::{path::Path, time::Duration};

use tokio::process::Command;

use crate::support::{
    Gateway, QUICK,
    encoder::{Publisher, current_ffmpeg, decode_errors},
    watcher::Report,
};

const SECONDS: u32 = 12;
const RATE: u32 = 30;
const HEVC: &str = "-rtmp_enhanced_codecs hvc1 -c:v libx265 -preset ultrafast -x265-params \
    keyint=60:min-keyint=60:scenecut=0:bframes=2:open-gop=0:log-level=0 -c:a aac -b:a 96k";
const AV1: &str = "-rtmp_enhanced_codecs av01,Opus -c:v libsvtav1 -preset 13 -g 60 \
    -svtav1-params lp=2:scd=0:irefresh-type=2 -c:a libopus -b:a 64k";

/// Publishes to the gateway until the end; what viewers saw.
async fn published(gateway: &Gateway, options: &str) -> Report {
    gateway.ready().await;
    let watcher = gateway.watch("cam");
    let url = gateway.publish_url("cam");
    let publisher = Publisher::encoding(&current_ffmpeg(), "640x360", RATE, options, &url, SECONDS);
    let (went_well, said) = publisher.finish().await;
    assert!(went_well, "{said}");
    let ended = |list: &str| list.contains("ENDLIST");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(15), ended).await;
    let report = watcher.finish().await;
    report.assert_clean();
    report
}

/// What ffprobe says of a playlist or a file.
async fn probe(input: &str, entries: &str) -> String {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0", input]);
    let output = command.output().await.expect("ffprobe runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn pictures(file: &Path) -> usize {
    let packets = probe(file.to_str().unwrap(), "packet=pts").await;
    packets.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Every picture is there, decodes, and has its fellow in the rendition.
async fn check_tracks(gateway: &Gateway, report: &Report, rendition: &str) {
    for name in ["source", rendition] {
        let track = report.track(name);
        let file = gateway.data_dir.join(format!("{name}.mp4"));
        std::fs::write(&file, track.joined()).unwrap();
        assert_eq!(decode_errors(&file).await, "", "{name}");
        assert_eq!(pictures(&file).await, (SECONDS * RATE) as usize, "{name}");
        assert_eq!(track.gaps(), report.track("source").gaps(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_plays_beside_an_h264_ladder() {
    let gateway = Gateway::start(QUICK, |_| {});
    let report = published(&gateway, HEVC).await;
    let variants = &report.multivariant;
    assert!(variants.contains("CODECS=\"hvc1.1.6.L63.90,mp4a.40.2\""), "{variants}");
    assert!(variants.contains("CODECS=\"avc1."), "{variants}");
    let viewers = gateway.app.addresses().http.unwrap();
    let url = format!("http://{viewers}/cam/source.m3u8");
    let source = probe(&url, "stream=codec_name,codec_tag_string,width,height").await;
    assert!(source.starts_with("hevc,hvc1,640,360"), "{source}");
    check_tracks(&gateway, &report, "240p").await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn av1_and_opus_play_beside_an_h264_ladder() {
    let gateway = Gateway::start(QUICK, |_| {});
    let report = published(&gateway, AV1).await;
    let variants = &report.multivariant;
    assert!(variants.contains("CODECS=\"av01.0.01M.08,opus\""), "{variants}");
    assert!(variants.contains("CODECS=\"avc1."), "{variants}");
    let viewers = gateway.app.addresses().http.unwrap();
    let url = format!("http://{viewers}/cam/source.m3u8");
    let source = probe(&url, "stream=codec_name,codec_tag_string,width,height").await;
    assert!(source.starts_with("av1,av01,640,360"), "{source}");
    let audio = probe(&format!("http://{viewers}/cam/audio.m3u8"), "stream=codec_name").await;
    assert!(audio.starts_with("opus"), "{audio}");
    check_tracks(&gateway, &report, "240p").await;
    gateway.shut_down().await;
}
