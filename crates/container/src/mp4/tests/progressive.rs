//! Sample tables as other writers fill them.

use mp4_atom::{
    Co64, Ctts, CttsEntry, Decode, Edts, Elst, ElstEntry, Encode, FixedPoint, Ftyp, Moov, Stbl,
    Stco, Stsc, StscEntry, Stsz, StszSamples, Stts, SttsEntry,
};

use super::*;

/// Six pictures of 7, 8, … bytes; offsets of chunks are relative to the first picture.
fn pictures() -> Vec<Bytes> {
    (0..6).map(|index| picture(index % 3 == 0, 3 + index)).collect()
}

struct Layout {
    stbl: Stbl,
    edits: Vec<ElstEntry>,
    moov_first: bool,
}

fn layout() -> Layout {
    let sizes = pictures().iter().map(|picture| u32::try_from(picture.len()).unwrap()).collect();
    Layout {
        stbl: Stbl {
            stts: Stts { entries: vec![stts(4, 100), stts(2, 200)] },
            // Two chunks of two, then chunks of one.
            stsc: Stsc { entries: vec![stsc(1, 2), stsc(3, 1)] },
            stsz: Stsz { samples: StszSamples::Different { sizes } },
            stco: Some(Stco { entries: vec![0, 15, 34, 45] }),
            ..Stbl::default()
        },
        edits: Vec::new(),
        moov_first: true,
    }
}

fn stts(sample_count: u32, sample_delta: u32) -> SttsEntry {
    SttsEntry { sample_count, sample_delta }
}

fn stsc(first_chunk: u32, samples_per_chunk: u32) -> StscEntry {
    StscEntry { first_chunk, samples_per_chunk, sample_description_index: 1 }
}

fn edit(segment_duration: u64, media_time: Option<u64>) -> ElstEntry {
    ElstEntry { segment_duration, media_time, media_rate: FixedPoint::new(1, 0) }
}

/// The file, its chunk offsets moved to where the data are. A gap of three bytes is before them.
fn file(layout: Layout) -> Bytes {
    let init = cmaf::init_segment(&video()).unwrap().bytes;
    let mut rest = &init[..];
    let ftyp = Ftyp::decode(&mut rest).unwrap();
    let mut moov = Moov::decode(&mut rest).unwrap();
    moov.mvex = None;
    let stsd = moov.trak[0].mdia.minf.stbl.stsd.clone();
    moov.trak[0].mdia.minf.stbl = Stbl { stsd, ..layout.stbl };
    moov.trak[0].edts =
        (!layout.edits.is_empty()).then_some(Edts { elst: Some(Elst { entries: layout.edits }) });
    let encoded = |moov: &Moov| {
        let mut bytes = Vec::new();
        moov.encode(&mut bytes).unwrap();
        bytes
    };
    let mut file = Vec::new();
    ftyp.encode(&mut file).unwrap();
    let before = file.len() + 8 + 3 + if layout.moov_first { encoded(&moov).len() } else { 0 };
    let stbl = &mut moov.trak[0].mdia.minf.stbl;
    for offset in stbl.stco.iter_mut().flat_map(|stco| &mut stco.entries) {
        *offset += u32::try_from(before).unwrap();
    }
    for offset in stbl.co64.iter_mut().flat_map(|co64| &mut co64.entries) {
        *offset += u64::try_from(before).unwrap();
    }
    let data = [&[0xEE; 3][..], &pictures().concat()].concat();
    let mdat = [&u32::try_from(8 + data.len()).unwrap().to_be_bytes()[..], b"mdat", &data].concat();
    let moov = encoded(&moov);
    let order = if layout.moov_first { [moov, mdat] } else { [mdat, moov] };
    file.extend(order.concat());
    Bytes::from(file)
}

fn samples(layout: Layout) -> Vec<DemuxedSample> {
    read(&file(layout)).unwrap().video.unwrap().samples
}

#[test]
fn chunks_give_every_sample_its_place() {
    for moov_first in [true, false] {
        let samples = samples(Layout { moov_first, ..layout() });
        let payloads: Vec<_> = samples.iter().map(|s| s.payload.to_contiguous()).collect();
        assert_eq!(payloads, pictures());
        let dts: Vec<_> = samples.iter().map(|sample| sample.dts).collect();
        assert_eq!(dts, [0, 100, 200, 300, 400, 600]);
        let starts: Vec<_> = samples.iter().map(|sample| sample.random_access).collect();
        assert_eq!(starts, [true, false, false, true, false, false]);
    }
}

#[test]
fn large_offsets_and_equal_sizes() {
    let mut large = layout();
    large.stbl.co64 = Some(Co64 { entries: vec![0, 15, 34, 45] });
    large.stbl.stco = None;
    assert_eq!(samples(large).len(), 6);
    let mut equal = layout();
    equal.stbl.stsz = Stsz { samples: StszSamples::Identical { count: 1, size: 7 } };
    assert_eq!(samples(equal)[0].payload.to_contiguous(), pictures()[0]);
}

#[test]
fn composition_offsets_of_both_versions() {
    let ctts = |rows: &[(u32, i64)]| {
        let row = |&(sample_count, sample_offset)| CttsEntry { sample_count, sample_offset };
        Some(Ctts { entries: rows.iter().map(row).collect() })
    };
    let pts = |ctts| {
        let mut layout = layout();
        layout.stbl.ctts = ctts;
        samples(layout).iter().map(|sample| sample.pts).collect::<Vec<_>>()
    };
    assert_eq!(pts(ctts(&[(2, 200), (4, 0)])), [200, 300, 200, 300, 400, 600]);
    assert_eq!(pts(ctts(&[(2, -50), (4, 0)])), [-50, 50, 200, 300, 400, 600]);
    // Negative in a version 0 box, as QuickTime writes it.
    let minus_50 = (1 << 32) - 50;
    assert_eq!(pts(ctts(&[(2, minus_50), (4, 0)])), [-50, 50, 200, 300, 400, 600]);
}

#[test]
fn edit_lists_move_the_start() {
    let first = |edits: &[ElstEntry]| samples(Layout { edits: edits.to_vec(), ..layout() })[0].dts;
    assert_eq!(first(&[edit(0, Some(250))]), -250);
    // Half a second of nothing in the movie's 1 kHz clock.
    assert_eq!(first(&[edit(500, None), edit(0, Some(0))]), 45_000);
    assert_eq!(first(&[edit(500, None), edit(0, Some(1000)), edit(0, Some(7))]), 44_000);
    assert_eq!(first(&[edit(500, None)]), 0, "nothing is shown, so nothing is moved");
    assert_eq!(first(&[edit(0, Some(i64::MAX as u64))]), i64::MIN + 1);
}

#[test]
fn tables_that_contradict_each_other_are_refused() {
    let error = |change: fn(&mut Stbl)| {
        let mut layout = layout();
        change(&mut layout.stbl);
        read(&file(layout)).unwrap_err()
    };
    let is_table = |error: Mp4Error| matches!(error, Mp4Error::SampleTable { track: 1, .. });
    assert!(is_table(error(|stbl| stbl.stts.entries.truncate(1))));
    assert!(is_table(error(|stbl| stbl.ctts = Some(Ctts { entries: Vec::new() }))));
    assert!(is_table(error(|stbl| stbl.stsc.entries.clear())));
    assert!(is_table(error(|stbl| stbl.stco.as_mut().unwrap().entries.truncate(3))));
    let changed = error(|stbl| stbl.stsc.entries[1].sample_description_index = 2);
    assert!(matches!(changed, Mp4Error::ParametersChanged { track: 1, index: 2 }), "{changed}");
    let many = error(|stbl| {
        stbl.stsz = Stsz { samples: StszSamples::Identical { count: u32::MAX, size: 1 } };
    });
    assert!(matches!(many, Mp4Error::TooManySamples { .. }), "{many}");
    let overlap = error(|stbl| {
        stbl.stsz = Stsz { samples: StszSamples::Identical { count: 6, size: 900 } };
    });
    assert!(
        matches!(overlap, Mp4Error::SamplesOverlap { .. } | Mp4Error::SampleOutside { .. }),
        "{overlap}"
    );
}
