//! Further audio tracks: cut where the main tracks are.

use std::time::Instant;

use media::{AccessUnit, TrackId};

use super::{Segmenter, State, count};
use crate::alternate::Alternate;

/// How far a frame may be ahead of the main tracks, in ticks of 90 kHz: 12 s. Beyond it is left out.
const LEAD_MAX: i64 = 12 * 90_000;

impl Segmenter {
    /// A frame of an audio track beside the main one.
    pub(super) fn push_alternate(&mut self, unit: AccessUnit) {
        let Some(init) = self.announced.get(unit.track).cloned() else { return };
        let latest = self.frontier().saturating_add(LEAD_MAX);
        let earliest = self.earliest();
        let (track, arrived) = (unit.track, unit.arrived);
        let known = self.alternates.iter().position(|alternate| alternate.id() == track);
        let index = known.unwrap_or_else(|| {
            self.alternates.push(Alternate::new(track));
            self.alternates.len() - 1
        });
        let Some(alternate) = self.alternates.get_mut(index) else { return };
        match &self.state {
            State::Running(running) => {
                let heard = alternate.push(&running.timeline, &init, earliest..=latest, unit);
                self.stats.dropped_audio += count(heard.dropped);
                self.stats.nudged += u64::from(heard.moved);
                self.stats.overflows += u64::from(heard.overflowed);
                self.finish_closing_when_complete(arrived);
            }
            State::Waiting(_) => self.stats.dropped_audio += count(alternate.hold(unit)),
            State::Ended => self.stats.dropped_audio += 1,
        }
    }

    /// How far the main tracks have come, in ticks of 90 kHz.
    fn frontier(&self) -> i64 {
        let audio = self.audio.as_ref();
        let heard = audio.and_then(|audio| audio.last_dts().map(|at| audio.on_video_clock(at)));
        self.video.last_dts().max(heard).unwrap_or(self.cursor).max(self.cursor)
    }

    /// Where the oldest segment that has not left begins, in ticks of 90 kHz.
    fn earliest(&self) -> i64 {
        let open = match &self.state {
            State::Running(running) => running.open.start,
            State::Waiting(_) | State::Ended => self.cursor,
        };
        self.closing.as_ref().map_or(open, |closing| closing.start)
    }

    /// A timeline has begun: lets go what alternates held for it.
    pub(super) fn release_held_alternates(&mut self, now: Instant) {
        let held: Vec<TrackId> = self.alternates.iter().map(Alternate::id).collect();
        held.into_iter().for_each(|id| self.release_alternate(id, now));
    }

    /// A segment has left: what has new parameters goes on with them.
    pub(super) fn release_new_alternates(&mut self, now: Instant) {
        let new = self.alternates.iter().filter(|it| it.has_new_parameters()).map(Alternate::id);
        let new: Vec<TrackId> = new.collect();
        new.into_iter().for_each(|id| self.release_alternate(id, now));
    }

    /// Drops what an audio track holds: it has other parameters than those announced now.
    pub(super) fn drop_held_of(&mut self, id: TrackId) {
        let mut dropped = 0;
        if id == TrackId::AUDIO {
            dropped += self.held.clear();
        }
        for alternate in self.alternates.iter_mut().filter(|alternate| alternate.id() == id) {
            dropped += alternate.release().count();
        }
        self.stats.dropped_audio += count(dropped);
    }

    fn release_alternate(&mut self, id: TrackId, now: Instant) {
        let alternate = self.alternates.iter_mut().find(|alternate| alternate.id() == id);
        let Some(units) = alternate.map(Alternate::release) else { return };
        for mut unit in units {
            // What it completes was not complete before it was let go.
            unit.arrived = now;
            self.push_alternate(unit);
        }
    }
}
