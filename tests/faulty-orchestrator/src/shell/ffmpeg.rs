//! ffmpeg, which makes other pictures of a rendition's.

use std::{io, process::Stdio, time::Duration};

use axum::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use crate::video_edit::VideoEdit;

/// Longest time one rendition takes.
const LIMIT: Duration = Duration::from_secs(20);
/// Largest rendition made.
const MAX_OUTPUT: u64 = 64 << 20;
/// How much of ffmpeg's complaints is read.
const MAX_COMPLAINT: u64 = 4 << 10;

/// Why a rendition could not be changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditError {
    #[error("ffmpeg can't be run: {0}")]
    Io(#[from] io::Error),
    #[error("ffmpeg took longer than {LIMIT:?}")]
    Slow,
    #[error("ffmpeg failed: {0}")]
    Failed(String),
}

/// The same rendition with other pictures.
///
/// # Errors
/// When ffmpeg is missing, fails or takes too long.
pub(super) async fn edit(rendition: Bytes, edit: VideoEdit) -> Result<Bytes, EditError> {
    let child = Command::new("ffmpeg")
        .args(edit.arguments(&rendition))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    tokio::time::timeout(LIMIT, converse(child, &rendition)).await.map_err(|_| EditError::Slow)?
}

async fn converse(mut child: Child, rendition: &[u8]) -> Result<Bytes, EditError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(io::Error::other("no pipes").into());
    };
    let write = async move {
        // It may stop reading before the end; whether it failed shows at its own end.
        drop(stdin.write_all(rendition).await);
        drop(stdin.shutdown().await);
    };
    let (mut made, mut complaint) = (Vec::new(), Vec::new());
    let read = async {
        stdout.take(MAX_OUTPUT).read_to_end(&mut made).await?;
        io::Result::Ok(())
    };
    let listen = async {
        stderr.take(MAX_COMPLAINT).read_to_end(&mut complaint).await?;
        io::Result::Ok(())
    };
    let ((), read, listen) = tokio::join!(write, read, listen);
    read?;
    listen?;
    let status = child.wait().await?;
    if status.success() && !made.is_empty() {
        Ok(made.into())
    } else {
        Err(EditError::Failed(String::from_utf8_lossy(&complaint).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Faults;

    const FRAMES: usize = 30;

    async fn output(arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let (program, arguments) = arguments.split_first().unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let write = async {
            drop(stdin.write_all(input).await);
            drop(stdin);
        };
        let ((), output) = tokio::join!(write, child.wait_with_output());
        output.unwrap().stdout
    }

    /// A moving picture of 320x180 that starts at 5 s, with B-frames and a tone.
    async fn rendition(format: &[&str]) -> Bytes {
        let source = "testsrc2=size=320x180:rate=30:duration=1";
        let tone = "sine=frequency=440:duration=1";
        let inputs = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", tone];
        let encoders = ["-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "aac"];
        let mut arguments = vec!["ffmpeg", "-loglevel", "error"];
        arguments.extend(inputs);
        arguments.extend(encoders);
        arguments.extend(["-output_ts_offset", "5"]);
        arguments.extend(format);
        arguments.push("pipe:1");
        output(&arguments, b"").await.into()
    }

    async fn transport_stream() -> Bytes {
        rendition(&["-muxdelay", "0", "-f", "mpegts"]).await
    }

    async fn mp4() -> Bytes {
        let flags = "empty_moov+delay_moov+default_base_moof+frag_discont";
        rendition(&["-movflags", flags, "-use_editlist", "0", "-f", "mp4"]).await
    }

    /// Size, and presentation times from the first on in microseconds, of the video.
    async fn shape(file: &[u8]) -> (String, Vec<i64>) {
        let entries = "stream=width,height:frame=pts_time";
        let arguments = ["ffprobe", "-loglevel", "error", "-select_streams", "v:0"];
        let arguments = [&arguments[..], &["-show_entries", entries, "-of", "csv", "-i", "pipe:0"]];
        let text = String::from_utf8(output(&arguments.concat(), file).await).unwrap();
        let values = |kind: &str| {
            let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
            lines.map(|line| line.trim_matches(',').to_owned()).collect::<Vec<_>>()
        };
        let times = values("frame,").into_iter().map(|time| {
            let seconds: f64 = time.split(',').next().unwrap().parse().unwrap();
            format!("{:.0}", seconds * 1e6).parse::<i64>().unwrap()
        });
        let times: Vec<_> = times.collect();
        (values("stream,").join(";"), times.iter().map(|time| time - times[0]).collect())
    }

    /// Equal but for rounding to ticks of 90 kHz.
    fn are_close(left: &[i64], right: &[i64]) -> bool {
        left.iter().zip(right).all(|(left, right)| left.abs_diff(*right) < 25)
    }

    /// Every luma sample of every picture.
    async fn luma(file: &[u8]) -> Vec<u8> {
        let arguments = ["ffmpeg", "-loglevel", "error", "-i", "pipe:0", "-map", "0:v:0"];
        let raw = ["-vf", "format=gray", "-fps_mode", "passthrough", "-f", "rawvideo", "pipe:1"];
        output(&[&arguments[..], &raw].concat(), file).await
    }

    async fn audio_packets(file: &[u8]) -> usize {
        let arguments = ["ffprobe", "-loglevel", "error", "-select_streams", "a:0"];
        let entries = ["-show_entries", "packet=size", "-of", "csv=p=0", "-i", "pipe:0"];
        let text = output(&[&arguments[..], &entries].concat(), file).await;
        String::from_utf8(text).unwrap().lines().count()
    }

    #[tokio::test]
    async fn black_pictures_are_as_many_as_large_and_at_the_same_times() {
        let black = VideoEdit::of(&Faults { black: true, ..Faults::default() }).unwrap();
        for original in [transport_stream().await, mp4().await] {
            let edited = edit(original.clone(), black).await.unwrap();
            assert_eq!(edited.first() == Some(&0x47), original.first() == Some(&0x47));
            let (before, after) = (shape(&original).await, shape(&edited).await);
            assert_eq!(before.0, after.0);
            assert_eq!((before.1.len(), after.1.len()), (FRAMES, FRAMES));
            assert!(are_close(&before.1, &after.1), "{before:?} {after:?}");
            assert!(luma(&original).await.iter().any(|sample| *sample > 128));
            let samples = luma(&edited).await;
            assert_eq!(samples.len(), FRAMES * 320 * 180);
            assert!(samples.iter().all(|sample| *sample < 20));
            let packets = audio_packets(&original).await;
            assert!(packets > 20);
            assert_eq!(audio_packets(&edited).await, packets);
        }
    }

    #[tokio::test]
    async fn a_wrong_size_changes_the_size_only() {
        let half = VideoEdit::of(&Faults { wrong_size: true, ..Faults::default() }).unwrap();
        let original = mp4().await;
        let edited = edit(original.clone(), half).await.unwrap();
        let (size, times) = shape(&edited).await;
        assert!(size.starts_with("160,90"), "{size}");
        assert!(are_close(&times, &shape(&original).await.1));
    }

    #[tokio::test]
    async fn what_is_no_video_is_an_error() {
        let black = VideoEdit::of(&Faults { black: true, ..Faults::default() }).unwrap();
        let error = edit(Bytes::from_static(b"no video at all"), black).await.unwrap_err();
        assert!(matches!(error, EditError::Failed(_)), "{error}");
    }
}
