//! A captured FFmpeg publish, replayed in every way a network can cut it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

use std::time::Instant;

use bytes::Bytes;
use ingest::{
    PublisherEvent,
    demux::Demux,
    rtmp::{
        ChunkLimits, ChunkReader, MediaKind, MediaMessage, Message, Output, RtmpSession,
        SessionConfig,
    },
};
use media::TrackId;
use proptest::prelude::*;

const CAPTURE: &[u8] = include_bytes!("../../fixtures/ffmpeg-5.1/publish.rtmp");
const OBS: &[u8] = include_bytes!("../../fixtures/obs-29.0/publish.rtmp");
/// What FFmpeg 9 publishes over Enhanced RTMP, and the codecs of the tracks that come of it.
const ENHANCED: [(&str, &[u8], &[&str]); 5] = [
    (
        "HEVC and AAC",
        include_bytes!("../../fixtures/ffmpeg-9.0/hevc.rtmp"),
        &["hvc1.1.6.L30.90", "mp4a.40.2"],
    ),
    (
        "HEVC with open GOPs",
        include_bytes!("../../fixtures/ffmpeg-9.0/hevc-open-gop.rtmp"),
        &["hvc1.1.6.L30.90"],
    ),
    (
        "AV1 and Opus",
        include_bytes!("../../fixtures/ffmpeg-9.0/av1-opus.rtmp"),
        &["av01.0.00M.08", "opus"],
    ),
    (
        "HEVC and two tracks of AAC",
        include_bytes!("../../fixtures/ffmpeg-9.0/two-audio-tracks.rtmp"),
        &["hvc1.1.6.L30.90", "mp4a.40.2", "mp4a.40.2"],
    ),
    (
        "two of each",
        include_bytes!("../../fixtures/ffmpeg-9.0/two-of-each.rtmp"),
        &["hvc1.1.6.L30.90", "mp4a.40.2", "avc1.42d00b", "mp4a.40.2"],
    ),
];
const HANDSHAKE: usize = 3073;

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What a session makes of the capture, cut into pieces, with every publisher let in.
#[derive(Debug, Default, PartialEq)]
struct Replay {
    key: String,
    media: Vec<(MediaKind, u32, Bytes)>,
    encoder: Option<String>,
    unpublished: bool,
    consumed: u64,
}

fn replay<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Replay {
    let now = now();
    let mut session = RtmpSession::new(SessionConfig::default(), now);
    let mut replay = Replay::default();
    for mut piece in pieces {
        while !piece.is_empty() {
            let consumed = session.handle_input(now, piece).unwrap();
            piece = &piece[consumed..];
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Publish(attempt) => {
                        replay.key = attempt.name.key;
                        session.accept_publish(now).unwrap();
                    }
                    Output::Media(MediaMessage { kind, timestamp, body }) => {
                        replay.media.push((kind, timestamp, body));
                    }
                    Output::Encoder(encoder) => replay.encoder = Some(encoder),
                    Output::FrameRate(_) => {}
                    Output::Unpublished => replay.unpublished = true,
                    Output::Close(end) => panic!("{end}"),
                }
            }
            session.writes().clear();
        }
    }
    replay.consumed = session.position();
    replay
}

fn messages(pieces: [&[u8]; 2]) -> Vec<Message> {
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let mut messages = Vec::new();
    for mut piece in pieces {
        while let Some(message) = reader.read(&mut piece).unwrap() {
            messages.push(message);
        }
    }
    messages
}

#[test]
fn whole_and_byte_by_byte_are_the_same() {
    let whole = replay([CAPTURE]);
    assert_eq!(whole.key, "secret");
    assert_eq!(whole.consumed, u64::try_from(CAPTURE.len()).unwrap());
    assert!(whole.unpublished);
    assert!(whole.encoder.as_deref().is_some_and(|encoder| encoder.starts_with("Lavf")));
    let count = |kind| whole.media.iter().filter(|media| media.0 == kind).count();
    // 25 pictures, about 47 AAC frames, a sequence header each, and the end of the sequence.
    assert_eq!(count(MediaKind::Video), 27);
    assert!((47..=50).contains(&count(MediaKind::Audio)));
    assert_eq!(replay(CAPTURE.chunks(1)), whole);
}

#[test]
fn obs_publishes_whole_and_byte_by_byte() {
    let whole = replay([OBS]);
    assert_eq!(whole.key, "obs-key-1");
    assert_eq!(whole.consumed, u64::try_from(OBS.len()).unwrap());
    assert_eq!(whole, replay(OBS.chunks(1)));
    let mut demux = Demux::new();
    let mut units = 0;
    for (kind, timestamp, body) in whole.media {
        demux.push(now(), &MediaMessage { kind, timestamp, body }).unwrap();
        while let Some(event) = demux.poll_output() {
            units += usize::from(matches!(event, PublisherEvent::AccessUnit(_)));
        }
    }
    assert!(units > 20, "{units} access units");
}

/// The codecs of the tracks, how many pictures there are, and how many of them decoding can start at.
fn demuxed(replay: Replay) -> (Vec<String>, usize, usize) {
    let mut demux = Demux::new();
    let (mut codecs, mut pictures, mut starts) = (Vec::new(), 0, 0);
    for (kind, timestamp, body) in replay.media {
        demux.push(now(), &MediaMessage { kind, timestamp, body }).unwrap();
        while let Some(event) = demux.poll_output() {
            match event {
                PublisherEvent::Track(track) => {
                    codecs.push((track.id, track.parameters.rfc6381()));
                }
                PublisherEvent::AccessUnit(unit) if unit.track == TrackId::VIDEO => {
                    pictures += 1;
                    starts += usize::from(unit.random_access);
                }
                PublisherEvent::Layout { .. }
                | PublisherEvent::AccessUnit(_)
                | PublisherEvent::Discontinuity(_)
                | PublisherEvent::Ended(_) => {}
            }
        }
    }
    codecs.sort_unstable();
    (codecs.into_iter().map(|(_, codec)| codec).collect(), pictures, starts)
}

#[test]
fn enhanced_publishes_are_read_whole_and_byte_by_byte() {
    for (name, capture, codecs) in ENHANCED {
        let whole = replay([capture]);
        assert_eq!(whole.consumed, u64::try_from(capture.len()).unwrap(), "{name}");
        assert!(whole.unpublished, "{name}");
        assert_eq!(replay(capture.chunks(1)), whole, "{name}");
        let (found, pictures, starts) = demuxed(whole);
        assert_eq!(found, codecs, "{name}");
        let seconds = if name.contains("two") { 1 } else { 2 };
        let expected = if name.contains("open") { 3 } else { seconds };
        assert_eq!((pictures, starts), (25 * seconds, expected), "{name}");
    }
}

#[test]
fn damage_in_enhanced_bodies_is_dropped_or_ends_the_publish() {
    for (_, capture, _) in ENHANCED {
        for (kind, timestamp, body) in replay([capture]).media.into_iter().take(8) {
            for at in 0..body.len().min(160) {
                for value in [0x00, 0x7F, 0x80, 0xFF] {
                    let mut damaged = body.to_vec();
                    damaged[at] = value;
                    let message = MediaMessage { kind, timestamp, body: damaged.into() };
                    drop(Demux::new().push(now(), &message));
                }
            }
        }
    }
}

#[test]
fn a_cut_at_every_position_changes_nothing() {
    let chunks = &CAPTURE[HANDSHAKE..];
    let whole = messages([chunks, &[]]);
    assert!(whole.len() > 70);
    for cut in 0..=chunks.len() {
        assert_eq!(messages([&chunks[..cut], &chunks[cut..]]), whole, "{cut}");
    }
}

#[test]
fn a_session_stands_a_cut_at_every_position_of_its_commands() {
    let whole = replay([CAPTURE]);
    for cut in (0..HANDSHAKE).step_by(61).chain(HANDSHAKE - 4..HANDSHAKE + 900) {
        assert_eq!(replay([&CAPTURE[..cut], &CAPTURE[cut..]]), whole, "{cut}");
    }
}

/// From the message buffer on nothing is copied: what the segmenter gets points into it.
#[test]
fn access_units_point_into_the_message_buffers() {
    let mut demux = Demux::new();
    let mut units = [0, 0];
    for (kind, timestamp, body) in replay([CAPTURE]).media {
        let buffer = body.as_ptr_range();
        demux.push(now(), &MediaMessage { kind, timestamp, body: body.clone() }).unwrap();
        while let Some(event) = demux.poll_output() {
            let PublisherEvent::AccessUnit(unit) = event else { continue };
            units[usize::from(unit.track == TrackId::AUDIO)] += 1;
            for piece in &unit.payload {
                let piece = piece.as_ptr_range();
                // Length fields that had to be rewritten are the only bytes of our own.
                let ours = piece.end as usize - piece.start as usize <= 4;
                assert!(ours || (buffer.start <= piece.start && piece.end <= buffer.end));
            }
        }
    }
    assert_eq!(units[0], 25);
    assert!(units[1] > 45);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cutting_gives_the_same(sizes in proptest::collection::vec(1_usize..3_000, 1..40)) {
        let mut rest = CAPTURE;
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, later) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = later;
        }
        prop_assert_eq!(replay(pieces), replay([CAPTURE]));
    }

    #[test]
    fn damage_ends_in_an_error_or_in_other_messages(
        at in 0..CAPTURE.len(), value in any::<u8>(), cut in 0..CAPTURE.len()
    ) {
        let mut damaged = CAPTURE[HANDSHAKE..].to_vec();
        if let Some(byte) = damaged.get_mut(at) { *byte = value; }
        damaged.truncate(cut);
        ingest::fuzzing::session(&damaged);
    }
}
