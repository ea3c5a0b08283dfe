//! Composition offsets of a fragmented MP4, read from its `trun` boxes (ISO/IEC 14496-12 §8.8.8).
//!
//! libavformat's demuxer takes negative offsets for a decoder delay and moves every presentation time
//! of the track later by the largest of them. The decoding times it reports are the file's; adding
//! these offsets to them gives the presentation times that the file states.

/// The offsets of every sample of the track, in decoding order; empty when the file has no fragments.
pub(super) fn composition_offsets(file: &[u8], track: u32) -> Vec<i32> {
    let mut offsets = Vec::new();
    for moof in boxes(file).filter(|found| found.kind == *b"moof") {
        for traf in boxes(moof.body).filter(|found| found.kind == *b"traf") {
            let header = boxes(traf.body).find(|found| found.kind == *b"tfhd");
            if header.and_then(|tfhd| word(tfhd.body, 4)) != Some(track) {
                continue;
            }
            for trun in boxes(traf.body).filter(|found| found.kind == *b"trun") {
                read_run(trun.body, &mut offsets);
            }
        }
    }
    offsets
}

struct FoundBox<'a> {
    kind: [u8; 4],
    body: &'a [u8],
}

/// The boxes that lie whole in `data`, up to the first that doesn't.
fn boxes(mut data: &[u8]) -> impl Iterator<Item = FoundBox<'_>> {
    std::iter::from_fn(move || {
        let kind: [u8; 4] = data.get(4..8)?.try_into().ok()?;
        let (header, size) = match word(data, 0)? {
            0 => (8, data.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(data.get(8..16)?.try_into().ok()?)).ok()?),
            size => (8, usize::try_from(size).ok()?),
        };
        let body = data.get(header..size)?;
        data = data.get(size..)?;
        Some(FoundBox { kind, body })
    })
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    Some(u32::from_be_bytes(data.get(at..end)?.try_into().ok()?))
}

/// More frames than any segment has.
const MAX_FIELDLESS_SAMPLES: usize = 1 << 16;

fn read_run(trun: &[u8], offsets: &mut Vec<i32>) {
    const DATA_OFFSET: u32 = 0x1;
    const FIRST_SAMPLE_FLAGS: u32 = 0x4;
    const SAMPLE_FIELDS_BEFORE: u32 = 0x100 | 0x200 | 0x400;
    const COMPOSITION_OFFSET: u32 = 0x800;
    let (Some(flags), Some(count)) = (word(trun, 0), word(trun, 4)) else { return };
    let head = 8 + 4 * bits(flags & (DATA_OFFSET | FIRST_SAMPLE_FLAGS));
    let before = 4 * bits(flags & SAMPLE_FIELDS_BEFORE);
    let has_offset = flags & COMPOSITION_OFFSET != 0;
    let stride = before + if has_offset { 4 } else { 0 };
    let samples = trun.get(head..).unwrap_or_default();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    // A count that the box can't hold is a lie; a sample without any field takes no byte of it.
    let most = samples.len().checked_div(stride).unwrap_or(MAX_FIELDLESS_SAMPLES);
    for index in 0..count.min(most) {
        let offset = word(samples, index.saturating_mul(stride).saturating_add(before));
        // Version 0 says unsigned, but no real offset reaches 2^31, and muxers write negative ones.
        offsets.push(offset.filter(|_| has_offset).map_or(0, u32::cast_signed));
    }
}

fn bits(flags: u32) -> usize {
    usize::try_from(flags.count_ones()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrap(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn words(values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    fn fragment(track: u32, trun: &[u32]) -> Vec<u8> {
        let tfhd = wrap(b"tfhd", &words(&[0x02_0000, track]));
        let traf = wrap(b"traf", &[tfhd, wrap(b"trun", &words(trun))].concat());
        wrap(b"moof", &[wrap(b"mfhd", &[0; 8]), traf].concat())
    }

    #[test]
    fn signed_offsets_of_the_right_track_over_several_fragments() {
        let minus = (-3_000_i32).cast_unsigned();
        let file = [
            wrap(b"ftyp", b"isom"),
            fragment(1, &[0x0100_0a01, 2, 99, 1_000, 0, 1_001, 6_000]),
            fragment(2, &[0x0100_0800, 1, 77]),
            wrap(b"mdat", &[1; 40]),
            fragment(1, &[0x0100_0805, 1, 99, 0, minus]),
            fragment(1, &[0x0000_0101, 2, 99, 512, 512]),
        ]
        .concat();
        assert_eq!(composition_offsets(&file, 1), [0, 6_000, -3_000, 0, 0]);
        assert_eq!(composition_offsets(&file, 2), [77]);
    }

    #[test]
    fn a_lying_sample_count_reads_what_is_there() {
        let file = fragment(1, &[0x0100_0800, u32::MAX, 5]);
        assert_eq!(composition_offsets(&file, 1), [5]);
        assert_eq!(composition_offsets(&fragment(1, &[0, u32::MAX]), 1).len(), 1 << 16);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            composition_offsets(&bytes, 1);
            composition_offsets(&wrap(b"moof", &wrap(b"traf", &bytes)), 1);
        }
    }
}
