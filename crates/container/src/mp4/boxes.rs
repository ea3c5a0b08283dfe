//! Boxes of one level (ISO/IEC 14496-12 §4.2).

use std::ops::Range;

use mp4_atom::Atom;

use super::{BoxType, Mp4Error};

/// Size and type.
const HEADER_LEN: usize = 8;
/// Size 1, type, and a 64-bit size.
const LARGE_HEADER_LEN: usize = 16;

/// Where a box lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BoxSpan {
    pub(super) kind: [u8; 4],
    /// Where its header starts.
    pub(super) position: usize,
    /// What is after its header.
    pub(super) body: Range<usize>,
}

impl BoxSpan {
    /// The boxes in it, after `skip` bytes of fields.
    ///
    /// # Errors
    ///
    /// `BoxSize`.
    pub(super) fn children(&self, file: &[u8], skip: usize) -> Result<Boxes, Mp4Error> {
        let begin = self.body.start.saturating_add(skip);
        if begin > self.body.end {
            return Err(self.misfit());
        }
        Boxes::read(file, begin..self.body.end)
    }

    /// Its bytes without its header.
    pub(super) fn bytes<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        file.get(self.body.clone()).unwrap_or_default()
    }

    /// Its fields. Only for boxes that hold no boxes: decoding those recurses.
    ///
    /// # Errors
    ///
    /// `Box`.
    pub(super) fn decode<T: Atom>(&self, file: &[u8]) -> Result<T, Mp4Error> {
        T::decode_body(&mut self.bytes(file)).map_err(|source| Mp4Error::Box {
            kind: BoxType(self.kind),
            position: self.position,
            source,
        })
    }

    pub(super) const fn misfit(&self) -> Mp4Error {
        Mp4Error::BoxSize { kind: BoxType(self.kind), position: self.position }
    }
}

/// The boxes of one level, in order.
#[derive(Debug, Default)]
pub(super) struct Boxes(Vec<BoxSpan>);

impl Boxes {
    /// The boxes of a file.
    ///
    /// # Errors
    ///
    /// `BoxSize`.
    pub(super) fn all(file: &[u8]) -> Result<Self, Mp4Error> {
        Self::read(file, 0..file.len())
    }

    /// The boxes of a range. Fewer bytes at the end than a header has are padding.
    fn read(file: &[u8], range: Range<usize>) -> Result<Self, Mp4Error> {
        let level = file.get(..range.end).unwrap_or_default();
        let (mut boxes, mut position) = (Vec::new(), range.start);
        while let Some(next) = read_box(level, position)? {
            position = next.body.end;
            boxes.push(next);
        }
        Ok(Self(boxes))
    }

    /// The first box of a type.
    pub(super) fn find(&self, kind: &[u8; 4]) -> Option<&BoxSpan> {
        self.of(kind).next()
    }

    /// The first box of a type.
    ///
    /// # Errors
    ///
    /// `MissingBox`.
    pub(super) fn get(&self, kind: &[u8; 4]) -> Result<&BoxSpan, Mp4Error> {
        self.find(kind).ok_or(Mp4Error::MissingBox { kind: BoxType(*kind) })
    }

    /// All boxes of a type.
    pub(super) fn of(&self, kind: &[u8; 4]) -> impl Iterator<Item = &BoxSpan> {
        self.0.iter().filter(move |span| span.kind == *kind)
    }

    /// The first box.
    pub(super) fn first(&self) -> Option<&BoxSpan> {
        self.0.first()
    }
}

/// The box at `position`; `None` where no header fits any more.
fn read_box(level: &[u8], position: usize) -> Result<Option<BoxSpan>, Mp4Error> {
    let rest = level.get(position..).unwrap_or_default();
    let Some(&[a, b, c, d, ref kind @ ..]) = rest.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let kind = *kind;
    let misfit = Mp4Error::BoxSize { kind: BoxType(kind), position };
    let (header_len, len) = match u32::from_be_bytes([a, b, c, d]) {
        // To the end of what holds it.
        0 => (HEADER_LEN, Some(rest.len())),
        1 => {
            let large = rest.get(HEADER_LEN..).and_then(<[u8]>::first_chunk::<8>);
            let large = large.map(|large| u64::from_be_bytes(*large));
            (LARGE_HEADER_LEN, large.and_then(|large| usize::try_from(large).ok()))
        }
        len => (HEADER_LEN, usize::try_from(len).ok()),
    };
    match len {
        Some(len) if (header_len..=rest.len()).contains(&len) => {
            Ok(Some(BoxSpan { kind, position, body: position + header_len..position + len }))
        }
        _ => Err(misfit),
    }
}
