//! One timed, decodable unit of a track.

use std::time::Instant;

use crate::{Chain, TrackId};

/// One timed, decodable unit of any track: a coded picture, one AAC frame, or one Opus packet.
///
/// A payload is ready for a sample of its track. For H.264 and H.265 that is length-prefixed NAL units
/// with 4-byte lengths (ISO/IEC 14496-15 §5.2.3), for AV1 a temporal unit's OBUs without temporal
/// delimiters, for AAC one raw frame without ADTS header, for Opus one packet.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// The track it belongs to.
    pub track: TrackId,
    /// Decoding time, in ticks of the track's timescale; never wraps, never goes back in a track.
    pub dts: i64,
    /// Presentation time, in ticks of the track's timescale.
    pub pts: i64,
    /// A decoder can start here: an IDR picture of H.264, an intra random access point of H.265, a shown
    /// key frame of AV1, every audio frame.
    pub random_access: bool,
    /// The coded bytes, shared with the buffer they arrived in.
    pub payload: Chain,
    /// When its last byte arrived.
    pub arrived: Instant,
}
