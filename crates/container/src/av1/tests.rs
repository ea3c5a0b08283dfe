//! Records are of libsvtav1 and libaom, what they mean of ffprobe.

use bytes::Bytes;
use media::{Av1Parameters, CodecParameters, Colour, VideoRange};
use proptest::prelude::*;

use super::*;
use crate::hevc::hex;

/// Of libsvtav1: Main, 640x360.
pub(crate) const SVT: &str = "81010c000a0c0200000d2627fb3805f00080";
/// Of libaom: Main, 10 bits, 318x178, BT.2020 with HLG.
pub(crate) const AOM: &str = "81004c000a0e000000043cf6c4daf95091209040";

fn parameters(record: &str) -> Av1Parameters {
    parse_codec_configuration(&hex(record)).unwrap().unwrap()
}

#[test]
fn sequence_headers_say_size_depth_and_colours() {
    let svt = parameters(SVT);
    assert_eq!((svt.picture.width, svt.picture.height), (640, 360));
    assert_eq!((svt.profile, svt.level, svt.high_tier, svt.bit_depth), (0, 1, false, 8));
    assert_eq!((svt.subsampling, svt.monochrome), ((true, true), false));
    let aom = parameters(AOM);
    assert_eq!((aom.picture.width, aom.picture.height), (318, 178));
    assert_eq!((aom.level, aom.bit_depth), (0, 10));
    let colour = Colour { primaries: 9, transfer: 18, matrix: 9, full_range: false };
    assert_eq!(aom.picture.colour, Some(colour));
    assert_eq!(aom.picture.video_range(), VideoRange::Hlg);
}

#[test]
fn codec_strings_name_what_differs_from_the_defaults() {
    let string = |record| CodecParameters::Av1(parameters(record).into()).rfc6381();
    assert_eq!(string(SVT), "av01.0.01M.08");
    assert_eq!(string(AOM), "av01.0.00M.10.0.110.09.18.09.0");
}

#[test]
fn a_written_record_is_the_encoders() {
    for record in [SVT, AOM] {
        assert_eq!(codec_configuration_record(&parameters(record)), hex(record));
    }
}

#[test]
fn records_without_a_sequence_header_leave_it_to_the_stream() {
    let fields = hex(&SVT[..8]);
    assert_eq!(parse_codec_configuration(&fields), Ok(None));
    assert_eq!(parse_codec_configuration(&[]), Ok(None));
    let read = |record: &[u8]| parse_codec_configuration(record).unwrap_err();
    assert_eq!(read(&fields[..3]), Av1Error::TruncatedConfiguration { len: 3 });
    assert_eq!(read(&[1, 0, 0, 0]), Av1Error::ConfigurationVersion { marker: 1 });
    let cut = hex(SVT);
    assert_eq!(read(&cut[..10]), Av1Error::TruncatedObu { position: 0, len: 6 });
    assert_eq!(read(&[0x81, 0, 0, 0, 0x8A, 0]), Av1Error::ForbiddenBit { position: 0 });
    let short = [0x81, 0, 0, 0, 0x0A, 2, 0, 0];
    assert_eq!(read(&short), Av1Error::SequenceHeader("operating_point_idc"));
    let still = [0x81, 0, 0, 0, 0x0A, 1, 0b0001_1000];
    assert_eq!(read(&still), Av1Error::SequenceHeader("reduced_still_picture_header"));
    let reserved = [0x81, 0, 0, 0, 0x0A, 1, 0x60];
    assert_eq!(read(&reserved), Av1Error::SequenceHeader("seq_profile"));
}

#[test]
fn temporal_units_lose_delimiters_and_say_whether_decoding_can_start() {
    let sequence = &hex(SVT)[4..];
    // Temporal delimiter, sequence header, key frame that is shown, padding.
    let key = [&[0x12, 0][..], sequence, &[0x32, 2, 0x10, 0xAA], &[0x7A, 1, 0x80]].concat();
    let key = Bytes::from(key);
    let unit = normalize(&key).unwrap();
    assert!(unit.random_access && unit.has_picture);
    assert_eq!(unit.sequence_header.as_deref(), Some(sequence));
    assert_eq!(unit.payload.to_contiguous(), key.slice(2..key.len() - 3));
    let first = unit.payload.pieces().next().unwrap();
    assert_eq!((unit.payload.piece_count(), first.as_ptr()), (1, key[2..].as_ptr()));
    let unit = |bytes: &'static [u8]| normalize(&Bytes::from_static(bytes)).unwrap();
    assert!(!unit(&[0x32, 1, 0x00]).random_access, "a key frame that is not shown");
    assert!(!unit(&[0x32, 1, 0x30]).random_access, "an inter frame");
    assert!(!unit(&[0x1A, 1, 0x80]).random_access && unit(&[0x1A, 1, 0x80]).has_picture);
    // The last OBU may leave its size out; one with a layer has a byte more.
    assert!(unit(&[0x36, 0x08, 1, 0x10, 0x30, 0x10]).random_access);
    assert!(!unit(&[0x2A, 1, 0]).has_picture, "metadata alone");
    assert_eq!(
        normalize(&Bytes::from_static(&[0x32, 9, 0x10])),
        Err(Av1Error::TruncatedObu { position: 0, len: 3 })
    );
    let long = [&[0x32][..], &[0x80; 9]].concat();
    assert!(normalize(&Bytes::from(long)).is_err(), "a size without an end");
    let many = [0x2A, 0].repeat(8_193);
    assert_eq!(normalize(&Bytes::from(many)), Err(Av1Error::TooManyObus { limit: 8_192 }));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        crate::fuzzing::av1(&data);
        crate::fuzzing::av1(&[&[0x81, 0, 0, 0, 0x0A, 60], &data[..]].concat());
    }

    #[test]
    fn damaged_records_are_read_or_refused(at in 4_usize..20, value in any::<u8>()) {
        for record in [SVT, AOM] {
            let mut damaged = hex(record).to_vec();
            if let Some(byte) = damaged.get_mut(at) { *byte = value; }
            crate::fuzzing::av1(&damaged);
        }
    }
}
