//! Length-prefixed NAL units (ISO/IEC 14496-15 §5.2.3).

use bytes::Bytes;

use super::AvcError;

pub(super) const NALU_IDR: u8 = 5;
pub(super) const NALU_SPS: u8 = 7;
pub(super) const NALU_PPS: u8 = 8;
pub(super) const NALU_DELIMITER: u8 = 9;
pub(super) const NALU_FILLER: u8 = 12;

/// `nal_unit_type`; `None` for no bytes.
pub(super) fn nalu_type(nalu: &[u8]) -> Option<u8> {
    nalu.first().map(|byte| byte & 0x1F)
}

/// Whether lengths of this size exist.
///
/// # Errors
///
/// `LengthSize`.
pub(super) const fn check_length_size(size: u8) -> Result<(), AvcError> {
    match size {
        1 | 2 | 4 => Ok(()),
        _ => Err(AvcError::LengthSize { size }),
    }
}

/// Where a NAL unit lies in its access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NaluSpan {
    /// Offset of its length.
    pub(super) start: usize,
    /// Offset of its first byte.
    pub(super) body: usize,
    /// Offset after its last byte.
    pub(super) end: usize,
}

/// Walks the NAL units of an access unit; ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct NaluSpans<'a> {
    data: &'a [u8],
    length_size: usize,
    position: usize,
}

impl<'a> NaluSpans<'a> {
    pub(super) fn new(data: &'a [u8], length_size: u8) -> Self {
        Self { data, length_size: usize::from(length_size), position: 0 }
    }

    fn span(&self) -> Option<NaluSpan> {
        let start = self.position;
        let body = start.checked_add(self.length_size)?;
        let length = self.data.get(start..body)?;
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let end = body.checked_add(length)?;
        (end <= self.data.len()).then_some(NaluSpan { start, body, end })
    }
}

impl Iterator for NaluSpans<'_> {
    type Item = Result<NaluSpan, AvcError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.data.len() {
            return None;
        }
        let span = self.span();
        let (position, len) = (self.position, self.data.len());
        self.position = span.map_or(len, |span| span.end);
        Some(span.ok_or(AvcError::TruncatedNalu { position, len }))
    }
}

/// The NAL units of an access unit; see [`nalus`].
#[derive(Clone, Debug)]
pub struct NaluReader<'a> {
    payload: &'a Bytes,
    spans: Result<NaluSpans<'a>, Option<AvcError>>,
}

/// The NAL units of an access unit whose lengths have `length_size` bytes, as slices. Empty ones are
/// left out. Nothing follows an error.
///
/// # Errors
///
/// `LengthSize`; `TruncatedNalu` where a length reaches past the end.
pub fn nalus(payload: &Bytes, length_size: u8) -> NaluReader<'_> {
    let spans =
        check_length_size(length_size).map(|()| NaluSpans::new(payload, length_size)).map_err(Some);
    NaluReader { payload, spans }
}

impl Iterator for NaluReader<'_> {
    type Item = Result<Bytes, AvcError>;

    fn next(&mut self) -> Option<Self::Item> {
        let spans = match &mut self.spans {
            Ok(spans) => spans,
            Err(error) => return error.take().map(Err),
        };
        let span = spans.find(|span| span.as_ref().map_or(true, |span| span.end > span.body))?;
        Some(span.map(|span| self.payload.slice(span.body..span.end)))
    }
}
