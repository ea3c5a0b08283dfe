//! FLV bodies to access units.
//!
//! Sequence headers become tracks, coded frames become access units on the [`Timeline`]. What can't
//! be read ends differently by track: video in a codec that is not supported ends the publish with a
//! status that names the codec, because a stream without its picture is not what its owner wants (the
//! publisher must see it); audio that is not supported is dropped with one warning, and the picture goes
//! on. Of several tracks of a kind the first is used, the others are dropped with a warning each.

mod audio;
mod overlay;
mod tracks;
mod video;

use std::time::Instant;

use container::{
    av1::Av1Error,
    avc::AvcError,
    flv::{self, FlvError},
    hevc::HevcError,
};
use media::{Chain, TrackKind};

use self::{audio::AudioTrack, tracks::ChosenTrack, video::VideoTrack};
use crate::{
    event::PublisherEvent,
    rtmp::{MediaKind, MediaMessage},
    timeline::{StampedUnit, Timeline, TimelineStats},
};

/// Why a publish can't go on.
#[derive(Debug, thiserror::Error)]
pub enum DemuxError {
    /// Video in a codec that is not supported.
    #[error("{0}")]
    UnsupportedVideo(FlvError),
    /// An H.264 sequence header that makes no sense.
    #[error("AVC sequence header: {0}")]
    AvcHeader(#[from] AvcError),
    /// An H.265 sequence header that makes no sense.
    #[error("HEVC sequence header: {0}")]
    HevcHeader(#[from] HevcError),
    /// An AV1 sequence header that makes no sense.
    #[error("AV1 sequence header: {0}")]
    Av1Header(#[from] Av1Error),
}

/// What was left out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemuxStats {
    /// Video bodies that could not be read, those after them up to the next random access point, and
    /// those that refer to before the point at which decoding starts.
    pub video_dropped: u64,
    /// Audio bodies that could not be read, or in a codec that is not supported.
    pub audio_dropped: u64,
}

/// Reads the media messages of one publish. Holds no I/O; wants no timer.
#[derive(Debug, Default)]
pub struct Demux {
    video: VideoTrack,
    video_tracks: ChosenTrack,
    audio: AudioTrack,
    audio_tracks: ChosenTrack,
    timeline: Timeline,
    warning: Option<String>,
    told_of_open_gops: bool,
    told_of_video: bool,
    stats: DemuxStats,
}

/// What an operator should tell a publisher whose key frames are not where decoding can start cleanly.
const OPEN_GOPS: &str = "open GOPs: pictures shown just before a key frame refer to the GOP before, \
    and are missing wherever decoding starts there; set closed GOPs in the encoder";

/// A unit without its stamps.
#[derive(Debug)]
struct Unit {
    composition_time_ms: i32,
    random_access: bool,
    payload: Chain,
}

impl Demux {
    /// A demultiplexer for a new publish.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message whose last byte arrived at `now`.
    ///
    /// # Errors
    /// When the publish can't go on; see [`DemuxError`].
    pub fn push(&mut self, now: Instant, message: &MediaMessage) -> Result<(), DemuxError> {
        match message.kind {
            MediaKind::Video => self.push_video(now, message),
            MediaKind::Audio => {
                self.push_audio(now, message);
                Ok(())
            }
        }
    }

    fn push_video(&mut self, now: Instant, message: &MediaMessage) -> Result<(), DemuxError> {
        let read = match flv::parse_video(&message.body) {
            Ok(read) => read,
            Err(error) => {
                self.stats.video_dropped += 1;
                self.video.lost();
                let first = !std::mem::replace(&mut self.told_of_video, true);
                self.warn(|| first.then(|| format!("a picture is dropped: {error}")));
                return Ok(());
            }
        };
        let offset_nanos = read.offset_nanos;
        for tag in read {
            if let Err(warning) = self.video_tracks.admit(TrackKind::Video, tag.track) {
                self.warn(|| warning);
                continue;
            }
            let unit = self.video.read(tag.tag, &mut self.timeline, &mut self.stats)?;
            self.place(now, TrackKind::Video, message, offset_nanos, unit);
        }
        if self.video.has_open_gops() && !std::mem::replace(&mut self.told_of_open_gops, true) {
            self.warn(|| Some(OPEN_GOPS.to_owned()));
        }
        Ok(())
    }

    fn push_audio(&mut self, now: Instant, message: &MediaMessage) {
        let read = match flv::parse_audio(&message.body) {
            Ok(read) => read,
            Err(error) => {
                self.stats.audio_dropped += 1;
                let warning = self.audio.lost(&error);
                return self.warn(|| warning);
            }
        };
        for tag in read {
            if let Err(warning) = self.audio_tracks.admit(TrackKind::Audio, tag.track) {
                self.warn(|| warning);
                continue;
            }
            match self.audio.read(tag.tag, &mut self.timeline) {
                // Sound is placed by its count of samples; less than a millisecond is lost in that.
                Ok(unit) => self.place(now, TrackKind::Audio, message, 0, unit),
                Err(warning) => {
                    self.stats.audio_dropped += 1;
                    self.warn(|| warning);
                }
            }
        }
    }

    fn place(
        &mut self,
        now: Instant,
        kind: TrackKind,
        message: &MediaMessage,
        offset_nanos: u32,
        unit: Option<Unit>,
    ) {
        let Some(unit) = unit else { return };
        self.timeline.push(StampedUnit {
            kind,
            timestamp: message.timestamp,
            composition_time_ms: unit.composition_time_ms,
            offset_nanos,
            random_access: unit.random_access,
            payload: unit.payload,
            arrived: now,
        });
    }

    /// Keeps a warning until it is taken; of several the first.
    fn warn(&mut self, warning: impl FnOnce() -> Option<String>) {
        if self.warning.is_none() {
            self.warning = warning();
        }
    }

    /// Lets go of what is still held; the publish is over.
    pub fn finish(&mut self) {
        self.timeline.finish();
    }

    /// The next event, in order.
    pub fn poll_output(&mut self) -> Option<PublisherEvent> {
        self.timeline.poll_output()
    }

    /// Something an operator should know, once.
    pub const fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    /// What was left out so far.
    #[must_use]
    pub const fn stats(&self) -> DemuxStats {
        self.stats
    }

    /// What the timeline repaired so far.
    #[must_use]
    pub const fn timeline_stats(&self) -> TimelineStats {
        self.timeline.stats()
    }
}

#[cfg(test)]
mod tests;
