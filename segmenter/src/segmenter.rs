//! The core: access units in, segments out.

mod alternates;
mod audio;
mod close;
mod emit;
mod followers;
mod publisher_cut;
mod stand_in;
mod start;
#[cfg(test)]
mod tests;
mod video;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use media::{
    AccessUnit, InitSegment, MediaDuration, SequenceNumber, Timescale, Track, TrackId, TrackKind,
    TrackSegment,
};

use self::close::Closing;
use crate::{
    Output, SegmenterConfig, Stats,
    alternate::Alternate,
    audio_queue::AudioQueue,
    epoch::{Announced, Epoch},
    filler::FillerLine,
    follower::Follower,
    held_audio::HeldAudio,
    names::Names,
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
/// Of several video tracks one leads: its key frames are where all tracks are cut. That is the first one to
/// send a key frame, and then the smallest picture that has one together with it. A follower is cut at its
/// own key frame beside the leader's; without one, or with pictures missing, it has no media in that segment.
/// When the leader pauses and another one goes on for a second, that one leads; only where it does not begin
/// with the open segment, a new timeline does. The largest picture is `source`, whoever leads.
///
/// Memory: an open segment holds at most 8 192 pictures and 64 MiB (12.5 s at 41 Mbit/s), and so does
/// the one before it while it waits for its audio; audio on its way holds at most 2 048 frames and
/// 8 MiB, and as much again while it waits for a first picture. Past a bound the GOP is cut where
/// that is possible, or dropped, and counted. Each further video track, at most 3, holds 8 192 pictures and
/// 64 MiB in all, each further audio track, at most 7, twice 2 048 frames and 8 MiB; past a bound its own
/// media is dropped, and counted.
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
    /// Video tracks beside the one that leads, which is in `video`.
    followers: Vec<Follower>,
    /// Audio tracks beside the main one.
    alternates: Vec<Alternate>,
    names: Names,
    /// The headers of what is out, by track.
    headers: BTreeMap<TrackId, Arc<InitSegment>>,
    /// A segment that waits for the rest of its audio and layers.
    closing: Option<Closing>,
    /// Where the last closed segment ends on the stream's timeline, in ticks of 90 kHz.
    cursor: i64,
    /// What stand-ins show; `None` while there are media.
    filler: Option<FillerLine>,
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
            followers: Vec::new(),
            alternates: Vec::new(),
            names: Names::default(),
            headers: BTreeMap::new(),
            closing: None,
            cursor: 0,
            filler: None,
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
        let id = track.id;
        let set = self.announced.set(track);
        if !matches!(set, Ok(false)) {
            self.drop_held_of(id);
        }
        self.names.follow(&self.announced);
        if let Err(error) = set {
            self.unwritable(id, error);
        }
    }

    /// Another publisher begins: closes the open segment, and forgets the tracks of the one before.
    pub fn new_publisher(&mut self, now: Instant) {
        self.stop(now, false);
        self.announced.forget_tracks();
        self.names.reset();
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
            Some(TrackKind::Audio) if unit.track == TrackId::AUDIO => {
                self.push_audio(now, wall, unit);
            }
            Some(TrackKind::Audio) => self.push_alternate(unit),
            None => self.stats.dropped_unknown += 1,
        }
        self.prefer_smallest(now, wall);
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

    /// Bytes of the source's pictures that are in no segment yet.
    #[must_use]
    pub fn open_bytes(&self) -> usize {
        self.source_pictures().bytes()
    }

    /// The open segment's source pictures decoded after `after`, in ticks of 90 kHz, as samples; the last
    /// one's duration is a guess, and there are no parts. `None` where there are no such pictures, or the
    /// segment before still waits for its other tracks.
    #[must_use]
    pub fn open_video(&self, after: Option<i64>) -> Option<TrackSegment> {
        let State::Running(_) = &self.state else { return None };
        let video = self.source_pictures();
        let init = video.get(0).filter(|_| self.closing.is_none())?.init.clone();
        let end = video.last_dts()?.saturating_add(video.last_step());
        let pictures = video.after(after);
        let (begin, samples) = video_samples(pictures, end);
        let base_decode_time = u64::try_from(begin).ok().filter(|_| !samples.is_empty())?;
        Some(TrackSegment { init, base_decode_time, samples, parts: Vec::new() })
    }

    /// The pictures of `source`; while none is settled, those that lead.
    fn source_pictures(&self) -> &VideoQueue {
        let source = self.followers.iter().find(|it| Some(it.id()) == self.names.source());
        source.map_or(&self.video, Follower::queue)
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

    /// Does what was due by `now`: stand-ins, segments that have waited long enough for their other
    /// tracks, audio that has waited long enough for video.
    pub fn handle_timeout(&mut self, now: Instant, wall: SystemTime) {
        if self.closing.as_ref().is_some_and(|closing| closing.deadline <= now) {
            self.stop_waiting(now);
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
