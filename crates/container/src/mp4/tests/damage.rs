//! Files that are cut, changed or made to hurt.

use proptest::prelude::*;

use super::*;

fn whole() -> Bytes {
    let samples: Vec<_> =
        (0..8).map(|index| sample(3000, 0, index == 0, picture(index == 0, 9))).collect();
    cmaf_file(&video(), 0, &[samples.clone(), samples])
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 8).unwrap();
    [&len.to_be_bytes()[..], kind, body].concat()
}

#[test]
fn a_file_cut_anywhere_is_refused_or_shorter() {
    let file = whole();
    let all = read(&file).unwrap().video.unwrap().samples.len();
    for len in 0..file.len() {
        if let Ok(demuxed) = read(&file.slice(..len)) {
            assert!(demuxed.video.is_none_or(|video| video.samples.len() < all), "{len}");
        }
    }
}

#[test]
fn nothing_in_it() {
    let missing = |file: &[u8]| match read(&Bytes::copy_from_slice(file)) {
        Err(Mp4Error::MissingBox { kind }) => kind.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(&[]), "moov");
    assert_eq!(missing(&boxed(b"ftyp", b"isom\0\0\0\0")), "moov");
    assert_eq!(missing(&boxed(b"moov", &[])), "mvhd");
    let init = cmaf::init_segment(&video()).unwrap().bytes;
    let demuxed = read(&init).unwrap();
    assert!(demuxed.video.is_none() && demuxed.audio.is_none(), "tracks without samples");
}

#[test]
fn other_codings_are_named_or_passed_over() {
    let renamed = |from: &[u8; 4], to: &[u8; 4], file: &[u8]| {
        let at = file.windows(4).position(|window| window == from).unwrap();
        let mut file = file.to_vec();
        file[at..at + 4].copy_from_slice(to);
        read(&Bytes::from(file))
    };
    let vvc = renamed(b"avc1", b"vvc1", &whole());
    assert!(
        matches!(vvc, Err(Mp4Error::UnsupportedVideo { codec: BoxType(kind) }) if &kind == b"vvc1")
    );
    // No record of that coding in it.
    let hevc = renamed(b"avc1", b"hvc1", &whole());
    assert!(matches!(hevc, Err(Mp4Error::MissingBox { kind: BoxType(kind) }) if &kind == b"hvcC"));
    assert!(matches!(renamed(b"avc1", b"tmcd", &whole()), Err(Mp4Error::NoMedia)));
    let frames = vec![sample(1024, 0, true, Bytes::from_static(&[0x21; 9]))];
    let sound = cmaf_file(&audio(), 0, &[frames]);
    assert!(matches!(renamed(b"mp4a", b"Opus", &sound), Err(Mp4Error::NoMedia)));
    assert!(read(&sound).unwrap().audio.is_some());
}

#[test]
fn boxes_nested_without_end_take_no_stack() {
    let mut nested = Vec::new();
    let len = 100_000_u32;
    for depth in 0..len {
        nested.extend_from_slice(&((len - depth) * 8).to_be_bytes());
        nested.extend_from_slice(if depth == 0 { b"moov" } else { b"trak" });
    }
    assert!(read(&Bytes::from(nested)).is_err());
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let sized = |size: u32, more: &[u8]| {
        let file = [&size.to_be_bytes()[..], b"free", more].concat();
        read(&Bytes::from(file)).unwrap_err()
    };
    for error in [
        sized(7, &[]),
        sized(9, &[]),
        sized(u32::MAX, &[]),
        sized(1, &[0; 7]),
        sized(1, &15_u64.to_be_bytes()),
        sized(1, &u64::MAX.to_be_bytes()),
    ] {
        assert!(matches!(error, Mp4Error::BoxSize { position: 0, .. }), "{error}");
    }
    assert!(matches!(sized(0, &[1, 2]), Mp4Error::MissingBox { .. }), "to the end");
    assert!(matches!(sized(1, &16_u64.to_be_bytes()), Mp4Error::MissingBox { .. }), "large");
}

#[test]
fn more_tracks_than_anyone_needs_are_refused() {
    let file = whole();
    let at = |kind: &[u8; 4]| file.windows(4).position(|window| window == kind).unwrap() - 4;
    let box_at = |at: usize| {
        let len = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
        &file[at..at + usize::try_from(len).unwrap()]
    };
    let body = [box_at(at(b"mvhd")), &box_at(at(b"trak")).repeat(65)].concat();
    let result = read(&Bytes::from(boxed(b"moov", &body)));
    assert!(matches!(result, Err(Mp4Error::TooManyTracks { limit: 64 })), "{result:?}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::mp4(&data);
    }

    #[test]
    fn a_damaged_file_is_read_without_panic(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = whole().to_vec();
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        crate::fuzzing::mp4(&file);
    }
}
