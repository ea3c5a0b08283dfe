use std::sync::Arc;

use bytes::Bytes;
use media::{
    AacParameters, Chain, CodecParameters, H264Parameters, OpusParameters, Sample, Timescale,
    Track, TrackId,
};
use mp4_atom::{Codec, Colr, Decode, Ftyp, Moof, Moov};

use super::*;
use crate::{aac, av1, avc, hevc};

/// Of libx264: Main, 720x576 interlaced, 16:11.
const SPS: [u8; 34] = [
    0x67, 0x4d, 0x40, 0x1e, 0xec, 0xa0, 0x5a, 0x12, 0x6c, 0x10, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40,
    0x00, 0x00, 0x0c, 0x98, 0x98, 0x00, 0x3d, 0x09, 0x00, 0x07, 0xa1, 0x39, 0x30, 0xc0, 0x3e, 0x28,
    0x53, 0x2c,
];
const PPS: [u8; 4] = [0x68, 0xfb, 0xac, 0xb2];

fn h264() -> H264Parameters {
    let set = |set: &'static [u8]| vec![Bytes::from_static(set)];
    avc::parameters_from_sets(set(&SPS), set(&PPS)).unwrap()
}

fn video(parameters: H264Parameters) -> Track {
    Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO,
        parameters: CodecParameters::H264(Arc::new(parameters)),
    }
}

fn audio(config: &'static [u8]) -> Track {
    let parameters = aac::parse_audio_specific_config(&Bytes::from_static(config)).unwrap();
    Track {
        id: TrackId::AUDIO,
        timescale: Timescale::new(parameters.sampling_rate).unwrap(),
        parameters: CodecParameters::Aac(Arc::new(parameters)),
    }
}

fn sample(duration: u32, composition_offset: i32, sync: bool, payload: Chain) -> Sample {
    Sample { duration, composition_offset, sync, payload }
}

fn chain(pieces: &[&[u8]]) -> Chain {
    pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect()
}

fn header(init: &[u8]) -> (Ftyp, Moov) {
    let mut rest = init;
    let boxes = (Ftyp::decode(&mut rest).unwrap(), Moov::decode(&mut rest).unwrap());
    assert!(rest.is_empty(), "nothing after moov");
    boxes
}

fn entry(moov: &Moov) -> &Codec {
    &moov.trak[0].mdia.minf.stbl.stsd.codecs[0]
}

#[test]
fn video_header_describes_a_fragmented_track() {
    let track = video(h264());
    let init = init_segment(&track).unwrap();
    assert_eq!(init.track, track);
    let (ftyp, moov) = header(&init.bytes);
    assert_eq!(ftyp.major_brand, b"iso6".into());
    assert!(ftyp.compatible_brands.contains(&b"cmfc".into()));
    let trak = &moov.trak[0];
    assert_eq!((moov.mvhd.duration, trak.tkhd.duration, trak.mdia.mdhd.duration), (0, 0, 0));
    assert_eq!((trak.tkhd.track_id, trak.mdia.mdhd.timescale), (1, 90_000));
    assert_eq!((trak.tkhd.width.integer(), trak.tkhd.height.integer()), (1047, 576));
    let trex = &moov.mvex.as_ref().unwrap().trex;
    assert_eq!((trex.len(), trex[0].track_id), (1, 1));
    assert!(trak.edts.is_none(), "no edit list");
    let Codec::Avc1(avc1) = entry(&moov) else { panic!("avc1") };
    assert_eq!((avc1.visual.width, avc1.visual.height), (720, 576));
    let pasp = avc1.pasp.as_ref().unwrap();
    assert_eq!((pasp.h_spacing, pasp.v_spacing), (16, 11));
    let record = avc::decoder_configuration_record(&h264());
    assert!(init.bytes.windows(record.len()).any(|window| window == record));
}

#[test]
fn hevc_and_av1_have_their_entries_with_colours() {
    let track = |parameters| Track { parameters, ..video(h264()) };
    let hevc = hevc::parse_decoder_configuration(&hevc::hex(hevc::HDR)).unwrap().parameters;
    let record = hevc::decoder_configuration_record(&hevc);
    let init = init_segment(&track(CodecParameters::Hevc(Arc::new(hevc)))).unwrap();
    let (_, moov) = header(&init.bytes);
    assert_eq!(moov.trak[0].tkhd.width.integer(), 424, "318 samples, 4:3 each");
    let Codec::Hvc1(hvc1) = entry(&moov) else { panic!("hvc1") };
    assert_eq!((hvc1.visual.width, hvc1.visual.height), (318, 178));
    assert_eq!(hvc1.pasp.as_ref().map(|pasp| (pasp.h_spacing, pasp.v_spacing)), Some((4, 3)));
    assert!(init.bytes.windows(record.len()).any(|window| window == record));
    let colours = |colr: Option<&Colr>| match colr {
        Some(&Colr::Nclx { colour_primaries, transfer_characteristics, .. }) => {
            Some((colour_primaries, transfer_characteristics))
        }
        _ => None,
    };
    assert_eq!(colours(hvc1.colr.as_ref()), Some((9, 16)));

    for (record, size, colour) in
        [(av1::SVT, (640, 360), None), (av1::AOM, (318, 178), Some((9, 18)))]
    {
        let record = hevc::hex(record);
        let parameters = av1::parse_codec_configuration(&record).unwrap().unwrap();
        let init = init_segment(&track(CodecParameters::Av1(Arc::new(parameters)))).unwrap();
        let (_, moov) = header(&init.bytes);
        let Codec::Av01(av01) = entry(&moov) else { panic!("av01") };
        assert_eq!((av01.visual.width, av01.visual.height), size);
        assert_eq!(colours(av01.colr.as_ref()), colour);
        assert!(init.bytes.windows(record.len()).any(|window| window == record));
    }
}

#[test]
fn opus_has_its_identification_header() {
    let parameters = OpusParameters {
        channels: 2,
        pre_skip: 312,
        input_sample_rate: 44_100,
        output_gain: -3,
        packet_samples: 960,
    };
    let track = Track {
        timescale: Timescale::new(OpusParameters::SAMPLING_RATE).unwrap(),
        parameters: CodecParameters::Opus(Arc::new(parameters)),
        ..audio(&[0x11, 0x90])
    };
    let (_, moov) = header(&init_segment(&track).unwrap().bytes);
    let Codec::Opus(opus) = entry(&moov) else { panic!("Opus") };
    assert_eq!((opus.dops.output_channel_count, opus.dops.pre_skip), (2, 312));
    assert_eq!((opus.dops.input_sample_rate, opus.dops.output_gain), (44_100, -3));
    assert_eq!(opus.audio.sample_rate.integer(), 48_000);
}

#[test]
fn square_pixels_need_no_pasp() {
    let square = H264Parameters { sample_aspect_ratio: (3, 3), ..h264() };
    let (_, moov) = header(&init_segment(&video(square)).unwrap().bytes);
    let Codec::Avc1(avc1) = entry(&moov) else { panic!("avc1") };
    assert!(avc1.pasp.is_none());
}

#[test]
fn audio_headers_keep_the_publishers_configuration() {
    // LC 48 kHz stereo; HE-AAC 24 kHz announced by object type 5, and at the end.
    for (config, rate) in [
        (&[0x11, 0x90][..], 48_000),
        (&[0x2B, 0x11, 0x88, 0x00], 24_000),
        (&[0x13, 0x10, 0x56, 0xE5, 0x98], 24_000),
    ] {
        let (_, moov) = header(&init_segment(&audio(config)).unwrap().bytes);
        let trak = &moov.trak[0];
        assert_eq!((trak.tkhd.track_id, trak.mdia.mdhd.timescale), (2, rate));
        let Codec::Mp4a(mp4a) = entry(&moov) else { panic!("mp4a") };
        let decoder = &mp4a.esds.es_desc.dec_config;
        assert_eq!(decoder.object_type_indication, 0x40);
        assert_eq!(decoder.dec_specific.as_ref().unwrap().raw, config);
        assert_eq!(
            (u32::from(mp4a.audio.sample_rate.integer()), mp4a.audio.channel_count),
            (rate, 2)
        );
    }
}

#[test]
fn a_rate_above_16_bits_is_left_to_the_configuration() {
    let Track { id, timescale, parameters } = audio(&[0x10, 0x10]);
    let (_, moov) = header(&init_segment(&Track { id, timescale, parameters }).unwrap().bytes);
    let Codec::Mp4a(mp4a) = entry(&moov) else { panic!("mp4a") };
    assert_eq!(mp4a.audio.sample_rate.integer(), 0);
    assert_eq!(moov.trak[0].mdia.mdhd.timescale, 96_000);
}

#[test]
fn what_a_header_cannot_say_is_refused() {
    let wide = H264Parameters { width: 70_000, ..h264() };
    assert!(matches!(
        init_segment(&video(wide)),
        Err(CmafError::PictureSize { width: 70_000, height: 576 })
    ));
    let parameters = AacParameters {
        audio_specific_config: Bytes::from(vec![0; 70_000]),
        object_type: 2,
        sampling_rate: 48_000,
        channels: 2,
        frame_samples: 1024,
    };
    let parameters = CodecParameters::Aac(Arc::new(parameters));
    let track = Track { parameters, ..audio(&[0x11, 0x90]) };
    // Descriptor lengths have 28 bits: no limit is met.
    assert!(init_segment(&track).is_ok());
    assert!(matches!(fragment(&track, 1, 0, &[]), Err(CmafError::NoSamples)));
}

#[test]
fn fragments_hold_samples_by_reference() {
    let samples = [
        sample(3000, 0, true, chain(&[&[0, 0, 0, 2], &[0x65, 1]])),
        sample(3000, 6000, false, chain(&[&[0, 0, 0, 1, 0x41]])),
        sample(3001, -3000, false, chain(&[&[0, 0, 0, 1, 0x01]])),
    ];
    let fragment = fragment(&video(h264()), 7, 1 << 33, &samples).unwrap();
    let given: Vec<_> =
        samples.iter().flat_map(|sample| sample.payload.pieces()).map(|p| p.as_ptr()).collect();
    let kept: Vec<_> = fragment.pieces().skip(1).map(|piece| piece.as_ptr()).collect();
    assert_eq!(kept, given);
}

#[test]
fn fragments_say_when_and_where() {
    let samples = [
        sample(3000, 0, true, chain(&[&[0, 0, 0, 2, 0x65, 1]])),
        sample(3000, 6000, false, chain(&[&[0, 0, 0, 1, 0x41]])),
        sample(3001, -3000, false, chain(&[&[0, 0, 0, 1, 0x01]])),
    ];
    let fragment = fragment(&video(h264()), 7, 1 << 33, &samples).unwrap();
    let headers = fragment.pieces().next().unwrap();
    let mut rest = &headers[..];
    let moof = Moof::decode(&mut rest).unwrap();
    assert_eq!(rest, [&24_u32.to_be_bytes()[..], b"mdat"].concat());
    assert_eq!(moof.mfhd.sequence_number, 7);
    let traf = &moof.traf[0];
    assert!(traf.tfhd.default_base_is_moof);
    assert_eq!(traf.tfhd.track_id, 1);
    assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 1 << 33);
    let run = &traf.trun[0];
    assert_eq!(run.data_offset, Some(i32::try_from(headers.len()).unwrap()));
    let rows: Vec<_> = run.samples.iter().collect();
    assert_eq!(
        rows.iter().map(|row| row.duration.unwrap()).collect::<Vec<_>>(),
        [3000, 3000, 3001]
    );
    assert_eq!(rows.iter().map(|row| row.cts.unwrap()).collect::<Vec<_>>(), [0, 6000, -3000]);
    assert_eq!(rows.iter().map(|row| row.size.unwrap()).collect::<Vec<_>>(), [6, 5, 5]);
    assert_eq!(
        rows.iter().map(|row| row.flags.unwrap()).collect::<Vec<_>>(),
        [0x0200_0000, 0x0101_0000, 0x0101_0000]
    );
    let version = |kind: &[u8; 4]| {
        let at = headers.windows(4).position(|window| window == kind).unwrap();
        headers[at + 4]
    };
    assert_eq!((version(b"tfdt"), version(b"trun")), (1, 1));
}

#[test]
fn what_all_samples_share_is_said_once() {
    let samples: Vec<_> = (0..50).map(|_| sample(1024, 0, true, chain(&[&[0x21; 9]]))).collect();
    let fragment = fragment(&audio(&[0x11, 0x90]), 1, 0, &samples).unwrap();
    let mut headers = &fragment.pieces().next().unwrap()[..];
    assert!(headers.len() < 120 + 4 * samples.len(), "a size for each sample, no more");
    let moof = Moof::decode(&mut headers).unwrap();
    let tfhd = &moof.traf[0].tfhd;
    assert_eq!(tfhd.default_sample_duration, Some(1024));
    assert_eq!(tfhd.default_sample_flags, Some(0x0200_0000));
}
