//! ffmpeg as encoder, publisher and judge.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use tokio::process::{Child, Command};

/// A file to publish, made once by ffmpeg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) size: &'static str,
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
    /// Encoder options of the video; empty: no video.
    pub(crate) video: &'static str,
    /// Encoder options of the audio; empty: no audio.
    pub(crate) audio: &'static str,
}

const AAC: &str = "-c:a aac -b:a 96k -ar 48000";

/// 720p30 with two B-frames, key frame every 2 s, AAC.
pub(crate) const HD: Source = Source {
    name: "hd",
    size: "1280x720",
    rate: 30,
    seconds: 60,
    video: "-c:v libx264 -preset superfast -bf 2 -g 60 -keyint_min 60 -sc_threshold 0 -b:v 2500k",
    audio: AAC,
};

/// 1080p30 with two B-frames, key frame every 2 s, AAC.
pub(crate) const FULL_HD: Source = Source {
    name: "full-hd",
    size: "1920x1080",
    video: "-c:v libx264 -preset superfast -bf 2 -g 60 -keyint_min 60 -sc_threshold 0 -b:v 4500k",
    ..HD
};

/// 320x180 at 30 fps, key frame every 2 s: cheap.
pub(crate) const SMALL: Source = Source {
    name: "small",
    size: "320x180",
    rate: 30,
    seconds: 60,
    video: "-c:v libx264 -preset superfast -bf 2 -g 60 -keyint_min 60 -sc_threshold 0 -b:v 300k",
    audio: AAC,
};

/// Key frames at 0, 1.2 and 3.2 s and so on, as x264's scene cuts put them.
pub(crate) const SCENE_CUTS: Source = Source {
    name: "scene-cuts",
    video: "-c:v libx264 -preset superfast -bf 2 -g 250 -sc_threshold 0 -b:v 300k \
            -force_key_frames expr:eq(mod(n,96),0)+eq(mod(n,96),36)",
    ..SMALL
};

/// A key frame every 250 frames: OBS's automatic interval.
pub(crate) const LONG_GOPS: Source = Source {
    name: "long-gops",
    video: "-c:v libx264 -preset superfast -bf 2 -g 250 -keyint_min 250 -sc_threshold 0 -b:v 300k",
    ..SMALL
};

/// Another size, as after a change of the encoder's settings.
pub(crate) const OTHER_SIZE: Source = Source { name: "other-size", size: "640x360", ..SMALL };

/// No audio.
pub(crate) const SILENT: Source = Source { name: "silent", audio: "", ..SMALL };

/// No video.
pub(crate) const AUDIO_ONLY: Source = Source { name: "audio-only", video: "", ..SMALL };

static MAKING: Mutex<()> = Mutex::new(());

impl Source {
    /// The FLV file, made if it is not there.
    pub(crate) fn file(&self) -> PathBuf {
        let _one_at_a_time = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sources");
        std::fs::create_dir_all(&directory).expect("a directory for sources");
        let file = directory.join(format!("{}-1.flv", self.name));
        if file.exists() {
            return file;
        }
        let unfinished = directory.join(format!("{}.unfinished.flv", self.name));
        let mut command = std::process::Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]);
        if !self.video.is_empty() {
            let picture = format!("testsrc2=size={}:rate={}", self.size, self.rate);
            command.args(["-f", "lavfi", "-i", &picture]);
        }
        if !self.audio.is_empty() {
            command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        }
        command.args(["-t", &self.seconds.to_string()]);
        if !self.video.is_empty() {
            command.args(self.video.split_whitespace()).args(["-pix_fmt", "yuv420p"]);
        }
        command.args(self.audio.split_whitespace()).arg(&unfinished);
        let status = command.status().expect("ffmpeg runs");
        assert!(status.success(), "ffmpeg could not make {}", self.name);
        std::fs::rename(unfinished, &file).expect("the source is in place");
        file
    }
}

/// A publisher: ffmpeg that copies a file in real time. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Publisher(Child);

impl Publisher {
    /// Publishes the first `seconds` of the source.
    pub(crate) fn start(source: &Source, url: &str, seconds: u32) -> Self {
        Self::start_with(source, url, seconds, &[])
    }

    /// The same, with these options of the connection.
    pub(crate) fn start_with(source: &Source, url: &str, seconds: u32, options: &[&str]) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error"]);
        if seconds > source.seconds {
            command.args(["-stream_loop", "-1"]);
        }
        command.args(["-re", "-i"]).arg(source.file());
        command.args(["-t", &seconds.to_string(), "-c", "copy", "-f", "flv"]);
        command.args(options).arg(url);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self(command.spawn().expect("ffmpeg runs"))
    }

    /// An FFmpeg that encodes a test picture and a tone while it publishes.
    pub(crate) fn encoding(
        ffmpeg: &Path,
        size: &str,
        rate: u32,
        options: &str,
        url: &str,
        seconds: u32,
    ) -> Self {
        let mut command = Command::new(ffmpeg);
        let picture = format!("testsrc2=size={size}:rate={rate}");
        command.args(["-v", "error", "-re", "-f", "lavfi", "-i", &picture]);
        command.args(["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        command.args(["-t", &seconds.to_string(), "-pix_fmt", "yuv420p"]);
        command.args(options.split_whitespace()).args(["-f", "flv", url]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env("SVT_LOG", "1")
            .kill_on_drop(true);
        Self(command.spawn().expect("ffmpeg runs"))
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.0.kill().await.expect("ffmpeg is killed");
    }

    /// Waits for it to end by itself; what it printed, and whether it went well.
    pub(crate) async fn finish(self) -> (bool, String) {
        let output = tokio::time::timeout(Duration::from_secs(120), self.0.wait_with_output());
        let output = output.await.expect("ffmpeg ends").expect("ffmpeg runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id().expect("still running")
    }
}

impl From<Publisher> for Child {
    fn from(publisher: Publisher) -> Self {
        publisher.0
    }
}

/// The FFmpeg that speaks Enhanced RTMP; Debian's does not.
pub(crate) fn current_ffmpeg() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ffmpeg-current/installed");
    let binaries = folder.join("imageio_ffmpeg/binaries");
    let found = std::fs::read_dir(&binaries).into_iter().flatten().flatten();
    let name = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut found = found.filter(|entry| name(entry).starts_with("ffmpeg-"));
    found
        .next()
        .unwrap_or_else(|| panic!("no FFmpeg in {}: run `make ffmpeg-current`", binaries.display()))
        .path()
}

/// Decodes a file strictly; what ffmpeg complains about.
pub(crate) async fn decode_errors(file: &Path) -> String {
    let arguments = ["-v", "error", "-xerror", "-err_detect", "explode", "-i"];
    let output =
        Command::new("ffmpeg").args(arguments).arg(file).args(["-f", "null", "-"]).output();
    let output = output.await.expect("ffmpeg runs");
    let mut errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        errors.push_str(&output.status.to_string());
    }
    errors
}

/// Hashes of every coded video frame, in order.
pub(crate) async fn frame_hashes(file: &Path, seconds: Option<u32>) -> Vec<String> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(file);
    if let Some(seconds) = seconds {
        command.args(["-t", &seconds.to_string()]);
    }
    command.args(["-map", "0:v", "-f", "framehash", "-"]);
    let output = command.output().await.expect("ffmpeg runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(',').next()).map(|hash| hash.trim().to_owned()).collect()
}
