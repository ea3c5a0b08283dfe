//! A moving picture with a clock and a beeping tone, published over RTMP in real time.
//!
//! The picture and the tone come from libavfilter's sources, which draw their own digits: no font
//! file, no input file. Everything is paced against one clock, so that sound and picture stay together.

mod generator;
mod publisher;

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use std::{fmt, thread};

use ffmpeg_next::Error;
use media::{FrameRate, Redacted};

use self::publisher::Publisher;
use crate::{library, stdin_watch};

/// What to publish, and where.
#[derive(Clone, Debug)]
pub struct TestPictureConfig {
    /// `rtmp://host:port/app/key`; a secret, because of the key.
    pub url: Redacted<String>,
    /// Width in pixels; even.
    pub width: u32,
    /// Height in pixels; even.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: FrameRate,
    /// Bitrate of the video, in bit/s.
    pub video_bitrate: u32,
    /// Distance between key frames.
    pub key_frame_interval: Duration,
}

impl TestPictureConfig {
    /// 1280×720 at 30 frames per second with 2.5 Mbit/s, a key frame every 2 s.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        const THIRTY: FrameRate = FrameRate::new(30, 1).unwrap();
        Self {
            url: Redacted::new(url.into()),
            width: 1280,
            height: 720,
            frame_rate: THIRTY,
            video_bitrate: 2_500_000,
            key_frame_interval: Duration::from_secs(2),
        }
    }
}

/// Why the picture stopped.
#[derive(Debug, thiserror::Error)]
enum TestPictureError {
    #[error("{doing}: {error}")]
    Library { doing: &'static str, error: Error },
    #[error("test picture of {width}x{height} must be even and within 16 to 4096")]
    Size { width: u32, height: u32 },
    #[error("watching standard input: {0}")]
    Watch(#[from] io::Error),
}

impl TestPictureError {
    fn doing(doing: &'static str) -> impl Fn(Error) -> Self {
        move |error| Self::Library { doing, error }
    }
}

/// Publishes the picture until standard input closes (success) or something fails (failure, with one
/// line on standard error). Blocks the calling thread.
#[must_use]
pub fn run_test_picture(config: TestPictureConfig) -> ExitCode {
    match publish(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nowhere to say it; the exit code remains.
            writeln!(io::stderr(), "test picture ends: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn publish(config: &TestPictureConfig) -> Result<(), TestPictureError> {
    let &TestPictureConfig { width, height, .. } = config;
    let good = |side: u32| (16..=4096).contains(&side) && side.is_multiple_of(2);
    if !good(width) || !good(height) {
        return Err(TestPictureError::Size { width, height });
    }
    library::initialize().map_err(TestPictureError::doing("starting FFmpeg"))?;
    ffmpeg_next::format::network::init();
    let parent = Parent::watch()?;
    let publisher = Publisher::connect(config)?;
    publisher.run(&parent)
}

/// The process that started this one, seen through standard input.
struct Parent {
    gone: Receiver<()>,
    /// Dropped when the main thread is done.
    _done: SyncSender<()>,
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parent")
    }
}

impl Parent {
    fn watch() -> io::Result<Self> {
        let (alive, gone) = sync_channel::<()>(0);
        let (done, done_receiver) = sync_channel(0);
        thread::Builder::new().name("stdin".into()).spawn(move || {
            let mut ignored = [0; 256];
            let mut stdin = io::stdin().lock();
            while stdin.read(&mut ignored).is_ok_and(|read| read > 0) {}
            drop(alive);
            stdin_watch::end_process_unless_done(&done_receiver);
        })?;
        Ok(Self { gone, _done: done })
    }

    /// Waits so long, or less when the parent goes; `false` when it has gone.
    fn stays_for(&self, wait: Duration) -> bool {
        self.gone.recv_timeout(wait) == Err(RecvTimeoutError::Timeout)
    }
}
