//! Byte ranges (RFC 9110 §14).

use std::ops::Range;

/// What to answer to a `Range` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RangeReply {
    /// The whole file, 200.
    Whole,
    /// These bytes, 206.
    Part(Range<usize>),
    /// Nothing of the file is in the range, 416.
    Unsatisfiable,
}

/// Reads a `Range` field for a file of `len` bytes.
///
/// A field that is malformed, of another unit, or lists several ranges is ignored, as §14.2 allows:
/// no HLS player asks for several at once, and the parts of a multipart body would be ours to frame.
pub(super) fn parse(field: &str, len: usize) -> RangeReply {
    let Some((unit, set)) = field.split_once('=') else { return RangeReply::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return RangeReply::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return RangeReply::Whole };
    match (position(first), position(last)) {
        (Some(first), Some(last)) if first <= last => part(first, last.saturating_add(1), len),
        (Some(first), None) if last.is_empty() => part(first, len, len),
        (None, Some(suffix)) if first.is_empty() => part(len.saturating_sub(suffix), len, len),
        _ => RangeReply::Whole,
    }
}

fn part(start: usize, end: usize, len: usize) -> RangeReply {
    let end = end.min(len);
    if start < end { RangeReply::Part(start..end) } else { RangeReply::Unsatisfiable }
}

/// A number of digits; one that is too large to matter is as large as can be.
fn position(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_ranges() {
        let part = RangeReply::Part;
        for (field, reply) in [
            ("bytes=0-0", part(0..1)),
            ("bytes=2-4", part(2..5)),
            ("bytes=2-", part(2..10)),
            ("bytes=2-999", part(2..10)),
            ("bytes=-3", part(7..10)),
            ("bytes=-99999999999999999999", part(0..10)),
            ("Bytes= 9-9", part(9..10)),
            ("bytes=10-", RangeReply::Unsatisfiable),
            ("bytes=-0", RangeReply::Unsatisfiable),
            ("bytes=99999999999999999999-", RangeReply::Unsatisfiable),
            ("bytes=4-2", RangeReply::Whole),
            ("bytes=0-1,4-5", RangeReply::Whole),
            ("bytes=a-b", RangeReply::Whole),
            ("bytes=-", RangeReply::Whole),
            ("bytes=+1-2", RangeReply::Whole),
            ("items=0-1", RangeReply::Whole),
            ("bytes", RangeReply::Whole),
        ] {
            assert_eq!(parse(field, 10), reply, "{field}");
        }
        assert_eq!(parse("bytes=0-", 0), RangeReply::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_file(field in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20}", len in 0_usize..99) {
            if let RangeReply::Part(range) = parse(&field, len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
