//! How a timeline begins, and what stands in until one does.

use std::{
    mem,
    time::{Instant, SystemTime},
};

use media::{AccessUnit, Timescale};

use super::{Open, Running, Segmenter, State, count, ticks};
use crate::{
    audio_queue::AudioQueue, epoch::Epoch, program_date_time::ProgramDateTime, timeline::Timeline,
};

impl Segmenter {
    /// A key frame begins a timeline. Audio held for it follows, as far as it is not earlier.
    pub(super) fn start_with_video(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let Some(video) = self.announced.get(unit.track).cloned() else { return };
        let clock = self.anchor(now, wall, unit.arrived);
        let timeline = Timeline::new(self.cursor, &unit, Timescale::VIDEO);
        self.video.reset();
        self.audio = None;
        self.run(timeline, clock, Epoch::of_video(video, None));
        let stamps = timeline.video(&unit);
        if let Some(picture) = self.picture(stamps, &unit) {
            self.append_picture(stamps, picture);
        }
        self.release_held_audio(now, wall);
        self.release_held_alternates(now);
    }

    /// Video has not come: audio alone begins a timeline.
    pub(super) fn start_with_audio(&mut self, now: Instant, wall: SystemTime) {
        self.skip_covered_audio();
        let (Some(init), Some(first)) = (self.announced.audio().cloned(), self.held.front()) else {
            return;
        };
        let (first, timescale) = (first.clone(), init.track.timescale);
        let clock = self.anchor(now, wall, first.arrived);
        let timeline = Timeline::new(self.cursor, &first, timescale);
        self.video.reset();
        self.audio = Some(AudioQueue::of_track(&init));
        self.run(timeline, clock, Epoch::of_audio(init));
        self.release_held_audio(now, wall);
        self.release_held_alternates(now);
    }

    fn run(&mut self, timeline: Timeline, clock: ProgramDateTime, epoch: Epoch) {
        let start = timeline.start();
        let open = Open { start, discontinuity: self.published, independent: true };
        self.audio_idle = false;
        self.filler = None;
        self.state =
            State::Running(Running { timeline, epoch, clock, open, gop_start: start, heard: None });
    }

    pub(super) fn release_held_audio(&mut self, now: Instant, wall: SystemTime) {
        for mut unit in mem::take(&mut self.held).into_units() {
            // What it completes was not complete before it was let go.
            unit.arrived = now;
            self.push_audio(now, wall, unit);
        }
    }

    /// Audio that arrived while stand-ins already covered its time has no place any more.
    fn skip_covered_audio(&mut self) {
        let State::Waiting(waiting) = &self.state else { return };
        let Some(covered) = waiting.absence.filter(|absence| absence.counts()) else { return };
        while self.held.since().is_some_and(|arrived| arrived < covered.covered_until()) {
            self.held.pop();
            self.stats.dropped_audio += 1;
        }
    }

    /// Covers the time until `arrived` with stand-ins where that is due. Answers the program date time
    /// of a timeline that begins at the cursor with what arrived then.
    fn anchor(&mut self, now: Instant, wall: SystemTime, arrived: Instant) -> ProgramDateTime {
        self.make_due_stand_ins(arrived);
        if let State::Waiting(waiting) = &self.state
            && let Some(rest) = waiting.absence.and_then(|absence| absence.rest(arrived))
        {
            self.make_stand_in(ticks(rest), arrived);
        }
        let age = now.saturating_duration_since(arrived);
        let wall = wall.checked_sub(age).unwrap_or(wall);
        match self.clock {
            Some(clock) => clock.renewed(wall, self.cursor),
            None => ProgramDateTime::new(wall, self.cursor),
        }
    }

    /// Stand-ins of the goal's length for every goal's time that has passed without media.
    pub(super) fn make_due_stand_ins(&mut self, now: Instant) {
        let goal = self.goal;
        loop {
            let State::Waiting(waiting) = &mut self.state else { return };
            let Some(due) = waiting.absence.as_mut().and_then(|absence| absence.cover(now, goal))
            else {
                return;
            };
            self.make_stand_in(ticks(goal), due);
        }
    }
}

impl Segmenter {
    /// Counts a leap of the publisher's clock and ends the timeline.
    pub(super) fn leap(&mut self, now: Instant) {
        self.stats.clock_jumps += 1;
        self.stop(now, false);
    }

    /// Drops what waits for a start.
    pub(super) fn drop_held(&mut self) {
        self.stats.dropped_audio += count(self.held.clear());
    }
}
