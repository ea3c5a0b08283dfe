//! The NAL units of one access unit while its packets come in.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use container::avc;

use super::{
    exp_golomb::{exp_golomb, leading_bits},
    payload::{Fragment, nalu_type},
};
use crate::DropReason;

/// Bytes of an access unit: a second of 64 Mbit/s.
pub(crate) const BYTES_MAX: usize = 8 << 20;
/// Packets' pieces of an access unit: its bytes in packets of 1000.
pub(crate) const PIECES_MAX: usize = BYTES_MAX / 1_000;

const LENGTH_SIZE: usize = 4;

const NALU_IDR: u8 = 5;
const NALU_SPS: u8 = 7;
const NALU_PPS: u8 = 8;
const NALU_DELIMITER: u8 = 9;
const NALU_FILLER: u8 = 12;

/// A NAL unit as its packets hold it.
#[derive(Debug)]
struct Nalu {
    /// Its header byte, where that is not in the first piece.
    header: Option<u8>,
    pieces: usize,
    len: usize,
}

/// What the first slice of a picture says (ISO/IEC 14496-10 §7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstSlice {
    /// It begins with the picture's first macroblock: no slice before it is missing.
    pub(crate) at_top: bool,
    /// `pic_parameter_set_id`, if it could be read.
    pub(crate) pps_id: Option<u32>,
}

/// An access unit in the making.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) timestamp: u32,
    /// When its first packet came, and its last so far.
    pub(crate) arrived: (Instant, Instant),
    /// Why it can't be handed out.
    pub(crate) broken: Option<DropReason>,
    pub(crate) idr: bool,
    pub(crate) first_slice: Option<FirstSlice>,
    pub(crate) sps: Vec<Bytes>,
    pub(crate) pps: Vec<Bytes>,
    nalus: Vec<Nalu>,
    pieces: Vec<Bytes>,
    bytes: usize,
    /// The last NAL unit waits for its next fragment.
    open: bool,
}

impl Assembly {
    pub(crate) const fn new(timestamp: u32, arrived: Instant) -> Self {
        Self {
            timestamp,
            arrived: (arrived, arrived),
            broken: None,
            idr: false,
            first_slice: None,
            sps: Vec::new(),
            pps: Vec::new(),
            nalus: Vec::new(),
            pieces: Vec::new(),
            bytes: 0,
            open: false,
        }
    }

    /// Bytes it holds.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.bytes
    }

    /// Whether a slice of a picture is in it.
    pub(crate) const fn has_picture(&self) -> bool {
        self.first_slice.is_some()
    }

    /// Whether a NAL unit lacks its end.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }

    /// Marks it as one that is not handed out, and frees what it holds.
    pub(crate) fn spoil(&mut self, reason: DropReason) {
        self.broken = self.broken.or(Some(reason));
        self.nalus.clear();
        self.pieces.clear();
        self.bytes = 0;
        self.open = false;
    }

    /// Adds a NAL unit, which is not empty. Delimiters and filler have no place in CMAF and are left
    /// out (ISO/IEC 14496-15 §5.2.2).
    pub(crate) fn add(&mut self, nalu: Bytes) {
        if self.broken.is_some() {
            return;
        }
        if self.open {
            return self.spoil(DropReason::Malformed);
        }
        let Some(&header) = nalu.first() else { return };
        match nalu_type(header) {
            NALU_DELIMITER | NALU_FILLER => return,
            NALU_SPS => self.sps.push(nalu.clone()),
            NALU_PPS => self.pps.push(nalu.clone()),
            kind => self.note_slice(kind, nalu.get(1..).unwrap_or_default()),
        }
        self.push(None, nalu);
    }

    /// Adds a fragment: the first one opens a NAL unit, the last one closes it, and nothing else may
    /// come in between (RFC 6184 §5.8).
    pub(crate) fn add_fragment(&mut self, fragment: Fragment) {
        let kind = nalu_type(fragment.header);
        if fragment.start == self.open {
            return self.spoil(DropReason::Malformed);
        }
        if fragment.start {
            self.note_slice(kind, &fragment.piece);
            self.push(Some(fragment.header), fragment.piece);
            self.open = true;
            return;
        }
        let same_type = |nalu: &Nalu| nalu.header.is_some_and(|header| nalu_type(header) == kind);
        let Some(nalu) = self.nalus.last_mut().filter(|nalu| same_type(nalu)) else {
            return self.spoil(DropReason::Malformed);
        };
        nalu.pieces += 1;
        nalu.len += fragment.piece.len();
        self.bytes += fragment.piece.len();
        self.pieces.push(fragment.piece);
        self.open = !fragment.end;
        if fragment.end {
            self.close();
        }
        self.check_bounds();
    }

    /// The access unit in one buffer of its size, each NAL unit behind its length.
    pub(crate) fn write(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(self.bytes + self.nalus.len() * LENGTH_SIZE);
        let mut pieces = self.pieces.iter();
        for nalu in &self.nalus {
            // Bounded by BYTES_MAX.
            payload.put_u32(u32::try_from(nalu.len).unwrap_or(u32::MAX));
            if let Some(header) = nalu.header {
                payload.put_u8(header);
            }
            for piece in pieces.by_ref().take(nalu.pieces) {
                payload.put_slice(piece);
            }
        }
        payload.freeze()
    }

    fn push(&mut self, header: Option<u8>, piece: Bytes) {
        let len = piece.len() + usize::from(header.is_some());
        self.nalus.push(Nalu { header, pieces: 1, len });
        self.bytes += len;
        self.pieces.push(piece);
        self.check_bounds();
    }

    /// A NAL unit in fragments has its end: delimiters, filler and parameter sets are treated as whole
    /// ones are. They are small, or of no use.
    fn close(&mut self) {
        let Some(nalu) = self.nalus.last() else { return };
        let kind = nalu.header.map(nalu_type);
        match kind {
            Some(NALU_DELIMITER | NALU_FILLER) => {
                let kept = self.pieces.len().saturating_sub(nalu.pieces);
                self.bytes -= nalu.len;
                self.pieces.truncate(kept);
                self.nalus.pop();
            }
            Some(NALU_SPS) => {
                let set = self.last_nalu();
                self.sps.push(set);
            }
            Some(NALU_PPS) => {
                let set = self.last_nalu();
                self.pps.push(set);
            }
            Some(_) | None => {}
        }
    }

    fn last_nalu(&self) -> Bytes {
        let Some(nalu) = self.nalus.last() else { return Bytes::new() };
        let first = self.pieces.len().saturating_sub(nalu.pieces);
        let pieces = self.pieces.get(first..).unwrap_or_default();
        nalu.header.iter().chain(pieces.iter().flatten()).copied().collect()
    }

    /// Takes note of a picture's slice, or of a data partition of the Extended profile.
    fn note_slice(&mut self, kind: u8, body: &[u8]) {
        if matches!(kind, 1..=NALU_IDR) {
            self.idr |= kind == NALU_IDR;
            self.first_slice.get_or_insert_with(|| first_slice(body));
        }
    }

    fn check_bounds(&mut self) {
        if self.bytes > BYTES_MAX
            || self.pieces.len() > PIECES_MAX
            || self.nalus.len() > avc::MAX_NALUS
        {
            self.spoil(DropReason::TooLarge);
        }
    }
}

/// Reads the head of a slice, after the NAL unit's header byte.
pub(crate) fn first_slice(body: &[u8]) -> FirstSlice {
    let at_top = body.first().is_some_and(|byte| byte & 0x80 != 0);
    FirstSlice { at_top, pps_id: at_top.then(|| pps_id(body)).flatten() }
}

/// `pic_parameter_set_id` of a slice at the top: `first_mb_in_slice` is a single bit there, and
/// `slice_type`, which ends at 9, follows. In these bits there is no room for an emulation prevention
/// byte: that takes 16 zeros in a row.
fn pps_id(body: &[u8]) -> Option<u32> {
    let bits = leading_bits(body) << 1;
    let (slice_type, bits) = exp_golomb(bits)?;
    let (id, _) = exp_golomb(bits)?;
    (slice_type <= 9 && id <= 255).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_head_of_a_slice() {
        // first_mb 0, slice_type 7 (0001000), pps 0: 1 0001000 1…
        assert_eq!(first_slice(&[0x88, 0x80]), FirstSlice { at_top: true, pps_id: Some(0) });
        // slice_type 5 (00110), pps 3 (00100): 1 00110 00100…
        assert_eq!(first_slice(&[0x98, 0x80]), FirstSlice { at_top: true, pps_id: Some(3) });
        assert!(!first_slice(&[0x40]).at_top);
        assert_eq!(first_slice(&[]), FirstSlice { at_top: false, pps_id: None });
        assert_eq!(first_slice(&[0x80, 0, 0, 0, 0]).pps_id, None);
    }
}
