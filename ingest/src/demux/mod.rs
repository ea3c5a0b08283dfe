//! FLV bodies to access units.
//!
//! Sequence headers become tracks, coded frames become access units on the [`Timeline`]. What can't
//! be read ends differently by track: video that is not H.264 ends the publish with a status that
//! names the codec, because a stream without its picture is not what its owner wants (the publisher
//! must see it); audio that is not AAC is dropped with one warning, and the picture goes on.

mod audio;
mod parameter_sets;
mod video;

use std::time::Instant;

use container::{avc::AvcError, flv::FlvError};
use media::{Chain, TrackKind};

use self::{audio::AudioTrack, video::VideoTrack};
use crate::{
    event::PublisherEvent,
    rtmp::{MediaKind, MediaMessage},
    timeline::{StampedUnit, Timeline, TimelineStats},
};

/// Why a publish can't go on.
#[derive(Debug, thiserror::Error)]
pub enum DemuxError {
    /// Video in a codec that is not H.264.
    #[error("{0}")]
    UnsupportedVideo(FlvError),
    /// An AVC sequence header that makes no sense.
    #[error("AVC sequence header: {0}")]
    VideoParameters(#[from] AvcError),
}

/// What was left out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DemuxStats {
    /// Video bodies that could not be read, and those after them up to the next IDR picture.
    pub video_dropped: u64,
    /// Audio bodies that could not be read, or in a codec that is not AAC.
    pub audio_dropped: u64,
}

/// Reads the media messages of one publish. Holds no I/O; wants no timer.
#[derive(Debug, Default)]
pub struct Demux {
    video: VideoTrack,
    audio: AudioTrack,
    timeline: Timeline,
    warning: Option<String>,
    stats: DemuxStats,
}

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
        let (kind, unit) = match message.kind {
            MediaKind::Video => {
                let unit = self.video.read(&message.body, &mut self.timeline, &mut self.stats)?;
                (TrackKind::Video, unit)
            }
            MediaKind::Audio => {
                let read = self.audio.read(&message.body, &mut self.timeline);
                let unit = read.unwrap_or_else(|warning| {
                    self.stats.audio_dropped += 1;
                    self.warning = self.warning.take().or(warning);
                    None
                });
                (TrackKind::Audio, unit)
            }
        };
        if let Some(unit) = unit {
            self.timeline.push(StampedUnit {
                kind,
                timestamp: message.timestamp,
                composition_time_ms: unit.composition_time_ms,
                random_access: unit.random_access,
                payload: unit.payload,
                arrived: now,
            });
        }
        Ok(())
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
