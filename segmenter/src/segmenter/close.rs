//! How a segment ends and leaves.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use media::{InitSegment, Segment};

use super::{Segmenter, State, Waiting, count, media_duration};
use crate::{
    Output, alternate::Alternate, follower::Follower, stand_in::Absence, video_queue::Picture,
};

/// A segment whose leading pictures are complete, while the last of its audio and of its other layers may
/// still be on their way.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) discontinuity: bool,
    pub(super) independent: bool,
    pub(super) video: Option<Arc<InitSegment>>,
    pub(super) pictures: Vec<Picture>,
    /// Decoding time of the picture after its last one.
    pub(super) next_dts: i64,
    /// The segment after it begins with a key frame.
    pub(super) key_follows: bool,
    pub(super) audio: Option<Arc<InitSegment>>,
    /// The last audio frame that had come when it began to wait.
    audio_seen: Option<i64>,
    /// When it stops waiting.
    pub(super) deadline: Instant,
    /// When what completes it arrived.
    pub(super) completed: Instant,
}

/// Where the leading pictures are parted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parting {
    /// Presentation time of the first picture behind it, in ticks of 90 kHz.
    pub(super) end: i64,
    /// Its decoding time.
    pub(super) next_dts: i64,
    /// It is a key frame.
    pub(super) key_follows: bool,
    /// When it arrived.
    pub(super) completed: Instant,
}

impl Segmenter {
    /// Closes the open segment with these pictures; it leaves once its audio and its other layers are there.
    pub(super) fn close_video(&mut self, now: Instant, pictures: Vec<Picture>, parting: Parting) {
        self.finish_closing(now, false);
        let State::Running(running) = &self.state else { return };
        let Parting { end, next_dts, key_follows, completed } = parting;
        let start = running.open.start;
        self.closing = Some(Closing {
            start,
            end,
            discontinuity: running.open.discontinuity,
            independent: running.open.independent,
            video: running.epoch.video.clone(),
            pictures,
            next_dts,
            key_follows,
            audio: running.epoch.audio.clone(),
            audio_seen: self.audio.as_ref().and_then(|audio| audio.last_dts()),
            deadline: now.checked_add(self.config.interleave_wait).unwrap_or(now),
            completed,
        });
        self.followers.iter_mut().for_each(Follower::note_waiting);
        self.alternates.iter_mut().for_each(Alternate::note_waiting);
        self.target.saw_segment(end.saturating_sub(start));
        self.cursor = end;
        self.finish_closing_when_complete(completed);
    }

    /// Audio flows, as far as anyone can tell.
    fn expects_audio(&self) -> bool {
        let State::Running(running) = &self.state else { return false };
        let joins = running.epoch.audio.is_some() || !running.epoch.published;
        joins && self.announced.audio().is_some() && !self.audio_idle && self.held.is_empty()
    }

    /// Lets the closing segment go when every track has passed its end that is to be waited for.
    pub(super) fn finish_closing_when_complete(&mut self, arrived: Instant) {
        let Some(closing) = &self.closing else { return };
        let (end, tolerance) = (closing.end, self.tolerance());
        let complete = || self.audio.as_ref().is_some_and(|audio| audio.is_complete_before(end));
        let is_complete = (!self.expects_audio() || complete())
            && self.followers.iter().all(|it| it.is_complete_before(end, tolerance))
            && self.alternates.iter().all(|it| it.is_complete_before(end));
        if is_complete {
            self.finish_closing(arrived, false);
        }
    }

    /// Lets the closing segment go with what has come; what comes later goes to the next, or is too late.
    pub(super) fn stop_waiting(&mut self, now: Instant) {
        let Some(closing) = &self.closing else { return };
        self.stats.interleave_timeouts += 1;
        let (end, tolerance) = (closing.end, self.tolerance());
        let seen = self.audio.as_ref().and_then(|audio| audio.last_dts());
        let complete = self.audio.as_ref().is_some_and(|audio| audio.is_complete_before(end));
        self.audio_idle = seen == closing.audio_seen && !complete;
        self.followers.iter_mut().for_each(|it| it.note_waited(end, tolerance));
        self.alternates.iter_mut().for_each(|it| it.note_waited(end));
        self.finish_closing(now, false);
    }

    /// Lets the closing segment go at `at`. `fill_audio`: no audio continues it on this timeline, its
    /// last frame lasts to the end.
    pub(super) fn finish_closing(&mut self, at: Instant, fill_audio: bool) {
        let Some(mut closing) = self.closing.take() else { return };
        closing.completed = closing.completed.max(at);
        let frames = self.audio.as_ref().map_or(0, |audio| audio.count_before(closing.end));
        self.emit(closing, frames, fill_audio);
    }

    pub(super) fn publish(&mut self, segment: Segment) {
        self.sequence = self.sequence.next();
        self.published = true;
        self.outputs.push_back(Output::Segment(Arc::new(segment)));
    }

    pub(super) fn wall_at(&self, media: i64) -> SystemTime {
        self.clock.map_or(SystemTime::UNIX_EPOCH, |clock| clock.at(media))
    }

    /// `end`, unless that would be longer than the target duration allows.
    pub(super) fn legal_end(&self, start: i64, end: i64) -> i64 {
        let latest = start.saturating_add(self.target.limit());
        end.min(latest).max(start.saturating_add(1))
    }

    /// Ends the timeline: publishes what is there with its true duration, in both tracks up to the
    /// same moment, and waits for a new one.
    pub(super) fn stop(&mut self, now: Instant, publisher_left: bool) {
        match &mut self.state {
            State::Ended => {}
            State::Waiting(waiting) => {
                if publisher_left {
                    waiting.audio_only = false;
                    if let Some(absence) = &mut waiting.absence {
                        absence.publisher_left();
                    }
                }
                self.drop_held();
                self.drop_further_tracks();
            }
            State::Running(running) => {
                let audio_only = running.epoch.video.is_none() && !publisher_left;
                let last_arrival = self.last_arrival().unwrap_or(now);
                self.flush(now);
                self.drop_queued_audio();
                self.drop_held();
                self.drop_further_tracks();
                self.video.reset();
                let absence =
                    self.published.then(|| Absence::new(now, last_arrival, publisher_left));
                self.state = State::Waiting(Waiting { absence, audio_only });
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        let end = self.open_end();
        self.finish_closing(now, end.is_none());
        if let Some(end) = end {
            self.close_whole(now, end, true);
        }
    }

    /// Publishes all pictures that are there, and the audio before `end`, without waiting for more.
    pub(super) fn close_whole(&mut self, now: Instant, end: i64, fill_audio: bool) {
        let State::Running(running) = &self.state else { return };
        let start = running.open.start;
        let closing = Closing {
            start,
            end,
            discontinuity: running.open.discontinuity,
            independent: running.open.independent,
            video: running.epoch.video.clone(),
            pictures: self.video.take(self.video.len()),
            next_dts: end,
            key_follows: true,
            audio: running.epoch.audio.clone(),
            audio_seen: None,
            deadline: now,
            completed: now,
        };
        self.target.saw_segment(end.saturating_sub(start));
        self.cursor = end;
        self.closing = Some(closing);
        self.finish_closing(now, fill_audio);
    }

    /// Where the open segment ends when nothing follows; `None` when it is empty. That is where its
    /// pictures end, unless whole audio frames lie behind: then the last picture stays on with them.
    fn open_end(&self) -> Option<i64> {
        let State::Running(running) = &self.state else { return None };
        let start = running.open.start;
        let audio_last = self.audio.as_ref().and_then(|audio| {
            audio.dts(audio.len().checked_sub(1)?).map(|dts| audio.on_video_clock(dts))
        });
        let pictures_end = self.video.end();
        let end = match pictures_end {
            None if running.epoch.video.is_some() => return None,
            Some(end) if audio_last.is_none_or(|last| last < end) => end,
            Some(_) | None => self.audio_end()?,
        };
        let end = self.legal_end(start, end);
        let any = pictures_end.is_some()
            || self.audio.as_ref().is_some_and(|audio| audio.count_before(end) > 0);
        any.then_some(end)
    }

    /// Publishes the first `frames` audio frames as a segment that ends at `end`.
    pub(super) fn close_audio(&mut self, frames: usize, end: i64, completed: Instant) {
        let State::Running(running) = &mut self.state else { return };
        let open = running.open;
        let closing = Closing {
            start: open.start,
            end,
            discontinuity: open.discontinuity,
            independent: true,
            video: None,
            pictures: Vec::new(),
            next_dts: 0,
            key_follows: true,
            audio: running.epoch.audio.clone(),
            audio_seen: None,
            deadline: completed,
            completed,
        };
        running.open.start = end;
        running.open.discontinuity = false;
        self.target.saw_segment(end.saturating_sub(open.start));
        self.cursor = end;
        self.emit(closing, frames, false);
    }

    pub(super) fn last_arrival(&self) -> Option<Instant> {
        let audio = self.audio.as_ref().and_then(|audio| audio.last_arrival());
        let closed = match &self.state {
            State::Running(running) => running.heard,
            State::Waiting(_) | State::Ended => None,
        };
        let layers = self.followers.iter().filter_map(Follower::last_arrival).max();
        let sounds = self.alternates.iter().filter_map(Alternate::last_arrival).max();
        self.video.last_arrival().max(audio).max(closed).max(layers).max(sounds)
    }

    pub(super) fn drop_queued_audio(&mut self) {
        let dropped = self.audio.take().map_or(0, |audio| audio.len());
        self.stats.dropped_audio += count(dropped);
    }

    /// How long audio may run ahead of pictures that have stopped.
    pub(super) fn video_silence_limit(&self) -> Duration {
        let limit = media_duration(self.target.limit()).to_std();
        self.config.video_wait.min(limit)
    }
}
