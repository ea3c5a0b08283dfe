//! Segments as small as they can be: routing and playlists look at their frames' names, not inside.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use media::{
    Chain, CodecParameters, H264Parameters, InitSegment, Ladder, MediaDuration, Part, ReadyMade,
    RenditionName, RenditionProfile, Sample, Segment, SequenceNumber, Timescale, Timestamp, Track,
    TrackId, TrackSegment,
};

use crate::publisher::Push;

/// A header. Equal variants have equal headers.
fn init(width: u32, height: u32, variant: u8) -> Arc<InitSegment> {
    let parameters = CodecParameters::H264(Arc::new(H264Parameters {
        sps: vec![Bytes::from_static(&[0x67, 0x64, 0, 0x1f])],
        pps: vec![Bytes::from_static(&[0x68, 1])],
        profile_level: [0x64, 0, 0x1f],
        width,
        height,
        sample_aspect_ratio: (1, 1),
        frame_rate: None,
        may_reorder: false,
    }));
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    Arc::new(InitSegment { track, bytes: Bytes::copy_from_slice(&[variant]) })
}

/// One frame that lasts as long as the segment.
fn track(init: Arc<InitSegment>, start: u64, duration: MediaDuration) -> TrackSegment {
    let ticks = u32::try_from(duration.rescale(Timescale::VIDEO).ticks()).unwrap_or(u32::MAX);
    let samples = vec![Sample {
        duration: ticks,
        composition_offset: 0,
        sync: true,
        payload: Chain::from(Bytes::from_static(&[0, 0, 0, 1, 0x65])),
    }];
    let body = Chain::from(Bytes::from_static(b"moof"));
    let parts = vec![Part { duration, independent: true, body }];
    TrackSegment { init, base_decode_time: start, samples, parts }
}

/// A publisher's encoder.
#[derive(Debug)]
pub(crate) struct Source(Arc<InitSegment>);

/// What of a segment there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Pictures that start with a key frame.
    Pictures,
    /// Pictures that need those before.
    Dependent,
    /// Sound alone.
    Sound,
    /// Nothing: it stands in for what never came.
    Nothing,
}

impl Source {
    pub(crate) fn new() -> Self {
        Self(init(1_920, 1_080, 0))
    }

    /// A closed segment.
    pub(crate) fn segment(
        &self,
        sequence: u64,
        push: &Push,
        rung: Option<&RenditionProfile>,
        closed: Instant,
    ) -> Segment {
        let Push { content, discontinuity, start, duration, layers, .. } = *push;
        let length = MediaDuration::from_std(duration);
        let ticks = MediaDuration::from_std(start).rescale(Timescale::VIDEO).ticks();
        let of = |init: Arc<InitSegment>| Some(Arc::new(track(init, ticks, length)));
        let media = || of(Arc::clone(&self.0));
        let mut ready_made = Vec::new();
        if let Some(layers) = layers {
            let media = if layers.layer_paused { None } else { of(init(960, 540, 0)) };
            ready_made.push(ReadyMade { name: layer(), media });
        }
        if let Some(rung) = rung {
            let media = of(init(rung.width, rung.height, 0));
            ready_made.push(ReadyMade { name: rung.name.clone(), media });
        }
        let paused = layers.is_some_and(|layers| layers.source_paused);
        let pictures = matches!(content, Content::Pictures | Content::Dependent) && !paused;
        Segment {
            sequence: SequenceNumber(sequence),
            discontinuity,
            independent: content != Content::Dependent,
            start: Timestamp::new(i64::try_from(ticks).unwrap_or(i64::MAX), Timescale::VIDEO),
            duration: length,
            program_date_time: SystemTime::UNIX_EPOCH + start,
            video: if pictures { media() } else { None },
            audio: if content == Content::Sound { media() } else { None },
            ready_made,
            filler: false,
            closed,
        }
    }
}

/// The name of a publisher's second layer.
pub(crate) fn layer() -> RenditionName {
    RenditionName::of_layer(540, 1)
}

/// What an orchestrator with this `variant` of an encoder makes of a segment. Its tracks start at
/// `tag`, which tells one result from every other.
pub(crate) fn renditions(
    ladder: &Ladder,
    segment: &Segment,
    variant: u8,
    tag: u64,
) -> Vec<TrackSegment> {
    let profiles = ladder.profiles().iter();
    profiles.map(|it| track(init(it.width, it.height, variant), tag, segment.duration)).collect()
}
