//! Segments made by the ffmpeg command, and what ffprobe says of results.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use codec::{EncodeProfile, EncodedRendition, Gop, WorkerConfig, WorkerPool};
use media::{Chain, H264Profile};

pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_codec-worker");

/// 2 s of 1080p30 with two B-frames and a tone; video starts at 101.4 s.
pub(crate) const FULL_HD: &str = "testsrc2=s=1920x1080:r=30";

pub(crate) const TS: &[&str] = &["-f", "mpegts", "-output_ts_offset", "100"];
/// As a segmenter of ours cuts it: true times in `tfdt`, signed composition offsets, no edit list.
pub(crate) const CMAF: &[&str] = &[
    "-f",
    "mp4",
    "-output_ts_offset",
    "100",
    "-avoid_negative_ts",
    "disabled",
    "-use_editlist",
    "0",
    "-video_track_timescale",
    "90000",
    "-movflags",
    "empty_moov+default_base_moof+frag_discont+negative_cts_offsets",
];

pub(crate) fn pool(workers: usize) -> WorkerPool {
    WorkerPool::new(config(workers))
}

pub(crate) fn config(workers: usize) -> WorkerConfig {
    let job_timeout = Duration::from_secs(120);
    WorkerConfig { workers, job_timeout, ..WorkerConfig::new(WORKER, Vec::new()) }
}

pub(crate) fn profile(name: &str, width: u32, height: u32, bitrate: u32) -> EncodeProfile {
    EncodeProfile {
        name: name.into(),
        width,
        height,
        bitrate,
        frame_rate: None,
        h264_profile: H264Profile::EncoderDefault,
        gop: Gop::Segment,
    }
}

pub(crate) fn ladder() -> Vec<EncodeProfile> {
    vec![
        profile("720p", 1280, 720, 2_800_000),
        profile("480p", 854, 480, 1_200_000),
        profile("360p", 640, 360, 800_000),
    ]
}

/// Runs ffmpeg with x264 over a lavfi source for `seconds`; `output` ends in the container's options.
pub(crate) fn segment(source: &str, seconds: &str, video: &[&str], output: &[&str]) -> Bytes {
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", "sine=b=4:r=48000"]);
    command.args(["-map", "0:v", "-map", "1:a", "-t", seconds, "-c:a", "aac"]);
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "4M", "-pix_fmt", "yuv420p"]);
    command.args(["-bf", "2", "-g", "1000", "-sc_threshold", "0"]);
    run(command.args(video).args(output).arg("pipe:1"), b"")
}

/// As [`segment`], without audio.
pub(crate) fn silent_segment(
    source: &str,
    seconds: &str,
    video: &[&str],
    output: &[&str],
) -> Bytes {
    segment(source, seconds, &[video, &["-an"]].concat(), output)
}

/// What a transcoder gives for `input`: its pictures through `filter`, encoded by x264 with `video`.
pub(crate) fn reencode(input: &Bytes, filter: &str, video: &[&str], output: &[&str]) -> Bytes {
    let mut command = ffmpeg();
    command.args(["-i", "pipe:0", "-an", "-vf", filter, "-c:v", "libx264"]);
    command.args(["-preset", "superfast", "-g", "1000", "-sc_threshold", "0"]);
    run(command.args(video).args(output).arg("pipe:1"), input)
}

pub(crate) fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    command
}

fn run(command: &mut Command, input: &[u8]) -> Bytes {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    drop(writer.join().unwrap());
    assert!(output.status.success(), "{command:?}");
    output.stdout.into()
}

/// Reproducible bytes without structure.
pub(crate) fn noise(len: usize) -> Bytes {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Cut into many pieces, as a segmenter's chains are.
pub(crate) fn chain(bytes: &Bytes) -> Chain {
    (0..bytes.len()).step_by(5_000).map(|at| bytes.slice(at..bytes.len().min(at + 5_000))).collect()
}

/// Presentation times of the frames, as the file states them, in seconds with six decimals.
pub(crate) fn frame_times(file: &[u8], stream: &str) -> Vec<String> {
    let mut times = probe(file, stream, "packet=pts_time");
    times.sort_by(|a, b| a.parse::<f64>().unwrap().total_cmp(&b.parse::<f64>().unwrap()));
    times
}

pub(crate) fn probe(file: &[u8], stream: &str, entries: &str) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", stream, "-show_entries", entries]);
    let output = run(command.args(["-of", "csv=p=0", "pipe:0"]), file);
    let text = String::from_utf8(output.to_vec()).unwrap();
    let lines = text.lines().map(|line| line.trim_end_matches(',').to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// The luma of every picture, scaled to this size.
pub(crate) fn luma(file: &[u8], size: &str) -> Vec<Vec<u8>> {
    let mut command = ffmpeg();
    let scale = format!("scale={size}:flags=area+accurate_rnd,format=gray").replace('x', ":");
    command.args(["-i", "pipe:0", "-vf", &scale, "-f", "image2pipe", "-c:v", "rawvideo"]);
    let pictures = run(command.arg("pipe:1"), file);
    let sides: Vec<usize> = size.split('x').map(|side| side.parse().unwrap()).collect();
    pictures.chunks(sides.iter().product()).map(<[u8]>::to_vec).collect()
}

/// Decodes everything; any error fails.
pub(crate) fn decodes_clean(file: &[u8]) {
    let mut command = ffmpeg();
    run(command.args(["-xerror", "-i", "pipe:0", "-map", "0", "-f", "null", "-"]), file);
}

/// Checks what must hold of every rendition.
pub(crate) fn check_rendition(rendition: &EncodedRendition, size: (u32, u32), times: &[String]) {
    let file = &rendition.data;
    decodes_clean(file);
    assert_eq!((rendition.width, rendition.height), size);
    let shape = probe(file, "v", "stream=codec_name,width,height,sample_aspect_ratio");
    assert_eq!(shape.first().unwrap(), &format!("h264,{},{},1:1", size.0, size.1));
    let frames = u64::try_from(times.len()).unwrap();
    assert_eq!(rendition.frames, frames);
    assert_eq!(rendition.pixels, u64::from(size.0) * u64::from(size.1) * frames);
    assert_eq!(frame_times(file, "v"), times);
    let flags = probe(file, "v", "packet=flags");
    assert!(flags[0].starts_with('K'), "{flags:?}");
}
