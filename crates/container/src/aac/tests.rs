use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn config(bytes: &[u8]) -> Result<media::AacParameters, AacError> {
    parse_audio_specific_config(&Bytes::copy_from_slice(bytes))
}

/// Packs `(value, bits)` fields, zeros to the end of the last byte.
fn pack(fields: &[(u32, u32)]) -> Vec<u8> {
    let bits =
        fields.iter().flat_map(|(value, bits)| (0..*bits).rev().map(move |at| value >> at & 1));
    let mut bytes = Vec::new();
    for (index, bit) in bits.enumerate() {
        if index % 8 == 0 {
            bytes.push(0);
        }
        *bytes.last_mut().unwrap() |= u8::try_from(bit << (7 - index % 8)).unwrap();
    }
    bytes
}

#[test]
fn plain_configurations() {
    // As OBS and FFmpeg send them: LC, 48 kHz and 44.1 kHz, stereo.
    for (bytes, rate) in [([0x11, 0x90], 48_000), ([0x12, 0x10], 44_100)] {
        let lc = config(&bytes).unwrap();
        assert_eq!((lc.object_type, lc.sampling_rate, lc.channels), (2, rate, 2));
        assert_eq!(lc.frame_samples, 1024);
        assert_eq!(lc.audio_specific_config, bytes[..]);
    }
    let surround = config(&pack(&[(2, 5), (3, 4), (7, 4), (0, 3)])).unwrap();
    assert_eq!(surround.channels, 8);
    let short = config(&pack(&[(2, 5), (3, 4), (1, 4), (1, 1), (0, 2)])).unwrap();
    assert_eq!(short.frame_samples, 960);
}

#[test]
fn escapes() {
    let spelled = config(&pack(&[(2, 5), (15, 4), (48_001, 24), (2, 4), (0, 3)])).unwrap();
    assert_eq!(spelled.sampling_rate, 48_001);
    assert_eq!(
        config(&pack(&[(31, 5), (10, 6), (3, 4), (2, 4), (0, 3)])),
        Err(AacError::ObjectType { object_type: 42 })
    );
    assert_eq!(
        config(&pack(&[(2, 5), (13, 4), (2, 4), (0, 3)])),
        Err(AacError::SamplingRate { index: 13, rate: 0 })
    );
    assert_eq!(
        config(&pack(&[(2, 5), (3, 4), (9, 4), (0, 3)])),
        Err(AacError::Channels { configuration: 9, channels: 0 })
    );
}

#[test]
fn he_aac_announced_by_its_object_type() {
    let he = config(&pack(&[(5, 5), (6, 4), (2, 4), (3, 4), (2, 5), (0, 3)])).unwrap();
    assert_eq!((he.object_type, he.sampling_rate, he.channels), (5, 24_000, 2));
    let v2 = config(&pack(&[(29, 5), (7, 4), (1, 4), (4, 4), (2, 5), (0, 3)])).unwrap();
    assert_eq!((v2.object_type, v2.sampling_rate, v2.channels), (29, 22_050, 2));
}

#[test]
fn he_aac_announced_at_the_end() {
    let lc = [(2, 5), (6, 4), (1, 4), (0, 3)];
    let with = |more: &[(u32, u32)]| config(&pack(&[&lc[..], more].concat())).unwrap();
    let sbr = with(&[(0x2B7, 11), (5, 5), (1, 1), (3, 4)]);
    assert_eq!((sbr.object_type, sbr.sampling_rate, sbr.channels), (5, 24_000, 1));
    let ps = with(&[(0x2B7, 11), (5, 5), (1, 1), (3, 4), (0x548, 11), (1, 1)]);
    assert_eq!((ps.object_type, ps.channels), (29, 2));
    let no_ps = with(&[(0x2B7, 11), (5, 5), (1, 1), (3, 4), (0x548, 11), (0, 1)]);
    assert_eq!(no_ps.object_type, 5);
    assert_eq!(with(&[(0x2B7, 11), (5, 5), (0, 1)]).object_type, 2);
    assert_eq!(with(&[(0x123, 11), (5, 5), (1, 1), (3, 4)]).object_type, 2);
    assert_eq!(with(&[(0x2B7, 11)]).object_type, 2, "cut short is not announced");
}

#[test]
fn a_program_config_element_is_counted() {
    // FFmpeg's for 5.1 with a comment: front 1 + pair, back pair, one LFE.
    let fields = [
        (2, 5),
        (3, 4),
        (0, 4),
        (0, 3),
        (0, 4),
        (1, 2),
        (3, 4),
        (2, 4),
        (0, 4),
        (1, 4),
        (1, 2),
        (0, 3),
        (0, 4),
        (0, 3),
        (0, 1),
        (0, 4),
        (1, 1),
        (0, 4),
        (1, 1),
        (1, 4),
        (0, 4),
    ];
    let used: u32 = fields.iter().map(|(_, bits)| bits).sum();
    let end = [(0, used.next_multiple_of(8) - used), (1, 8), (0x41, 8)];
    let bytes = pack(&[&fields[..], &end].concat());
    let parameters = config(&bytes).unwrap();
    assert_eq!(parameters.channels, 6);
    assert_eq!(adts_header(&parameters, 10), Err(AacError::NotInAdts("this channel layout")));
    assert_eq!(
        config(&bytes[..bytes.len() - 1]),
        Err(AacError::TruncatedConfig { len: bytes.len() - 1 })
    );
}

#[test]
fn configurations_cut_short_are_refused() {
    assert_eq!(config(&[]), Err(AacError::TruncatedConfig { len: 0 }));
    assert_eq!(config(&[0x11]), Err(AacError::TruncatedConfig { len: 1 }));
    assert_eq!(config(&[0x11; 600]), Err(AacError::ConfigTooLong { len: 600, limit: 512 }));
}

#[test]
fn adts_headers_have_their_bits() {
    let lc = config(&[0x11, 0x90]).unwrap();
    // FFmpeg's header of a 371-byte frame: profile 1, index 3, 2 channels, length 378.
    assert_eq!(adts_header(&lc, 371), Ok([0xFF, 0xF1, 0x4C, 0x80, 0x2F, 0x5F, 0xFC]));
    assert_eq!(adts_header(&lc, 0), Err(AacError::FrameLength { len: 0 }));
    assert!(adts_header(&lc, 8184).is_ok());
    assert_eq!(adts_header(&lc, 8185), Err(AacError::FrameLength { len: 8185 }));
}

#[test]
fn he_aac_goes_into_adts_as_its_core() {
    let he = config(&pack(&[(5, 5), (6, 4), (2, 4), (3, 4), (2, 5), (0, 3)])).unwrap();
    let frame = parse_adts(&adts_header(&he, 5).unwrap()).unwrap().unwrap();
    assert_eq!((frame.header_len, frame.frame_len), (7, 12));
    assert_eq!((frame.parameters.object_type, frame.parameters.sampling_rate), (2, 24_000));
}

#[test]
fn adts_headers_that_are_none() {
    let good = adts_header(&config(&[0x11, 0x90]).unwrap(), 20).unwrap();
    let with = |at: usize, byte: u8| {
        let mut header = good;
        header[at] = byte;
        parse_adts(&header)
    };
    assert_eq!(parse_adts(&good[..6]), Ok(None));
    assert_eq!(with(0, 0xFE), Err(AacError::AdtsSync));
    assert_eq!(with(1, 0xF3), Err(AacError::AdtsSync), "layer");
    assert_eq!(with(6, 0xFD), Err(AacError::AdtsRawDataBlocks { blocks: 2 }));
    assert_eq!(with(4, 0), Err(AacError::AdtsFrameLength { frame_len: 3 }));
    assert_eq!(with(1, 0xF0).unwrap().unwrap().header_len, 9, "with a CRC");
    let no_channels = AacError::Channels { configuration: 0, channels: 0 };
    assert_eq!(with(3, good[3] & 0x3F), Err(no_channels));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        crate::fuzzing::asc(&data);
    }

    #[test]
    fn adts_says_what_the_configuration_says(
        object_type in 1_u32..5,
        index in 0_u32..13,
        channels in 1_u32..8,
        len in 1_usize..8185,
    ) {
        let parameters = config(&pack(&[(object_type, 5), (index, 4), (channels, 4), (0, 3)])).unwrap();
        let frame = parse_adts(&adts_header(&parameters, len).unwrap()).unwrap().unwrap();
        prop_assert_eq!(frame.parameters, parameters);
        prop_assert_eq!(frame.frame_len - frame.header_len, len);
    }
}
