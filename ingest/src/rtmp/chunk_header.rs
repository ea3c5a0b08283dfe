//! The header in front of every chunk (`rtmp` §5.3.1).

/// The three-byte timestamp that says "look at the extended one" (`rtmp` §5.3.1.3).
pub(super) const EXTENDED: u32 = 0x00ff_ffff;

/// Longest header: basic 3, message 11, extended timestamp 4.
pub(super) const MAX_HEADER: usize = 18;

/// Basic header and message header, as far as the format carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    /// 0 to 3: how much of the message header is there.
    pub(super) format: u8,
    /// 2 to 65 599.
    pub(super) csid: u32,
    /// Timestamp (format 0) or timestamp delta (1, 2), with `EXTENDED` not yet resolved.
    pub(super) timestamp: u32,
    /// Message length; formats 0 and 1.
    pub(super) length: usize,
    /// Message type; formats 0 and 1.
    pub(super) kind: u8,
    /// Message stream id; format 0.
    pub(super) stream_id: u32,
    /// Bytes read so far, without an extended timestamp.
    pub(super) size: usize,
}

impl ChunkHeader {
    /// Reads a header, without its extended timestamp; `None` when bytes are missing.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        let format = first >> 6;
        let (csid, rest) = match (first & 0x3f, rest) {
            (0, [low, rest @ ..]) => (64 + u32::from(*low), rest),
            (1, [low, high, rest @ ..]) => (64 + u32::from(*low) + 256 * u32::from(*high), rest),
            (0 | 1, _) => return None,
            (csid, rest) => (u32::from(csid), rest),
        };
        let mut header =
            Self { format, csid, timestamp: 0, length: 0, kind: 0, stream_id: 0, size: 0 };
        let rest = match (format, rest) {
            (3, rest) => rest,
            (2, [a, b, c, rest @ ..]) => {
                header.timestamp = u32::from_be_bytes([0, *a, *b, *c]);
                rest
            }
            (0 | 1, [a, b, c, d, e, f, kind, rest @ ..]) => {
                header.timestamp = u32::from_be_bytes([0, *a, *b, *c]);
                header.length = be24(*d, *e, *f);
                header.kind = *kind;
                match (format, rest) {
                    (0, [a, b, c, d, rest @ ..]) => {
                        header.stream_id = u32::from_le_bytes([*a, *b, *c, *d]);
                        rest
                    }
                    (0, _) => return None,
                    (_, rest) => rest,
                }
            }
            _ => return None,
        };
        header.size = bytes.len() - rest.len();
        Some(header)
    }
}

/// A 24-bit big-endian number.
pub(super) fn be24(a: u8, b: u8, c: u8) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// What the four bytes where an extended timestamp belongs turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    /// An extended timestamp.
    Present,
    /// Payload: the sender leaves the field out.
    Omitted,
    /// Too few bytes to tell.
    Undecided,
}

/// Compares the bytes after a format 3 header with the values an extended timestamp could have.
///
/// `rtmp` §5.3.1.3 repeats the field on format 3 chunks; old librtmp, and encoders built on it,
/// leave it out. A differing first byte is enough to tell, so a short tail never has to wait.
pub(super) fn compare_extended(bytes: &[u8], candidates: [u32; 2]) -> Extended {
    let mut undecided = false;
    for candidate in candidates {
        let expected = candidate.to_be_bytes();
        if bytes.len() >= expected.len() && bytes.starts_with(&expected) {
            return Extended::Present;
        }
        undecided |= bytes.len() < expected.len() && expected.starts_with(bytes);
    }
    if undecided { Extended::Undecided } else { Extended::Omitted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_header_has_one_two_or_three_bytes() {
        let csid =
            |bytes: &[u8]| ChunkHeader::parse(bytes).map(|header| (header.csid, header.size));
        assert_eq!(csid(&[0xc3]), Some((3, 1)));
        assert_eq!(csid(&[0xc0, 0]), Some((64, 2)));
        assert_eq!(csid(&[0xc0, 255]), Some((319, 2)));
        assert_eq!(csid(&[0xc1, 255, 255]), Some((65_599, 3)));
        assert_eq!(csid(&[0xc1, 255]), None);
        assert_eq!(csid(&[]), None);
    }

    #[test]
    fn message_header_follows_the_format() {
        let full = [0x04, 0, 0, 1, 0, 1, 0, 9, 7, 0, 0, 0];
        let header = ChunkHeader::parse(&full).unwrap();
        assert_eq!((header.timestamp, header.length, header.kind), (1, 256, 9));
        assert_eq!((header.stream_id, header.size), (7, 12));
        for cut in 0..full.len() {
            assert_eq!(ChunkHeader::parse(&full[..cut]), None, "{cut}");
        }
        assert_eq!(ChunkHeader::parse(&[0x44, 0, 0, 1, 0, 1, 0, 9]).unwrap().size, 8);
        assert_eq!(ChunkHeader::parse(&[0x84, 0, 0, 1]).unwrap().size, 4);
    }

    #[test]
    fn one_differing_byte_settles_an_omitted_timestamp() {
        let candidates = [0x0100_0000, 0x0100_0020];
        assert_eq!(compare_extended(&[1, 0], candidates), Extended::Undecided);
        assert_eq!(compare_extended(&[1, 0, 0, 0x20], candidates), Extended::Present);
        assert_eq!(compare_extended(&[9], candidates), Extended::Omitted);
        assert_eq!(compare_extended(&[1, 0, 0, 9], candidates), Extended::Omitted);
    }
}
