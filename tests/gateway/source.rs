//! What comes out is what went in.

use std::time::Duration;

use crate::support::{
    Gateway, QUICK,
    encoder::{HD, Publisher, decode_errors, frame_hashes},
};

#[tokio::test(flavor = "multi_thread")]
async fn source_frames_are_the_publishers_and_audio_keeps_its_offset() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    let (went_well, said) = Publisher::start(&HD, &gateway.publish_url("cam"), 14).finish().await;
    assert!(went_well, "{said}");
    gateway
        .viewer()
        .wait_for("/cam/source.m3u8", Duration::from_secs(10), |list| list.contains("ENDLIST"))
        .await;
    let report = watcher.finish().await;
    report.assert_clean();

    let video = gateway.data_dir.join("video.mp4");
    std::fs::write(&video, report.track("source").joined()).unwrap();
    assert_eq!(decode_errors(&video).await, "");
    let (sent, got) = (frame_hashes(&HD.file(), Some(14)).await, frame_hashes(&video, None).await);
    let shared = got.len().min(sent.len());
    assert!(got.len() >= 14 * 30 - 3, "{} frames of {}", got.len(), sent.len());
    assert_eq!(got[..shared], sent[..shared]);

    let audio = gateway.data_dir.join("audio.mp4");
    std::fs::write(&audio, report.track("audio").joined()).unwrap();
    assert_eq!(decode_errors(&audio).await, "");
    let first = |name: &str| {
        let track = report.track(name);
        let read = container::mp4::read(&track.file(*track.bodies.keys().next().unwrap())).unwrap();
        let track = read.video.or(read.audio).unwrap();
        track.samples[0].pts as f64 / f64::from(track.timescale.get())
    };
    // The file's first picture is at 0.067 s or so and its audio at 0: what precedes the picture is
    // left out, so the first audio frame begins within one frame of it, on the publisher's grid.
    let offset = first("audio") - first("source");
    assert!((0.0..0.0214).contains(&offset), "audio begins {offset:.4} s after the picture");
    gateway.shut_down().await;
}
