//! Why a body can't be read.

use thiserror::Error;

use super::FlvCodec;

/// Why a body, or a track in it, can't be read. `at` is the offset in the body of the byte at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlvError {
    /// Video in another codec than H.264, HEVC and AV1.
    #[error("video codec {codec} is not supported, only H.264, HEVC and AV1 are")]
    UnsupportedVideo {
        /// What it is.
        codec: FlvCodec,
    },
    /// Audio in another codec than AAC and Opus.
    #[error("audio codec {codec} is not supported, only AAC and Opus are")]
    UnsupportedAudio {
        /// What it is.
        codec: FlvCodec,
    },
    /// AV1 whose parameters come as an MPEG-2 TS descriptor.
    #[error("byte {at}: sequence start in the form of MPEG-2 TS is not supported")]
    Mpeg2TsSequenceStart {
        /// The packet type's byte.
        at: usize,
    },
    /// The body ends inside its header.
    #[error("{media} body of {len} bytes ends inside its header, at byte {at}")]
    Truncated {
        /// `video` or `audio`.
        media: &'static str,
        /// Where something is missing.
        at: usize,
        /// Bytes of the body.
        len: usize,
    },
    /// A packet type that does not exist, or not there.
    #[error("byte {at}: {media} packet type {packet_type}")]
    PacketType {
        /// `AVC`, `AAC`, `video` or `audio`.
        media: &'static str,
        /// The type.
        packet_type: u8,
        /// Its byte.
        at: usize,
    },
    /// A kind of multitrack that does not exist.
    #[error("byte {at}: multitrack type {kind}")]
    MultitrackType {
        /// The type.
        kind: u8,
        /// Its byte.
        at: usize,
    },
    /// More modifiers than any sender has a use for.
    #[error("byte {at}: more than {limit} modifiers")]
    TooManyModifiers {
        /// The limit.
        limit: usize,
        /// The first byte of the one too many.
        at: usize,
    },
    /// More tracks than there are numbers for.
    #[error("byte {at}: more than {limit} tracks")]
    TooManyTracks {
        /// The limit.
        limit: usize,
        /// The first byte of the one too many.
        at: usize,
    },
    /// More nanoseconds than a millisecond has.
    #[error("byte {at}: offset of {nanos} ns")]
    NanosecondOffset {
        /// The offset.
        nanos: u32,
        /// Its first byte.
        at: usize,
    },
}

impl FlvError {
    /// Whether the bytes are well formed, and only what they carry is not supported.
    #[must_use]
    pub const fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::UnsupportedVideo { .. }
                | Self::UnsupportedAudio { .. }
                | Self::Mpeg2TsSequenceStart { .. }
        )
    }
}
