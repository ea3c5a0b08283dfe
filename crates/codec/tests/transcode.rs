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

#[tokio::test]
async fn hevc_and_av1_become_h264() {
    const HEVC: [&str; 4] = ["-c:v", "libx265", "-x265-params", "log-level=none:open-gop=0"];
    const AV1: [&str; 6] = ["-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lp=1"];
    let pool = pool(1);
    let tagged = [&HEVC[..], &["-tag:v", "hvc1"]].concat();
    for (name, video, container) in
        [("HEVC in TS", &HEVC[..], TS), ("HEVC in MP4", &tagged[..], CMAF), ("AV1", &AV1[..], CMAF)]
    {
        let input = support::silent_segment("testsrc2=s=640x360:r=30", "1", video, container);
        let rendition = one(&pool, &input, profile("180p", 320, 180, 300_000)).await;
        assert_eq!((rendition.width, rendition.height, rendition.frames), (320, 180, 30), "{name}");
        assert_eq!(probe(&rendition.data, "v", "stream=codec_name"), ["h264"], "{name}");
        let times = frame_times(&rendition.data, "v");
        let step =
            |pair: &[String]| pair[1].parse::<f64>().unwrap() - pair[0].parse::<f64>().unwrap();
        assert!(
            times.windows(2).all(|pair| (step(pair) - 1.0 / 30.0).abs() < 0.002),
            "{name}: {times:?}"
        );
    }
}

#[tokio::test]
async fn sixty_frames_a_second_become_thirty_on_the_first_frames_grid() {
    let pool = pool(1);
    let input = support::segment("testsrc2=s=640x360:r=60", "2", &[], TS);
    let times = frame_times(&input, "v");
    assert_eq!(times.len(), 120);
    let every_other: Vec<String> = times.iter().step_by(2).cloned().collect();
    let half =
        EncodeProfile { frame_rate: FrameRate::new(30, 1), ..profile("half", 640, 360, 800_000) };
    let faster =
        EncodeProfile { frame_rate: FrameRate::new(120, 1), ..profile("all", 320, 180, 300_000) };
    let done = transcode(&pool, &input, vec![half, faster], OutputContainer::MpegTs).await.unwrap();
    support::check_rendition(&done.renditions[0], (640, 360), &every_other);
    support::check_rendition(&done.renditions[1], (320, 180), &times);
}

#[tokio::test]
async fn every_shape_keeps_its_proportions() {
    let pool = pool(1);
    let cases = [
        ("testsrc2=s=270x480:r=25", "1/1", (406, 720)),
        ("testsrc2=s=480x360:r=25", "1/1", (960, 720)),
        ("testsrc2=s=360x270:r=25", "4/3", (1280, 720)),
        ("testsrc2=s=641x271:r=25,format=yuv444p", "1/1", (1280, 542)),
    ];
    for (source, shape, size) in cases {
        let source = format!("{source},setsar={shape}");
        let video: &[&str] = if source.contains("444") { &["-pix_fmt", "yuv444p"] } else { &[] };
        let input = support::silent_segment(&source, "0.4", video, TS);
        let times = frame_times(&input, "v");
        let done = one(&pool, &input, profile("box", 1280, 720, 2_000_000)).await;
        support::check_rendition(&done, size, &times);
    }
}

#[tokio::test]
async fn key_frames_and_profile_come_as_asked() {
    let pool = pool(1);
    let input = support::silent_segment("testsrc2=s=320x180:r=30", "2", &[], TS);
    let base = profile("gop", 320, 180, 400_000);
    let every = |gop| EncodeProfile { gop, ..base.clone() };
    let profiles = vec![
        every(Gop::IntraOnly),
        every(Gop::Every(Duration::from_millis(500))),
        EncodeProfile { h264_profile: H264Profile::Baseline, ..base.clone() },
    ];
    let done = transcode(&pool, &input, profiles, OutputContainer::MpegTs).await.unwrap();
    let counts: Vec<usize> = done
        .renditions
        .iter()
        .map(|r| probe(&r.data, "v", "packet=flags").iter().filter(|f| f.starts_with('K')).count())
        .collect();
    assert_eq!(counts, [60, 4, 1]);
    let named = probe(&done.renditions[2].data, "v", "stream=profile");
    assert_eq!(named[0], "Constrained Baseline");
}

/// Bytes of the decoder configuration box of an MP4.
fn decoder_configuration(file: &Bytes) -> Bytes {
    let at = file.windows(4).position(|kind| kind == b"avcC").unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap());
    file.slice(at..at - 4 + usize::try_from(size).unwrap())
}

#[tokio::test]
async fn segments_of_one_stream_share_one_decoder_configuration() {
    let pool = pool(1);
    let mut seen: Option<Bytes> = None;
    for (seconds, rate) in [("2", "30"), ("1.1", "30"), ("0.3", "30000/1001"), ("1", "29.6")] {
        let source = format!("testsrc2=s=640x360:r={rate}");
        let input = support::silent_segment(&source, seconds, &[], TS);
        let done = one(&pool, &input, profile("360p", 640, 360, 800_000)).await;
        let configuration = decoder_configuration(&done.data);
        assert_eq!(
            seen.get_or_insert_with(|| configuration.clone()),
            &configuration,
            "{seconds} {rate}"
        );
    }
}

#[tokio::test]
async fn timestamps_survive_a_wrapping_transport_stream_clock() {
    let pool = pool(1);
    // 2^33 ticks are 95 443.717 s; the segment begins half a second before.
    let late = ["-f", "mpegts", "-output_ts_offset", "95441.8", "-muxdelay", "0"];
    let input = support::segment("testsrc2=s=320x180:r=30", "2", &[], &late);
    let times = frame_times(&input, "v");
    for output in [OutputContainer::MpegTs, OutputContainer::Mp4] {
        let profiles = vec![profile("180p", 320, 180, 300_000)];
        let done = transcode(&pool, &input, profiles, output).await.unwrap();
        let got = frame_times(&done.renditions[0].data, "v");
        assert_eq!(got.len(), times.len());
        let first: f64 = got[0].parse().unwrap();
        let expected: f64 = times[0].parse().unwrap();
        let wrap = f64::from(1_u32 << 31) * 4.0 / 90_000.0;
        let apart = (first - expected).rem_euclid(wrap);
        assert!(apart < 0.000_05 || wrap - apart < 0.000_05, "{first} {expected}");
    }
}

#[tokio::test]
async fn faulty_input_is_named_and_the_worker_lives_on() {
    let pool = pool(1);
    let good = support::segment("testsrc2=s=320x180:r=30", "1", &[], TS);
    let cmaf = support::silent_segment("testsrc2=s=320x180:r=30", "1", &[], CMAF);
    let rendition = || vec![profile("180p", 320, 180, 300_000)];
    let sound = ["-map", "-0:v", "-f", "mpegts"];
    let cases: Vec<(&str, Bytes, FaultCause)> = vec![
        ("empty", Bytes::new(), FaultCause::InvalidData),
        ("garbage", support::noise(200_000), FaultCause::InvalidData),
        (
            "playlist",
            Bytes::from_static(b"#EXTM3U\n#EXTINF:2,\n/etc/passwd\n"),
            FaultCause::InvalidData,
        ),
        ("truncated MP4", cmaf.slice(..cmaf.len() / 2), FaultCause::InvalidData),
        ("truncated header", cmaf.slice(..200), FaultCause::InvalidVideo),
        ("audio only", support::segment("color", "1", &[], &sound), FaultCause::InvalidVideo),
        ("no key frame", without_first_frames(&good), FaultCause::NoKeyframes),
        (
            "another codec",
            support::segment("testsrc2=s=320x180:r=30", "1", &["-c:v", "mpeg2video"], TS),
            FaultCause::UnsupportedCodec,
        ),
        (
            "another sound",
            support::segment("testsrc2=s=320x180:r=30", "1", &["-c:a", "mp2"], TS),
            FaultCause::UnsupportedCodec,
        ),
    ];
    for (what, input, cause) in cases {
        let error =
            transcode(&pool, &input, rendition(), OutputContainer::MpegTs).await.unwrap_err();
        let TranscodeJobError::Fault(fault) = &error else { panic!("{what}: {error}") };
        assert_eq!(fault.cause, cause, "{what}: {}", fault.detail());
    }
    let no_rendition = transcode(&pool, &good, Vec::new(), OutputContainer::MpegTs).await;
    assert_eq!(no_rendition.unwrap_err().to_string(), "Invalid argument");
    let many = vec![profile("180p", 320, 180, 300_000); TranscodeJob::MAX_RENDITIONS + 1];
    let too_many = transcode(&pool, &good, many, OutputContainer::MpegTs).await;
    assert_eq!(too_many.unwrap_err().to_string(), "Too many outputs");
    let huge = vec![profile("huge", 320, 10_000, 300_000)];
    let too_large = transcode(&pool, &good, huge, OutputContainer::MpegTs).await;
    assert_eq!(too_large.unwrap_err().to_string(), "TranscoderInvalidResolution");
    let fine = transcode(&pool, &good, rendition(), OutputContainer::MpegTs).await.unwrap();
    assert_eq!(fine.renditions[0].frames, 30);
}

#[tokio::test]
async fn a_damaged_frame_costs_no_other() {
    let pool = pool(1);
    let good = support::silent_segment("testsrc2=s=320x180:r=30", "2", &[], TS);
    let mut damaged = good.to_vec();
    let middle = damaged.len() / 2 / 188 * 188;
    damaged[middle + 20..middle + 180].fill(0);
    let rendition = vec![profile("180p", 320, 180, 300_000)];
    let done = transcode(&pool, &damaged.into(), rendition, OutputContainer::MpegTs).await.unwrap();
    assert!(done.renditions[0].frames >= 58, "{}", done.renditions[0].frames);
    support::decodes_clean(&done.renditions[0].data);
}

#[tokio::test]
async fn an_oversized_segment_never_reaches_a_worker() {
    let pool = pool(1);
    let piece = Bytes::from(vec![0; 1 << 20]);
    let input: Chain = std::iter::repeat_n(piece, 129).collect();
    let job = TranscodeJob { input, renditions: ladder(), output: OutputContainer::MpegTs };
    assert!(matches!(pool.transcode(job).await, Err(TranscodeJobError::TooLarge { .. })));
}

/// A transport stream whose video starts in the middle of a GOP.
fn without_first_frames(ts: &Bytes) -> Bytes {
    let head = ts.slice(..188 * 3);
    let starts_pes =
        |packet: &[u8]| packet[1] & 0x40 != 0 && packet[1] & 0x1f == 1 && packet[2] == 0;
    let starts: Vec<usize> = ts
        .chunks(188)
        .enumerate()
        .filter(|(_, packet)| starts_pes(packet))
        .map(|(n, _)| n)
        .collect();
    [head, ts.slice(starts[1] * 188..)].concat().into()
}
