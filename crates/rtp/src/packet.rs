//! What comes in.

use std::time::Instant;

use bytes::Bytes;

/// One RTP packet of a track (RFC 3550 §5.1): decrypted, padding cut off, a retransmission (RTX)
/// already turned back into the packet it repeats.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Synchronization source. Another one than the packet before had starts the track's sequence
    /// numbers and clock anew.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in ticks of the payload format's clock: 90 kHz for H.264, 48 kHz for Opus.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// What follows the header and its extensions. Empty for a packet of nothing but padding, which
    /// still has to be handed in: it uses up a sequence number.
    pub payload: Bytes,
    /// When it arrived.
    pub arrived: Instant,
}

/// The sender information of an RTCP sender report (RFC 3550 §6.4.1), or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// Synchronization source the report is of.
    pub ssrc: u32,
    /// NTP timestamp: seconds since 1900 in the upper 32 bits, fraction in the lower.
    pub ntp: u64,
    /// RTP timestamp of the same moment, in ticks of the track's clock.
    pub rtp: u32,
    /// When it arrived.
    pub arrived: Instant,
}
