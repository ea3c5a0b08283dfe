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
    /// The publisher's own media, audio included.
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
        self.source.count(source, source.video.as_deref(), source.audio.as_deref());
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
        let tracks = [video, audio].into_iter().flatten();
        let bytes = tracks.map(TrackSegment::body_len).sum::<usize>();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        let millis = u64::try_from(source.duration.to_std().as_millis()).unwrap_or(u64::MAX);
        let rate = bytes.saturating_mul(8_000).checked_div(millis).unwrap_or_default();
        self.peak = self.peak.max(rate);
        if let Some((_, picture)) = video.and_then(|it| it.init.track.parameters.picture()) {
            self.size = Some(picture.display_size());
        }
    }
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
