//! Several video tracks: one leads, the others follow.

use std::time::{Duration, Instant, SystemTime};

use media::{AccessUnit, InitSegment, TrackKind};

use super::{Open, Running, Segmenter, State, count};
use crate::{
    follower::{Follower, pixels},
    video_queue::Picture,
};

/// A track that leads is out of step once another one is that far ahead of it: 1 s. Well below the shortest
/// target duration and a half, so that another one leads before a playlist is late.
const LEADER_SILENCE: i64 = 90_000;

/// … and nothing of it has arrived for so long.
const LEADER_QUIET: Duration = Duration::from_millis(500);

/// How far a picture may be ahead of the leader's, in ticks of 90 kHz: 12 s. Beyond it is left out.
const LEAD_MAX: i64 = 12 * 90_000;

/// Key frames of two layers belong together that are a picture of the leader apart, within these bounds: 10 ms
/// and 50 ms.
const TOLERANCE: (i64, i64) = (900, 4_500);

impl Segmenter {
    /// How far a follower's key frame may be from the leader's to be one with it, in ticks of 90 kHz.
    pub(super) fn tolerance(&self) -> i64 {
        self.video.last_step().clamp(TOLERANCE.0, TOLERANCE.1)
    }

    /// A picture of a track that does not lead.
    pub(super) fn push_follower(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let Some(init) = self.announced.get(unit.track).cloned() else { return };
        let State::Running(running) = &self.state else { return };
        let (timeline, track, arrived) = (running.timeline, unit.track, unit.arrived);
        let at = timeline.video(&unit).pts;
        let ahead = self.video.last_dts().map_or(0, |last| at.saturating_sub(last));
        if ahead > LEADER_SILENCE && self.leader_is_silent(&unit) {
            self.replace_leader(now, wall, at);
            return self.push_video(now, wall, unit);
        }
        if ahead > LEAD_MAX {
            self.stats.dropped_video += 1;
            return;
        }
        let known = self.followers.iter().position(|follower| follower.id() == track);
        let index = known.unwrap_or_else(|| {
            self.followers.push(Follower::new(track));
            self.followers.len() - 1
        });
        let Some(follower) = self.followers.get_mut(index) else { return };
        let taken = follower.push(timeline, &init, unit);
        self.stats.dropped_video += count(taken.dropped);
        self.stats.nudged += u64::from(taken.moved);
        self.stats.overflows += u64::from(taken.overflowed);
        self.finish_closing_when_complete(arrived);
    }

    /// Whether pictures of `unit`'s track have gone on behind the leader's last one, which is a while ago.
    fn leader_is_silent(&self, unit: &AccessUnit) -> bool {
        let (Some(last), Some(arrival)) = (self.video.last_dts(), self.video.last_arrival()) else {
            return false;
        };
        let quiet = unit.arrived.saturating_duration_since(arrival) >= LEADER_QUIET;
        let mut same = self.followers.iter().filter(|follower| follower.id() == unit.track);
        quiet && same.any(|follower| follower.flows_after(last))
    }

    /// The leader has paused while others go on, at `at` by now: the smallest of them that begins where the
    /// open segment does leads from there on. Where none does, the timeline ends, and the next key frame of
    /// any track begins one.
    fn replace_leader(&mut self, now: Instant, wall: SystemTime, at: i64) {
        self.finish_closing(now, false);
        let recent = at.saturating_sub(LEADER_SILENCE / 2);
        match self.smallest_abreast(|it| it.queue().last_dts().is_some_and(|last| last >= recent)) {
            Some(index) => self.hand_over(now, wall, index, true),
            None => self.stop(now, false),
        }
    }

    /// Browsers pause large layers first: the smallest one leads, as soon as it begins where the open segment
    /// does. One that has paused has to send again first.
    pub(super) fn prefer_smallest(&mut self, now: Instant, wall: SystemTime) {
        if self.closing.is_some() || self.followers.is_empty() {
            return;
        }
        let State::Running(Running { epoch, .. }) = &self.state else { return };
        let Some(size) = epoch.video.as_ref().map(|init| pixels(init)) else { return };
        if let Some(index) = self.smallest_abreast(|it| it.pixels() < size && !it.is_idle()) {
            self.hand_over(now, wall, index, false);
        }
    }

    /// The smallest follower that `suits` and whose pictures begin where the open segment does.
    fn smallest_abreast(&self, suits: impl Fn(&Follower) -> bool) -> Option<usize> {
        let State::Running(Running { open, .. }) = &self.state else { return None };
        let Open { start, independent, .. } = *open;
        let tolerance = self.tolerance();
        let all = self.followers.iter().enumerate().filter(|_| independent);
        let suitable = all.filter(|(_, it)| suits(it) && it.begins_at(start, tolerance));
        suitable.min_by_key(|(_, it)| it.pixels()).map(|(index, _)| index)
    }

    /// A follower leads from the open segment on, and the leader follows.
    fn hand_over(&mut self, now: Instant, wall: SystemTime, index: usize, leader_is_idle: bool) {
        let follower = self.followers.remove(index);
        let Some((pictures, timeline)) = follower.into_leader() else { return };
        let mut pictures = pictures.into_iter();
        let (State::Running(running), Some(first)) = (&mut self.state, pictures.next()) else {
            return;
        };
        let led = running.epoch.video.replace(first.init.clone());
        let leaders = std::mem::replace(&mut running.timeline, timeline);
        running.gop_start = first.pts;
        let start = running.open.start;
        let before = self.video.take(self.video.len());
        if let Some(init) = led {
            let led = Follower::led(init, leaders, before, start);
            self.followers.push(if leader_is_idle { led.paused() } else { led });
        }
        self.video.reset();
        self.video.push(first);
        for picture in pictures.by_ref() {
            if !self.lead_picture(now, wall, picture) {
                self.stats.dropped_video += 1;
                break;
            }
        }
        self.stats.dropped_video += count(pictures.count());
    }

    /// Appends a picture that has its place on the timeline, and cuts before it where the rules say so;
    /// `false` when the timeline had to end instead.
    fn lead_picture(&mut self, now: Instant, wall: SystemTime, picture: Picture) -> bool {
        let reach = if picture.sync { picture.pts } else { picture.dts };
        let fits = self.make_room(now, reach, picture.arrived)
            && (!picture.sync || self.key_frame(now, &picture));
        if fits {
            let key = picture.sync;
            self.video.push(picture);
            if key {
                self.release_held_audio(now, wall);
            }
        }
        fits
    }

    /// Drops what followers and alternates have: their timeline is over.
    pub(super) fn drop_further_tracks(&mut self) {
        self.drop_followers();
        let frames: usize = self.alternates.iter_mut().map(|it| it.reset()).sum();
        self.alternates.clear();
        self.stats.dropped_audio += count(frames);
    }

    /// Drops what followers have: nobody leads any more.
    pub(super) fn drop_followers(&mut self) {
        let pictures: usize = self.followers.iter_mut().map(Follower::reset).sum();
        self.followers.clear();
        self.stats.dropped_video += count(pictures);
    }

    /// Several layers, or one: what is the largest by now is `source`, unless that is settled, and the
    /// others get their names. At the latest this happens when the first segment leaves.
    pub fn settle_renditions(&mut self) {
        self.names.settle(&self.announced);
    }

    /// How many video tracks are announced.
    #[must_use]
    pub fn video_tracks(&self) -> usize {
        self.announced.of_kind(TrackKind::Video).count()
    }

    /// The header of `source`, once that is settled.
    #[must_use]
    pub fn source(&self) -> Option<&InitSegment> {
        self.names.source().and_then(|id| self.announced.get(id)).map(|init| &**init)
    }

    /// The headers of the layers beside `source`, the largest first.
    pub fn layers(&self) -> impl Iterator<Item = &InitSegment> + '_ {
        let layers = self.names.layers().iter();
        layers.filter_map(|(id, _)| self.announced.get(*id)).map(|init| &**init)
    }
}
