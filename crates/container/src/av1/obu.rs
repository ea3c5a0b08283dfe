//! OBUs in the low overhead format (AV1 §5.2, §5.3).

use std::ops::Range;

use super::Av1Error;

/// OBUs in one temporal unit: a picture may be coded in up to 4096 tiles, each a tile group of its own.
const MAX_OBUS: usize = 8192;
/// Bytes of a size at most (§4.10.5).
const MAX_LEB128: usize = 8;

pub(super) const SEQUENCE_HEADER: u8 = 1;
pub(super) const TEMPORAL_DELIMITER: u8 = 2;
pub(super) const FRAME_HEADER: u8 = 3;
pub(super) const FRAME: u8 = 6;
pub(super) const REDUNDANT_FRAME_HEADER: u8 = 7;
pub(super) const TILE_LIST: u8 = 8;
pub(super) const PADDING: u8 = 15;

/// Where an OBU lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObuSpan {
    /// `obu_type`, 0 to 15.
    pub(super) kind: u8,
    /// From its header to its end.
    pub(super) whole: Range<usize>,
    /// Where its payload starts.
    pub(super) payload: usize,
}

impl ObuSpan {
    /// The payload in the bytes it was found in.
    pub(super) fn payload<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        data.get(self.payload..self.whole.end).unwrap_or_default()
    }
}

/// Walks OBUs; ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct ObuSpans<'a> {
    data: &'a [u8],
    position: usize,
    count: usize,
}

impl<'a> ObuSpans<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0, count: 0 }
    }

    fn span(&self) -> Result<ObuSpan, Av1Error> {
        let start = self.position;
        let truncated = || Av1Error::TruncatedObu { position: start, len: self.data.len() };
        let &header = self.data.get(start).ok_or_else(truncated)?;
        if header & 0x80 != 0 {
            return Err(Av1Error::ForbiddenBit { position: start });
        }
        let (extension, has_size) = (header & 0x04 != 0, header & 0x02 != 0);
        let mut payload = start + 1 + usize::from(extension);
        let end = if has_size {
            let rest = self.data.get(payload..).ok_or_else(truncated)?;
            let (size, len) = leb128(rest).ok_or_else(truncated)?;
            payload += len;
            payload.checked_add(size).ok_or_else(truncated)?
        } else {
            // Only the last one may leave its size out.
            self.data.len()
        };
        if end > self.data.len() || payload > end {
            return Err(truncated());
        }
        Ok(ObuSpan { kind: header >> 3 & 0x0F, whole: start..end, payload })
    }
}

impl Iterator for ObuSpans<'_> {
    type Item = Result<ObuSpan, Av1Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.data.len() {
            return None;
        }
        self.count += 1;
        let span = if self.count > MAX_OBUS {
            Err(Av1Error::TooManyObus { limit: MAX_OBUS })
        } else {
            self.span()
        };
        self.position = span.as_ref().map_or(self.data.len(), |span| span.whole.end);
        Some(span)
    }
}

/// A little-endian number of 7 bits a byte, and how many bytes it took (§4.10.5).
fn leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in data.iter().take(MAX_LEB128).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok().and_then(|value| usize::try_from(value).ok())?;
            return Some((value, index + 1));
        }
    }
    None
}

/// Writes an OBU with its size.
pub(super) fn write(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut obu = Vec::with_capacity(payload.len() + 1 + MAX_LEB128);
    obu.push(kind << 3 | 0x02);
    let mut size = payload.len();
    loop {
        let low = u8::try_from(size & 0x7F).unwrap_or(0);
        size >>= 7;
        if size == 0 {
            obu.push(low);
            break;
        }
        obu.push(low | 0x80);
    }
    obu.extend_from_slice(payload);
    obu
}
