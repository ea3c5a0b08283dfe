//! Audio: joins the pictures, or leads where there are none.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use media::{AccessUnit, InitSegment, Timescale, Timestamp};

use super::{Segmenter, State, ticks};
use crate::{Cut, audio_queue::AudioQueue, epoch::same_header};

/// Most audio frames on their way into a segment: 43 s of AAC at 48 kHz.
pub(super) const FRAMES_MAX: usize = 2_048;

/// Most bytes of audio on its way: 40 s at 1.6 Mbit/s.
pub(super) const AUDIO_BYTES_MAX: usize = 8 << 20;

/// A frame stamped that far back is a new clock and no jitter, in seconds.
const BACKWARD_MAX_SECONDS: i64 = 1;

/// A frame stamped that far ahead of pictures that still flow is left out, in ticks of 90 kHz.
const LEAD_MAX: i64 = 12 * 90_000;

/// How much audio of new parameters is kept for the key frame at which these take hold.
const NEW_PARAMETERS_WAIT: Duration = Duration::from_secs(2);

/// What becomes of an audio frame, by the tracks of the run.
enum Place {
    Queue,
    /// The run has no audio yet, and none of its segments is out.
    Join,
    /// Other parameters, or a track the published segments don't have: from the next key frame on.
    NextKeyFrame,
    /// Other parameters and no pictures to wait for.
    NewTimeline,
}

/// How far an audio frame is ahead of the pictures.
enum Lead {
    /// Not too far to be interleaved with them.
    InStep,
    /// It has no place while these flow.
    TooFar,
    /// They have stopped.
    Alone,
}

impl Segmenter {
    pub(super) fn push_audio(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let Some(init) = self.announced.audio().cloned() else { return };
        let running = match &self.state {
            State::Running(running) => running,
            State::Waiting(_) => return self.hold_for_video(now, wall, unit, &init),
            State::Ended => return,
        };
        let place = match &running.epoch.audio {
            current @ Some(_) if same_header(current.as_ref(), Some(&init)) => Place::Queue,
            Some(_) if running.epoch.video.is_none() => Place::NewTimeline,
            None if !running.epoch.published && self.held.is_empty() => Place::Join,
            Some(_) | None => Place::NextKeyFrame,
        };
        match place {
            Place::Queue => self.queue_audio(now, wall, unit),
            Place::Join => {
                self.join_audio(&init);
                self.queue_audio(now, wall, unit);
            }
            Place::NextKeyFrame => self.hold_for_key_frame(unit, &init),
            Place::NewTimeline => {
                self.stop(now, false);
                self.hold_for_video(now, wall, unit, &init);
            }
        }
    }

    /// No timeline yet: a picture should begin it, but audio does not wait for ever.
    fn hold_for_video(
        &mut self,
        now: Instant,
        wall: SystemTime,
        unit: AccessUnit,
        init: &Arc<InitSegment>,
    ) {
        let dropped = self.held.push(unit);
        self.stats.dropped_audio += super::count(dropped);
        let State::Waiting(waiting) = &self.state else { return };
        let span = media::MediaDuration::new(self.held.span(), init.track.timescale).to_std();
        if waiting.audio_only || span >= self.config.video_wait {
            self.start_with_audio(now, wall);
        }
    }

    fn hold_for_key_frame(&mut self, unit: AccessUnit, init: &Arc<InitSegment>) {
        let dropped = self.held.push(unit);
        self.stats.dropped_audio += super::count(dropped);
        let too_long = |span| {
            media::MediaDuration::new(span, init.track.timescale).to_std() > NEW_PARAMETERS_WAIT
        };
        while too_long(self.held.span()) && self.held.pop().is_some() {
            self.stats.dropped_audio += 1;
        }
    }

    fn join_audio(&mut self, init: &Arc<InitSegment>) {
        let State::Running(running) = &mut self.state else { return };
        running.epoch.audio = Some(Arc::clone(init));
        self.audio = Some(AudioQueue::of_track(init));
        if let Some(closing) = &mut self.closing {
            closing.audio = Some(Arc::clone(init));
        }
    }

    fn queue_audio(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let (State::Running(running), Some(audio)) = (&self.state, &self.audio) else { return };
        let timescale = audio.timescale();
        let dts = running.timeline.audio(&unit, timescale);
        let at = Timestamp::new(dts, timescale);
        if at < Timestamp::new(running.timeline.start(), Timescale::VIDEO) {
            self.stats.dropped_audio += 1;
            return;
        }
        let audio_only = running.epoch.video.is_none();
        let step = audio.last_dts().map_or(0, |last| dts.saturating_sub(last));
        let back = i64::from(timescale.get()).saturating_mul(BACKWARD_MAX_SECONDS);
        let too_far = audio_only && audio.on_video_clock(step) > self.target.limit();
        if step < -back || too_far {
            self.leap(now);
            return self.push_audio(now, wall, unit);
        }
        if !audio_only {
            match self.lead(at.rescale(Timescale::VIDEO).ticks(), unit.arrived) {
                Lead::InStep => {}
                Lead::TooFar => {
                    self.stats.dropped_audio += 1;
                    return;
                }
                Lead::Alone => {
                    self.video_lost(now);
                    return self.push_audio(now, wall, unit);
                }
            }
        }
        if self.audio_is_full() {
            self.stats.overflows += 1;
            self.stats.dropped_audio += 1;
            return;
        }
        self.append_audio(dts, unit);
    }

    fn append_audio(&mut self, dts: i64, unit: AccessUnit) {
        let Some(audio) = &mut self.audio else { return };
        let moved = audio.push(dts, unit.payload, unit.arrived);
        self.stats.nudged += u64::from(moved);
        self.audio_idle = false;
        self.finish_closing_when_complete(unit.arrived);
        self.cut_audio(unit.arrived);
    }

    fn audio_is_full(&self) -> bool {
        self.audio
            .as_ref()
            .is_some_and(|audio| audio.len() >= FRAMES_MAX || audio.bytes() >= AUDIO_BYTES_MAX)
    }

    /// How a frame at `at` (90 kHz) lies to the pictures.
    fn lead(&self, at: i64, arrived: Instant) -> Lead {
        let Some(last) = self.video.last_dts() else { return Lead::InStep };
        let lead = at.saturating_sub(last);
        let silence = self.video_silence_limit();
        let quiet = self
            .video
            .last_arrival()
            .is_some_and(|last| arrived.saturating_duration_since(last) >= silence / 2);
        if lead > ticks(silence) && quiet {
            Lead::Alone
        } else if lead > LEAD_MAX {
            Lead::TooFar
        } else {
            Lead::InStep
        }
    }

    /// Without pictures, a segment ends at the first frame that reaches the goal; where the publisher
    /// cuts, at the first one that passes the limit.
    pub(super) fn cut_audio(&mut self, arrived: Instant) {
        loop {
            let (State::Running(running), Some(audio)) = (&self.state, &self.audio) else { return };
            if running.epoch.video.is_some() {
                return;
            }
            let start = running.open.start;
            let limit = self.target.limit();
            let length =
                |index| audio.dts(index).map(|dts| audio.on_video_clock(dts).saturating_sub(start));
            let reached = (1..audio.len()).find(|index| {
                length(*index).is_some_and(|length| match self.config.cut {
                    Cut::AtGoal => self.target.reaches_goal(length),
                    Cut::ByPublisher => length > limit,
                })
            });
            let Some(index) = reached else { return };
            // A hole in the audio may lie before that frame: then the segment ends before the hole.
            let fits = (1..=index).rev().find_map(|index| {
                length(index).filter(|length| (1..=limit).contains(length)).map(|l| (index, l))
            });
            let Some((index, length)) = fits else { return self.leap(arrived) };
            self.close_audio(index, start.saturating_add(length), arrived);
        }
    }
}
