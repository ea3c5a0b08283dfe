//! What a peer sends.

use rtp::{Packet, SenderReport};

use crate::sdp::{Layer, MediaKind};

/// Something that came from a publisher.
#[derive(Clone, Debug)]
pub enum Received {
    /// A packet of one of its tracks. Packets come in any order, and more than once.
    Packet {
        /// What the track carries.
        kind: MediaKind,
        /// Which layer, where its packets say one.
        layer: Option<Layer>,
        /// The packet.
        packet: Packet,
    },
    /// A sender report of one of its sources.
    Report(SenderReport),
}
