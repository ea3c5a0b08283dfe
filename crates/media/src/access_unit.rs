//! One timed, decodable unit of a track.

use std::time::Instant;

use crate::{Chain, TrackId};

/// One timed, decodable unit of any track: a coded picture, or one AAC frame.
///
/// A video payload is length-prefixed NAL units with 4-byte lengths (ISO/IEC 14496-15 §5.2.3), ready
/// for an `avc1` sample; an audio payload is one raw AAC frame without ADTS header.
#[derive(Clone, Debug)]
pub struct AccessUnit {
    /// The track it belongs to.
    pub track: TrackId,
    /// Decoding time, in ticks of the track's timescale; never wraps, never goes back in a track.
    pub dts: i64,
    /// Presentation time, in ticks of the track's timescale.
    pub pts: i64,
    /// A decoder can start here (an IDR picture; every AAC frame).
    pub random_access: bool,
    /// The coded bytes, shared with the buffer they arrived in.
    pub payload: Chain,
    /// When its last byte arrived.
    pub arrived: Instant,
}
