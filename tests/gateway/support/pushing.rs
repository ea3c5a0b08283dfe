//! A client that pushes whole segments, as MistServer does.

use std::{path::Path, process::Stdio, time::Duration};

use bytes::Bytes;
use http::Method;

use super::{
    Gateway,
    http::{Answer, HttpClient},
};

/// What is pushed: H.264 with B-frames and AAC, 30 fps, a key frame at the start of each segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    pub(crate) size: &'static str,
    pub(crate) bitrate: &'static str,
    /// Of each segment.
    pub(crate) seconds: u32,
}

/// Segments of two seconds.
pub(crate) const HD: Pieces = Pieces { size: "1280x720", bitrate: "1500k", seconds: 2 };
/// Cheap segments of one second.
pub(crate) const TINY: Pieces = Pieces { size: "320x180", bitrate: "300k", seconds: 1 };

/// So many segments, written below `directory`.
pub(crate) async fn segments(
    directory: &Path,
    pieces: &Pieces,
    count: u32,
    extension: &str,
) -> Vec<Bytes> {
    let Pieces { size, bitrate, seconds } = pieces;
    let picture = format!("testsrc2=size={size}:rate=30");
    let keys = (seconds * 30).to_string();
    let mut command = tokio::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-f", "lavfi", "-i", &picture, "-f", "lavfi"]);
    command.args(["-i", "sine=frequency=440:sample_rate=48000"]);
    command.args(["-t", &(count * seconds).to_string()]);
    command
        .args("-c:v libx264 -preset ultrafast -bf 2 -sc_threshold 0 -pix_fmt yuv420p".split(' '));
    command.args(["-g", &keys, "-keyint_min", &keys, "-b:v", bitrate, "-c:a", "aac"]);
    command.args(["-f", "segment", "-segment_time", &seconds.to_string(), "-segment_format"]);
    command.arg(if extension == "ts" { "mpegts" } else { "mp4" });
    command.arg(directory.join(format!("%d.{extension}"))).stdin(Stdio::null());
    assert!(command.status().await.unwrap().success());
    (0..count)
        .map(|number| {
            std::fs::read(directory.join(format!("{number}.{extension}"))).unwrap().into()
        })
        .collect()
}

/// Sends a segment, and waits for its answer.
pub(crate) async fn push(gateway: &Gateway, path: &str, body: Bytes) -> Answer {
    push_with(&gateway.viewer(), path, &[("content-duration", "2000")], body).await
}

/// Sends a segment with these header fields besides.
pub(crate) async fn push_with(
    client: &HttpClient,
    path: &str,
    fields: &[(&str, &str)],
    body: Bytes,
) -> Answer {
    let fields: Vec<_> = [("accept", "multipart/mixed")].iter().chain(fields).copied().collect();
    let send = client.send(Method::PUT, path, &fields, body);
    tokio::time::timeout(Duration::from_secs(30), send).await.expect("answered in time").unwrap()
}

/// Names and bodies of the parts.
pub(crate) fn parts(answer: &Answer) -> Vec<(String, Bytes)> {
    let kind = answer.headers["content-type"].to_str().unwrap();
    let boundary = kind.split_once("boundary=").unwrap().1.trim_matches('"');
    let open = format!("--{boundary}\r\n");
    let mut rest = answer.body.clone();
    let mut parts = Vec::new();
    while rest.starts_with(open.as_bytes()) {
        let _open = rest.split_to(open.len());
        let end = rest.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(rest.split_to(end + 4).to_vec()).unwrap();
        let field = |name: &str| {
            let line =
                head.lines().find_map(|line| line.split_once(": ").filter(|it| it.0 == name));
            line.unwrap_or_else(|| panic!("no {name} in {head}")).1.to_owned()
        };
        let length: usize = field("Content-Length").parse().unwrap();
        assert!(field("Content-Disposition").starts_with("attachment; filename="));
        parts.push((field("Rendition-Name"), rest.split_to(length)));
        let _line_end = rest.split_to(2);
    }
    assert_eq!(rest, format!("--{boundary}--\r\n"));
    parts
}
