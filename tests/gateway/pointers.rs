//! Zero copy: the bytes an HTTP response carries are the ones the RTMP reader put down.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use ingest::{PublisherEvent, demux::Demux, rtmp};
use media::{Ladder, PlaybackId, PresentationSegment, SequenceNumber};
use playback::{Directory, Epoch, PlaybackConfig, PlaybackMetrics};
use segmenter::{Output, Segmenter, SegmenterConfig};

use crate::support::encoder::SMALL;

/// Every access unit of the source's first seconds, demultiplexed from buffers as the chunk reader makes
/// them: one for each message.
fn events(now: Instant) -> Vec<PublisherEvent> {
    let file = std::fs::read(SMALL.file()).unwrap();
    let mut demux = Demux::new();
    let mut events = Vec::new();
    let mut at = 13;
    while let Some(header) = file.get(at..at + 11) {
        let size = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        let timestamp = u32::from_be_bytes([header[7], header[4], header[5], header[6]]);
        let body = Bytes::from(file[at + 11..at + 11 + size].to_vec());
        let kind = match header[0] {
            8 => Some(rtmp::MediaKind::Audio),
            9 => Some(rtmp::MediaKind::Video),
            _ => None,
        };
        if let Some(kind) = kind {
            let message = rtmp::MediaMessage { kind, timestamp, body };
            demux.push(now, &message).unwrap();
            while let Some(event) = demux.poll_output() {
                events.push(event);
            }
        }
        at += 11 + size + 4;
        if timestamp > 9_000 {
            break;
        }
    }
    events
}

#[tokio::test]
async fn media_bytes_keep_their_address_from_message_to_response() {
    let now = tokio::time::Instant::now().into_std();
    let mut segmenter = Segmenter::new(SegmenterConfig::default(), SequenceNumber::FIRST);
    let mut came_in: Vec<(*const u8, usize)> = Vec::new();
    for event in events(now) {
        match event {
            PublisherEvent::Track(track) => segmenter.set_track(now, track),
            PublisherEvent::AccessUnit(unit) => {
                came_in.extend(unit.payload.pieces().map(|piece| (piece.as_ptr(), piece.len())));
                segmenter.push(now, SystemTime::UNIX_EPOCH, unit);
            }
            PublisherEvent::Layout { .. }
            | PublisherEvent::Discontinuity(_)
            | PublisherEvent::Ended(_) => panic!("a clean source"),
        }
    }
    let config = PlaybackConfig::new(Epoch::starting_at(SystemTime::UNIX_EPOCH));
    let directory = Directory::new(config, Arc::new(PlaybackMetrics::default()));
    let presentation = directory.open(PlaybackId::new("cam").unwrap());
    presentation.set_ladder(&Ladder::default());
    while let Some(output) = segmenter.poll_output() {
        let Output::Segment(source) = output else { panic!("{output:?}") };
        let segment = PresentationSegment { source, renditions: Vec::new() };
        if presentation.needs_target_duration(&segment) {
            presentation.set_target_duration(segmenter.target_duration());
        }
        presentation.append(now, segment);
    }
    let service = playback::service(directory.clone());
    let fetch = async |path: String| {
        use tower::ServiceExt as _;
        let request = hyper::Request::get(path).body(axum::body::Body::empty()).unwrap();
        service.clone().oneshot(request).await.unwrap()
    };
    let list =
        fetch("/cam/source.m3u8".to_owned()).await.into_body().collect().await.unwrap().to_bytes();
    let list = String::from_utf8(list.to_vec()).unwrap();
    let uri = list.lines().find(|line| !line.starts_with('#')).unwrap();
    let mut body = fetch(format!("/cam/{uri}")).await.into_body();
    let (mut headers, mut shared) = (0, 0);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        if came_in.contains(&(data.as_ptr(), data.len())) {
            shared += 1;
        } else {
            headers += 1;
        }
    }
    assert_eq!(
        (headers, shared),
        (1, 60),
        "one piece of box headers, then every picture where it arrived"
    );
}
