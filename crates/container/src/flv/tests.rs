use proptest::prelude::*;

use media::VideoCodec;

use super::*;

fn body(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// The one tag of a video body.
fn video(bytes: &[u8]) -> Result<VideoTag, FlvError> {
    let mut tags = parse_video(&body(bytes))?.into_iter();
    let first = tags.next().unwrap();
    assert!(tags.next().is_none(), "one track");
    assert_eq!(first.track, 0);
    first.tag
}

/// The one tag of an audio body.
fn audio(bytes: &[u8]) -> Result<AudioTag, FlvError> {
    let mut tags = parse_audio(&body(bytes))?.into_iter();
    let first = tags.next().unwrap();
    assert!(tags.next().is_none(), "one track");
    first.tag
}

fn composition_time(bytes: [u8; 3]) -> i32 {
    let [high, middle, low] = bytes;
    match video(&[0x27, 1, high, middle, low, 9]) {
        Ok(VideoTag::AccessUnit { composition_time_ms, keyframe_hint: false, .. }) => {
            composition_time_ms
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn composition_time_is_signed() {
    assert_eq!(composition_time([0, 0, 80]), 80);
    assert_eq!(composition_time([0xFF, 0xFF, 0xFF]), -1);
    assert_eq!(composition_time([0x80, 0, 0]), -8_388_608);
    assert_eq!(composition_time([0x7F, 0xFF, 0xFF]), 8_388_607);
}

#[test]
fn payloads_are_slices_of_the_body() {
    for (bytes, at) in [(&[0x17, 1, 0, 0, 0, 1, 2, 3][..], 5), (b"\x91hvc1\0\0\x28\x01\x02", 8)] {
        let body = body(bytes);
        let tag = parse_video(&body).unwrap().into_iter().next().unwrap().tag;
        let Ok(VideoTag::AccessUnit { payload, keyframe_hint: true, .. }) = tag else {
            panic!("{tag:?}");
        };
        assert_eq!(payload.as_ptr(), body[at..].as_ptr());
    }
    for (bytes, at) in [(&[0xAF, 1, 0x21, 0x10][..], 2), (b"\x91Opus\xFC\x01", 5)] {
        let body = body(bytes);
        let tag = parse_audio(&body).unwrap().into_iter().next().unwrap().tag;
        let Ok(AudioTag::Frame { payload, .. }) = tag else { panic!("{tag:?}") };
        assert_eq!(payload.as_ptr(), body[at..].as_ptr());
    }
}

#[test]
fn headers_ends_commands_and_nothing() {
    let record = Bytes::from_static(&[1, 100]);
    let h264 = VideoCodec::H264;
    assert_eq!(
        video(&[0x17, 0, 0, 0, 0, 1, 100]),
        Ok(VideoTag::SequenceHeader { codec: h264, record })
    );
    assert_eq!(video(&[0x17, 2, 0, 0, 0]), Ok(VideoTag::EndOfSequence));
    assert_eq!(video(&[0x17, 2]), Ok(VideoTag::EndOfSequence));
    assert_eq!(video(&[0x57, 0]), Ok(VideoTag::Command));
    assert_eq!(video(&[0xD1, 0]), Ok(VideoTag::Command));
    assert_eq!(video(&[]), Ok(VideoTag::Command));
    assert_eq!(video(&[0x17, 1, 0]), Err(FlvError::Truncated { media: "video", at: 3, len: 3 }));
    assert_eq!(
        video(&[0x17, 3, 0, 0, 0]),
        Err(FlvError::PacketType { media: "AVC", packet_type: 3, at: 1 })
    );
}

#[test]
fn audio_without_data_is_silence() {
    assert_eq!(audio(&[]), Ok(AudioTag::Silence));
    assert_eq!(audio(&[0xAF, 1]), Ok(AudioTag::Silence));
    assert_eq!(audio(b"\x91mp4a"), Ok(AudioTag::Silence));
    assert_eq!(audio(b"\x92Opus"), Ok(AudioTag::Silence), "the end of a sequence means as much");
    assert_eq!(audio(&[0xAF]), Err(FlvError::Truncated { media: "audio", at: 1, len: 1 }));
    let config = Bytes::from_static(&[0x11, 0x90]);
    let header = AudioTag::SequenceHeader { codec: AudioCodec::Aac, config };
    assert_eq!(audio(&[0xAF, 0, 0x11, 0x90]), Ok(header.clone()));
    assert_eq!(audio(b"\x90mp4a\x11\x90"), Ok(header));
}

#[test]
fn extended_packets_say_what_their_codecs_need() {
    let unit = |bytes: &[u8]| match video(bytes) {
        Ok(VideoTag::AccessUnit { codec, composition_time_ms, payload, .. }) => {
            (codec, composition_time_ms, payload.to_vec())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(unit(b"\xA1hvc1\xFF\xFF\xD8\x09"), (VideoCodec::Hevc, -40, vec![9]));
    assert_eq!(unit(b"\xA3hvc1\x09"), (VideoCodec::Hevc, 0, vec![9]));
    assert_eq!(unit(b"\x91avc1\0\0\x28\x09"), (VideoCodec::H264, 40, vec![9]));
    assert_eq!(unit(b"\x91av01\x0A\x0B\x0C\x0D"), (VideoCodec::Av1, 0, vec![10, 11, 12, 13]));
    let record = Bytes::from_static(&[0x81]);
    let header = VideoTag::SequenceHeader { codec: VideoCodec::Av1, record };
    assert_eq!(video(b"\x90av01\x81"), Ok(header));
    assert_eq!(video(b"\x92av01"), Ok(VideoTag::EndOfSequence));
    // A frame type of 5 means nothing beside metadata.
    let metadata = Bytes::from_static(&[2, 0, 0]);
    assert_eq!(video(b"\xD4hvc1\x02\0\0"), Ok(VideoTag::Metadata(metadata)));
    let order = Bytes::from_static(&[1, 2]);
    assert_eq!(audio(b"\x94Opus\x01\x02"), Ok(AudioTag::ChannelOrder(order)));
}

#[test]
fn modifiers_shift_presentation_and_unknown_ones_are_passed_over() {
    // Three bytes of 500 000 ns, then the packet type.
    let nanos = b"\x97\x02\x07\xA1\x20\x01hvc1\0\0\0\x09";
    let message = parse_video(&body(nanos)).unwrap();
    assert_eq!((message.offset_nanos, message.tags().count()), (500_000, 1));
    // Kind 9 of two bytes, one of 300 bytes, then nanoseconds.
    let mut chain = b"\x97\x01\xAA\xBB\x97\xFF\x01\x2B".to_vec();
    chain.extend([0; 300]);
    chain.extend(b"\x97\x02\x00\x00\x07\x01Opus\x09");
    *chain.get_mut(4).unwrap() = 0x97;
    let audio = parse_audio(&body(&chain)).unwrap();
    assert_eq!(audio.offset_nanos, 7);
    assert!(matches!(audio.tags().next().unwrap().tag, Ok(AudioTag::Frame { .. })));
    let too_many = [&[0x97][..], &[0, 0, 0x97].repeat(9)].concat();
    let error = parse_video(&body(&too_many)).unwrap_err();
    assert_eq!(error, FlvError::TooManyModifiers { limit: 8, at: 24 });
    let second = parse_video(&body(b"\x97\x02\x0F\x42\x40\x01hvc1")).unwrap_err();
    assert_eq!(second, FlvError::NanosecondOffset { nanos: 1_000_000, at: 2 });
    let short = parse_video(&body(b"\x97\x01\x0F\x42\x01hvc1")).unwrap_err();
    assert_eq!(short, FlvError::Truncated { media: "video", at: 2, len: 9 });
}

#[test]
fn every_track_of_a_message_is_read() {
    let one = parse_video(&body(b"\x96\x03hvc1\x02\x09\x08")).unwrap();
    let tags: Vec<_> = one.into_iter().collect();
    assert_eq!((tags.len(), tags[0].track), (1, 2));
    let many = b"\x95\x11mp4a\x00\0\0\x02\x21\x10\x03\0\0\x00\x01\0\0\x01\x21";
    let tags: Vec<_> = parse_audio(&body(many)).unwrap().into_iter().collect();
    assert_eq!(tags.iter().map(|tag| tag.track).collect::<Vec<_>>(), [0, 3, 1]);
    assert_eq!(tags[1].tag, Ok(AudioTag::Silence));
    let codecs = b"\x96\x21hvc1\x00\0\0\x04\0\0\0\x09vp09\x01\0\0\x01\x09av01\x02\0\0\x01\x0A";
    let tags: Vec<_> = parse_video(&body(codecs)).unwrap().into_iter().collect();
    assert_eq!(tags.len(), 3);
    assert!(matches!(tags[0].tag, Ok(VideoTag::AccessUnit { codec: VideoCodec::Hevc, .. })));
    assert_eq!(
        tags[1].tag,
        Err(FlvError::UnsupportedVideo { codec: FlvCodec::FourCc(*b"vp09") }),
        "one track's codec is not the others' fault"
    );
    assert!(matches!(tags[2].tag, Ok(VideoTag::AccessUnit { codec: VideoCodec::Av1, .. })));
}

/// A body of 16 MiB would hold millions.
#[test]
fn tracks_of_a_message_are_bounded() {
    let message = |tracks: usize| [&b"\x96\x12hvc1"[..], &b"\0\0\0\0".repeat(tracks)].concat();
    assert_eq!(parse_video(&body(&message(256))).unwrap().into_iter().count(), 256);
    let error = parse_video(&body(&message(257))).unwrap_err().to_string();
    assert_eq!(error, "byte 1030: more than 256 tracks");
}

#[test]
fn malformed_headers_name_the_byte() {
    let video = |bytes: &[u8]| parse_video(&body(bytes)).unwrap_err().to_string();
    let audio = |bytes: &[u8]| parse_audio(&body(bytes)).unwrap_err().to_string();
    assert_eq!(video(b"\x90av"), "video body of 3 bytes ends inside its header, at byte 1");
    assert_eq!(video(b"\x91hvc1\0\0"), "video body of 7 bytes ends inside its header, at byte 7");
    assert_eq!(video(b"\x98hvc1"), "byte 0: video packet type 8");
    assert_eq!(video(b"\x96\x06hvc1\0"), "byte 1: video packet type 6");
    assert_eq!(video(b"\x96\x31hvc1\0"), "byte 1: multitrack type 3");
    assert_eq!(video(b"\x97\x00\x01\x1Chvc1"), "byte 3: video packet type 12");
    assert_eq!(audio(b"\x93mp4a"), "byte 0: audio packet type 3");
    assert_eq!(
        audio(b"\x95\x11mp4a\x00\0\0\x09\x21"),
        "audio body of 11 bytes ends inside its header, at byte 10"
    );
    assert_eq!(
        audio(b"\x95\x11mp4a\x00\0\0\x01\x21\x01"),
        "audio body of 12 bytes ends inside its header, at byte 12"
    );
}

#[test]
fn what_is_not_supported_is_named() {
    let video = |bytes: &[u8]| video(bytes).unwrap_err();
    let audio = |bytes: &[u8]| audio(bytes).unwrap_err();
    for (error, name) in [
        (video(&[0x1C, 1, 0, 0, 0]), "HEVC, not by Enhanced RTMP"),
        (video(&[0x12, 0]), "Sorenson"),
        (video(b"\x90vvc1"), "vvc1"),
        (video(b"\x90\x00\xFF\"\n"), r#"\x00\xff\""#),
        (video(b"\x95av01\x80"), "byte 0: sequence start in the form of MPEG-2 TS"),
        (audio(b"\x2F"), "MP3"),
        (audio(b"\x90ac-3"), "ac-3"),
        (audio(b"\x91fLaC\x01"), "fLaC"),
    ] {
        assert!(error.is_unsupported() && error.to_string().contains(name), "{error}");
    }
}

proptest! {
    #[test]
    fn any_body_is_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        crate::fuzzing::flv(&data);
        crate::fuzzing::enhanced_rtmp(&data);
    }
}
