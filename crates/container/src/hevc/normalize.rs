//! Access units as the rest of the house wants them.

use bytes::Bytes;
use media::Chain;

use super::{
    HevcError,
    nalu::{NALU_DELIMITER, NALU_FILLER, NALU_PPS, NALU_SPS, NALU_VPS, Slice, nalu_type, slice_of},
};
use crate::nalu;

/// An access unit with 4-byte lengths, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalizedAccessUnit {
    /// Its NAL units with 4-byte lengths, without access unit delimiters, filler data and empty
    /// ones; slices of what came in.
    pub payload: Chain,
    /// It holds a slice of an intra random access point: an IDR, CRA or BLA picture.
    pub random_access: bool,
    /// It holds a slice of a leading picture that can't be decoded where decoding starts at the random
    /// access point before it (RASL): the GOP is open.
    pub skipped_leading: bool,
    /// It holds a slice of any picture.
    pub has_picture: bool,
    /// Video parameter sets in it, as slices. They are in the payload too.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets in it, as slices. They are in the payload too.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets in it, as slices. They are in the payload too.
    pub pps: Vec<Bytes>,
}

/// Normalizes an access unit whose NAL unit lengths have `length_size` bytes: to 4-byte lengths, and
/// without delimiters and filler. No NAL unit is ever copied.
///
/// # Errors
///
/// `Nalu`.
pub fn normalize(payload: &Bytes, length_size: u8) -> Result<NormalizedAccessUnit, HevcError> {
    let mut unit = NormalizedAccessUnit {
        payload: Chain::new(),
        random_access: false,
        skipped_leading: false,
        has_picture: false,
        vps: Vec::new(),
        sps: Vec::new(),
        pps: Vec::new(),
    };
    let keep = |nalu: &[u8]| !matches!(nalu_type(nalu), Some(NALU_DELIMITER | NALU_FILLER));
    let note = |nalu: &[u8], span: nalu::NaluSpan| {
        if let Some(kind) = nalu_type(nalu) {
            unit.note(kind, || payload.slice(span.body..span.end));
        }
    };
    let kept = nalu::normalize(payload, length_size, keep, note)?;
    unit.payload = kept;
    Ok(unit)
}

impl NormalizedAccessUnit {
    fn note(&mut self, kind: u8, slice: impl FnOnce() -> Bytes) {
        match (kind, slice_of(kind)) {
            (_, Some(picture)) => {
                self.has_picture = true;
                self.random_access |= picture == Slice::RandomAccess;
                self.skipped_leading |= picture == Slice::SkippedLeading;
            }
            (NALU_VPS, None) => self.vps.push(slice()),
            (NALU_SPS, None) => self.sps.push(slice()),
            (NALU_PPS, None) => self.pps.push(slice()),
            (_, None) => {}
        }
    }
}
