//! The one place that makes clocks of a publisher's timestamps.
//!
//! RTMP gives milliseconds modulo 2³², from encoders that repeat them, send zero, step back and start
//! over. [`Timeline`] extends them, repairs what can be repaired, tells a jump from a slip, and gives
//! every access unit its ticks: 90 kHz for video, the sampling rate for audio.
//!
//! All tracks share the publisher's clock, so a jump is one event for all. It takes two units that
//! agree before a jump is believed; a single odd stamp is put back in line instead.

mod audio_clock;

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use media::{AccessUnit, Chain, Timescale, Track, TrackId};

use self::audio_clock::AudioClock;
use crate::event::{DiscontinuityReason, PublisherEvent};

/// A track whose stamps step back further than this has jumped, in milliseconds.
const BACKWARD_LIMIT_MS: i64 = 1_000;
/// A stamp further than this from the latest of all tracks has jumped, in milliseconds. Also the
/// widest interleave allowed between the tracks' first units (OBS: up to 2 s).
const FORWARD_LIMIT_MS: i64 = 5_000;
/// How long after a jump units of the old timeline count as stragglers and are dropped.
const STRAGGLER_TIME: Duration = Duration::from_secs(2);
/// A composition time further out than this is no composition time, in milliseconds.
const COMPOSITION_LIMIT_MS: i32 = 10_000;
/// 90 kHz ticks in a millisecond.
const VIDEO_TICKS_PER_MS: i64 = 90;
const NANOS_PER_MS: i64 = 1_000_000;

/// An access unit with the publisher's own stamps.
#[derive(Clone, Debug)]
pub struct StampedUnit {
    /// Which track.
    pub track: TrackId,
    /// RTMP timestamp: decoding time in milliseconds, modulo 2³².
    pub timestamp: u32,
    /// Presentation minus decoding time, in milliseconds; zero for audio.
    pub composition_time_ms: i32,
    /// Added to the presentation time, in nanoseconds, below a millisecond; zero for audio.
    pub offset_nanos: u32,
    /// A decoder can start here.
    pub random_access: bool,
    /// The coded bytes.
    pub payload: Chain,
    /// When its last byte arrived.
    pub arrived: Instant,
}

/// What was repaired or lost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimelineStats {
    /// Video stamps that were equal, backward or alone, and were moved.
    pub repaired: u64,
    /// Audio clocks set anew because stamps and sample count had drifted a frame apart.
    pub audio_resyncs: u64,
    /// Jumps of the publisher's clock.
    pub jumps: u64,
    /// Units dropped because they belong to the timeline before a jump.
    pub stragglers: u64,
    /// Units dropped because their track is not known yet.
    pub untracked: u64,
}

/// One track's place on the timeline.
#[derive(Debug, Default)]
struct Lane {
    track: Option<Track>,
    /// The last stamp, extended.
    stamp: Option<i64>,
    /// Added to a stamp to get a position; zero unless the tracks' clocks parted.
    offset: i64,
    /// Latest position on the current timeline, in milliseconds.
    position: Option<i64>,
    /// Latest position on the timeline before.
    before: Option<i64>,
    last_dts: Option<i64>,
    audio: Option<AudioClock>,
}

impl Lane {
    /// Whether a position can follow the lane's latest, or, for a first one, the other tracks'.
    fn follows(last: Option<i64>, high: i64, position: i64) -> bool {
        let backward = last.map_or(high - FORWARD_LIMIT_MS, |last| last - BACKWARD_LIMIT_MS);
        let forward = last.map_or(high, |last| last.max(high)) + FORWARD_LIMIT_MS;
        (backward..=forward).contains(&position)
    }
}

/// A unit off the timeline, kept until another one settles what it means.
#[derive(Debug)]
struct Outlier {
    unit: StampedUnit,
    stamp: i64,
}

/// Gives access units their place in time. Holds no I/O; wants no timer.
#[derive(Debug, Default)]
pub struct Timeline {
    /// As many as its caller lets in.
    lanes: BTreeMap<TrackId, Lane>,
    /// Latest position of all tracks on the current timeline, in milliseconds.
    high: Option<i64>,
    /// Latest position on the timeline before, and when it was left.
    before: Option<(i64, Instant)>,
    outlier: Option<Outlier>,
    outputs: VecDeque<PublisherEvent>,
    stats: TimelineStats,
}

impl Timeline {
    /// An empty timeline.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a track's parameters for the units that follow.
    pub fn set_track(&mut self, track: Track) {
        // New parameters after an odd stamp: the encoder started over.
        if let Some(outlier) = self.outlier.take() {
            self.jump(outlier.unit.arrived);
            self.accept(outlier.unit, outlier.stamp);
        }
        let audio = track
            .parameters
            .sound()
            .map(|sound| AudioClock::new(track.timescale, i64::from(sound.frame_samples)));
        let lane = self.lanes.entry(track.id).or_default();
        lane.audio = audio;
        if lane.track.as_ref().is_some_and(|old| old.timescale != track.timescale) {
            lane.last_dts = None;
        }
        lane.track = Some(track.clone());
        self.outputs.push_back(PublisherEvent::Track(track));
    }

    /// Says how many tracks there will be ([`PublisherEvent::Layout`]).
    pub fn promise(&mut self, video: usize, audio: usize) {
        self.outputs.push_back(PublisherEvent::Layout { video, audio });
    }

    /// Places a unit.
    pub fn push(&mut self, unit: StampedUnit) {
        let Some(lane) = self.lanes.get(&unit.track) else {
            self.stats.untracked += 1;
            return;
        };
        let Some(high) = self.high else {
            let stamp = i64::from(unit.timestamp);
            return self.accept(unit, stamp);
        };
        let last = lane.position;
        // Next to the track's own last stamp; its first one on this timeline next to the others'.
        let near = last.and(lane.stamp).unwrap_or(high);
        let stamp = extend_near(near, unit.timestamp);
        if Lane::follows(last, high, stamp + lane.offset) {
            if self.outlier.as_ref().is_some_and(|outlier| outlier.unit.track == unit.track) {
                self.return_outlier();
            }
            self.accept(unit, stamp);
        } else if let (None, Some(old)) = (last, self.old_stamp(&unit)) {
            self.push_straggler(unit, old, high);
        } else {
            self.push_outlier(unit, stamp);
        }
    }

    /// Lets go of what is still held; the publish is over.
    pub fn finish(&mut self) {
        self.return_outlier();
    }

    /// The next event, in order.
    pub fn poll_output(&mut self) -> Option<PublisherEvent> {
        self.outputs.pop_front()
    }

    /// What was repaired or lost so far.
    #[must_use]
    pub const fn stats(&self) -> TimelineStats {
        self.stats
    }

    /// The stamp of a unit that continues the timeline before this one.
    fn old_stamp(&self, unit: &StampedUnit) -> Option<i64> {
        let (high, _) = self.before?;
        let lane = self.lanes.get(&unit.track)?;
        let stamp = extend_near(lane.stamp?, unit.timestamp);
        Lane::follows(lane.before, high, stamp).then_some(stamp)
    }

    /// Drops a unit of the old timeline. A track that stays there has a clock of its own: from then
    /// on it is laid beside the others, as they arrive together.
    fn push_straggler(&mut self, unit: StampedUnit, stamp: i64, high: i64) {
        let recent = self
            .before
            .is_some_and(|(_, left)| unit.arrived.saturating_duration_since(left) < STRAGGLER_TIME);
        let Some(lane) = self.lanes.get_mut(&unit.track) else { return };
        if recent {
            lane.before = lane.before.max(Some(stamp));
            lane.stamp = Some(stamp);
            let high = lane.before;
            self.before =
                self.before.map(|(old, left)| (high.map_or(old, |high| old.max(high)), left));
            self.stats.stragglers += 1;
        } else {
            lane.offset = high - stamp;
            self.accept(unit, stamp);
        }
    }

    fn push_outlier(&mut self, unit: StampedUnit, stamp: i64) {
        if let Some(outlier) = &self.outlier {
            let same = outlier.unit.track == unit.track;
            // The stamp was extended next to the old timeline; it belongs next to the outlier's.
            let near = extend_near(outlier.stamp, unit.timestamp);
            if Lane::follows(same.then_some(outlier.stamp), outlier.stamp, near) {
                self.jump(unit.arrived);
                if let Some(outlier) = self.outlier.take() {
                    self.accept(outlier.unit, outlier.stamp);
                }
                return self.accept(unit, near);
            }
            self.return_outlier();
        }
        self.outlier = Some(Outlier { unit, stamp });
    }

    /// Puts a single odd unit back in line, right after its track's last one: dropping a picture
    /// would break those that refer to it.
    fn return_outlier(&mut self) {
        let Some(Outlier { unit, .. }) = self.outlier.take() else { return };
        let Some(lane) = self.lanes.get(&unit.track) else { return };
        let (last, offset) = (lane.position.and(lane.stamp), lane.offset);
        let stamp = last.unwrap_or_else(|| self.high.unwrap_or(0) - offset);
        if lane.audio.is_some() {
            self.stats.repaired += 1;
        }
        self.accept(unit, stamp);
    }

    fn jump(&mut self, now: Instant) {
        if let Some(high) = self.high.take() {
            self.before = Some((high, now));
        }
        for lane in self.lanes.values_mut() {
            lane.before = lane.position.take();
            lane.offset = 0;
            lane.last_dts = None;
            if let Some(audio) = &mut lane.audio {
                audio.reset();
            }
        }
        self.stats.jumps += 1;
        self.outputs.push_back(PublisherEvent::Discontinuity(DiscontinuityReason::ClockJump));
    }

    /// Gives a unit its ticks and lets it go.
    fn accept(&mut self, unit: StampedUnit, stamp: i64) {
        let mut stats = self.stats;
        let id = unit.track;
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let position = stamp + lane.offset;
        let (dts, pts) = match &mut lane.audio {
            Some(audio) => {
                let dts = audio.place(position, &mut stats.audio_resyncs);
                (dts, dts)
            }
            None => {
                let wanted = position * VIDEO_TICKS_PER_MS;
                let earliest = lane.last_dts.map_or(i64::MIN, |last| last + 1);
                stats.repaired += u64::from(wanted < earliest);
                let dts = wanted.max(earliest);
                let offset = i64::from(unit.offset_nanos) * VIDEO_TICKS_PER_MS / NANOS_PER_MS;
                (dts, dts + composition_ticks(unit.composition_time_ms) + offset)
            }
        };
        lane.last_dts = Some(dts);
        lane.stamp = Some(stamp);
        lane.position = lane.position.max(Some(position));
        self.high = self.high.max(Some(position));
        self.stats = stats;
        self.outputs.push_back(PublisherEvent::AccessUnit(AccessUnit {
            track: id,
            dts,
            pts,
            random_access: unit.random_access,
            payload: unit.payload,
            arrived: unit.arrived,
        }));
    }
}

fn composition_ticks(milliseconds: i32) -> i64 {
    if milliseconds.abs() > COMPOSITION_LIMIT_MS {
        return 0;
    }
    i64::from(milliseconds) * VIDEO_TICKS_PER_MS
}

/// The number congruent to `timestamp` modulo 2³² that is nearest to `near`.
fn extend_near(near: i64, timestamp: u32) -> i64 {
    // The low 32 bits of `near`, and of the difference, are what serial arithmetic is about.
    let low = u32::try_from(near & i64::from(u32::MAX)).unwrap_or(0);
    let difference = timestamp.wrapping_sub(low).cast_signed();
    near + i64::from(difference)
}

/// Milliseconds to the nearest tick.
fn ticks(milliseconds: i64, timescale: Timescale) -> i64 {
    media::Timestamp::new(milliseconds, Timescale::MILLIS).rescale(timescale).ticks()
}

#[cfg(test)]
mod tests;
