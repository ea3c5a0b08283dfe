//! What has become of a live stream so far, in numbers.

use std::time::Instant;

use media::{
    PlaybackId, PresentationSegment, RenditionName, RenditionOutcome, Segment, StreamName,
    TrackSegment,
};

use super::Streams;

/// A stream that is live now, and its figures.
#[derive(Clone, Debug)]
pub(crate) struct LiveStream {
    pub(crate) name: StreamName,
    pub(crate) playback_id: PlaybackId,
    pub(crate) figures: StreamFigures,
}

/// Figures of one stream since it started.
#[derive(Clone, Debug)]
pub(crate) struct StreamFigures {
    started: Instant,
    /// The publisher's own media, audio included. The bytes are those of its further layers and audio tracks
    /// as well.
    pub(crate) source: Figures,
    /// What was transcoded, highest first; those without a segment so far, too.
    pub(crate) renditions: Vec<(RenditionName, Figures)>,
}

/// Figures of one variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Width and height as shown, of the last segment with a picture.
    pub(crate) size: Option<(u32, u32)>,
    /// Bytes of all its segments.
    pub(crate) bytes: u64,
    /// Bit/s of its most expensive segment.
    pub(crate) peak: u64,
}

impl StreamFigures {
    pub(super) const fn starting(now: Instant) -> Self {
        Self {
            started: now,
            source: Figures { size: None, bytes: 0, peak: 0 },
            renditions: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, segment: &PresentationSegment) {
        let source = &segment.source;
        if source.filler {
            return;
        }
        self.source.count(source, source.video.as_deref(), source.audio.as_deref());
        let ready_made = source.ready_made.iter().filter_map(|it| it.media.as_deref());
        self.source.bytes = self.source.bytes.saturating_add(bytes_of(ready_made));
        for rendition in &segment.renditions {
            let media = match &rendition.outcome {
                RenditionOutcome::Media(track) => Some(&**track),
                RenditionOutcome::Gap(_) => None,
            };
            let known = self.renditions.iter_mut().find(|(name, _)| *name == rendition.name);
            match known {
                Some((_, figures)) => figures.count(source, media, None),
                None => {
                    let mut figures = Figures::default();
                    figures.count(source, media, None);
                    self.renditions.push((rendition.name.clone(), figures));
                }
            }
        }
    }

    /// Bytes of all renditions together.
    pub(crate) fn transcoded_bytes(&self) -> u64 {
        self.renditions.iter().map(|(_, figures)| figures.bytes).sum()
    }
}

impl Figures {
    fn count(
        &mut self,
        source: &Segment,
        video: Option<&TrackSegment>,
        audio: Option<&TrackSegment>,
    ) {
        let bytes = bytes_of([video, audio].into_iter().flatten());
        self.bytes = self.bytes.saturating_add(bytes);
        let millis = u64::try_from(source.duration.to_std().as_millis()).unwrap_or(u64::MAX);
        let rate = bytes.saturating_mul(8_000).checked_div(millis).unwrap_or_default();
        self.peak = self.peak.max(rate);
        if let Some((_, picture)) = video.and_then(|it| it.init.track.parameters.picture()) {
            self.size = Some(picture.display_size());
        }
    }
}

fn bytes_of<'a>(tracks: impl Iterator<Item = &'a TrackSegment>) -> u64 {
    u64::try_from(tracks.map(TrackSegment::body_len).sum::<usize>()).unwrap_or(u64::MAX)
}

impl Streams {
    /// The streams that are live now, the newest last.
    pub(crate) fn live_streams(&self) -> Vec<LiveStream> {
        let live = self.live();
        let one = |(name, live): (&StreamName, &super::Live)| LiveStream {
            name: name.clone(),
            playback_id: live.playback_id.clone(),
            figures: live.figures.clone(),
        };
        let mut streams: Vec<_> = live.iter().map(one).collect();
        streams.sort_by(|a, b| (a.figures.started, &a.name).cmp(&(b.figures.started, &b.name)));
        streams
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use bytes::Bytes;
    use media::{
        CodecParameters, H264Parameters, InitSegment, MediaDuration, Part, ReadyMade,
        SequenceNumber, Timescale, Timestamp, Track, TrackId,
    };

    use super::*;

    fn track(height: u32, bytes: usize) -> Arc<TrackSegment> {
        let parameters = CodecParameters::H264(Arc::new(H264Parameters {
            sps: Vec::new(),
            pps: Vec::new(),
            profile_level: [0x64, 0, 0x1f],
            width: height * 16 / 9,
            height,
            sample_aspect_ratio: (1, 1),
            frame_rate: None,
            may_reorder: false,
        }));
        let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO, parameters };
        let init = Arc::new(InitSegment { track, bytes: Bytes::new() });
        let duration = MediaDuration::new(90_000, Timescale::VIDEO);
        let body = [Bytes::from(vec![0; bytes])].into_iter().collect();
        let parts = vec![Part { duration, independent: true, body }];
        Arc::new(TrackSegment { init, base_decode_time: 0, samples: Vec::new(), parts })
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
    fn layers_count_as_sent_and_filler_as_nobodys() {
        let now = Instant::now();
        let media = Segment {
            sequence: SequenceNumber::FIRST,
            discontinuity: false,
            independent: true,
            start: Timestamp::new(0, Timescale::VIDEO),
            duration: MediaDuration::new(90_000, Timescale::VIDEO),
            program_date_time: SystemTime::UNIX_EPOCH,
            video: Some(track(1_080, 1_000)),
            audio: None,
            ready_made: vec![
                ReadyMade { name: RenditionName::of_layer(540, 1), media: Some(track(540, 200)) },
                ReadyMade { name: RenditionName::of_layer(270, 1), media: None },
            ],
            filler: false,
            closed: now,
        };
        let listed = |source: Segment| PresentationSegment {
            source: Arc::new(source),
            renditions: Vec::new(),
        };
        let mut figures = StreamFigures::starting(now);
        figures.count(&listed(media.clone()));
        let of_publisher = Figures { size: Some((1_920, 1_080)), bytes: 1_200, peak: 8_000 };
        assert_eq!(figures.source, of_publisher);
        let filler = Segment { filler: true, video: Some(track(360, 9_000)), ..media };
        figures.count(&listed(filler));
        assert_eq!(figures.source, of_publisher);
    }
}
