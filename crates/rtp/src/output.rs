//! What goes out.

use std::time::Instant;

use bytes::Bytes;
use media::{AccessUnit, Track, TrackId};

/// One thing a [`crate::Receiver`] has to say, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// An H.264 track's parameters, before its first picture and whenever they change (another
    /// resolution, say): hold from that track's next access unit on, which is an IDR picture.
    Track(Track),
    /// The next picture of an H.264 track; decoding and presentation time are the same.
    AccessUnit(AccessUnit),
    /// The next packet of an Opus track.
    Opus(OpusPacket),
    /// A track's clock made no sense any more and was laid on the timeline anew, by arrival. Media time
    /// goes on and stays comparable between tracks, but sound and picture may be apart by what the
    /// network delays them until the next sender reports.
    ClockReset {
        /// Whose clock.
        track: TrackId,
        /// Why.
        reason: ClockReset,
    },
    /// The sender should be asked for key frames now (PLI, RFC 4585 §6.3.1). Already limited in rate,
    /// and repeated as long as none comes.
    KeyFrameWanted(KeyFrameRequest),
}

/// Why a track's clock was laid anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockReset {
    /// Its timestamps jumped: two access units agree that they go on elsewhere.
    Jump,
    /// Its synchronization source changed.
    NewSource,
}

/// One Opus packet (RFC 6716 §3), as it came, with its place in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    /// The track it belongs to.
    pub track: TrackId,
    /// Presentation time, in samples at 48 kHz on the media timeline; never goes back.
    pub pts: i64,
    /// Length, in samples at 48 kHz: 120 (2.5 ms) to 5760 (120 ms).
    pub samples: u32,
    /// Channels coded: 1 or 2. May differ from packet to packet; a decoder set to two takes both.
    pub channels: u8,
    /// What is missing between the packet before and this one.
    pub missing: Missing,
    /// The packet: table-of-contents byte and frames.
    pub payload: Bytes,
    /// When it arrived.
    pub arrived: Instant,
}

/// What is missing before an Opus packet, in samples at 48 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: it follows on.
    Nothing,
    /// The sender was silent (discontinuous transmission, RFC 7587 §3.1.3): no packet is missing.
    Silence(u32),
    /// Packets were lost: conceal them, or use the forward error correction in this one.
    Lost(u32),
}

/// A request for key frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFrameRequest {
    /// Video tracks to ask, all in one RTCP packet: layers that get their key frames together can be
    /// switched between. Never empty.
    pub tracks: Vec<TrackId>,
    /// The most pressing reason.
    pub reason: KeyFrameReason,
}

/// Why a key frame is wanted, the less pressing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyFrameReason {
    /// The group of pictures reaches the target duration.
    Schedule,
    /// The caller asked for one.
    Demand,
    /// Nothing can be decoded yet.
    Start,
    /// Something was lost: nothing is handed out until one is there.
    Loss,
}
