//! What a worker is asked for, and what it gives back.

use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;
use media::{Chain, FrameRate, H264Profile};
use serde::{Deserialize, Serialize};

/// One segment to transcode.
#[derive(Clone, Debug)]
pub struct TranscodeJob {
    /// MPEG-TS, or MP4 (fragmented or not), of one segment that starts with a key frame: H.264, H.265 or,
    /// in MP4, AV1 video, with or without AAC audio. At most [`TranscodeJob::MAX_INPUT`] bytes.
    pub input: Chain,
    /// What to make of it; 1 to [`TranscodeJob::MAX_RENDITIONS`].
    pub renditions: Vec<EncodeProfile>,
    /// Container of every rendition.
    pub output: OutputContainer,
}

impl TranscodeJob {
    /// Most bytes of input: 12 s (the longest TARGETDURATION) at 80 Mbit/s.
    pub const MAX_INPUT: usize = 128 << 20;
    /// Most renditions of one job.
    pub const MAX_RENDITIONS: usize = media::Ladder::MAX_RENDITIONS;
    /// Most bytes of one rendition.
    pub const MAX_OUTPUT: usize = 128 << 20;
}

/// Container of the encoded renditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputContainer {
    /// MPEG-TS (ISO/IEC 13818-1).
    MpegTs,
    /// MP4 with one fragment (ISO/IEC 14496-12 §8.8).
    Mp4,
}

/// What one rendition should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeProfile {
    /// Name for errors and logs.
    pub name: String,
    /// Width of the box the picture is fitted into, in pixels; 16 to 8192.
    pub width: u32,
    /// Height of that box, in pixels; 16 to 8192.
    pub height: u32,
    /// Target and peak bitrate of the video, in bit/s; 10 000 to 200 000 000.
    pub bitrate: u32,
    /// Upper bound of the frame rate; frames are dropped to meet it, never repeated.
    pub frame_rate: Option<FrameRate>,
    /// H.264 profile.
    pub h264_profile: H264Profile,
    /// Where key frames go after the first frame, which always is one.
    pub gop: Gop,
}

/// Distance between key frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gop {
    /// One key frame, at the start of the segment.
    #[default]
    Segment,
    /// Every frame is one.
    IntraOnly,
    /// One every so often, from the start of the segment, on the frame nearest to the interval.
    Every(Duration),
}

/// How much work x264 puts into a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// Least CPU, roughly twice the bits of `Veryfast` for the same picture.
    Ultrafast,
    /// Live transcoding on few cores.
    #[default]
    Superfast,
    /// Live transcoding where there are cores to spare.
    Veryfast,
    /// Better still.
    Faster,
    /// Better still.
    Fast,
    /// x264's own default.
    Medium,
}

impl Preset {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ultrafast => "ultrafast",
            Self::Superfast => "superfast",
            Self::Veryfast => "veryfast",
            Self::Faster => "faster",
            Self::Fast => "fast",
            Self::Medium => "medium",
        }
    }
}

/// Settings of the encoder that hold for every rendition of every job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderSettings {
    /// x264's preset.
    pub preset: Preset,
    /// Threads of the decoder, and of each rendition's encoder.
    pub threads: NonZeroU8,
}

impl Default for EncoderSettings {
    /// Two threads: a lone stream has one segment in work at a time and should use a second core.
    fn default() -> Self {
        Self { preset: Preset::default(), threads: NonZeroU8::MIN.saturating_add(1) }
    }
}

/// What a job gives back.
#[derive(Clone, Debug)]
pub struct TranscodeOutput {
    /// One for each profile asked for, in that order.
    pub renditions: Vec<EncodedRendition>,
}

/// One encoded rendition of a segment.
#[derive(Clone, Debug)]
pub struct EncodedRendition {
    /// The whole file.
    pub data: Bytes,
    /// Width of the picture, in pixels.
    pub width: u32,
    /// Height of the picture, in pixels.
    pub height: u32,
    /// Encoded frames.
    pub frames: u64,
    /// Encoded pixels: width × height × frames.
    pub pixels: u64,
}
