//! The real FFmpeg publishes to a connection.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

mod support;

use std::path::PathBuf;

use ingest::{ConnectionEnd, EndReason};
use media::{CodecParameters, TrackId};

use support::{
    Gateway,
    ffmpeg::{assert_clean, publish},
};

const PICTURE: &str = "testsrc2=size=160x90:rate=25";
const TONE: &str = "sine=frequency=440:sample_rate=48000";
const H264: &str =
    "-c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -b:v 60k -g 25";
const H264_B_FRAMES: &str =
    "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 25 -sc_threshold 0 -b:v 60k";
const AAC: &str = "-c:a aac -b:a 32k -ac 1";

#[tokio::test]
async fn picture_and_sound_arrive_whole_and_in_time() {
    let mut gateway = Gateway::new();
    let arguments = format!("-f lavfi -i {PICTURE} -f lavfi -i {TONE} -t 4 {H264_B_FRAMES} {AAC}");
    let published = publish(&mut gateway, &arguments, "live/secret").await;
    assert_clean(&published);
    assert_eq!(published.tracks.len(), 2);
    for track in &published.tracks {
        match &track.parameters {
            CodecParameters::H264(h264) => {
                assert_eq!((track.timescale.get(), h264.width, h264.height), (90_000, 160, 90));
            }
            CodecParameters::Aac(aac) => {
                assert_eq!((aac.object_type, aac.sampling_rate, aac.channels), (2, 48_000, 1));
                assert_eq!(track.timescale.get(), 48_000);
            }
            other @ (CodecParameters::Hevc(_)
            | CodecParameters::Av1(_)
            | CodecParameters::Opus(_)) => panic!("{other:?}"),
        }
    }
    let video = published.of(TrackId::VIDEO);
    assert_eq!(video.len(), 100);
    let key_frames: Vec<_> = (0..100).filter(|&n| video[n].random_access).collect();
    assert_eq!(key_frames, [0, 25, 50, 75]);
    // 25 frames per second, with reordering: decoding times 40 ms apart, presentation a permutation.
    let first = video[0].dts;
    for (n, unit) in (0_i64..).zip(&video) {
        assert_eq!(unit.dts - first, n * 3_600);
    }
    let mut shown: Vec<_> = video.iter().map(|unit| unit.pts).collect();
    assert!(!shown.is_sorted(), "no reordering in the source");
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == 3_600));
    // 4 s of 1024-sample frames, one more for the encoder's delay, evenly spaced.
    let audio = published.of(TrackId::AUDIO);
    assert!((188..=190).contains(&audio.len()), "{}", audio.len());
    assert!(audio.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1_024));
    assert_eq!(gateway.admission.requests.lock().unwrap()[0].app, "live");
}

#[tokio::test]
async fn sound_alone_and_picture_alone() {
    let mut gateway = Gateway::new();
    let arguments = format!("-f lavfi -i {TONE} -t 2 {AAC}");
    let published = publish(&mut gateway, &arguments, "secret").await;
    assert_clean(&published);
    assert_eq!(published.tracks.len(), 1);
    assert!(published.of(TrackId::AUDIO).len() > 90);

    let mut gateway = Gateway::new();
    let arguments = format!("-f lavfi -i {PICTURE} -t 2 {H264}");
    let published = publish(&mut gateway, &arguments, "live/manifest/secret?token=x").await;
    assert_clean(&published);
    assert_eq!(published.of(TrackId::VIDEO).len(), 50);
    let requests = gateway.admission.requests.lock().unwrap();
    assert_eq!(requests[0].app, "live/manifest");
    assert_eq!(requests[0].query.as_ref().unwrap().expose(), "token=x");
}

/// FFmpeg crosses 0xFFFFFF ms, 4 h 39 m 37 s, in the middle: extended timestamps set in.
#[tokio::test]
async fn extended_timestamps_change_nothing() {
    let mut gateway = Gateway::new();
    let arguments = format!(
        "-f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i {TONE} -t 24 {H264} -b:v 2M {AAC} \
         -output_ts_offset 16765"
    );
    let published = publish(&mut gateway, &arguments, "live/secret").await;
    assert_clean(&published);
    let video = published.of(TrackId::VIDEO);
    assert_eq!(video.len(), 600);
    assert!(video.windows(2).all(|pair| pair[1].dts - pair[0].dts == 3_600));
    assert_eq!(video[0].dts, 16_765_000 * 90);
    let audio = published.of(TrackId::AUDIO);
    assert!(audio.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1_024));
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_codec_are_refused_with_a_reason() {
    let mut gateway = Gateway::new();
    let arguments = format!("-f lavfi -i {PICTURE} -t 1 {H264}");
    let published = publish(&mut gateway, &arguments, "live/wrong").await;
    assert!(matches!(published.outcome.result, Ok(ConnectionEnd::Refused(_))));
    assert!(published.stderr.contains("stream key is not known"), "{}", published.stderr);

    let mut gateway = Gateway::new();
    let arguments = format!("-re -f lavfi -i {PICTURE} -t 5 -c:v flv1");
    let published = publish(&mut gateway, &arguments, "live/secret").await;
    assert!(matches!(published.outcome.result, Ok(ConnectionEnd::Refused(_))));
    assert!(matches!(published.ended, Some(EndReason::Refused(_))));
}

/// Writes the fixture that `tests/replay.rs` reads.
#[tokio::test]
#[ignore = "writes fixtures/ffmpeg-5.1/publish.rtmp; run by hand to make it anew"]
async fn capture_fixture() {
    let mut gateway = Gateway::new();
    let arguments = format!("-f lavfi -i {PICTURE} -f lavfi -i {TONE} -t 1 {H264_B_FRAMES} {AAC}");
    let published = publish(&mut gateway, &arguments, "live/secret").await;
    assert_clean(&published);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ffmpeg-5.1");
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("publish.rtmp"), &published.bytes).unwrap();
}
