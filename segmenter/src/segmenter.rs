//! The core: access units in, segments out.

mod audio;
mod close;
mod publisher_cut;
mod start;
#[cfg(test)]
mod tests;
mod video;

use std::{
    collections::VecDeque,
    time::{Duration, Instant, SystemTime},
};

use media::{
    AccessUnit, MediaDuration, SequenceNumber, Timescale, Track, TrackId, TrackKind, TrackSegment,
};

use self::close::Closing;
use crate::{
    Output, SegmenterConfig, Stats,
    audio_queue::AudioQueue,
    epoch::{Announced, Epoch},
    held_audio::HeldAudio,
    program_date_time::ProgramDateTime,
    stand_in::Absence,
    target_duration::TargetDuration,
    timeline::Timeline,
    video_queue::VideoQueue,
    writer::{Writer, video_samples},
};

/// Cuts one stream's access units into segments.
///
/// Drain [`Self::poll_output`] after every other call, and call [`Self::handle_timeout`] when
/// [`Self::poll_timeout`] has passed. A publisher that comes back after [`Self::publisher_left`] just
/// pushes on.
///
/// Memory: an open segment holds at most 8 192 pictures and 64 MiB (12.5 s at 41 Mbit/s), and so does
/// the one before it while it waits for its audio; audio on its way holds at most 2 048 frames and
/// 8 MiB, and as much again while it waits for a first picture. Past a bound the GOP is cut where
/// that is possible, or dropped, and counted.
#[derive(Debug)]
pub struct Segmenter {
    config: SegmenterConfig,
    goal: Duration,
    target: TargetDuration,
    announced: Announced,
    state: State,
    video: VideoQueue,
    audio: Option<AudioQueue>,
    /// Audio without a picture to start with, or of parameters that wait for a key frame.
    held: HeldAudio,
    /// The last wait for audio ended without any: don't wait again before some comes.
    audio_idle: bool,
    /// A segment that waits for the rest of its audio.
    closing: Option<Closing>,
    /// Where the last closed segment ends on the stream's timeline, in ticks of 90 kHz.
    cursor: i64,
    /// Program date time of what is out.
    clock: Option<ProgramDateTime>,
    sequence: SequenceNumber,
    /// A segment is out.
    published: bool,
    writer: Writer,
    outputs: VecDeque<Output>,
    stats: Stats,
}

#[derive(Debug)]
enum State {
    Waiting(Waiting),
    Running(Running),
    Ended,
}

/// No timeline: the next access unit a decoder can start with begins one.
#[derive(Debug)]
struct Waiting {
    /// Since when there is nothing; `None` as long as nothing was ever published.
    absence: Option<Absence>,
    /// The publisher has shown that it sends no video: audio need not wait for it.
    audio_only: bool,
}

/// Media flows on one timeline.
#[derive(Debug)]
struct Running {
    timeline: Timeline,
    epoch: Epoch,
    /// Program date time, in force once a segment of the timeline is out.
    clock: ProgramDateTime,
    open: Open,
    /// Presentation time of the last key frame, in ticks of 90 kHz.
    gop_start: i64,
    /// When the last access unit of what the publisher closed arrived.
    heard: Option<Instant>,
}

/// The open segment.
#[derive(Clone, Copy, Debug)]
struct Open {
    start: i64,
    discontinuity: bool,
    independent: bool,
}

impl Segmenter {
    /// Begins a stream whose first segment is number `first`.
    #[must_use]
    pub fn new(config: SegmenterConfig, first: SequenceNumber) -> Self {
        let goal = config.usable_goal();
        Self {
            goal,
            target: TargetDuration::new(ticks(goal)),
            writer: Writer::new(config.part_target),
            config,
            announced: Announced::default(),
            state: State::Waiting(Waiting { absence: None, audio_only: false }),
            video: VideoQueue::new(),
            audio: None,
            held: HeldAudio::default(),
            audio_idle: false,
            closing: None,
            cursor: 0,
            clock: None,
            sequence: first,
            published: false,
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// A track is new, or its parameters are; holds from its next access unit on, for video from its
    /// next key frame on. Equal parameters change nothing.
    pub fn set_track(&mut self, _now: Instant, track: Track) {
        let (id, kind) = (track.id, track.kind());
        match self.announced.set(track) {
            Ok(changed) => {
                if changed && kind == TrackKind::Audio {
                    self.stats.dropped_audio += count(self.held.clear());
                }
            }
            Err(error) => {
                if kind == TrackKind::Audio {
                    self.stats.dropped_audio += count(self.held.clear());
                }
                self.unwritable(id, error);
            }
        }
    }

    /// Takes the next access unit of any track; `wall` is the wall-clock time at `now`.
    pub fn push(&mut self, now: Instant, wall: SystemTime, mut unit: AccessUnit) {
        unit.arrived = unit.arrived.min(now);
        if matches!(self.state, State::Ended) {
            self.stats.dropped_unknown += 1;
            return;
        }
        match self.announced.kind(unit.track) {
            Some(TrackKind::Video) => self.push_video(now, wall, unit),
            Some(TrackKind::Audio) => self.push_audio(now, wall, unit),
            None => self.stats.dropped_unknown += 1,
        }
    }

    /// The publisher's clock has jumped, or data are missing: closes the open segment; the next key
    /// frame begins a new timeline. Stand-ins fill the time when that takes longer than the goal.
    pub fn discontinuity(&mut self, now: Instant) {
        self.stop(now, false);
    }

    /// The publisher is gone: closes the open segment with its true duration. From now on stand-ins
    /// are due, until access units come again.
    pub fn publisher_left(&mut self, now: Instant, _wall: SystemTime) {
        self.stop(now, true);
    }

    /// The stream is over: closes the open segment. Whatever comes later is dropped.
    pub fn end(&mut self, now: Instant) {
        self.stop(now, true);
        self.state = State::Ended;
    }

    /// `EXT-X-TARGETDURATION` in seconds, 1 to 12. The first call decides it from the goal, the
    /// longest GOP and segment so far and the open segment; it never changes afterwards.
    pub fn target_duration(&mut self) -> u8 {
        let open = self.open_length();
        self.target.settle(open)
    }

    /// The next output, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Bytes of the pictures that are in no segment yet.
    #[must_use]
    pub const fn open_bytes(&self) -> usize {
        self.video.bytes()
    }

    /// The open segment's pictures decoded after `after`, in ticks of 90 kHz, as samples; the last one's
    /// duration is a guess, and there are no parts. `None` where there are no such pictures, or the
    /// segment before still waits for its audio.
    #[must_use]
    pub fn open_video(&self, after: Option<i64>) -> Option<TrackSegment> {
        let State::Running(running) = &self.state else { return None };
        let init = running.epoch.video.clone().filter(|_| self.closing.is_none())?;
        let end = self.video.last_dts()?.saturating_add(self.video.last_step());
        let pictures = self.video.after(after);
        let (begin, samples) = video_samples(pictures, end);
        let base_decode_time = u64::try_from(begin).ok().filter(|_| !samples.is_empty())?;
        Some(TrackSegment { init, base_decode_time, samples, parts: Vec::new() })
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let closing = self.closing.as_ref().map(|closing| closing.deadline);
        let (stand_in, audio_only) = match &self.state {
            State::Waiting(waiting) => (
                waiting.absence.as_ref().and_then(|absence| absence.due(self.goal)),
                self.held.since().and_then(|since| since.checked_add(self.config.video_wait)),
            ),
            State::Running(_) | State::Ended => (None, None),
        };
        [closing, stand_in, audio_only].into_iter().flatten().min()
    }

    /// Does what was due by `now`: stand-ins, segments that have waited long enough for their audio,
    /// audio that has waited long enough for video.
    pub fn handle_timeout(&mut self, now: Instant, wall: SystemTime) {
        if self.closing.as_ref().is_some_and(|closing| closing.deadline <= now) {
            self.stop_waiting_for_audio(now);
        }
        self.make_due_stand_ins(now);
        let waited = self.held.since().map(|since| now.saturating_duration_since(since));
        if matches!(self.state, State::Waiting(_))
            && waited.is_some_and(|waited| waited >= self.config.video_wait)
        {
            self.start_with_audio(now, wall);
        }
    }

    /// The number of the next segment.
    #[must_use]
    pub const fn next_sequence(&self) -> SequenceNumber {
        self.sequence
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// How long the open segment is by now, in ticks of 90 kHz.
    fn open_length(&self) -> i64 {
        let State::Running(running) = &self.state else { return 0 };
        let end = match running.epoch.video {
            Some(_) => self.video.end(),
            None => self.audio_end(),
        };
        end.map_or(0, |end| end.saturating_sub(running.open.start))
    }

    /// Where the audio that has come ends, in ticks of 90 kHz.
    fn audio_end(&self) -> Option<i64> {
        let audio = self.audio.as_ref()?;
        audio.end().map(|end| audio.on_video_clock(end))
    }

    fn unwritable(&mut self, track: TrackId, error: container::cmaf::CmafError) {
        self.stats.unwritable += 1;
        self.outputs.push_back(Output::Unwritable { track, error });
    }
}

/// A duration in ticks of the stream's timeline.
fn ticks(duration: Duration) -> i64 {
    i64::try_from(MediaDuration::from_std(duration).ticks()).unwrap_or(i64::MAX)
}

/// A length in ticks of the stream's timeline; a negative one is none.
fn media_duration(ticks: i64) -> MediaDuration {
    MediaDuration::new(u64::try_from(ticks).unwrap_or(0), Timescale::VIDEO)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
