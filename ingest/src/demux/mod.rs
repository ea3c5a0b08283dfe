//! FLV bodies to access units.
//!
//! Sequence headers become tracks, coded frames become access units on the [`Timeline`]. What can't
//! be read ends differently by track: video in a codec that is not supported ends the publish with a
//! status that names the codec, because a stream without its picture is not what its owner wants (the
//! publisher must see it); audio that is not supported is dropped with one warning, and the picture goes
//! on. Further tracks of a kind that can't be used are dropped with a warning each, and harm no other.
//!
//! How many tracks there will be is settled by the first message with something coded in it: encoders send
//! the sequence headers of all tracks before that.

mod audio;
mod overlay;
mod tracks;
mod video;

use std::time::Instant;

use container::{
    av1::Av1Error,
    avc::AvcError,
    flv::{self, AudioTag, FlvError, FlvMessage, VideoTag},
    hevc::HevcError,
};
use media::{Chain, MAX_AUDIO_TRACKS, MAX_VIDEO_TRACKS, TrackId, TrackKind};

use self::{audio::AudioTrack, tracks::Tracks, video::VideoTrack};
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
#[derive(Debug)]
pub struct Demux {
    video: Tracks<VideoTrack>,
    audio: Tracks<AudioTrack>,
    /// The id of the next track that is not the main one of its kind.
    further: u32,
    /// Something coded came.
    settled: bool,
    timeline: Timeline,
    warning: Option<String>,
    told_of_open_gops: bool,
    told_of_video: bool,
    told_of_audio: bool,
    stats: DemuxStats,
}

/// The encoder's number of the main track, and of a message without one.
const MAIN: u8 = FlvMessage::<VideoTag>::DEFAULT_TRACK;

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

impl Default for Demux {
    fn default() -> Self {
        Self::new()
    }
}

impl Demux {
    /// A demultiplexer for a new publish.
    #[must_use]
    pub fn new() -> Self {
        Self {
            video: Tracks::new(TrackKind::Video, TrackId::VIDEO, MAX_VIDEO_TRACKS),
            audio: Tracks::new(TrackKind::Audio, TrackId::AUDIO, MAX_AUDIO_TRACKS),
            further: TrackId::FURTHER.0,
            settled: false,
            timeline: Timeline::new(),
            warning: None,
            told_of_open_gops: false,
            told_of_video: false,
            told_of_audio: false,
            stats: DemuxStats::default(),
        }
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
                self.video.all_mut().for_each(VideoTrack::lost);
                let first = !std::mem::replace(&mut self.told_of_video, true);
                self.warn(|| first.then(|| format!("a picture is dropped: {error}")));
                return Ok(());
            }
        };
        let offset_nanos = read.offset_nanos;
        for tag in read {
            let placed = self.read_video(tag.track, tag.tag)?;
            self.place(now, message, offset_nanos, placed);
        }
        let has_open_gops = self.video.all_mut().any(|track| track.has_open_gops());
        if has_open_gops && !std::mem::replace(&mut self.told_of_open_gops, true) {
            self.warn(|| Some(OPEN_GOPS.to_owned()));
        }
        Ok(())
    }

    fn read_video(
        &mut self,
        number: u8,
        tag: Result<VideoTag, FlvError>,
    ) -> Result<Option<(TrackId, Unit)>, DemuxError> {
        let tag = match tag {
            Ok(tag) => tag,
            Err(error) => return self.unsupported(number, error).map(|()| None),
        };
        let coded = matches!(tag, VideoTag::AccessUnit { .. });
        if !(coded || matches!(tag, VideoTag::SequenceHeader { .. })) {
            return Ok(None);
        }
        if let Err(warning) = self.video.admit(number) {
            self.warn(|| warning);
            return Ok(None);
        }
        self.name(TrackKind::Video, number, coded);
        let Some((id, track)) = self.video.get_mut(number) else { return Ok(None) };
        match track.read(tag, &mut self.timeline, &mut self.stats) {
            Ok(unit) => Ok(id.zip(unit)),
            Err(error) if number == MAIN || id == Some(TrackId::VIDEO) => Err(error),
            Err(error) => {
                let warning = self.video.refuse(number, &error);
                self.warn(|| warning);
                Ok(None)
            }
        }
    }

    /// Ends the publish when it is its main picture, or nothing else is left to show.
    fn unsupported(&mut self, number: u8, error: FlvError) -> Result<(), DemuxError> {
        let alone = self.video.len() == 0 && self.video.is_refused(number);
        if number == MAIN || alone {
            return Err(DemuxError::UnsupportedVideo(error));
        }
        self.stats.video_dropped += 1;
        let warning = self.video.refuse(number, &error);
        self.warn(|| warning);
        Ok(())
    }

    fn push_audio(&mut self, now: Instant, message: &MediaMessage) {
        let read = match flv::parse_audio(&message.body) {
            Ok(read) => read,
            Err(error) => {
                self.stats.audio_dropped += 1;
                let first = !std::mem::replace(&mut self.told_of_audio, true);
                return self.warn(|| first.then(|| format!("audio is dropped: {error}")));
            }
        };
        for tag in read {
            match self.read_audio(tag.track, tag.tag) {
                // Sound is placed by its count of samples; less than a millisecond is lost in that.
                Ok(placed) => self.place(now, message, 0, placed),
                Err(warning) => {
                    self.stats.audio_dropped += 1;
                    self.warn(|| warning);
                }
            }
        }
    }

    /// The error is for what is dropped, with a warning the first time.
    fn read_audio(
        &mut self,
        number: u8,
        tag: Result<AudioTag, FlvError>,
    ) -> Result<Option<(TrackId, Unit)>, Option<String>> {
        if let (Err(error), true) = (&tag, number != MAIN) {
            return Err(self.audio.refuse(number, error));
        }
        if matches!(tag, Ok(AudioTag::Silence | AudioTag::ChannelOrder(_))) {
            return Ok(None);
        }
        self.audio.admit(number)?;
        self.name(TrackKind::Audio, number, matches!(tag, Ok(AudioTag::Frame { .. })));
        let Some((id, track)) = self.audio.get_mut(number) else { return Ok(None) };
        Ok(id.zip(track.read(tag, &mut self.timeline)?))
    }

    /// Gives a track its id: at once where it can only be the main one, else when something coded comes
    /// and all are known.
    fn name(&mut self, kind: TrackKind, number: u8, coded: bool) {
        if coded && !std::mem::replace(&mut self.settled, true) {
            let (video, audio) = (self.video.len(), self.audio.len());
            if video > 1 || audio > 1 {
                self.timeline.promise(video, audio);
            }
            self.video.numbers().into_iter().for_each(|it| self.name_one(TrackKind::Video, it));
            self.audio.numbers().into_iter().for_each(|it| self.name_one(TrackKind::Audio, it));
        } else if self.settled || number == MAIN {
            self.name_one(kind, number);
        }
    }

    fn name_one(&mut self, kind: TrackKind, number: u8) {
        match kind {
            TrackKind::Video => {
                if let Some((id, track)) = self.video.name(number, &mut self.further) {
                    track.name(id, &mut self.timeline);
                }
            }
            TrackKind::Audio => {
                if let Some((id, track)) = self.audio.name(number, &mut self.further) {
                    track.name(id, &mut self.timeline);
                }
            }
        }
    }

    fn place(
        &mut self,
        now: Instant,
        message: &MediaMessage,
        offset_nanos: u32,
        placed: Option<(TrackId, Unit)>,
    ) {
        let Some((track, unit)) = placed else { return };
        self.timeline.push(StampedUnit {
            track,
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
