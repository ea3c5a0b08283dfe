//! Elementary streams.

use std::fmt;

use crate::{CodecParameters, Timescale};

/// Number of a track within its stream; also the `track_ID` of its CMAF files. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u32);

impl TrackId {
    /// The main video track of a publisher, and the only one that most have.
    pub const VIDEO: Self = Self(1);
    /// The main audio track of a publisher, and the only one that most have.
    pub const AUDIO: Self = Self(2);
    /// The first id of further tracks of either kind.
    pub const FURTHER: Self = Self(3);
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Most video tracks of one publisher: layers of a simulcast, or tracks of Enhanced RTMP. OBS sends three
/// or four.
pub const MAX_VIDEO_TRACKS: usize = 4;

/// Most audio tracks of one publisher. OBS has six.
pub const MAX_AUDIO_TRACKS: usize = 8;

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One elementary stream with the parameters a decoder needs. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Its number within the stream.
    pub id: TrackId,
    /// Ticks per second of its timestamps: 90 000 for video, the core sampling rate for AAC, 48 000
    /// for Opus.
    pub timescale: Timescale,
    /// How its access units are coded.
    pub parameters: CodecParameters,
}

impl Track {
    /// What it carries.
    #[must_use]
    pub const fn kind(&self) -> TrackKind {
        self.parameters.kind()
    }
}
