//! Access units as the rest of the house wants them: 4-byte lengths, nothing that CMAF has no place for.

use bytes::{BufMut, Bytes, BytesMut};
use media::Chain;

use super::{NaluError, NaluSpan, NaluSpans, check_length_size};

/// NAL units in one access unit: a picture of 8192 rows coded in one slice for each macroblock row
/// has 512, and both fields of it twice that.
pub const MAX_NALUS: usize = 4096;

const LENGTH_SIZE: usize = 4;

/// The NAL units that stay, with 4-byte lengths; `note` is told of each of them, in order. Empty NAL
/// units and those that are not to `keep` are left out.
///
/// The common case, 4-byte lengths and nothing to leave out, answers the same bytes in one piece. No
/// NAL unit is ever copied.
///
/// # Errors
///
/// `LengthSize`, `TruncatedNalu`, `TooManyNalus`.
pub(crate) fn normalize(
    payload: &Bytes,
    length_size: u8,
    keep: impl Fn(&[u8]) -> bool,
    mut note: impl FnMut(&[u8], NaluSpan),
) -> Result<Chain, NaluError> {
    check_length_size(length_size)?;
    let stays = |span: NaluSpan| {
        payload.get(span.body..span.end).filter(|nalu| !nalu.is_empty() && keep(nalu))
    };
    let (mut count, mut untouched) = (0_usize, usize::from(length_size) == LENGTH_SIZE);
    for span in NaluSpans::new(payload, length_size) {
        let span = span?;
        match stays(span) {
            Some(nalu) => note(nalu, span),
            None => untouched = false,
        }
        count += usize::from(span.end > span.body);
        if count > MAX_NALUS {
            return Err(NaluError::TooManyNalus { limit: MAX_NALUS });
        }
    }
    if untouched {
        Ok(Chain::from(payload.clone()))
    } else if usize::from(length_size) == LENGTH_SIZE {
        without_dropped(payload, |span| stays(span).is_some())
    } else {
        with_long_lengths(payload, length_size, count, |span| stays(span).is_some())
    }
}

/// Leaves out by slicing around; neighbours that stay share a piece, lengths included.
fn without_dropped(payload: &Bytes, stays: impl Fn(NaluSpan) -> bool) -> Result<Chain, NaluError> {
    let mut chain = Chain::new();
    let mut run = 0..0;
    for span in NaluSpans::new(payload, 4) {
        let span = span?;
        if stays(span) {
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
fn with_long_lengths(
    payload: &Bytes,
    length_size: u8,
    count: usize,
    stays: impl Fn(NaluSpan) -> bool,
) -> Result<Chain, NaluError> {
    let mut lengths = BytesMut::with_capacity(count * LENGTH_SIZE);
    let mut chain = Chain::with_capacity(2 * count);
    for span in NaluSpans::new(payload, length_size) {
        let span = span?;
        if !stays(span) {
            continue;
        }
        // Lengths of 1 or 2 bytes came in.
        lengths.put_u32(u32::try_from(span.end - span.body).unwrap_or(u32::MAX));
        chain.push(lengths.split().freeze());
        chain.push(payload.slice(span.body..span.end));
    }
    Ok(chain)
}
