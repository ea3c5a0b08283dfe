//! Access units as the rest of the house wants them.

use bytes::Bytes;
use media::Chain;

use super::{
    AvcError,
    nalu::{NALU_DELIMITER, NALU_FILLER, NALU_IDR, NALU_PPS, NALU_SPS, nalu_type},
};
use crate::nalu;

/// An access unit with 4-byte lengths, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalizedAccessUnit {
    /// Its NAL units with 4-byte lengths, without access unit delimiters, filler data and empty
    /// ones; slices of what came in.
    pub payload: Chain,
    /// It holds a slice of an IDR picture.
    pub idr: bool,
    /// Sequence parameter sets in it, as slices. They are in the payload too.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets in it, as slices. They are in the payload too.
    pub pps: Vec<Bytes>,
    /// It holds a slice of any picture.
    pub has_picture: bool,
}

/// Normalizes an access unit whose NAL unit lengths have `length_size` bytes: to 4-byte lengths, and
/// without delimiters and filler, which have no place in CMAF (ISO/IEC 14496-15 §5.2.2, HLS rule B-3).
/// No NAL unit is ever copied.
///
/// # Errors
///
/// `Nalu`.
pub fn normalize(payload: &Bytes, length_size: u8) -> Result<NormalizedAccessUnit, AvcError> {
    let mut unit = NormalizedAccessUnit {
        payload: Chain::new(),
        idr: false,
        sps: Vec::new(),
        pps: Vec::new(),
        has_picture: false,
    };
    let keep = |nalu: &[u8]| !matches!(nalu_type(nalu), Some(NALU_DELIMITER | NALU_FILLER));
    let note = |nalu: &[u8], span: nalu::NaluSpan| {
        if let Some(kind) = nalu_type(nalu) {
            unit.note(kind, || payload.slice(span.body..span.end));
        }
    };
    unit.payload = nalu::normalize(payload, length_size, keep, note)?;
    Ok(unit)
}

impl NormalizedAccessUnit {
    fn note(&mut self, kind: u8, slice: impl FnOnce() -> Bytes) {
        match kind {
            // Slices, and the data partitions of the Extended profile.
            1..=4 => self.has_picture = true,
            NALU_IDR => (self.has_picture, self.idr) = (true, true),
            NALU_SPS => self.sps.push(slice()),
            NALU_PPS => self.pps.push(slice()),
            _ => {}
        }
    }
}
