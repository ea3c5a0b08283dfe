use media::{CodecParameters, Track, TrackId};

use super::*;

/// x264's sets for 160×90, High profile.
const SPS: [u8; 25] = [
    0x67, 0x64, 0x00, 0x0b, 0xac, 0xd9, 0x42, 0x8d, 0xf9, 0x30, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01,
    0x00, 0x00, 0x03, 0x00, 0x32, 0x0f, 0x14, 0x29, 0x96,
];
const PPS: [u8; 6] = [0x68, 0xef, 0xbc, 0xb0, 0x80, 0x80];
const LC: [u8; 2] = [0x11, 0x90];

/// The same stream at another level.
fn other_sps() -> Vec<u8> {
    let mut sps = SPS.to_vec();
    sps[3] = 0x0c;
    sps
}

fn avcc(sps: &[u8]) -> Vec<u8> {
    let mut record = vec![1, sps[1], sps[2], sps[3], 0xff, 0xe1];
    record.extend_from_slice(&u16::try_from(sps.len()).unwrap().to_be_bytes());
    record.extend_from_slice(sps);
    record.extend_from_slice(&[1, 0, 4]);
    record.extend_from_slice(&PPS[..4]);
    // Chroma and bit depth, which High profile adds.
    record.extend_from_slice(&[0xfd, 0xf8, 0xf8, 0]);
    record
}

fn header(sps: &[u8]) -> Vec<u8> {
    [&[0x17, 0, 0, 0, 0][..], &avcc(sps)].concat()
}

fn picture(nalus: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![0x27, 1, 0, 0, 0];
    for nalu in nalus {
        body.extend_from_slice(&u32::try_from(nalu.len()).unwrap().to_be_bytes());
        body.extend_from_slice(nalu);
    }
    body
}

const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00];
const NON_IDR: &[u8] = &[0x41, 0x9a, 0x00];

#[derive(Default)]
struct Publish {
    demux: Demux,
    stamp: u32,
}

impl Publish {
    fn push(&mut self, kind: MediaKind, body: Vec<u8>) -> Result<Vec<String>, DemuxError> {
        let now = crate::shell::now();
        self.stamp += 40;
        let message = MediaMessage { kind, timestamp: self.stamp, body: body.into() };
        self.demux.push(now, &message)?;
        Ok(std::iter::from_fn(|| self.demux.poll_output())
            .map(|event| match event {
                PublisherEvent::Track(Track {
                    parameters: CodecParameters::H264(h264), ..
                }) => {
                    format!("video level {}", h264.profile_level[2])
                }
                PublisherEvent::Track(Track { parameters: CodecParameters::Aac(aac), .. }) => {
                    format!("audio {} at {}", aac.object_type, aac.sampling_rate)
                }
                PublisherEvent::Track(track) => track.parameters.rfc6381(),
                PublisherEvent::AccessUnit(unit) => {
                    let kind = if unit.track == TrackId::VIDEO { "picture" } else { "frame" };
                    let bytes = unit.payload.len();
                    format!("{kind} {bytes}{}", if unit.random_access { " ra" } else { "" })
                }
                PublisherEvent::Layout { video, audio } => format!("{video}+{audio} tracks"),
                PublisherEvent::Discontinuity(_) | PublisherEvent::Ended(_) => "other".to_owned(),
            })
            .collect())
    }

    fn video(&mut self, body: Vec<u8>) -> Vec<String> {
        self.push(MediaKind::Video, body).unwrap()
    }

    fn audio(&mut self, body: &[u8]) -> Vec<String> {
        self.push(MediaKind::Audio, body.to_vec()).unwrap()
    }
}

#[test]
fn repeated_headers_change_nothing_and_new_ones_wait_for_their_idr() {
    let mut publish = Publish::default();
    assert_eq!(publish.video(header(&SPS)), ["video level 11"]);
    assert_eq!(publish.video(picture(&[IDR])), ["picture 8 ra"]);
    assert!(publish.video(header(&SPS)).is_empty());
    assert!(publish.video(header(&other_sps())).is_empty());
    assert_eq!(publish.video(picture(&[NON_IDR])), ["picture 7"]);
    assert_eq!(publish.video(picture(&[IDR])), ["video level 12", "picture 8 ra"]);
}

#[test]
fn sets_in_the_stream_win_from_their_idr_on() {
    let mut publish = Publish::default();
    publish.video(header(&SPS));
    let repeat = publish.video(picture(&[&SPS, &PPS[..4], IDR]));
    assert_eq!(repeat, ["picture 45 ra"]);
    let other = other_sps();
    let changed = publish.video(picture(&[&other, &PPS[..4], IDR]));
    assert_eq!(changed, ["video level 12", "picture 45 ra"]);
    // The old header again, byte for byte: still no news.
    assert!(publish.video(header(&SPS)).is_empty());
    assert_eq!(publish.video(picture(&[&other, IDR])), ["picture 37 ra"]);
}

#[test]
fn a_stream_without_a_header_starts_at_its_own_sets() {
    let mut publish = Publish::default();
    assert!(publish.video(picture(&[NON_IDR])).is_empty());
    // The sets come in a message of their own and stay with the picture they precede.
    assert!(publish.video(picture(&[&SPS, &PPS[..4]])).is_empty());
    assert_eq!(publish.video(picture(&[IDR])), ["video level 11", "picture 45 ra"]);
    assert_eq!(publish.demux.stats().video_dropped, 1);
}

#[test]
fn a_broken_unit_takes_those_that_refer_to_it_along() {
    let mut publish = Publish::default();
    publish.video(header(&SPS));
    publish.video(picture(&[IDR]));
    let mut broken = picture(&[NON_IDR]);
    broken.truncate(broken.len() - 1);
    assert!(publish.video(broken).is_empty());
    assert!(publish.video(picture(&[NON_IDR])).is_empty());
    assert_eq!(publish.video(picture(&[IDR])), ["picture 8 ra"]);
    assert_eq!(publish.demux.stats().video_dropped, 2);
}

#[test]
fn composition_times_shift_presentation_both_ways() {
    let mut publish = Publish::default();
    publish.video(header(&SPS));
    for (bytes, expected) in [([0, 0, 80], 7_200), ([0xff, 0xff, 0xd8], -3_600)] {
        let mut body = picture(&[IDR]);
        body[2..5].copy_from_slice(&bytes);
        let message = MediaMessage { kind: MediaKind::Video, timestamp: 1_000, body: body.into() };
        publish.demux.push(crate::shell::now(), &message).unwrap();
        let Some(PublisherEvent::AccessUnit(unit)) = publish.demux.poll_output() else { panic!() };
        assert_eq!(unit.pts - unit.dts, expected);
    }
}

#[test]
fn video_that_is_not_supported_ends_the_publish_by_name() {
    for (body, name) in [(&b"\x90vp09"[..], "vp09"), (b"\x90vvc1", "vvc1"), (b"\x12", "Sorenson")] {
        let mut publish = Publish::default();
        publish.video(header(&SPS));
        let error = publish.push(MediaKind::Video, body.to_vec()).unwrap_err();
        assert!(matches!(error, DemuxError::UnsupportedVideo(_)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn audio_that_is_not_aac_is_dropped_with_one_warning() {
    let mut publish = Publish::default();
    assert!(publish.audio(&[0x2f, 1, 2, 3]).is_empty());
    assert!(publish.demux.take_warning().is_some_and(|text| text.starts_with("audio is dropped")));
    assert!(publish.audio(&[0x2f, 1, 2, 3]).is_empty());
    assert_eq!(publish.demux.take_warning(), None);
    publish.video(header(&SPS));
    assert_eq!(publish.video(picture(&[IDR])), ["picture 8 ra"]);
    // The codec changes to one that is read, and its parameters later on.
    assert_eq!(publish.audio(&[&[0xaf, 0][..], &LC].concat()), ["audio 2 at 48000"]);
    assert_eq!(publish.audio(&[0xaf, 1, 9, 9]), ["frame 2 ra"]);
    assert!(publish.audio(&[&[0xaf, 0][..], &LC].concat()).is_empty());
    assert_eq!(publish.audio(&[0xaf, 0, 0x12, 0x10]), ["audio 2 at 44100"]);
    assert_eq!(publish.demux.stats().audio_dropped, 2);
}

#[test]
fn he_aac_runs_on_its_core_rate() {
    let mut publish = Publish::default();
    // SBR, core 24 kHz, output 48 kHz, stereo, core object type LC.
    assert_eq!(publish.audio(&[0xaf, 0, 0x2b, 0x11, 0x88, 0x00]), ["audio 5 at 24000"]);
    for (stamp, dts) in [(0, 0), (42, 1_024), (85, 2_048)] {
        let message = MediaMessage {
            kind: MediaKind::Audio,
            timestamp: stamp,
            body: vec![0xaf, 1, 1].into(),
        };
        publish.demux.push(crate::shell::now(), &message).unwrap();
        let Some(PublisherEvent::AccessUnit(unit)) = publish.demux.poll_output() else { panic!() };
        assert_eq!(unit.dts, dts);
    }
}

mod enhanced;
mod multitrack;
