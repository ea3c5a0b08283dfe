//! One packet's payload (RFC 6184 §5.2), checked before anything of it is used.

use bytes::Bytes;
use thiserror::Error;

const STAP_A: u8 = 24;
const STAP_B: u8 = 25;
const MTAP16: u8 = 26;
const MTAP24: u8 = 27;
const FU_A: u8 = 28;
const FU_B: u8 = 29;

const FORBIDDEN_BIT: u8 = 0x80;
const REFERENCE_BITS: u8 = 0x60;
const TYPE_BITS: u8 = 0x1F;
const START_BIT: u8 = 0x80;
const END_BIT: u8 = 0x40;

/// Why a payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum PayloadError {
    /// The forbidden bit: a network element saw damage (§5.3).
    #[error("the forbidden bit is set")]
    ForbiddenBit,
    /// STAP-B, MTAP16, MTAP24 or FU-B: of the interleaved mode, which is not negotiated (§5.4).
    #[error("packet type {0} belongs to the interleaved mode")]
    Interleaved(u8),
    /// A type that means nothing (§5.2).
    #[error("NAL unit type {0} has no meaning here")]
    Type(u8),
    /// A STAP-A whose entries don't fill it (§5.7.1).
    #[error("an aggregation packet is cut short")]
    Aggregation,
    /// A STAP-A entry of no bytes, or a STAP-A of no entries.
    #[error("an aggregation packet holds nothing")]
    Empty,
    /// A FU-A without its two header bytes (§5.8).
    #[error("a fragment is cut short")]
    Fragment,
    /// A FU-A that is both start and end of its NAL unit (§5.8).
    #[error("a fragment is both start and end")]
    StartAndEnd,
}

/// What a payload holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// One NAL unit, or those of a STAP-A. None is empty.
    Whole(Aggregate),
    /// A piece of a NAL unit.
    Fragment(Fragment),
}

/// A piece of a NAL unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The header byte of the NAL unit it is of.
    pub(crate) header: u8,
    pub(crate) start: bool,
    pub(crate) end: bool,
    /// The bytes after the NAL unit's header.
    pub(crate) piece: Bytes,
}

/// Iterates over whole NAL units, as slices. It was checked, so that it never ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aggregate {
    rest: Bytes,
    single: bool,
}

impl Iterator for Aggregate {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.single {
            self.single = false;
            return Some(std::mem::take(&mut self.rest));
        }
        let (entry, rest) = split_entry(&self.rest)?;
        self.rest = rest;
        Some(entry)
    }
}

/// `nal_unit_type` of a NAL unit's header byte.
pub(crate) const fn nalu_type(header: u8) -> u8 {
    header & TYPE_BITS
}

/// Reads a payload that is not empty.
///
/// # Errors
///
/// See [`PayloadError`].
pub(crate) fn parse(payload: &Bytes) -> Result<Payload, PayloadError> {
    let &header = payload.first().ok_or(PayloadError::Empty)?;
    if header & FORBIDDEN_BIT != 0 {
        return Err(PayloadError::ForbiddenBit);
    }
    match nalu_type(header) {
        1..STAP_A => Ok(Payload::Whole(Aggregate { rest: payload.clone(), single: true })),
        STAP_A => aggregate(payload.slice(1..)).map(Payload::Whole),
        FU_A => fragment(header, payload).map(Payload::Fragment),
        kind @ (STAP_B | MTAP16 | MTAP24 | FU_B) => Err(PayloadError::Interleaved(kind)),
        kind => Err(PayloadError::Type(kind)),
    }
}

fn aggregate(entries: Bytes) -> Result<Aggregate, PayloadError> {
    let mut rest = entries.clone();
    if rest.is_empty() {
        return Err(PayloadError::Empty);
    }
    while !rest.is_empty() {
        let (entry, after) = split_entry(&rest).ok_or(PayloadError::Aggregation)?;
        let &header = entry.first().ok_or(PayloadError::Empty)?;
        check_header(header)?;
        rest = after;
    }
    Ok(Aggregate { rest: entries, single: false })
}

/// The first entry of what is left of a STAP-A, and what is left then.
fn split_entry(rest: &Bytes) -> Option<(Bytes, Bytes)> {
    let &length = rest.first_chunk::<2>()?;
    let end = 2 + usize::from(u16::from_be_bytes(length));
    (end <= rest.len()).then(|| (rest.slice(2..end), rest.slice(end..)))
}

/// Whether a NAL unit can begin like this: packets are not nested.
const fn check_header(header: u8) -> Result<(), PayloadError> {
    match nalu_type(header) {
        _ if header & FORBIDDEN_BIT != 0 => Err(PayloadError::ForbiddenBit),
        1..STAP_A => Ok(()),
        kind => Err(PayloadError::Type(kind)),
    }
}

fn fragment(indicator: u8, payload: &Bytes) -> Result<Fragment, PayloadError> {
    let &[_, flags] = payload.first_chunk::<2>().ok_or(PayloadError::Fragment)?;
    let header = (indicator & REFERENCE_BITS) | nalu_type(flags);
    check_header(header)?;
    let (start, end) = (flags & START_BIT != 0, flags & END_BIT != 0);
    if start && end {
        return Err(PayloadError::StartAndEnd);
    }
    Ok(Fragment { header, start, end, piece: payload.slice(2..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, PayloadError> {
        match parse(&Bytes::copy_from_slice(payload))? {
            Payload::Whole(nalus) => Ok(nalus.map(|nalu| nalu.to_vec()).collect()),
            Payload::Fragment(fragment) => Ok(vec![fragment.piece.to_vec()]),
        }
    }

    #[test]
    fn reads_single_and_aggregated_units() {
        assert_eq!(read(&[0x65, 1, 2]), Ok(vec![vec![0x65, 1, 2]]));
        let stap = [0x78, 0, 2, 0x67, 1, 0, 1, 0x68];
        assert_eq!(read(&stap), Ok(vec![vec![0x67, 1], vec![0x68]]));
    }

    #[test]
    fn refuses_aggregates_that_are_not_filled_by_their_entries() {
        use PayloadError::{Aggregation, Empty, ForbiddenBit, Type};
        let cases: [(&[u8], PayloadError); 9] = [
            (&[0x78], Empty),
            (&[0x78, 0], Aggregation),
            (&[0x78, 0, 0], Empty),
            (&[0x78, 0, 5, 0x67, 1], Aggregation),
            (&[0x78, 0, 1, 0x67, 9], Aggregation),
            (&[0x78, 0, 1, 0x67, 0, 0], Empty),
            (&[0x78, 0xFF, 0xFF, 0x67, 1], Aggregation),
            (&[0x78, 0, 1, 0x78], Type(24)),
            (&[0x78, 0, 1, 0xE7], ForbiddenBit),
        ];
        for (payload, error) in cases {
            assert_eq!(read(payload), Err(error), "{payload:02x?}");
        }
    }

    #[test]
    fn refuses_what_no_mode_of_ours_has() {
        for kind in [25, 26, 27, 29] {
            assert_eq!(read(&[0x60 | kind, 1, 2, 3]), Err(PayloadError::Interleaved(kind)));
        }
        for kind in [0, 30, 31] {
            assert_eq!(read(&[0x60 | kind, 1, 2, 3]), Err(PayloadError::Type(kind)));
        }
        assert_eq!(read(&[0xE5, 1]), Err(PayloadError::ForbiddenBit));
        assert_eq!(read(&[]), Err(PayloadError::Empty));
    }

    #[test]
    fn reads_fragments() {
        let fragment = |payload: &'static [u8]| match parse(&Bytes::from_static(payload)) {
            Ok(Payload::Fragment(fragment)) => Ok(fragment),
            Ok(Payload::Whole(_)) => panic!("not a fragment"),
            Err(error) => Err(error),
        };
        let read = fragment(&[0x7C, 0x85, 7]).unwrap();
        assert_eq!(
            (read.header, read.start, read.end, &read.piece[..]),
            (0x65, true, false, &[7][..])
        );
        assert!(fragment(&[0x7C, 0x45]).unwrap().end);
        assert_eq!(fragment(&[0x7C]), Err(PayloadError::Fragment));
        assert_eq!(fragment(&[0x7C, 0xC5, 7]), Err(PayloadError::StartAndEnd));
        assert_eq!(fragment(&[0x7C, 0x9C, 7]), Err(PayloadError::Type(28)));
    }
}
