//! Why an MP4 file can't be read.

use std::fmt;

use thiserror::Error;

use super::CodingError;

/// The four characters that name a box or a sample entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoxType(pub [u8; 4]);

impl fmt::Display for BoxType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// Why an MP4 file can't be read.
///
/// A `position` is the offset of a box in the file; a `track` is a `track_ID`; a `sample` counts from
/// zero in its track.
#[derive(Debug, Error)]
pub enum Mp4Error {
    /// A box is larger than what holds it, or smaller than its header.
    #[error("{kind} box at byte {position} does not fit: the file is cut short, or damaged")]
    BoxSize {
        /// The box.
        kind: BoxType,
        /// Where it starts.
        position: usize,
    },
    /// A box that has to be there is not.
    #[error("no {kind} box")]
    MissingBox {
        /// The box.
        kind: BoxType,
    },
    /// The fields of a box make no sense.
    #[error("{kind} box at byte {position}: {source}")]
    Box {
        /// The box.
        kind: BoxType,
        /// Where it starts.
        position: usize,
        /// What is wrong with it.
        source: mp4_atom::Error,
    },
    /// There is no track of a coding that is read.
    #[error("the file has no H.264, HEVC or AV1 and no AAC or Opus track")]
    NoMedia,
    /// The file has video, but of no coding that is read.
    #[error("video of sample entry {codec} is not H.264, HEVC or AV1")]
    UnsupportedVideo {
        /// Its sample entry.
        codec: BoxType,
    },
    /// More tracks than the reader looks at.
    #[error("more than {limit} tracks")]
    TooManyTracks {
        /// The limit.
        limit: usize,
    },
    /// A track without a clock.
    #[error("track {track} has a timescale of zero")]
    Timescale {
        /// The track.
        track: u32,
    },
    /// A track's parameters can't be read.
    #[error("parameters of track {track}: {source}")]
    Parameters {
        /// The track.
        track: u32,
        /// What is wrong with them.
        source: CodingError,
    },
    /// Samples of a track refer to a sample entry that is not its first: its parameters change.
    #[error("track {track} uses sample entry {index}")]
    ParametersChanged {
        /// The track.
        track: u32,
        /// The sample entry, from 1.
        index: u32,
    },
    /// The sample tables of a track contradict each other.
    #[error("sample tables of track {track}: {reason}")]
    SampleTable {
        /// The track.
        track: u32,
        /// What does not add up.
        reason: &'static str,
    },
    /// More samples than a file of a few seconds has.
    #[error("more than {limit} samples")]
    TooManySamples {
        /// The limit.
        limit: usize,
    },
    /// A sample lies outside of the file.
    #[error("sample {sample} of track {track} lies outside of the file")]
    SampleOutside {
        /// The track.
        track: u32,
        /// The sample.
        sample: usize,
    },
    /// The samples overlap so far that they have more bytes than the file.
    #[error("samples of track {track} and before have more bytes than the file")]
    SamplesOverlap {
        /// The track.
        track: u32,
    },
    /// A sample's decoding time is before that of the sample before, or out of range.
    #[error("decoding time of sample {sample} of track {track} goes back")]
    DecodingTime {
        /// The track.
        track: u32,
        /// The sample.
        sample: usize,
    },
    /// The NAL units or OBUs of a sample don't add up.
    #[error("sample {sample} of track {track}: {source}")]
    Sample {
        /// The track.
        track: u32,
        /// The sample.
        sample: usize,
        /// What is wrong with it.
        source: CodingError,
    },
}
