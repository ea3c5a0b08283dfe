//! Several tracks of a kind.

use super::{
    enhanced::{HVCC, IDR_H265, hex},
    *,
};

const ONE: u8 = 0x00;
const MANY: u8 = 0x10;
const MANY_CODECS: u8 = 0x20;
const START: u8 = 0;
const FRAMES: u8 = 1;
/// Coded frames without a composition time.
const FRAMES_X: u8 = 3;

/// One track in a video message.
fn video(packet: u8, fourcc: &[u8; 4], track: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x96, ONE | packet][..], fourcc, &[track], payload].concat()
}

fn audio(packet: u8, fourcc: &[u8; 4], track: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x95, ONE | packet][..], fourcc, &[track], payload].concat()
}

/// A track with its size, as in messages of several.
fn sized(track: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[track][..], &size[1..], payload].concat()
}

fn nalu(nalu: &[u8]) -> Vec<u8> {
    [&u32::try_from(nalu.len()).unwrap().to_be_bytes()[..], nalu].concat()
}

/// What a message gives, with ids.
fn ids(publish: &mut Publish, kind: MediaKind, body: Vec<u8>) -> Vec<String> {
    publish.stamp += 40;
    let message = MediaMessage { kind, timestamp: publish.stamp, body: body.into() };
    publish.demux.push(crate::shell::now(), &message).unwrap();
    let events = std::iter::from_fn(|| publish.demux.poll_output());
    let told = events.map(|event| match event {
        PublisherEvent::Layout { video, audio } => format!("{video}+{audio}"),
        PublisherEvent::Track(track) => format!("{}: {}", track.id, track.parameters.rfc6381()),
        PublisherEvent::AccessUnit(unit) => format!("{} {}", unit.track, unit.payload.len()),
        PublisherEvent::Discontinuity(_) | PublisherEvent::Ended(_) => panic!("{event:?}"),
    });
    told.collect()
}

/// As OBS does it: every header, then pictures and sound.
#[test]
fn all_tracks_are_known_before_the_first_picture() {
    let mut publish = Publish::default();
    let lc = [&[0xaf, 0][..], &LC].concat();
    assert_eq!(ids(&mut publish, MediaKind::Audio, lc), ["2: mp4a.40.2"]);
    assert_eq!(ids(&mut publish, MediaKind::Video, header(&SPS)), ["1: avc1.64000b"]);
    for body in [video(START, b"hvc1", 1, &hex(HVCC)), video(START, b"avc1", 2, &avcc(&SPS))] {
        assert!(ids(&mut publish, MediaKind::Video, body).is_empty());
    }
    let second = audio(START, b"mp4a", 1, &LC);
    assert!(ids(&mut publish, MediaKind::Audio, second).is_empty());
    let first = ids(&mut publish, MediaKind::Video, picture(&[IDR]));
    let expected = ["3+2", "3: hvc1.1.6.L63.90", "4: avc1.64000b", "5: mp4a.40.2", "1 8"];
    assert_eq!(first, expected);
    let large = video(FRAMES_X, b"hvc1", 1, &nalu(IDR_H265));
    assert_eq!(ids(&mut publish, MediaKind::Video, large), ["3 7"]);
    let sound = audio(FRAMES, b"mp4a", 1, &[0x21]);
    assert_eq!(ids(&mut publish, MediaKind::Audio, sound), ["5 1"]);
    // One that joins late is a track as well.
    let late = video(START, b"avc1", 9, &avcc(&SPS));
    assert_eq!(ids(&mut publish, MediaKind::Video, late), ["6: avc1.64000b"]);
    // A new header waits for its own track's key frame.
    let changed = video(START, b"avc1", 2, &avcc(&other_sps()));
    assert!(ids(&mut publish, MediaKind::Video, changed).is_empty());
    assert_eq!(ids(&mut publish, MediaKind::Video, picture(&[IDR])), ["1 8"]);
    let key = video(FRAMES_X, b"avc1", 2, &nalu(IDR));
    assert_eq!(ids(&mut publish, MediaKind::Video, key), ["4: avc1.64000c", "4 8"]);
    assert_eq!(publish.demux.take_warning(), None);
}

#[test]
fn one_message_may_hold_many_tracks_in_many_codecs() {
    let mut publish = Publish::default();
    let h264 = sized(0, &avcc(&SPS));
    let h265 = sized(7, &hex(HVCC));
    let start = [&[0x96, MANY_CODECS][..], b"avc1", &h264, b"hvc1", &h265].concat();
    assert_eq!(ids(&mut publish, MediaKind::Video, start), ["1: avc1.64000b"]);
    let tracks = [sized(0, &LC), sized(1, &LC)].concat();
    let start = [&[0x95, MANY][..], b"mp4a", &tracks].concat();
    assert_eq!(ids(&mut publish, MediaKind::Audio, start), ["2: mp4a.40.2"]);
    let (h264, h265) = (sized(0, &nalu(IDR)), sized(7, &nalu(IDR_H265)));
    let frames = [&[0x96, MANY_CODECS | FRAMES_X][..], b"avc1", &h264, b"hvc1", &h265].concat();
    let first = ids(&mut publish, MediaKind::Video, frames);
    assert_eq!(first, ["2+2", "3: hvc1.1.6.L63.90", "4: mp4a.40.2", "1 8", "3 7"]);
    let tracks = [sized(1, &[0x21, 1]), sized(0, &[0x21])].concat();
    let frames = [&[0x95, MANY | FRAMES][..], b"mp4a", &tracks].concat();
    assert_eq!(ids(&mut publish, MediaKind::Audio, frames), ["4 2", "2 1"]);
}

#[test]
fn without_number_zero_the_lowest_is_the_main_track() {
    let mut publish = Publish::default();
    for track in [5, 2] {
        let start = video(START, b"avc1", track, &avcc(&SPS));
        assert!(ids(&mut publish, MediaKind::Video, start).is_empty());
    }
    let key = video(FRAMES_X, b"avc1", 5, &nalu(IDR));
    let first = ids(&mut publish, MediaKind::Video, key);
    assert_eq!(first, ["2+0", "1: avc1.64000b", "3: avc1.64000b", "3 8"]);
    assert_eq!(ids(&mut publish, MediaKind::Video, header(&SPS)), ["4: avc1.64000b"]);
}

#[test]
fn tracks_are_bounded_and_those_over_it_named_once() {
    let mut publish = Publish::default();
    for round in 0..2 {
        for track in 0..=u8::MAX {
            ids(&mut publish, MediaKind::Video, video(START, b"avc1", track, &avcc(&SPS)));
            ids(&mut publish, MediaKind::Audio, audio(START, b"mp4a", track, &LC));
            let warning = publish.demux.take_warning();
            assert_eq!(warning.is_some(), round == 0 && track >= 4, "{track}: {warning:?}");
            let named = format!("video track {track} is not used: of one kind, 4 are");
            assert!(warning.is_none_or(|warning| warning == named || track >= 8));
        }
    }
    let key = ids(&mut publish, MediaKind::Video, picture(&[IDR]));
    assert_eq!(key.first().map(String::as_str), Some("4+8"));
    // Two of them were told of already.
    assert_eq!(key.len(), 1 + 12 - 2 + 1);
    let key = video(FRAMES_X, b"avc1", 200, &nalu(IDR));
    assert!(ids(&mut publish, MediaKind::Video, key).is_empty());
}

#[test]
fn a_track_that_can_not_be_used_harms_no_other() {
    let mut publish = Publish::default();
    publish.video(header(&SPS));
    let unknown = video(START, b"vp09", 1, &[0]);
    assert!(publish.video(unknown.clone()).is_empty());
    let warning = publish.demux.take_warning().unwrap();
    assert!(warning.starts_with("video track 1 is not used: video codec vp09"), "{warning}");
    assert!(publish.video(unknown).is_empty());
    let broken = video(START, b"hvc1", 2, &hex(HVCC)[..40]);
    assert!(publish.video(broken).is_empty());
    let warning = publish.demux.take_warning().unwrap();
    assert!(warning.starts_with("video track 2 is not used: HEVC sequence header"), "{warning}");
    let sound = audio(START, b"ac-3", 3, &[]);
    assert!(publish.audio(&sound).is_empty());
    let warning = publish.demux.take_warning().unwrap();
    assert!(warning.starts_with("audio track 3 is not used: audio codec ac-3"), "{warning}");
    // Alone again, it needs no announcement.
    assert_eq!(publish.video(picture(&[IDR])), ["picture 8 ra"]);
    assert!(publish.video(video(FRAMES_X, b"hvc1", 2, &nalu(IDR_H265))).is_empty());
    assert_eq!(publish.demux.take_warning(), None);
}

#[test]
fn pictures_that_are_all_unknown_end_the_publish() {
    let mut publish = Publish::default();
    let unknown = |packet| video(packet, b"vp09", 1, &[0]);
    assert!(publish.video(unknown(START)).is_empty(), "others may follow");
    let error = publish.push(MediaKind::Video, unknown(FRAMES)).unwrap_err();
    assert!(error.to_string().contains("vp09"), "{error}");
}

/// A message that can't be read may have held a picture of any track.
#[test]
fn a_lost_message_breaks_every_track_up_to_its_own_key_frame() {
    let mut publish = Publish::default();
    publish.video(header(&SPS));
    publish.video(video(START, b"avc1", 1, &avcc(&SPS)));
    publish.video(picture(&[IDR]));
    publish.video(video(FRAMES_X, b"avc1", 1, &nalu(IDR)));
    publish.video(vec![0x96, 0x13, b'a', b'v']);
    assert!(publish.video(picture(&[NON_IDR])).is_empty());
    assert_eq!(publish.video(picture(&[IDR])), ["picture 8 ra"]);
    assert!(publish.video(video(FRAMES_X, b"avc1", 1, &nalu(NON_IDR))).is_empty());
    assert_eq!(publish.video(video(FRAMES_X, b"avc1", 1, &nalu(IDR))).len(), 1);
}
