//! Records are of libx265, what they mean of ffprobe.

use bytes::Bytes;
use media::{CodecParameters, Colour, FrameRate, HevcParameters, VideoRange};
use proptest::prelude::*;

use super::*;
use crate::nalu::{NaluError, ParameterSetError};

/// Main, 640x360, 25 Hz.
const MAIN: &str = "0101600000009000000000003ff000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003003f959809210001002a42010101600000030090000003000003003fa00502016965959a4932bc05a0200000030020000003032122000100074401c172b46240";
/// Main 10, 318x178 cropped, 30000/1001 Hz, 4:3, BT.2020 with PQ.
pub(crate) const HDR: &str = "0102200000009000000000003cf000fcfdfafa00000f03200001001840010c01ffff02200000030090000003000003003c959809210001002d42010102200000030090000003000003003ca00a080b9d48d96566924caf0e6a1220120800001f480003a9804022000100074401c172b46240";

pub(crate) fn hex(text: &str) -> Bytes {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn parameters(record: &str) -> HevcParameters {
    let read = parse_decoder_configuration(&hex(record)).unwrap();
    assert_eq!(read.nalu_length_size, 4);
    read.parameters
}

fn framed(nalus: &[&[u8]]) -> Bytes {
    let length = |nalu: &[u8]| u32::try_from(nalu.len()).unwrap().to_be_bytes();
    nalus.iter().flat_map(|nalu| [&length(nalu)[..], nalu].concat()).collect()
}

#[test]
fn records_say_size_rate_shape_and_colours() {
    let main = parameters(MAIN);
    assert_eq!((main.picture.width, main.picture.height), (640, 360));
    assert_eq!(main.picture.frame_rate, FrameRate::new(25, 1));
    assert_eq!((main.chroma_format, main.luma_depth, main.chroma_depth), (1, 0, 0));
    assert_eq!((main.picture.sample_aspect_ratio, main.picture.colour), ((1, 1), None));
    let hdr = parameters(HDR);
    assert_eq!((hdr.picture.width, hdr.picture.height), (318, 178));
    assert_eq!(hdr.picture.frame_rate, FrameRate::new(30_000, 1_001));
    assert_eq!(hdr.picture.sample_aspect_ratio, (4, 3));
    assert_eq!((hdr.luma_depth, hdr.chroma_depth), (2, 2));
    let colour = Colour { primaries: 9, transfer: 16, matrix: 9, full_range: false };
    assert_eq!(hdr.picture.colour, Some(colour));
    assert_eq!(hdr.picture.video_range(), VideoRange::Pq);
}

#[test]
fn codec_strings_follow_the_sets() {
    let string = |record| CodecParameters::Hevc(parameters(record).into()).rfc6381();
    assert_eq!(string(MAIN), "hvc1.1.6.L63.90");
    assert_eq!(string(HDR), "hvc1.2.4.L60.90");
}

#[test]
fn a_written_record_says_what_the_encoders_did() {
    for record in [MAIN, HDR] {
        let (theirs, ours) = (hex(record), decoder_configuration_record(&parameters(record)));
        // Constraint flags and the sets are byte for byte the same; so is all before the parallelism.
        assert_eq!(ours[..13], theirs[..13]);
        assert_eq!(ours[16..], {
            let mut rest = theirs[16..].to_vec();
            // Ours says that all sets are there.
            for nalu in [0x20_u8, 0x21, 0x22] {
                let at = rest.windows(3).position(|bytes| bytes == [nalu, 0, 1]).unwrap();
                rest[at] |= 0x80;
            }
            rest
        });
        let read = parse_decoder_configuration(&ours).unwrap();
        assert_eq!(read.parameters, parameters(record));
    }
}

#[test]
fn malformed_records_are_refused() {
    let record = hex(MAIN);
    let read = |bytes: &[u8]| parse_decoder_configuration(&Bytes::copy_from_slice(bytes));
    for len in 1..record.len() {
        assert!(read(&record[..len]).is_err(), "{len} bytes");
    }
    let cut = HevcError::TruncatedConfiguration { position: 23, len: 25 };
    assert_eq!(read(&record[..25]).unwrap_err(), cut);
    let change = |at: usize, value| {
        let mut changed = record.to_vec();
        changed[at] = value;
        read(&changed).unwrap_err()
    };
    assert_eq!(change(0, 0), HevcError::ConfigurationVersion { version: 0 });
    assert_eq!(change(21, 0x0E), HevcError::Nalu(NaluError::LengthSize { size: 3 }));
    assert_eq!(change(22, 2), HevcError::ParameterSets(ParameterSetError::Missing("picture")));
    assert_eq!(
        change(23, 0x27),
        HevcError::ParameterSets(ParameterSetError::Missing("video")),
        "an array of messages"
    );
}

#[test]
fn sets_have_numbers() {
    let main = parameters(MAIN);
    let ids = (vps_id(&main.vps[0]), sps_id(&main.sps[0]), pps_id(&main.pps[0]));
    assert_eq!(ids, (Some(0), Some(0), Some(0)));
    assert_eq!((vps_id(&main.sps[0]), sps_id(&main.pps[0]), pps_id(&[0x44])), (None, None, None));
}

#[test]
fn access_units_say_whether_decoding_can_start() {
    // Types 19 IDR, 21 CRA, 9 RASL, 1 trailing, 35 delimiter, 39 message.
    let unit = |kinds: &[u8]| {
        let nalus: Vec<_> = kinds.iter().map(|kind| [kind << 1, 1, 0xAA]).collect();
        let nalus: Vec<&[u8]> = nalus.iter().map(|nalu| &nalu[..]).collect();
        normalize(&framed(&nalus), 4).unwrap()
    };
    assert!(unit(&[39, 19]).random_access && unit(&[21]).random_access);
    assert!(!unit(&[1]).random_access && unit(&[1]).has_picture);
    assert!(unit(&[9]).skipped_leading && !unit(&[7]).skipped_leading);
    let delimited = unit(&[35, 39, 1, 38]);
    assert_eq!(delimited.payload.len(), 2 * 7, "delimiter and filler are gone");
    assert!(!unit(&[39]).has_picture && unit(&[35]).payload.is_empty());
    let sets = unit(&[32, 33, 34, 19]);
    assert_eq!([sets.vps.len(), sets.sps.len(), sets.pps.len()], [1, 1, 1]);
    let cut = normalize(&Bytes::from_static(&[0, 0, 0, 9, 0x26]), 4).unwrap_err();
    assert_eq!(cut, HevcError::Nalu(NaluError::TruncatedNalu { position: 0, len: 5 }));
}

#[test]
fn an_unharmed_access_unit_is_the_same_bytes() {
    let payload = framed(&[&[0x26, 1, 0xAA], &[0x02, 1, 0xBB]]);
    let unit = normalize(&payload, 4).unwrap();
    assert_eq!(unit.payload.piece_count(), 1);
    assert_eq!(unit.payload.pieces().next().unwrap().as_ptr(), payload.as_ptr());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..96)) {
        crate::fuzzing::hevc(&data);
    }

    #[test]
    fn damaged_records_are_read_or_refused(at in 0_usize..110, value in any::<u8>(), keep in 0_usize..120) {
        for record in [MAIN, HDR] {
            let mut damaged = hex(record).to_vec();
            if let Some(byte) = damaged.get_mut(at) { *byte = value; }
            damaged.truncate(keep);
            crate::fuzzing::hevc(&damaged);
        }
    }
}
