//! FFmpeg publishes to a connection; what came of it.

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use ingest::{ConnectionEnd, ConnectionOutcome, EndReason, PublisherEvent};
use media::{AccessUnit, Track, TrackId};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use super::Gateway;

/// Notes every byte read from the socket.
struct Recorded {
    socket: TcpStream,
    read: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(cx, buffer);
        self.read.lock().unwrap().extend_from_slice(&buffer.filled()[before..]);
        result
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

pub(crate) struct Published {
    pub(crate) outcome: ConnectionOutcome,
    /// How many tracks were announced, of pictures and of sound.
    pub(crate) layout: Option<(usize, usize)>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) units: Vec<AccessUnit>,
    pub(crate) discontinuities: usize,
    pub(crate) ended: Option<EndReason>,
    pub(crate) stderr: String,
    pub(crate) bytes: Vec<u8>,
}

impl Published {
    pub(crate) fn of(&self, track: TrackId) -> Vec<&AccessUnit> {
        self.units.iter().filter(|unit| unit.track == track).collect()
    }
}

/// Runs Debian's FFmpeg with these arguments and the URL `rtmp://127.0.0.1:PORT/` + `path`.
#[allow(dead_code, reason = "one of two programs uses it")]
pub(crate) async fn publish(gateway: &mut Gateway, arguments: &str, path: &str) -> Published {
    publish_with(Path::new("ffmpeg"), gateway, arguments, path).await
}

/// Runs an FFmpeg with these arguments and the URL `rtmp://127.0.0.1:PORT/` + `path`.
pub(crate) async fn publish_with(
    program: &Path,
    gateway: &mut Gateway,
    arguments: &str,
    path: &str,
) -> Published {
    let read = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&read);
    let (port, mut server) =
        gateway.listen(move |socket| Recorded { socket, read: recorded }).await;
    let ffmpeg = Command::new(program)
        .args(["-nostdin", "-v", "error"])
        .args(arguments.split_whitespace())
        .args(["-f", "flv"])
        .arg(format!("rtmp://127.0.0.1:{port}/{path}"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), ffmpeg).await.unwrap().expect("ffmpeg runs");
    let outcome =
        timeout(Duration::from_secs(20), server.join_next()).await.unwrap().unwrap().unwrap();
    let mut published = Published {
        outcome,
        layout: None,
        tracks: Vec::new(),
        units: Vec::new(),
        discontinuities: 0,
        ended: None,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: read.lock().unwrap().clone(),
    };
    for event in gateway.drain() {
        assert!(published.ended.is_none(), "event after the last");
        match event {
            PublisherEvent::Layout { video, audio } => {
                assert!(published.tracks.is_empty(), "announced ahead of all");
                published.layout = Some((video, audio));
            }
            PublisherEvent::Track(track) => published.tracks.push(track),
            PublisherEvent::AccessUnit(unit) => published.units.push(unit),
            PublisherEvent::Discontinuity(_) => published.discontinuities += 1,
            PublisherEvent::Ended(reason) => published.ended = Some(reason),
        }
    }
    published
}

pub(crate) fn assert_clean(published: &Published) {
    assert_eq!(published.stderr, "");
    assert!(matches!(published.outcome.result, Ok(ConnectionEnd::PeerClosed)));
    assert_eq!(published.ended, Some(EndReason::Unpublished));
    assert_eq!(published.discontinuities, 0);
}

/// The FFmpeg that speaks Enhanced RTMP; Debian's does not.
#[allow(dead_code, reason = "one of two programs uses it")]
pub(crate) fn current_ffmpeg() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/ffmpeg-current/installed");
    let binaries = folder.join("imageio_ffmpeg/binaries");
    let found = std::fs::read_dir(&binaries).into_iter().flatten().flatten();
    let name = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut found = found.filter(|entry| name(entry).starts_with("ffmpeg-"));
    found
        .next()
        .unwrap_or_else(|| panic!("no FFmpeg in {}: run `make ffmpeg-current`", binaries.display()))
        .path()
}
