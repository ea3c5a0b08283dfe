//! Sources of every shape come out legal.

use std::time::Duration;

use crate::support::{
    Gateway, QUICK,
    encoder::{AUDIO_ONLY, LONG_GOPS, Publisher, SCENE_CUTS, SILENT, Source},
    watcher::Report,
};

async fn watch(source: &Source, seconds: u32) -> Report {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    let (went_well, said) =
        Publisher::start(source, &gateway.publish_url("cam"), seconds).finish().await;
    assert!(went_well, "{said}");
    let list = if source.video.is_empty() { "/cam/audio.m3u8" } else { "/cam/source.m3u8" };
    gateway.viewer().wait_for(list, Duration::from_secs(15), |list| list.contains("ENDLIST")).await;
    let report = watcher.finish().await;
    report.assert_clean();
    gateway.shut_down().await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn scene_cuts_come_out_legal() {
    let report = watch(&SCENE_CUTS, 20).await;
    let gaps = report.track("source").gaps();
    let media = report.track("source").bodies.len();
    assert!(media >= 5, "{media} segments, gaps {gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gops_of_8_33_s_come_out_legal() {
    let report = watch(&LONG_GOPS, 30).await;
    let entries = &report.track("source").entries;
    let longest = entries.values().map(|entry| entry.duration).fold(0.0, f64::max);
    assert!((8.3..8.4).contains(&longest), "longest {longest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn video_only_plays_without_an_audio_group() {
    let report = watch(&SILENT, 10).await;
    assert!(!report.multivariant.contains("TYPE=AUDIO"), "{}", report.multivariant);
    assert!(report.multivariant.contains("CODECS=\"avc1."), "{}", report.multivariant);
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_only_plays_as_its_own_variant() {
    let report = watch(&AUDIO_ONLY, 16).await;
    assert!(report.multivariant.contains("CODECS=\"mp4a.40.2\""), "{}", report.multivariant);
    assert!(!report.track("audio").bodies.is_empty());
}
