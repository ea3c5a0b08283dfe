//! Transcoding through real workers, checked with ffprobe and ffmpeg.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use codec::{
    EncodeProfile, FaultCause, Gop, OutputContainer, TranscodeJob, TranscodeJobError,
    TranscodeOutput, WorkerPool,
};
use media::{Chain, FrameRate, H264Profile};
use support::{CMAF, FULL_HD, TS, chain, frame_times, ladder, pool, probe, profile};

async fn transcode(
    pool: &WorkerPool,
    input: &Bytes,
    renditions: Vec<EncodeProfile>,
    output: OutputContainer,
) -> Result<TranscodeOutput, TranscodeJobError> {
    pool.transcode(TranscodeJob { input: chain(input), renditions, output }).await
}

async fn one(pool: &WorkerPool, input: &Bytes, profile: EncodeProfile) -> codec::EncodedRendition {
    let output = transcode(pool, input, vec![profile], OutputContainer::Mp4).await.unwrap();
    output.renditions.into_iter().next().unwrap()
}

#[tokio::test]
async fn full_hd_with_b_frames_to_three_renditions_in_every_container() {
    let pool = pool(1);
    let ts = support::segment(FULL_HD, "2", &[], TS);
    let times = frame_times(&ts, "v");
    assert_eq!(times.len(), 60);
    let sound = frame_times(&ts, "a");
    let cmaf = support::silent_segment(FULL_HD, "2", &[], CMAF);
    // Not as ffprobe sees them: it shifts every time by the largest negative composition offset.
    let cmaf_times: Vec<String> =
        (0..60).map(|n| format!("{:.6}", 100.0 + f64::from(n) / 30.0)).collect();
    for output in [OutputContainer::MpegTs, OutputContainer::Mp4] {
        for (input, times) in [(&ts, &times), (&cmaf, &cmaf_times)] {
            let done = transcode(&pool, input, ladder(), output).await.unwrap();
            let sizes = [(1280, 720), (854, 480), (640, 360)];
            for (rendition, size) in done.renditions.iter().zip(sizes) {
                support::check_rendition(rendition, size, times);
                let key_frames = probe(&rendition.data, "v", "packet=flags");
                assert_eq!(key_frames.iter().filter(|flags| flags.starts_with('K')).count(), 1);
            }
            assert_eq!(done.renditions.len(), 3);
            if std::ptr::eq(input, &ts) {
                let copied = frame_times(&done.renditions[0].data, "a");
                assert_eq!(copied.len(), sound.len());
                let apart = |a: &String, b: &String| {
                    (a.parse::<f64>().unwrap() - b.parse::<f64>().unwrap()).abs()
                };
                assert!(copied.iter().zip(&sound).all(|(a, b)| apart(a, b) < 0.000_05));
            }
        }
    }
}
