//! Access units as the rest of the house wants them.

use bytes::{BufMut, Bytes, BytesMut};
use media::Chain;

use super::{
    AvcError,
    nalu::{
        NALU_DELIMITER, NALU_FILLER, NALU_IDR, NALU_PPS, NALU_SPS, NaluSpan, NaluSpans,
        check_length_size, nalu_type,
    },
};

/// NAL units in one access unit: a picture of 8192 rows coded in one slice for each macroblock row
/// has 512, and both fields of it twice that.
pub const MAX_NALUS: usize = 4096;

const LENGTH_SIZE: usize = 4;

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
///
/// The common case, 4-byte lengths and nothing to leave out, answers the same bytes in one piece. No
/// NAL unit is ever copied.
///
/// # Errors
///
/// `LengthSize`, `TruncatedNalu`, `TooManyNalus`.
pub fn normalize(payload: &Bytes, length_size: u8) -> Result<NormalizedAccessUnit, AvcError> {
    check_length_size(length_size)?;
    let mut unit = NormalizedAccessUnit {
        payload: Chain::new(),
        idr: false,
        sps: Vec::new(),
        pps: Vec::new(),
        has_picture: false,
    };
    let (mut count, mut untouched) = (0_usize, usize::from(length_size) == LENGTH_SIZE);
    for span in NaluSpans::new(payload, length_size) {
        let span = span?;
        match kept_type(payload, span) {
            Some(kind) => unit.note(kind, || payload.slice(span.body..span.end)),
            None => untouched = false,
        }
        count += usize::from(span.end > span.body);
        if count > MAX_NALUS {
            return Err(AvcError::TooManyNalus { limit: MAX_NALUS });
        }
    }
    unit.payload = if untouched {
        Chain::from(payload.clone())
    } else if usize::from(length_size) == LENGTH_SIZE {
        without_dropped(payload)?
    } else {
        with_long_lengths(payload, length_size, count)?
    };
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

/// The type of a NAL unit that stays; `None` for an empty one, a delimiter or filler.
fn kept_type(payload: &[u8], span: NaluSpan) -> Option<u8> {
    let kind = nalu_type(payload.get(span.body..span.end)?)?;
    (kind != NALU_DELIMITER && kind != NALU_FILLER).then_some(kind)
}

/// Leaves out by slicing around; neighbours that stay share a piece, lengths included.
fn without_dropped(payload: &Bytes) -> Result<Chain, AvcError> {
    let mut chain = Chain::new();
    let mut run = 0..0;
    for span in NaluSpans::new(payload, 4) {
        let span = span?;
        if kept_type(payload, span).is_some() {
            run.end = span.end;
        } else {
            chain.push(payload.slice(run));
            run = span.end..span.end;
        }
    }
    chain.push(payload.slice(run));
    Ok(chain)
}

/// A new length before each NAL unit, all of them from one small buffer.
fn with_long_lengths(payload: &Bytes, length_size: u8, count: usize) -> Result<Chain, AvcError> {
    let mut lengths = BytesMut::with_capacity(count * LENGTH_SIZE);
    let mut chain = Chain::with_capacity(2 * count);
    for span in NaluSpans::new(payload, length_size) {
        let span = span?;
        if kept_type(payload, span).is_none() {
            continue;
        }
        // Lengths of 1 or 2 bytes came in.
        lengths.put_u32(u32::try_from(span.end - span.body).unwrap_or(u32::MAX));
        chain.push(lengths.split().freeze());
        chain.push(payload.slice(span.body..span.end));
    }
    Ok(chain)
}
