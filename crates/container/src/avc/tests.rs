//! Vectors are of libx264, what they mean of ffprobe.

use bytes::Bytes;
use h264_reader::{
    nal::sps::SeqParameterSet,
    rbsp::{BitReader, BitWrite, BitWriter, ByteReader, ByteWriter},
};
use media::{FrameRate, H264Parameters};
use proptest::prelude::*;

use super::*;
use crate::nalu::{MAX_NALUS, NaluError, ParameterSetError, nalus};

/// High, 1920x1080 (cropped from 1088), B-pictures, 30000/1001 fixed.
const SPS_CFR: &str = "67640028acd940780227e5c04400000fa40003a9823c60c658";
/// The same with a variable rate.
const SPS_VFR: &str = "67640028acd940780227e5c04400000fa40003a9803c60c658";
/// Constrained Baseline, 640x360.
const SPS_BASELINE: &str = "6742c01ed900a02ff97011000003000100000300320f162e48";
/// Main, 720x576 interlaced, 16:11, HRD.
const SPS_INTERLACED: &str = "674d401eeca05a126c1040000003004000000c9898003d090007a13930c03e28532c";
/// High 4:2:2, 10 bits, 318x178 cropped, 15:13 spelled out.
const SPS_422: &str = "677a0015b6cd941419ea3fff000f000d10000003001000000640f162d960";
/// Main, 640x360, no B-pictures by the bitstream restrictions.
const SPS_NO_B: &str = "674d401ed900a02ff97011000003000100000300320f162e48";
const PPS: &str = "68ebe3cb22c0";

fn hex(text: &str) -> Bytes {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn parameters(sps: &str) -> H264Parameters {
    parameters_from_sets(vec![hex(sps)], vec![hex(PPS)]).unwrap()
}

/// Length-prefixed NAL units.
fn framed(nalus: &[&[u8]], length_size: usize) -> Bytes {
    let mut unit = Vec::new();
    for nalu in nalus {
        unit.extend_from_slice(
            &u32::try_from(nalu.len()).unwrap().to_be_bytes()[4 - length_size..],
        );
        unit.extend_from_slice(nalu);
    }
    Bytes::from(unit)
}

#[test]
fn sps_says_size_rate_and_reordering() {
    let high = parameters(SPS_CFR);
    assert_eq!((high.width, high.height), (1920, 1080));
    assert_eq!(high.profile_level, [0x64, 0, 0x28]);
    assert_eq!(high.frame_rate, FrameRate::new(30_000, 1_001));
    assert_eq!(high.sample_aspect_ratio, (1, 1));
    assert!(high.may_reorder);
    assert_eq!(parameters(SPS_VFR).frame_rate, None);

    let baseline = parameters(SPS_BASELINE);
    assert_eq!((baseline.width, baseline.height), (640, 360));
    assert!(!baseline.may_reorder);

    let interlaced = parameters(SPS_INTERLACED);
    assert_eq!((interlaced.width, interlaced.height), (720, 576));
    assert_eq!(interlaced.sample_aspect_ratio, (16, 11));
    assert_eq!(interlaced.display_size(), (1047, 576));

    let chroma = parameters(SPS_422);
    assert_eq!((chroma.width, chroma.height), (318, 178));
    assert_eq!(chroma.sample_aspect_ratio, (15, 13));
    assert!(!parameters(SPS_NO_B).may_reorder);
}

#[test]
fn agrees_with_the_strict_reader() {
    for sps in [SPS_CFR, SPS_VFR, SPS_BASELINE, SPS_INTERLACED, SPS_422, SPS_NO_B] {
        let nalu = hex(sps);
        let reader = BitReader::new(ByteReader::skipping_h264_header(&nalu[..]));
        let strict = SeqParameterSet::from_bits(reader).unwrap();
        let ours = parameters(sps);
        assert_eq!(strict.pixel_dimensions().unwrap(), (ours.width, ours.height), "{sps}");
        let vui = strict.vui_parameters.unwrap();
        let reorders = vui.bitstream_restrictions.is_none_or(|r| r.max_num_reorder_frames > 0);
        assert_eq!(ours.may_reorder, reorders, "{sps}");
    }
}

#[test]
fn a_vui_cut_short_counts_as_far_as_it_goes() {
    let whole = hex(SPS_INTERLACED);
    let cut = parameters_from_sets(vec![whole.slice(..13)], vec![hex(PPS)]).unwrap();
    assert_eq!((cut.width, cut.height), (720, 576));
    assert_eq!(cut.sample_aspect_ratio, (16, 11));
    assert!(cut.may_reorder, "unknown, so possible");
}

/// A Baseline SPS with this many macroblocks less one each way, cropped on the right by `crop` pairs.
fn sps_of_size(width_in_mbs: u32, height_in_mbs: u32, crop: u32) -> Bytes {
    let mut bits = BitWriter::new(ByteWriter::new(vec![0x67, 66, 0, 30]));
    // Set id, frame number length, order count type 2, reference frames.
    for number in [0, 0, 2, 1] {
        bits.write_ue(number).unwrap();
    }
    bits.write_bit(false).unwrap();
    bits.write_ue(width_in_mbs - 1).unwrap();
    bits.write_ue(height_in_mbs - 1).unwrap();
    // Frames only, 8x8 inference, cropping.
    for flag in [true, true, true] {
        bits.write_bit(flag).unwrap();
    }
    for number in [0, crop, 0, 0] {
        bits.write_ue(number).unwrap();
    }
    bits.write_bit(false).unwrap();
    bits.write_rbsp_trailing_bits().unwrap();
    Bytes::from(bits.into_writer().into_writer())
}

#[test]
fn impossible_pictures_are_refused() {
    let size = |width, height, crop| {
        parameters_from_sets(vec![sps_of_size(width, height, crop)], vec![hex(PPS)])
            .map(|parameters| (parameters.width, parameters.height))
    };
    assert_eq!(size(20, 15, 3), Ok((314, 240)));
    assert_eq!(size(1055, 1, 0), Ok((16_880, 16)));
    assert_eq!(size(1056, 1, 0), Err(AvcError::PictureSize { width: 16_896, height: 16 }));
    assert_eq!(size(20, 15, 160), Err(AvcError::PictureSize { width: 0, height: 240 }));
    assert_eq!(
        size(1 << 31, 15, 5),
        Err(AvcError::PictureSize { width: (1 << 35) - 10, height: 240 })
    );
    let cut = parameters_from_sets(vec![hex(SPS_CFR).slice(..6)], vec![hex(PPS)]);
    assert_eq!(cut, Err(AvcError::Sps("max_num_ref_frames")));
}

#[test]
fn configuration_record_is_written_as_ffmpeg_writes_it() {
    let high = decoder_configuration_record(&parameters(SPS_CFR));
    let expected = format!("01640028ffe10019{SPS_CFR}010006{PPS}fdf8f800");
    assert_eq!(high, hex(&expected));
    let main = decoder_configuration_record(&parameters(SPS_INTERLACED));
    assert!(main.ends_with(&hex(PPS)), "no extension for Main");
    let chroma = decoder_configuration_record(&parameters(SPS_422));
    assert!(chroma.ends_with(&[0xFE, 0xFA, 0xFA, 0]), "4:2:2, 10 bits");
}

#[test]
fn configuration_record_is_read_back() {
    let parameters = parameters(SPS_422);
    let mut record = decoder_configuration_record(&parameters).to_vec();
    for (bits, size) in [(0xFC, 1), (0xFD, 2), (0xFF, 4), (0x03, 4)] {
        record[4] = bits;
        let read = parse_decoder_configuration(&Bytes::from(record.clone())).unwrap();
        assert_eq!(read.nalu_length_size, size);
        assert_eq!(read.parameters, parameters);
    }
    record[4] = 0xFE;
    let read = |record: &[u8]| parse_decoder_configuration(&Bytes::copy_from_slice(record));
    assert_eq!(read(&record), Err(NaluError::LengthSize { size: 3 }.into()));
    record[4] = 0xFF;
    assert_eq!(read(&record[..20]), Err(AvcError::TruncatedConfiguration { len: 20 }));
    assert_eq!(read(&[]), Err(AvcError::TruncatedConfiguration { len: 0 }));
    assert_eq!(
        read(&[1, 100, 0, 40, 0xFF, 0xE0, 0]),
        Err(AvcError::ParameterSets(ParameterSetError::Missing("sequence")))
    );
    record[0] = 0;
    assert_eq!(read(&record), Err(AvcError::ConfigurationVersion { version: 0 }));
}

#[test]
fn sets_of_the_wrong_kind_or_number_are_refused() {
    let (sps, pps) = (hex(SPS_CFR), hex(PPS));
    let kind = |result: Result<H264Parameters, AvcError>| result.unwrap_err();
    assert!(matches!(
        kind(parameters_from_sets(vec![pps.clone()], vec![pps.clone()])),
        AvcError::ParameterSets(ParameterSetError::Unfit { kind: "sequence", index: 0, .. })
    ));
    assert!(matches!(
        kind(parameters_from_sets(vec![sps.clone(); 32], vec![pps.clone()])),
        AvcError::ParameterSets(ParameterSetError::Unfit { kind: "sequence", index: 31, .. })
    ));
    assert_eq!(
        kind(parameters_from_sets(vec![sps], Vec::new())),
        AvcError::ParameterSets(ParameterSetError::Missing("picture"))
    );
    assert_eq!(
        kind(parameters_from_sets(Vec::new(), vec![pps])),
        AvcError::ParameterSets(ParameterSetError::Missing("sequence"))
    );
}

#[test]
fn parameters_do_not_keep_the_picture_alive() {
    let message = framed(&[&hex(SPS_CFR), &hex(PPS), &[0x65; 1000]], 4);
    let unit = normalize(&message, 4).unwrap();
    let parameters = parameters_from_sets(unit.sps.clone(), unit.pps).unwrap();
    assert_eq!(parameters.sps, unit.sps);
    assert_ne!(parameters.sps[0].as_ptr(), unit.sps[0].as_ptr());
}

#[test]
fn an_ordinary_access_unit_stays_the_same_bytes() {
    let payload = framed(&[&[0x06, 1], &hex(SPS_CFR), &hex(PPS), &[0x65, 0x88, 0x84]], 4);
    let unit = normalize(&payload, 4).unwrap();
    let pieces: Vec<_> = unit.payload.pieces().collect();
    assert_eq!(pieces.len(), 1);
    assert_eq!((pieces[0].as_ptr(), pieces[0].len()), (payload.as_ptr(), payload.len()));
    assert!(unit.idr && unit.has_picture);
    assert_eq!((unit.sps, unit.pps), (vec![hex(SPS_CFR)], vec![hex(PPS)]));
}

#[test]
fn delimiters_filler_and_nothing_are_left_out_by_slicing() {
    let payload =
        framed(&[&[0x09, 0xF0], &[0x06, 1], &[], &[0x41, 2], &[0x41, 3], &[0x0C, 0xFF]], 4);
    let unit = normalize(&payload, 4).unwrap();
    assert_eq!(unit.payload.to_contiguous(), framed(&[&[0x06, 1], &[0x41, 2], &[0x41, 3]], 4));
    let within = payload.as_ptr_range();
    assert!(unit.payload.pieces().all(|piece| within.contains(&piece.as_ptr())));
    assert_eq!(unit.payload.piece_count(), 2, "neighbours share a piece");
    assert!(unit.has_picture && !unit.idr);
}

#[test]
fn short_lengths_become_long_without_copying_nalus() {
    for length_size in [1_u8, 2] {
        let payload = framed(&[&[0x09, 0xF0], &[0x65, 7, 8], &[0x41]], length_size.into());
        let unit = normalize(&payload, length_size).unwrap();
        assert_eq!(unit.payload.to_contiguous(), framed(&[&[0x65, 7, 8], &[0x41]], 4));
        let within = payload.as_ptr_range();
        let shared = unit.payload.pieces().filter(|piece| within.contains(&piece.as_ptr()));
        assert_eq!(shared.count(), 2);
    }
}

#[test]
fn nothing_to_show() {
    let unit = normalize(&Bytes::new(), 4).unwrap();
    assert!(unit.payload.is_empty() && !unit.has_picture);
    let unit = normalize(&framed(&[&[0x09, 0xF0]], 4), 4).unwrap();
    assert!(unit.payload.is_empty() && !unit.has_picture);
}

#[test]
fn malformed_access_units_are_refused() {
    let cut = Bytes::from_static(&[0, 0, 0, 1, 0x41, 0, 0, 0, 9, 0x41]);
    assert_eq!(normalize(&cut, 4), Err(NaluError::TruncatedNalu { position: 5, len: 10 }.into()));
    let cut_shorter = normalize(&cut.slice(..7), 4);
    assert_eq!(cut_shorter, Err(NaluError::TruncatedNalu { position: 5, len: 7 }.into()));
    assert_eq!(normalize(&cut, 3), Err(NaluError::LengthSize { size: 3 }.into()));
    let many = framed(&vec![&[0x41_u8][..]; MAX_NALUS + 1], 1);
    assert_eq!(normalize(&many, 1), Err(NaluError::TooManyNalus { limit: MAX_NALUS }.into()));
    let read: Vec<_> = nalus(&cut, 4).collect();
    assert_eq!(read.len(), 2);
    assert!(read[0].is_ok() && read[1].is_err());
    assert_eq!(nalus(&cut, 0).collect::<Vec<_>>(), [Err(NaluError::LengthSize { size: 0 })]);
}

#[test]
fn annex_b_takes_both_start_codes_and_any_padding() {
    let nalus =
        |data: &'static [u8]| -> Vec<Bytes> { annex_b_nalus(&Bytes::from_static(data)).collect() };
    assert_eq!(
        nalus(&[
            9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 0, 0, 1, 0, 0, 1, 0x65, 0, 0, 3, 1
        ]),
        [&[0x67, 1][..], &[0x68], &[0x65, 0, 0, 3, 1]]
    );
    assert_eq!(nalus(&[0, 0, 1, 0x41, 0x80, 0, 0, 0]), [&[0x41, 0x80][..]]);
    assert!(nalus(&[0, 0, 1]).is_empty());
    assert!(nalus(&[0x41, 0, 0]).is_empty());
    let data = Bytes::from_static(&[0, 0, 1, 0x41, 7]);
    let nalu = annex_b_nalus(&data).next().unwrap();
    assert_eq!(nalu.as_ptr(), data[3..].as_ptr());
}

fn nalu() -> impl Strategy<Value = Vec<u8>> {
    // A last byte that isn't zero, and no start code inside.
    (any::<u8>(), proptest::collection::vec(1_u8.., 0..20)).prop_map(|(kind, mut rest)| {
        rest.insert(0, kind | 1);
        rest
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::annex_b(&data);
        crate::fuzzing::avcc(&data);
        crate::fuzzing::sps(&data);
    }

    #[test]
    fn damaged_sps_are_read_without_panic(
        which in 0_usize..4,
        damage in proptest::collection::vec((1_usize..24, any::<u8>()), 0..6),
    ) {
        let mut sps = hex([SPS_CFR, SPS_BASELINE, SPS_INTERLACED, SPS_422][which]).to_vec();
        for (at, byte) in damage {
            sps[at] = byte;
        }
        crate::fuzzing::sps(&sps);
        let mut record = vec![1, 100, 0, 40, 0xFF, 0xE1, 0, u8::try_from(sps.len()).unwrap()];
        record.extend_from_slice(&sps);
        record.extend_from_slice(&[1, 0, 6]);
        record.extend_from_slice(&hex(PPS));
        crate::fuzzing::avcc(&record);
    }

    #[test]
    fn annex_b_comes_apart_as_it_was_put_together(
        nalus in proptest::collection::vec((nalu(), 2_usize..5), 0..10),
    ) {
        let mut stream = Vec::new();
        for (nalu, zeros) in &nalus {
            stream.extend(std::iter::repeat_n(0, *zeros));
            stream.push(1);
            stream.extend_from_slice(nalu);
        }
        let read: Vec<_> = annex_b_nalus(&Bytes::from(stream)).collect();
        prop_assert_eq!(read, nalus.into_iter().map(|(nalu, _)| nalu).collect::<Vec<_>>());
    }
}
