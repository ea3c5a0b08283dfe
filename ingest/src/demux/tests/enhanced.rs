//! What comes under the extended header.

use super::*;

/// Of libx265: Main, 640x360.
pub(super) const HVCC: &str = "0101600000009000000000003ff000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003003f959809210001002a42010101600000030090000003000003003fa00502016965959a4932bc05a0200000030020000003032122000100074401c172b46240";
/// Of libsvtav1: Main, 640x360.
const AV1C: &str = "81010c000a0c0200000d2627fb3805f00080";

pub(super) const IDR_H265: &[u8] = &[0x26, 1, 0xAA];
const CRA: &[u8] = &[0x2A, 1, 0xAA];
const RASL: &[u8] = &[0x12, 1, 0xAA];
const TRAIL: &[u8] = &[0x02, 1, 0xAA];
/// A frame that is a key frame and shown, and one that is not.
const KEY: &[u8] = &[0x32, 2, 0x10, 0xAA];
const INTER: &[u8] = &[0x32, 2, 0x30, 0xAA];

pub(super) fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn start(fourcc: &[u8; 4], record: &[u8]) -> Vec<u8> {
    [&[0x90][..], fourcc, record].concat()
}

/// Coded frames without a composition time.
fn h265(nalus: &[&[u8]]) -> Vec<u8> {
    let mut body = b"\xA3hvc1".to_vec();
    for nalu in nalus {
        body.extend_from_slice(&u32::try_from(nalu.len()).unwrap().to_be_bytes());
        body.extend_from_slice(nalu);
    }
    body
}

fn av1(obus: &[&[u8]]) -> Vec<u8> {
    [&b"\xA1av01"[..], &obus.concat()].concat()
}

#[test]
fn hevc_starts_at_any_random_access_point_without_what_it_can_t_decode() {
    let mut publish = Publish::default();
    assert_eq!(publish.video(start(b"hvc1", &hex(HVCC))), ["hvc1.1.6.L63.90"]);
    assert_eq!(publish.video(h265(&[CRA])), ["picture 7 ra"]);
    assert!(publish.video(h265(&[RASL])).is_empty(), "nothing before it was decoded");
    assert_eq!(publish.demux.stats().video_dropped, 1);
    assert!(publish.demux.take_warning().is_some_and(|text| text.starts_with("open GOPs")));
    assert_eq!(publish.video(h265(&[TRAIL])), ["picture 7"]);
    assert_eq!(publish.video(h265(&[CRA])), ["picture 7 ra"]);
    assert_eq!(publish.video(h265(&[RASL])), ["picture 7"]);
    assert_eq!(publish.demux.take_warning(), None, "told once");
    // A lost picture takes what refers to it along, the leading pictures of the next CRA included.
    publish.video(b"\xA3hvc1\0\0\0\x09\x02".to_vec());
    assert!(publish.video(h265(&[TRAIL])).is_empty());
    assert_eq!(publish.video(h265(&[CRA])), ["picture 7 ra"]);
    assert!(publish.video(h265(&[RASL])).is_empty());
    assert_eq!(publish.video(h265(&[IDR_H265])), ["picture 7 ra"]);
}

#[test]
fn sets_of_hevc_in_the_stream_win_from_their_random_access_point_on() {
    let mut publish = Publish::default();
    let record = hex(HVCC);
    publish.video(start(b"hvc1", &record));
    publish.video(h265(&[IDR_H265]));
    assert!(publish.video(start(b"hvc1", &record)).is_empty(), "a repeat");
    let (vps, sps, pps) = (&record[28..52], &record[57..99], &record[104..111]);
    assert_eq!([vps[0], sps[0], pps[0]], [0x40, 0x42, 0x44]);
    let repeat = publish.video(h265(&[vps, sps, pps, IDR_H265]));
    assert_eq!(repeat.len(), 1, "{repeat:?}");
    // Another level.
    let mut other = sps.to_vec();
    let at = other.iter().position(|byte| *byte == 0x3F).unwrap();
    other[at] = 0x5D;
    assert!(publish.video(h265(&[&other, TRAIL])).len() == 1);
    let changed = publish.video(h265(&[IDR_H265]));
    assert_eq!(changed, ["hvc1.1.6.L93.90", "picture 7 ra"]);
}

#[test]
fn av1_key_frames_have_their_sequence_header() {
    let mut publish = Publish::default();
    let record = hex(AV1C);
    let sequence = &record[4..];
    assert_eq!(publish.video(start(b"av01", &record)), ["av01.0.01M.08"]);
    // A temporal delimiter is left out; what lacks a sequence header gets it.
    assert_eq!(publish.video(av1(&[&[0x12, 0], KEY])), ["picture 18 ra"]);
    assert_eq!(publish.video(av1(&[&[0x12, 0], INTER])), ["picture 4"]);
    assert_eq!(publish.video(av1(&[sequence, KEY])), ["picture 18 ra"]);
    let mut other = sequence.to_vec();
    // Another level.
    other[5] = 0x25;
    assert_eq!(publish.video(av1(&[&other, KEY])), ["av01.0.04M.08", "picture 18 ra"]);
    assert_eq!(publish.video(av1(&[&other, KEY])), ["picture 18 ra"], "a repeat");
    publish.video(b"\xA1av01\x32\x09".to_vec());
    assert!(publish.video(av1(&[INTER])).is_empty(), "what follows a loss");
    assert_eq!(publish.video(av1(&[KEY])).last().unwrap(), "picture 18 ra");
}

#[test]
fn av1_without_a_record_starts_at_its_own_sequence_header() {
    let mut publish = Publish::default();
    let record = hex(AV1C);
    assert!(publish.video(start(b"av01", &record[..4])).is_empty());
    assert!(publish.video(av1(&[KEY])).is_empty(), "nothing says how to decode it");
    assert_eq!(publish.video(av1(&[&record[4..], KEY])), ["av01.0.01M.08", "picture 18 ra"]);
}

#[test]
fn another_codec_waits_for_its_random_access_point() {
    let mut publish = Publish::default();
    publish.video(header(&SPS));
    assert_eq!(publish.video(picture(&[IDR])), ["picture 8 ra"]);
    assert!(publish.video(start(b"hvc1", &hex(HVCC))).is_empty());
    assert!(publish.video(h265(&[TRAIL])).is_empty());
    assert_eq!(publish.video(h265(&[IDR_H265])), ["hvc1.1.6.L63.90", "picture 7 ra"]);
    assert!(publish.video(start(b"av01", &hex(AV1C))).is_empty());
    assert_eq!(publish.video(av1(&[KEY])), ["av01.0.01M.08", "picture 18 ra"]);
}

#[test]
fn headers_that_make_no_sense_end_the_publish() {
    let mut publish = Publish::default();
    let error = publish.push(MediaKind::Video, start(b"hvc1", &hex(HVCC)[..40])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "HEVC sequence header: configuration record of 40 bytes is cut short at byte 28"
    );
    let error = publish.push(MediaKind::Video, start(b"av01", &[1, 0, 0, 0])).unwrap_err();
    assert!(error.to_string().starts_with("AV1 sequence header: configuration record begins"));
}

#[test]
fn opus_is_announced_with_its_first_packet() {
    let mut publish = Publish::default();
    let header = b"\x90OpusOpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    assert!(publish.audio(b"\x91Opus\xFC\x01").is_empty(), "no header yet");
    assert!(publish.audio(header).is_empty());
    assert_eq!(publish.audio(b"\x91Opus\xFC\x01"), ["opus", "frame 2 ra"]);
    assert_eq!(publish.audio(b"\x91Opus\xFC\x01"), ["frame 2 ra"]);
    assert!(publish.audio(header).is_empty(), "a repeat");
    assert!(publish.audio(b"\x91Opus").is_empty(), "silence");
    assert!(publish.audio(b"\x92Opus").is_empty(), "the end of a sequence");
    assert_eq!(publish.audio(b"\x91Opus\xFC\x01"), ["frame 2 ra"]);
    // Back to AAC, and to an Opus without a header of its own.
    assert_eq!(publish.audio(&[&[0xaf, 0][..], &LC].concat()), ["audio 2 at 48000"]);
    assert!(publish.audio(b"\x90Opus").is_empty());
    assert_eq!(publish.audio(b"\x91Opus\xF8\x01"), ["opus", "frame 2 ra"]);
}
