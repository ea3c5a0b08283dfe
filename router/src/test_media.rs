//! Segments and renditions for tests.

use std::{
    sync::Arc,
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use media::{
    Chain, CodecParameters, H264Parameters, InitSegment, Ladder, MediaDuration, Part,
    RenditionProfile, Sample, Segment, SequenceNumber, Timescale, Timestamp, Track, TrackId,
    TrackSegment,
};
use orchestrator::BodyContainer;

use crate::pool::ConfiguredOrchestrator;

/// The first instant of virtual time.
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

pub(crate) fn h264(width: u32, height: u32) -> CodecParameters {
    CodecParameters::H264(Arc::new(H264Parameters {
        sps: vec![Bytes::from_static(&[0x67, 0x64, 0, 0x1f])],
        pps: vec![Bytes::from_static(&[0x68, 1])],
        profile_level: [0x64, 0, 0x1f],
        width,
        height,
        sample_aspect_ratio: (1, 1),
        frame_rate: None,
        may_reorder: false,
    }))
}

/// A track of `frames` frames that lasts `ticks` ticks of 90 kHz.
pub(crate) fn video(width: u32, height: u32, start: u64, frames: u32, ticks: u32) -> TrackSegment {
    let parameters = h264(width, height);
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    let bytes = Bytes::from(format!("init {width}x{height}"));
    let end = |index: u32| u64::from(ticks) * u64::from(index) / u64::from(frames);
    let samples = (0..frames).map(|index| Sample {
        duration: u32::try_from(end(index + 1) - end(index)).unwrap(),
        composition_offset: 0,
        sync: index == 0,
        payload: Chain::from(Bytes::from_static(&[0, 0, 0, 1, 0x65])),
    });
    let samples = samples.collect();
    let duration = MediaDuration::new(u64::from(ticks), Timescale::VIDEO);
    let body = Chain::from(Bytes::from_static(b"moof"));
    let parts = vec![Part { duration, independent: true, body }];
    let init = Arc::new(InitSegment { track, bytes });
    TrackSegment { init, base_decode_time: start, samples, parts }
}

/// A source segment of 30 frames per second.
pub(crate) fn segment(sequence: u64, closed: Instant, duration: Duration) -> Segment {
    let millis = u32::try_from(duration.as_millis()).unwrap();
    let frames = (millis * 30 / 1_000).max(1);
    let source = video(1920, 1080, 0, frames, millis * 90);
    Segment {
        sequence: SequenceNumber(sequence),
        discontinuity: false,
        independent: true,
        start: Timestamp::new(0, Timescale::VIDEO),
        duration: MediaDuration::from_std(duration),
        program_date_time: UNIX_EPOCH,
        video: Some(Arc::new(source)),
        audio: None,
        ready_made: Vec::new(),
        filler: false,
        closed,
    }
}

/// What an orchestrator makes of a segment.
pub(crate) fn renditions(ladder: &Ladder) -> Vec<TrackSegment> {
    let track = |profile: &RenditionProfile| video(profile.width, profile.height, 0, 60, 180_000);
    ladder.profiles().iter().map(track).collect()
}

pub(crate) fn ladder() -> Ladder {
    Ladder::for_source(1920, 1080, None)
}

/// Orchestrators `o0`, `o1`, …
pub(crate) fn orchestrators(count: usize) -> Vec<ConfiguredOrchestrator> {
    let one = |index| {
        let address = format!("https://o{index}:8935").parse().unwrap();
        ConfiguredOrchestrator::new(address, BodyContainer::Cmaf)
    };
    (0..count).map(one).collect()
}
