//! What the segmenter cuts.

use std::{
    cmp::Reverse,
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;

use crate::{Chain, MediaDuration, RenditionName, Timestamp, Track, TrackKind};

/// Media sequence number (RFC 8216 §4.3.3.2): starts at 1 or more, only ever grows by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber(pub u64);

impl SequenceNumber {
    /// The first number of a stream that was never live before.
    pub const FIRST: Self = Self(1);

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The CMAF header of a track (`ftyp` + `moov`), referred to by `EXT-X-MAP`.
#[derive(Clone, Debug, PartialEq)]
pub struct InitSegment {
    /// The track it describes.
    pub track: Track,
    /// The file.
    pub bytes: Bytes,
}

/// One access unit placed in a fragment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Decoding duration, in ticks of the track's timescale.
    pub duration: u32,
    /// Presentation minus decoding time, in ticks; may be negative (`trun` version 1).
    pub composition_offset: i32,
    /// A decoder can start here.
    pub sync: bool,
    /// The coded bytes, shared with the buffer they arrived in.
    pub payload: Chain,
}

/// A CMAF chunk: one `moof` + `mdat`, the smallest piece that can be published.
#[derive(Clone, Debug)]
pub struct Part {
    /// How long it plays.
    pub duration: MediaDuration,
    /// It holds a sync sample (`INDEPENDENT=YES`).
    pub independent: bool,
    /// The box headers, then each sample's bytes by reference.
    pub body: Chain,
}

/// One track's share of a segment.
#[derive(Clone, Debug)]
pub struct TrackSegment {
    /// The header that decodes it.
    pub init: Arc<InitSegment>,
    /// Decoding time of the first sample, in ticks of the track's timescale (`tfdt`).
    pub base_decode_time: u64,
    /// Its samples in decoding order.
    pub samples: Vec<Sample>,
    /// Its chunks; concatenated they are the segment's file.
    pub parts: Vec<Part>,
}

impl TrackSegment {
    /// The file's pieces, in order, without copying.
    pub fn body(&self) -> impl Iterator<Item = &Bytes> + '_ {
        self.parts.iter().flat_map(|part| &part.body)
    }

    /// The file's length in bytes.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.parts.iter().map(|part| part.body.len()).sum()
    }

    /// Pixels of its picture; none where it is audio.
    fn pixels(&self) -> u64 {
        let picture = self.init.track.parameters.picture();
        picture.map_or(0, |(_, picture)| u64::from(picture.width) * u64::from(picture.height))
    }

    /// Sum of the sample durations.
    #[must_use]
    pub fn duration(&self) -> MediaDuration {
        let ticks = self.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        MediaDuration::new(ticks, self.init.track.timescale)
    }
}

/// A GOP-aligned stretch of the source, or a stand-in for one while there is none.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its number in every playlist of the presentation.
    pub sequence: SequenceNumber,
    /// The timeline, the track set or the parameters differ from the segment before.
    pub discontinuity: bool,
    /// Its video starts with an IDR picture (or it has no video).
    pub independent: bool,
    /// Presentation time of its first sample, on the stream's timeline (video's clock, 90 kHz).
    pub start: Timestamp,
    /// Presentation duration: the next segment's start minus this one's.
    pub duration: MediaDuration,
    /// Wall-clock time of `start`.
    pub program_date_time: SystemTime,
    /// Video, where the source has it here.
    pub video: Option<Arc<TrackSegment>>,
    /// Audio, where the source has it here.
    pub audio: Option<Arc<TrackSegment>>,
    /// Renditions that come with the source and need no transcoding: further layers, the largest picture
    /// first, and further audio tracks of the publisher, or filler for what was transcoded before.
    pub ready_made: Vec<ReadyMade>,
    /// Its media only fill the time until the publisher has some: nobody need transcode or answer for them.
    pub filler: bool,
    /// When its last byte arrived (for a stand-in: when it was due).
    pub closed: Instant,
}

/// A rendition that comes with the source.
#[derive(Clone, Debug)]
pub struct ReadyMade {
    /// Its name in every playlist's URI.
    pub name: RenditionName,
    /// Its media, where it has some here; else it is listed as a gap. Video or audio, as the track in its
    /// header says.
    pub media: Option<Arc<TrackSegment>>,
}

impl Segment {
    /// Whether it only stands in for media that never came.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        let ready_made = || self.ready_made.iter().any(|rendition| rendition.media.is_some());
        self.video.is_none() && self.audio.is_none() && !ready_made()
    }

    /// The video that orchestrators get: the largest picture there is here.
    #[must_use]
    pub fn to_transcode(&self) -> Option<&Arc<TrackSegment>> {
        match self.layer_to_transcode() {
            Some(layer) => layer.media.as_ref(),
            None => self.video.as_ref(),
        }
    }

    /// The layer that orchestrators get instead of the source's video: the largest, where its picture is
    /// larger than the source's or that has none here.
    #[must_use]
    pub fn layer_to_transcode(&self) -> Option<&ReadyMade> {
        let layers = self.ready_made.iter().filter_map(|layer| {
            let media = layer.media.as_ref()?;
            (media.init.track.kind() == TrackKind::Video).then(|| (media.pixels(), layer))
        });
        let (pixels, layer) = layers.min_by_key(|(pixels, _)| Reverse(*pixels))?;
        let source = self.video.as_ref().map(|video| video.pixels());
        source.is_none_or(|source| source < pixels).then_some(layer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{CodecParameters, H264Parameters, Timescale, TrackId};

    fn track(height: u32) -> Arc<TrackSegment> {
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
        Arc::new(TrackSegment { init, base_decode_time: 0, samples: Vec::new(), parts: Vec::new() })
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
    fn segment(source: Option<u32>, layers: &[Option<u32>]) -> Segment {
        let layer = |(index, height): (usize, &Option<u32>)| ReadyMade {
            name: RenditionName::new(&format!("layer-{index}")).unwrap(),
            media: height.map(track),
        };
        Segment {
            sequence: SequenceNumber::FIRST,
            discontinuity: false,
            independent: true,
            start: Timestamp::new(0, Timescale::VIDEO),
            duration: MediaDuration::new(1, Timescale::VIDEO),
            program_date_time: SystemTime::UNIX_EPOCH,
            video: source.map(track),
            audio: None,
            ready_made: layers.iter().enumerate().map(layer).collect(),
            filler: false,
            closed: Instant::now(),
        }
    }

    #[test]
    fn the_largest_picture_is_transcoded_whoever_is_the_source() {
        let transcoded = |source, layers: &[Option<u32>]| {
            let segment = segment(source, layers);
            let name = segment.layer_to_transcode().map(|layer| layer.name.to_string());
            let video = segment.to_transcode();
            (name, video.map(|it| it.init.track.parameters.picture().unwrap().1.height))
        };
        let layer = |name: &str| Some(name.to_owned());
        assert_eq!(transcoded(Some(1_080), &[Some(540)]), (None, Some(1_080)));
        assert_eq!(transcoded(Some(540), &[Some(1_080)]), (layer("layer-0"), Some(1_080)));
        assert_eq!(transcoded(Some(540), &[None, Some(270)]), (None, Some(540)));
        assert_eq!(transcoded(Some(540), &[Some(540)]), (None, Some(540)), "alike");
        assert_eq!(transcoded(None, &[Some(270), Some(540)]), (layer("layer-1"), Some(540)));
        assert_eq!(transcoded(None, &[None]), (None, None));
    }
}
