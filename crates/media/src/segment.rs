//! What the segmenter cuts.

use std::{
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

    /// The video that orchestrators get: the source's, or the largest layer's while that has none here.
    #[must_use]
    pub fn to_transcode(&self) -> Option<&Arc<TrackSegment>> {
        self.video.as_ref().or_else(|| self.largest_layer()?.media.as_ref())
    }

    /// The largest layer that has media here, beside `source`.
    #[must_use]
    pub fn largest_layer(&self) -> Option<&ReadyMade> {
        self.ready_made.iter().find(|rendition| {
            let media = rendition.media.as_ref();
            media.is_some_and(|media| media.init.track.kind() == TrackKind::Video)
        })
    }
}
