//! Segments for tests.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use media::{
    AacParameters, Chain, CodecParameters, FrameRate, GapReason, H264Parameters, InitSegment,
    Ladder, MediaDuration, Part, PresentationSegment, ReadyMade, RenditionName, RenditionOutcome,
    RenditionProfile, RenditionSegment, Sample, Segment, SequenceNumber, Timescale, Timestamp,
    Track, TrackId, TrackSegment,
};

use crate::{Epoch, PlaybackConfig};

/// Wall-clock time `millis` after the tests' beginning.
pub(crate) fn wall(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_764_000_000_000 + millis)
}

#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn config() -> PlaybackConfig {
    PlaybackConfig::new(Epoch::starting_at(UNIX_EPOCH + Duration::from_millis(35)))
}

pub(crate) fn video_init(height: u32, variety: u8) -> Arc<InitSegment> {
    let parameters = H264Parameters {
        sps: vec![Bytes::from_static(b"sps")],
        pps: vec![Bytes::from_static(b"pps")],
        profile_level: [0x64, 0, 0x1f],
        width: height * 16 / 9,
        height,
        sample_aspect_ratio: (1, 1),
        frame_rate: FrameRate::new(30, 1),
        may_reorder: false,
    };
    let parameters = CodecParameters::H264(Arc::new(parameters));
    let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
    let bytes = Bytes::from(format!("init {height} {variety}"));
    Arc::new(InitSegment { track, bytes })
}

pub(crate) fn audio_init() -> Arc<InitSegment> {
    let parameters = AacParameters {
        audio_specific_config: Bytes::from_static(&[0x11, 0x90]),
        object_type: 2,
        sampling_rate: 48_000,
        channels: 2,
        frame_samples: 1_024,
    };
    let parameters = CodecParameters::Aac(Arc::new(parameters));
    let timescale = Timescale::new(48_000).unwrap();
    let track = Track { id: TrackId::AUDIO, timescale, parameters };
    Arc::new(InitSegment { track, bytes: Bytes::from_static(b"init audio") })
}

/// A track's share of `millis`, of `size` bytes in three pieces.
pub(crate) fn track_segment(
    init: &Arc<InitSegment>,
    millis: u64,
    size: usize,
) -> Arc<TrackSegment> {
    let scale = u64::from(init.track.timescale.get());
    let frames = (millis * 30).div_ceil(1_000).max(1);
    let duration = u32::try_from(millis * scale / 1_000 / frames).unwrap();
    let sample = Sample { duration, composition_offset: 0, sync: true, payload: Chain::default() };
    let part = Part {
        duration: MediaDuration::new(millis, Timescale::MILLIS),
        independent: true,
        body: [size / 4, size / 4, size - 2 * (size / 4)]
            .into_iter()
            .map(|len| Bytes::from(vec![7; len]))
            .collect(),
    };
    Arc::new(TrackSegment {
        init: Arc::clone(init),
        base_decode_time: 0,
        samples: vec![sample; usize::try_from(frames).unwrap()],
        parts: vec![part],
    })
}

/// A video segment whose parts have pieces of these lengths, no two bytes in a row alike.
pub(crate) fn segment_of_pieces(parts: &[Vec<usize>]) -> Arc<TrackSegment> {
    let mut next = 0_u8;
    let mut piece = |len: &usize| {
        let bytes = (0..*len).map(|_| {
            next = next.wrapping_add(1);
            next
        });
        Bytes::from(bytes.collect::<Vec<_>>())
    };
    let parts = parts.iter().map(|pieces| Part {
        duration: MediaDuration::new(1, Timescale::VIDEO),
        independent: false,
        body: pieces.iter().map(&mut piece).collect(),
    });
    let parts = parts.collect();
    let init = video_init(720, 0);
    Arc::new(TrackSegment { init, base_decode_time: 0, samples: Vec::new(), parts })
}

pub(crate) fn ladder(names: &[&str]) -> Ladder {
    let profiles = names.iter().map(|name| RenditionProfile {
        name: RenditionName::new(name).unwrap(),
        ..RenditionProfile::preset("P360p30fps16x9").unwrap()
    });
    Ladder::new(profiles.collect()).unwrap()
}

/// Makes the segments of one presentation, in sequence and without a break in time.
pub(crate) struct Maker {
    pub(crate) sequence: u64,
    pub(crate) millis: u64,
    pub(crate) source: Option<Arc<InitSegment>>,
    pub(crate) audio: Option<Arc<InitSegment>>,
    /// Transcoded renditions, and whether each delivers.
    pub(crate) renditions: Vec<(&'static str, Option<Arc<InitSegment>>)>,
    /// What comes with the source.
    pub(crate) ready_made: Vec<(RenditionName, Option<Arc<InitSegment>>)>,
    pub(crate) discontinuity: bool,
}

impl Maker {
    pub(crate) fn new(renditions: &[&'static str]) -> Self {
        let rendition = |(index, name): (usize, &&'static str)| {
            (*name, Some(video_init(480, u8::try_from(index).unwrap())))
        };
        Self {
            sequence: 1,
            millis: 0,
            source: Some(video_init(1_080, 0)),
            audio: Some(audio_init()),
            renditions: renditions.iter().enumerate().map(rendition).collect(),
            ready_made: Vec::new(),
            discontinuity: false,
        }
    }

    /// The next segment with media.
    pub(crate) fn media(&mut self, millis: u64) -> PresentationSegment {
        let track = |init: &Option<Arc<InitSegment>>, bytes_per_milli: u64| {
            let size = usize::try_from(millis * bytes_per_milli).unwrap();
            init.as_ref().map(|init| track_segment(init, millis, size))
        };
        let renditions = self.renditions.iter().map(|(name, init)| RenditionSegment {
            name: RenditionName::new(name).unwrap(),
            outcome: match track(init, 150) {
                Some(media) => RenditionOutcome::Media(media),
                None => RenditionOutcome::Gap(GapReason::Deadline),
            },
        });
        let renditions = renditions.collect();
        let (video, audio) = (track(&self.source, 500), track(&self.audio, 16));
        let ready_made = self
            .ready_made
            .iter()
            .map(|(name, init)| ReadyMade { name: name.clone(), media: track(init, 250) });
        let ready_made = ready_made.collect();
        self.next(millis, video, audio, (ready_made, renditions))
    }

    /// The next stand-in.
    pub(crate) fn gap(&mut self, millis: u64) -> PresentationSegment {
        let renditions = self.renditions.iter().map(|(name, _)| RenditionSegment {
            name: RenditionName::new(name).unwrap(),
            outcome: RenditionOutcome::Gap(GapReason::PublisherAway),
        });
        let renditions = renditions.collect();
        self.next(millis, None, None, (Vec::new(), renditions))
    }

    /// The next stand-in, with another picture under the names of all.
    pub(crate) fn filler(
        &mut self,
        millis: u64,
        picture: &Arc<InitSegment>,
    ) -> PresentationSegment {
        let track = || Some(track_segment(picture, millis, 1_000));
        let ready_made = self
            .renditions
            .iter()
            .map(|(name, _)| ReadyMade { name: RenditionName::new(name).unwrap(), media: track() });
        let ready_made = ready_made.collect();
        let audio = self.audio.as_ref().map(|init| track_segment(init, millis, 100));
        let mut filler = self.next(millis, track(), audio, (ready_made, Vec::new()));
        let source = Segment { filler: true, ..Segment::clone(&filler.source) };
        filler.source = Arc::new(source);
        filler
    }

    fn next(
        &mut self,
        millis: u64,
        video: Option<Arc<TrackSegment>>,
        audio: Option<Arc<TrackSegment>>,
        (ready_made, renditions): (Vec<ReadyMade>, Vec<RenditionSegment>),
    ) -> PresentationSegment {
        let start = i64::try_from(self.millis * 90).unwrap();
        let source = Segment {
            sequence: SequenceNumber(self.sequence),
            discontinuity: std::mem::take(&mut self.discontinuity),
            independent: true,
            start: Timestamp::new(start, Timescale::VIDEO),
            duration: MediaDuration::new(millis * 90, Timescale::VIDEO),
            program_date_time: wall(self.millis),
            video,
            audio,
            ready_made,
            filler: false,
            closed: now(),
        };
        self.sequence += 1;
        self.millis += millis;
        PresentationSegment { source: Arc::new(source), renditions }
    }
}
