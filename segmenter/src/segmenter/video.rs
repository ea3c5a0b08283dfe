//! Pictures: where they cut.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use media::{AccessUnit, InitSegment};

use super::{Open, Running, Segmenter, State, close::Parting, count, media_duration};
use crate::{
    Cut, LongGop, Output,
    epoch::{Epoch, same_header},
    timeline::Stamps,
    video_queue::{Picture, Seam},
};

/// Most pictures of an open segment: 12.5 s at 655 pictures per second.
pub(super) const PICTURES_MAX: usize = 8_192;

/// Most bytes of an open segment's pictures: 12.5 s at 41 Mbit/s.
pub(super) const VIDEO_BYTES_MAX: usize = 64 << 20;

/// A decoding time that far back, in ticks of 90 kHz, is a new clock and no jitter.
const BACKWARD_MAX: i64 = 90_000;

/// Shortest piece worth cutting off when an open segment has reached its bounds: 0.5 s.
const SHORTEST_BOUNDED_PIECE: i64 = 45_000;

/// How far video may run ahead of a segment that waits for its audio, in ticks of 90 kHz.
const SKEW_MAX: i64 = 180_000;

impl Segmenter {
    pub(super) fn push_video(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let leader = match &self.state {
            State::Running(running) => running.epoch.video.as_ref().map(|init| init.track.id),
            State::Waiting(_) | State::Ended => None,
        };
        if leader == Some(unit.track) {
            self.push_picture(now, wall, unit);
        } else if leader.is_some() {
            self.push_follower(now, wall, unit);
        } else if unit.random_access {
            if matches!(self.state, State::Running(_)) {
                self.stop(now, false);
            }
            self.start_with_video(now, wall, unit);
        } else {
            self.stats.dropped_video += 1;
        }
    }

    fn push_picture(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let State::Running(running) = &self.state else { return };
        if self.video.is_empty() {
            return self.resume(now, wall, unit);
        }
        let stamps = running.timeline.video(&unit);
        let step = self.video.last_dts().map_or(0, |last| stamps.dts.saturating_sub(last));
        if step < -BACKWARD_MAX || step > self.target.limit() {
            self.leap(now);
            return self.push_video(now, wall, unit);
        }
        let reach = if unit.random_access { stamps.pts } else { stamps.dts };
        if !self.make_room(now, reach, unit.arrived) {
            return self.push_video(now, wall, unit);
        }
        let key = unit.random_access;
        let Some(picture) = self.picture(stamps, &unit) else { return };
        if key && !self.key_frame(now, &picture) {
            return self.push_video(now, wall, unit);
        }
        self.append_picture(stamps, picture);
        if key {
            self.release_held_audio(now, wall);
        }
        self.hurry_closing(now);
    }

    /// Cuts until a picture at `reach` fits into the open segment and its bounds; `false` when the
    /// timeline had to end instead.
    pub(super) fn make_room(&mut self, now: Instant, reach: i64, arrived: Instant) -> bool {
        loop {
            let State::Running(running) = &self.state else { return false };
            let (start, gop_start) = (running.open.start, running.gop_start);
            let limit = self.target.limit();
            let full = self.video.len() >= PICTURES_MAX || self.video.bytes() >= VIDEO_BYTES_MAX;
            let room = if full {
                self.stats.overflows += 1;
                let last = self.video.last_dts().unwrap_or(start).saturating_sub(start);
                last.min(limit)
            } else if reach.saturating_sub(start) > limit {
                limit
            } else {
                return true;
            };
            let shortest = if full { SHORTEST_BOUNDED_PIECE } else { 1 };
            if self.config.cut == Cut::ByPublisher
                && let Some(seam) = self.video.last_key_frame(start, room)
                && seam.end.saturating_sub(start) >= shortest
            {
                self.part(now, seam, arrived);
                continue;
            }
            let cut = self.video.cut_before_limit(start, room);
            match (cut, self.config.long_gop) {
                (Some(seam), _) if full && seam.end - start < SHORTEST_BOUNDED_PIECE => {
                    self.stop(now, false);
                    return false;
                }
                (None, _) if full => {
                    self.stop(now, false);
                    return false;
                }
                (None, _) => {
                    self.leap(now);
                    return false;
                }
                (Some(seam), LongGop::Cut) => self.part(now, seam, arrived),
                (Some(seam), LongGop::Refuse) => {
                    self.part(now, seam, arrived);
                    self.refuse(now, reach.saturating_sub(gop_start), limit);
                    return false;
                }
            }
        }
    }

    /// Closes the open segment at a seam within the pictures that have come.
    fn part(&mut self, now: Instant, seam: Seam, arrived: Instant) {
        let independent = self.video.get(seam.index).is_some_and(|picture| picture.sync);
        let pictures = self.video.take(seam.index);
        let Seam { end, next_dts, .. } = seam;
        let parting = Parting { end, next_dts, key_follows: independent, completed: arrived };
        self.close_video(now, pictures, parting);
        if let State::Running(running) = &mut self.state {
            running.open = Open { start: seam.end, discontinuity: false, independent };
        }
    }

    /// Drops the rest of a GOP that passed the limit.
    fn refuse(&mut self, now: Instant, length: i64, limit: i64) {
        self.stats.refused_gops += 1;
        self.stats.dropped_video += count(self.video.reset());
        self.stop(now, false);
        self.outputs.push_back(Output::LongGop {
            length: media_duration(length),
            limit: media_duration(limit),
        });
    }

    /// A key frame has come: cuts before it where the rule says so. `false` when the timeline had to
    /// end instead.
    pub(super) fn key_frame(&mut self, now: Instant, key: &Picture) -> bool {
        let State::Running(running) = &mut self.state else { return false };
        let length = key.pts.saturating_sub(running.open.start);
        self.target.saw_gop(key.pts.saturating_sub(running.gop_start));
        running.gop_start = key.pts;
        let (new_tracks, new_audio) = self.tracks_change(&key.init);
        if length <= 0 {
            // A cut here would make an empty segment, and new parameters can't wait.
            if new_tracks {
                self.leap(now);
            }
            return !new_tracks;
        }
        let ends = self.config.cut == Cut::AtGoal && self.target.ends_at_key_frame(length);
        if !new_tracks && !ends {
            return true;
        }
        let pictures = self.video.take(self.video.len());
        let (end, next_dts) = (key.pts, key.dts);
        let parting = Parting { end, next_dts, key_follows: true, completed: key.arrived };
        self.close_video(now, pictures, parting);
        if let State::Running(running) = &mut self.state {
            running.open = Open { start: key.pts, discontinuity: new_tracks, independent: true };
        }
        if new_tracks {
            self.change_tracks(now, key, new_audio);
        }
        true
    }

    /// Whether the run has to end at a key frame, which `video` decodes, for its tracks or parameters,
    /// and whether audio is the reason.
    pub(super) fn tracks_change(&self, video: &Arc<InitSegment>) -> (bool, bool) {
        let State::Running(running) = &self.state else { return (false, false) };
        let audio_changes = running.epoch.audio.is_some()
            && !same_header(running.epoch.audio.as_ref(), self.announced.audio());
        let new_audio = audio_changes || !self.held.is_empty();
        let new_video = !same_header(running.epoch.video.as_ref(), Some(video));
        (new_audio || new_video, new_audio)
    }

    /// From the key frame on, tracks and parameters are its own and those announced last. Audio held
    /// for it is let go once the key frame has its place.
    pub(super) fn change_tracks(&mut self, now: Instant, key: &Picture, audio_changes: bool) {
        if audio_changes {
            self.finish_closing(now, true);
            self.drop_queued_audio();
        }
        let State::Running(running) = &mut self.state else { return };
        let audio = if audio_changes { None } else { running.epoch.audio.take() };
        running.epoch = Epoch::of_video(Arc::clone(&key.init), audio);
        if audio_changes {
            running.timeline = running.timeline.joined_at(key.pts);
        }
    }

    /// A picture of the track that leads as it goes behind the last one. New parameters hold from a key
    /// frame on.
    pub(super) fn picture(&self, stamps: Stamps, unit: &AccessUnit) -> Option<Picture> {
        let in_force = match &self.state {
            State::Running(running) if !unit.random_access => running.epoch.video.as_ref(),
            State::Running(_) | State::Waiting(_) | State::Ended => self.announced.get(unit.track),
        };
        Some(Picture {
            dts: self.video.decoding_time(stamps).0,
            pts: stamps.pts,
            sync: unit.random_access,
            payload: unit.payload.clone(),
            arrived: unit.arrived,
            init: Arc::clone(in_force?),
        })
    }

    pub(super) fn append_picture(&mut self, stamps: Stamps, picture: Picture) {
        self.stats.nudged += u64::from(picture.dts != stamps.dts || stamps.repaired);
        self.video.push(picture);
    }

    /// Video is too far ahead of the segment that still waits for its audio.
    fn hurry_closing(&mut self, now: Instant) {
        let (Some(closing), Some(last)) = (&self.closing, self.video.last_dts()) else { return };
        if last.saturating_sub(closing.end) > SKEW_MAX {
            self.stop_waiting(now);
        }
    }

    /// Pictures have stopped while audio went on: what is there is published, and the stream becomes
    /// audio only on the same timeline.
    pub(super) fn video_lost(&mut self, now: Instant) {
        self.finish_closing(now, false);
        let State::Running(Running { open, .. }) = &self.state else { return };
        let start = open.start;
        let Some(end) = self.video.end().map(|end| self.legal_end(start, end)) else { return };
        let pictures = self.video.take(self.video.len());
        let parting = Parting { end, next_dts: end, key_follows: true, completed: now };
        self.close_video(now, pictures, parting);
        self.finish_closing(now, false);
        self.video.reset();
        let State::Running(running) = &mut self.state else { return };
        let Some(audio) = running.epoch.audio.take() else { return self.stop(now, false) };
        running.epoch = Epoch::of_audio(audio);
        self.drop_followers();
        let State::Running(running) = &mut self.state else { return };
        running.open = Open { start: end, discontinuity: true, independent: true };
        self.cut_audio(now);
    }
}
