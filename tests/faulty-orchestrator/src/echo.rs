//! Segments that come back as they are.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::Message;

use crate::proto::{
    SegData, TranscodeData, TranscodeResult, TranscodedSegmentData, transcode_result,
};

/// Renditions kept until they are fetched; the oldest go first.
const MAX_ECHOES: usize = 128;
/// Length of a packet of a transport stream.
const TS_PACKET: usize = 188;
/// Bytes of a box before its content.
const BOX_HEADER: usize = 8;
/// Boxes of a file that lead to its runs of samples.
const TO_THE_RUNS: [&[u8; 4]; 2] = [b"moof", b"traf"];

/// Renditions that are segments as they came, by path.
#[derive(Debug, Default)]
pub(crate) struct Echoes {
    kept: VecDeque<(String, Bytes)>,
}

impl Echoes {
    /// Keeps a segment as every rendition asked for; the message that says where they are, relative to
    /// `base`, and how many pixels they have.
    pub(crate) fn keep(&mut self, base: &str, asked: &SegData, segment: &Bytes) -> Bytes {
        let session = asked.auth_token.as_ref().map_or("", |token| &*token.session_id);
        let profiles = [&asked.full_profiles, &asked.full_profiles2, &asked.full_profiles3];
        let pictures = pictures(segment);
        let segments = profiles.into_iter().flatten().map(|profile| {
            let path = format!("/stream/{session}/{}/{}", profile.name, asked.seq);
            if self.kept.len() == MAX_ECHOES {
                self.kept.pop_front();
            }
            self.kept.push_back((path.clone(), segment.clone()));
            let url = format!("{base}{path}");
            let pixels = pictures * i64::from(profile.width) * i64::from(profile.height);
            TranscodedSegmentData { url, pixels, ..TranscodedSegmentData::default() }
        });
        let data = TranscodeData { segments: segments.collect(), ..TranscodeData::default() };
        let result = Some(transcode_result::Result::Data(data));
        TranscodeResult { seq: asked.seq, result, info: None }.encode_to_vec().into()
    }

    /// The newest rendition of this path.
    pub(crate) fn find(&self, path: &str) -> Option<Bytes> {
        let mut newest_first = self.kept.iter().rev();
        newest_first.find(|(kept, _)| kept == path).map(|(_, rendition)| rendition.clone())
    }
}

/// Pictures in a segment with video only, MPEG-TS or fragmented MP4.
fn pictures(segment: &[u8]) -> i64 {
    if segment.first() == Some(&0x47) {
        let (packets, _) = segment.as_chunks::<TS_PACKET>();
        let starts = packets.iter().filter(|packet| starts_picture(packet));
        i64::try_from(starts.count()).unwrap_or(i64::MAX)
    } else {
        samples(segment, &TO_THE_RUNS)
    }
}

/// Whether a PES packet of video starts here (ISO/IEC 13818-1 §2.4.3).
fn starts_picture(packet: &[u8; TS_PACKET]) -> bool {
    let [_, flags, _, control, adaptation, ..] = *packet;
    let skipped = if control & 0x20 == 0 { 0 } else { 1 + usize::from(adaptation) };
    let payload = packet.get(4 + skipped..).unwrap_or_default();
    flags & 0x40 != 0 && matches!(payload, [0, 0, 1, 0xE0..=0xEF, ..])
}

/// Samples of every run below the boxes that lead there (ISO/IEC 14496-12 §8.8.8).
fn samples(mut boxes: &[u8], way: &[&[u8; 4]]) -> i64 {
    let mut found = 0;
    while let Some((header, rest)) = boxes.split_first_chunk::<BOX_HEADER>() {
        let [a, b, c, d, kind @ ..] = *header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let content =
            length.checked_sub(BOX_HEADER).and_then(|length| rest.split_at_checked(length));
        let Some((content, after)) = content else { return found };
        match way {
            [next, way @ ..] if **next == kind => found += samples(content, way),
            // The count follows version and flags.
            [] if kind == *b"trun" => {
                let count = content.get(4..).and_then(<[u8]>::first_chunk);
                found += count.map_or(0, |count| i64::from(u32::from_be_bytes(*count)));
            }
            [] | [_, ..] => {}
        }
        boxes = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AuthToken, VideoProfile};

    const BASE: &str = "http://127.0.0.1:1";

    fn asked(seq: i64) -> SegData {
        let profile = |name: &str, width| VideoProfile {
            name: name.into(),
            width,
            height: 10,
            ..VideoProfile::default()
        };
        SegData {
            seq,
            auth_token: Some(AuthToken { session_id: "s".into(), ..AuthToken::default() }),
            full_profiles: vec![profile("a", 20), profile("b", 4)],
            ..SegData::default()
        }
    }

    fn packet(flags: u8, start: &[u8]) -> Vec<u8> {
        let mut packet = [&[0x47, flags, 0, 0x10], start].concat();
        packet.resize(TS_PACKET, 0xFF);
        packet
    }

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(BOX_HEADER + content.len()).unwrap();
        [&length.to_be_bytes(), &kind[..], content].concat()
    }

    fn run(samples: u8) -> Vec<u8> {
        boxed(b"trun", &[0, 0, 0, 0, 0, 0, 0, samples, 9, 9])
    }

    #[test]
    fn a_segment_comes_back_as_every_rendition_with_its_pixels() {
        let video = [0, 0, 1, 0xE0];
        let stuffed = [&[0x47, 0x40, 0, 0x30, 2, 0, 0][..], &video, &[0; 177]].concat();
        let packets = [packet(0x40, &video), packet(0, &video), packet(0x40, &[0, 2]), stuffed];
        let segment = Bytes::from(packets.concat());
        let mut echoes = Echoes::default();
        let message = echoes.keep(BASE, &asked(7), &segment);
        let result = TranscodeResult::decode(message).unwrap();
        let Some(transcode_result::Result::Data(data)) = result.result else { panic!("an error") };
        let told: Vec<_> = data.segments.iter().map(|it| (it.url.as_str(), it.pixels)).collect();
        let (a, b) = (format!("{BASE}/stream/s/a/7"), format!("{BASE}/stream/s/b/7"));
        assert_eq!((result.seq, told), (7, vec![(&*a, 2 * 200), (&*b, 2 * 40)]));
        assert_eq!(echoes.find("/stream/s/b/7"), Some(segment));
        assert_eq!(echoes.find("/stream/s/b/8"), None);
    }

    #[test]
    fn pictures_of_every_fragment_count() {
        let fragment = |samples| boxed(b"moof", &boxed(b"traf", &run(samples)));
        let other = [boxed(b"moov", &run(50)), boxed(b"mdat", &run(50))].concat();
        assert_eq!(pictures(&[other, fragment(60), fragment(4)].concat()), 64);
        assert_eq!(pictures(&[0, 0, 0, 4, 1, 1, 1, 1]), 0, "shorter than its header");
    }

    #[test]
    fn memory_is_bounded() {
        let mut echoes = Echoes::default();
        for seq in 0..=64 {
            echoes.keep(BASE, &asked(seq), &Bytes::from_static(b"segment"));
        }
        assert_eq!(echoes.find("/stream/s/b/0"), None);
        assert!(echoes.find("/stream/s/a/1").is_some());
        assert_eq!(echoes.kept.len(), MAX_ECHOES);
    }
}
