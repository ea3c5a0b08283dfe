//! Bodies of the fuzz targets: any bytes may go in, nothing may come out but an end.

use std::{
    collections::BTreeMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use media::{MAX_AUDIO_TRACKS, MAX_VIDEO_TRACKS};

use crate::{
    demux::Demux,
    event::PublisherEvent,
    push::{PushRequest, PushedSegment},
    rtmp::{
        ChunkLimits, ChunkReader, MediaKind, MediaMessage, Output, RtmpSession, SessionConfig, amf0,
    },
};

/// Any moment; the cores only compare moments.
static START: LazyLock<Instant> = LazyLock::new(crate::shell::now);

/// Feeds the chunk reader in two pieces.
pub fn chunk_reader(data: &[u8]) {
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let (mut front, mut back) = data.split_at(data.len() / 2);
    for part in [&mut front, &mut back] {
        loop {
            match reader.read(part) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Decodes AMF0 values.
pub fn amf0(data: &[u8]) {
    drop(amf0::decode(data));
    drop(amf0::decode_leading(data));
}

/// Runs a session past its handshake, lets every publisher in, and demultiplexes what comes.
pub fn session(data: &[u8]) {
    let now = *START;
    let mut session = RtmpSession::new(SessionConfig::default(), now);
    let mut handshake = vec![0; 3073];
    if let Some(version) = handshake.first_mut() {
        *version = 3;
    }
    if session.handle_input(now, &handshake).is_err() {
        return;
    }
    let mut demux = Demux::new();
    let mut rest = data;
    loop {
        let consumed = session.handle_input(now, rest);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Publish(_) => {
                    if session.accept_publish(now).is_err() {
                        return;
                    }
                }
                Output::Media(message) => {
                    if demux.push(now, &message).is_err() {
                        return;
                    }
                    while demux.poll_output().is_some() {}
                }
                Output::Unpublished => demux = Demux::new(),
                Output::Encoder(_) | Output::FrameRate(_) => {}
                Output::Close(_) => return,
            }
        }
        session.writes().clear();
        let Ok(consumed) = consumed else { return };
        rest = rest.get(consumed..).unwrap_or(&[]);
        if rest.is_empty() {
            break;
        }
    }
    drop(session.handle_timeout(now + Duration::from_secs(60)));
}

/// Demultiplexes messages: each a kind, a step of the clock, a length of two bytes, and a body. However many
/// tracks they name, those that come of it are bounded, each of one kind, and announced before their units.
pub fn demux(data: &[u8]) {
    let mut demux = Demux::new();
    let mut tracks = BTreeMap::new();
    let (mut rest, mut timestamp) = (data, 0_u32);
    while let Some(([kind, step, high, low], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (body, next) = after.split_at(length.min(after.len()));
        rest = next;
        timestamp = timestamp.wrapping_add(u32::from(*step));
        let kind = if kind % 2 == 0 { MediaKind::Video } else { MediaKind::Audio };
        let message = MediaMessage { kind, timestamp, body: Bytes::copy_from_slice(body) };
        let ended = demux.push(*START, &message).is_err();
        while let Some(event) = demux.poll_output() {
            match event {
                PublisherEvent::Layout { video, audio } => {
                    assert!(video <= MAX_VIDEO_TRACKS && audio <= MAX_AUDIO_TRACKS);
                }
                PublisherEvent::Track(track) => {
                    let kind = *tracks.entry(track.id).or_insert_with(|| track.kind());
                    assert_eq!(kind, track.kind(), "{}", track.id);
                }
                PublisherEvent::AccessUnit(unit) => {
                    assert!(tracks.contains_key(&unit.track), "{}", unit.track);
                }
                PublisherEvent::Discontinuity(_) | PublisherEvent::Ended(_) => {}
            }
        }
        if ended {
            return;
        }
    }
}

/// Reads a pushed segment's request: a path, lines of header fields, an empty line, a body. What is
/// read keeps to the bounds that it states.
pub fn push(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let path = lines.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut headers = HeaderMap::new();
    let mut head = path.len() + 1;
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        head += line.len() + 1;
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else { continue };
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.trim_ascii())) {
            headers.insert(name, value);
        }
    }
    let Ok(uri) = path.parse() else { return };
    let Ok(request) = PushRequest::read(&Method::PUT, &uri, &headers, None) else { return };
    let declared = request.declared_duration;
    assert!(!declared.is_zero() && declared <= Duration::from_secs(300), "{declared:?}");
    let body = Bytes::copy_from_slice(data.get(head + 1..).unwrap_or_default());
    let read = PushedSegment::read(request.container, body, declared, *START);
    let Ok(mut segment) = read else { return };
    assert_eq!(segment.tracks.is_empty(), segment.units.is_empty(), "a track has units");
    if let Some(end) = segment.end() {
        segment.continue_from(end);
    }
    let (tracks, units) = (segment.tracks.len(), segment.units.len());
    assert_eq!(segment.into_events().count(), tracks + units, "everything is told once");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::push::fixture;

    fn request() -> Vec<u8> {
        let head = "/live/m/7.ts?t=1\ncontent-duration: 1000\ncontent-resolution: 640x360\n\
            livepeer-transcode-configuration: {\"presets\":[\"P144p30fps16x9\"]}\n\
            authorization: Bearer x\naccept: multipart/mixed\n\n";
        [head.as_bytes(), &fixture::one_second()].concat()
    }

    #[test]
    fn a_whole_request_is_read_to_its_end() {
        super::push(&request());
        super::push(b"");
        super::push(b"/live/m/1.mp4\n\n");
    }

    const TWO_OF_EACH: &[u8] = include_bytes!("../../tests/fuzz/corpus/demux/two-of-each");

    proptest! {
        #[test]
        fn changed_and_cut_messages_are_read_or_refused(
            changes in prop::collection::vec((0..TWO_OF_EACH.len(), any::<u8>()), 0..6),
            keep in 0..TWO_OF_EACH.len(),
        ) {
            let mut messages = TWO_OF_EACH.to_vec();
            for (place, byte) in changes {
                messages[place] = byte;
            }
            super::demux(&messages);
            super::demux(&messages[..keep]);
        }

        #[test]
        fn changed_and_cut_requests_are_read_or_refused(
            changes in prop::collection::vec((0..220_usize, any::<u8>()), 0..6),
            keep in 0..2_000_usize,
        ) {
            let mut request = request();
            for (place, byte) in changes {
                request[place] = byte;
            }
            request.truncate(keep.max(1));
            super::push(&request);
        }
    }
}
