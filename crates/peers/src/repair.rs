//! Retransmissions (RFC 4588) back into what they repeat.

use std::collections::HashMap;

use rtc::rtp::packet::Packet;

/// Knows which source a retransmission belongs to.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    /// What the offer says: repair source, primary source.
    offered: Vec<(u32, u32)>,
    /// What was found out.
    known: HashMap<u32, u32>,
    layers: HashMap<String, u32>,
    /// The latest primary source of each payload type.
    by_type: HashMap<u8, u32>,
}

impl Repairs {
    /// Most sources remembered; a peer has fewer (`receive_chain`).
    const KNOWN_MAX: usize = 32;

    pub(crate) fn new(offered: Vec<(u32, u32)>) -> Self {
        Self { offered, ..Self::default() }
    }

    /// Takes note of a packet that repeats nothing.
    pub(crate) fn saw_primary(&mut self, source: u32, payload_type: u8, layer: Option<&str>) {
        if let Some(layer) = layer
            && (self.layers.len() < Self::KNOWN_MAX || self.layers.contains_key(layer))
        {
            let before = self.layers.insert(layer.to_owned(), source);
            // The layer goes on with another source, and so does what repeats it.
            if let Some(before) = before.filter(|before| *before != source) {
                self.known.retain(|_, primary| *primary != before);
            }
        }
        self.by_type.insert(payload_type, source);
    }

    /// Turns a retransmission of a packet of type `of` into that packet. `None` when it is padding, which
    /// is how bandwidth is probed, or when what it repeats is not known.
    pub(crate) fn unwrap(
        &mut self,
        mut packet: Packet,
        of: u8,
        layer: Option<&str>,
    ) -> Option<Packet> {
        let original = packet.payload.get(..2)?;
        let sequence = u16::from_be_bytes(original.try_into().ok()?);
        let source = self.primary(packet.header.ssrc, of, layer)?;
        packet.payload = packet.payload.slice(2..);
        packet.header.ssrc = source;
        packet.header.payload_type = of;
        packet.header.sequence_number = sequence;
        packet.header.padding = false;
        Some(packet)
    }

    fn primary(&mut self, repair: u32, of: u8, layer: Option<&str>) -> Option<u32> {
        if let Some(known) = self.known.get(&repair) {
            return Some(*known);
        }
        let offered =
            self.offered.iter().find(|(it, _)| *it == repair).map(|(_, primary)| *primary);
        let of_layer = || layer.and_then(|layer| self.layers.get(layer)).copied();
        // Without layers there is one source of each type.
        let alone = || self.by_type.get(&of).copied().filter(|_| self.layers.is_empty());
        let found = offered.or_else(of_layer).or_else(alone)?;
        if self.known.len() < Self::KNOWN_MAX {
            self.known.insert(repair, found);
        }
        Some(found)
    }
}
