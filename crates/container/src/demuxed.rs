//! What the readers of whole files answer.

use media::{Chain, CodecParameters, Timescale};

/// The first video and the first audio track of a file, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Demuxed {
    /// The first video track, where there is one.
    pub video: Option<DemuxedTrack>,
    /// The first audio track, where there is one.
    pub audio: Option<DemuxedTrack>,
}

/// One track of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct DemuxedTrack {
    /// Codec and parameter sets.
    pub parameters: CodecParameters,
    /// Ticks per second of the samples' times.
    pub timescale: Timescale,
    /// Its samples in decoding order; none is empty.
    pub samples: Vec<DemuxedSample>,
}

/// One coded picture or frame of sound of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemuxedSample {
    /// Decoding time in ticks of the track's timescale; never goes back in a track.
    pub dts: i64,
    /// Presentation time in ticks of the track's timescale.
    pub pts: i64,
    /// A decoder can start here: a random access point of video, any frame of sound.
    pub random_access: bool,
    /// H.264 and HEVC: NAL units with 4-byte lengths, without delimiters and filler. AV1: OBUs without
    /// delimiters. Audio: one raw frame.
    pub payload: Chain,
}
