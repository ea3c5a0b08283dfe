//! Segments that the publisher cuts.

use std::time::{Instant, SystemTime};

use media::{AccessUnit, MediaDuration};

use super::{Open, Segmenter, State, ticks};
use crate::{epoch::Epoch, timeline::Stamps};

/// How much earlier than the segment before was assumed to end the next one may begin: 20 ms, or half
/// a picture where that is less, so that its first picture stays before its second.
const OVERLAP_MAX: i64 = 1_800;

/// How much later it may begin: 0.5 s. Its first picture is then shown from the end of the segment
/// before on; a larger hole is a new timeline.
const HOLE_MAX: i64 = 45_000;

/// Audio alone that is shorter waits for more, in ticks of 90 kHz. What lies behind a segment's last
/// picture is shorter than that, and no segment of its own.
const SHORTEST_AUDIO: i64 = 45_000;

impl Segmenter {
    /// What was pushed so far is a segment, says the publisher: closes it right away, whatever its
    /// length. Nothing happens when nothing was pushed since the last one.
    ///
    /// The segment ends a usual picture after its last one. Audio behind that belongs to the next
    /// segment. The next key frame goes on from there, a little early or late, or begins a new
    /// timeline when it is further off; pictures before it are left out. Without pictures, half a
    /// second of audio or more is a segment.
    pub fn close(&mut self, now: Instant, wall: SystemTime) {
        if matches!(self.state, State::Waiting(_)) && self.held_length() >= SHORTEST_AUDIO {
            self.start_with_audio(now, wall);
        }
        let heard = self.last_arrival();
        self.finish_closing(now, false);
        let State::Running(running) = &mut self.state else { return };
        running.heard = heard;
        if running.epoch.video.is_none() {
            self.close_audio_alone(now);
        } else if self.video.is_empty() {
            self.close_without_pictures(now);
        } else {
            self.close_pictures(now);
        }
    }

    /// Length of the audio that waits for a first picture, in ticks of 90 kHz.
    fn held_length(&self) -> i64 {
        let Some(init) = self.announced.audio() else { return 0 };
        ticks(MediaDuration::new(self.held.span(), init.track.timescale).to_std())
    }

    fn close_pictures(&mut self, now: Instant) {
        let (State::Running(running), Some(end)) = (&self.state, self.video.usual_end()) else {
            return;
        };
        let end = self.legal_end(running.open.start, end);
        self.close_whole(now, end, false);
        if let State::Running(running) = &mut self.state {
            running.open = Open { start: end, discontinuity: false, independent: true };
        }
    }

    fn close_audio_alone(&mut self, now: Instant) {
        if let Some((frames, end)) = self.audio_alone() {
            self.close_audio(frames, end, now);
        }
    }

    /// How many audio frames make a segment of their own by now, and where it ends.
    fn audio_alone(&self) -> Option<(usize, i64)> {
        let State::Running(running) = &self.state else { return None };
        let (start, end) = (running.open.start, self.audio_end()?);
        let end = self.legal_end(start, end);
        let frames = self.audio.as_ref()?.count_before(end);
        (frames > 0 && end.saturating_sub(start) >= SHORTEST_AUDIO).then_some((frames, end))
    }

    /// A segment without pictures where there were some: from here on the timeline is audio only, until
    /// the next key frame.
    fn close_without_pictures(&mut self, now: Instant) {
        if self.audio_alone().is_none() {
            return;
        }
        let State::Running(running) = &mut self.state else { return };
        let Some(audio) = running.epoch.audio.take() else { return };
        let Open { start, discontinuity, .. } = running.open;
        let discontinuity = discontinuity || running.epoch.published;
        running.epoch = Epoch::of_audio(audio);
        running.open = Open { start, discontinuity, independent: true };
        self.cut_audio(now);
        self.close_audio_alone(now);
    }

    /// The first picture after [`Self::close`].
    pub(super) fn resume(&mut self, now: Instant, wall: SystemTime, unit: AccessUnit) {
        let State::Running(running) = &self.state else { return };
        if !unit.random_access {
            self.stats.dropped_video += 1;
            return;
        }
        let start = running.open.start;
        let stamps = running.timeline.video(&unit);
        let off = stamps.pts.saturating_sub(start);
        let overlap = OVERLAP_MAX.min(self.video.last_step() / 2);
        if off < -overlap || off > HOLE_MAX {
            self.leap(now);
            return self.push_video(now, wall, unit);
        }
        self.stats.nudged += u64::from(off != 0);
        self.target.saw_gop(start.saturating_sub(running.gop_start));
        let stamps = Stamps { dts: start, pts: start, repaired: stamps.repaired };
        let Some(key) = self.picture(stamps, &unit) else { return };
        let (new_tracks, new_audio) = self.tracks_change(&key.init);
        if let State::Running(running) = &mut self.state {
            running.gop_start = start;
            running.open = Open { start, discontinuity: new_tracks, independent: true };
        }
        if new_tracks {
            self.change_tracks(now, &key, new_audio);
        }
        self.append_picture(stamps, key);
        self.release_held_audio(now, wall);
    }
}
