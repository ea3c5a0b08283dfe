//! Length-prefixed NAL units, as samples of H.264 and of H.265 hold them (ISO/IEC 14496-15 §4.3.3).

mod normalize;
mod parameter_sets;

use bytes::Bytes;
use thiserror::Error;

pub use self::{normalize::MAX_NALUS, parameter_sets::ParameterSetError};
pub(crate) use self::{
    normalize::normalize,
    parameter_sets::{SetKind, copied},
};

/// Why an access unit can't be taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NaluError {
    /// NAL unit lengths are of 1, 2 or 4 bytes.
    #[error("NAL unit length size {size}")]
    LengthSize {
        /// The size, in bytes.
        size: u8,
    },
    /// A NAL unit's length reaches past the end of its access unit.
    #[error("NAL unit at byte {position} of {len} is cut short")]
    TruncatedNalu {
        /// Where its length starts.
        position: usize,
        /// Bytes of the access unit.
        len: usize,
    },
    /// More NAL units than any access unit has.
    #[error("more than {limit} NAL units in one access unit")]
    TooManyNalus {
        /// The limit.
        limit: usize,
    },
}

/// Whether lengths of this size exist.
///
/// # Errors
///
/// `LengthSize`.
pub(crate) const fn check_length_size(size: u8) -> Result<(), NaluError> {
    match size {
        1 | 2 | 4 => Ok(()),
        _ => Err(NaluError::LengthSize { size }),
    }
}

/// Where a NAL unit lies in its access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NaluSpan {
    /// Offset of its length.
    pub(crate) start: usize,
    /// Offset of its first byte.
    pub(crate) body: usize,
    /// Offset after its last byte.
    pub(crate) end: usize,
}

/// Walks the NAL units of an access unit; ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct NaluSpans<'a> {
    data: &'a [u8],
    length_size: usize,
    position: usize,
}

impl<'a> NaluSpans<'a> {
    pub(crate) fn new(data: &'a [u8], length_size: u8) -> Self {
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
    type Item = Result<NaluSpan, NaluError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.data.len() {
            return None;
        }
        let span = self.span();
        let (position, len) = (self.position, self.data.len());
        self.position = span.map_or(len, |span| span.end);
        Some(span.ok_or(NaluError::TruncatedNalu { position, len }))
    }
}

/// The NAL units of an access unit; see [`nalus`].
#[derive(Clone, Debug)]
pub struct NaluReader<'a> {
    payload: &'a Bytes,
    spans: Result<NaluSpans<'a>, Option<NaluError>>,
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
    type Item = Result<Bytes, NaluError>;

    fn next(&mut self) -> Option<Self::Item> {
        let spans = match &mut self.spans {
            Ok(spans) => spans,
            Err(error) => return error.take().map(Err),
        };
        let span = spans.find(|span| span.as_ref().map_or(true, |span| span.end > span.body))?;
        Some(span.map(|span| self.payload.slice(span.body..span.end)))
    }
}
