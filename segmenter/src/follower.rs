//! A video track that is cut where another one leads.

use std::{sync::Arc, time::Instant};

use media::{AccessUnit, InitSegment, TrackId};

use crate::{
    timeline::{Stamps, Timeline},
    video_queue::{Picture, VideoQueue},
};

/// Most pictures of a follower, of the open segment and of the one that waits: 25 s at 327 per second.
const PICTURES_MAX: usize = 8_192;

/// Most bytes of them: 25 s at 21 Mbit/s.
const BYTES_MAX: usize = 64 << 20;

/// A decoding time that far back, in ticks of 90 kHz, is a new clock and no jitter.
const BACKWARD_MAX: i64 = 90_000;

/// Longest time within a segment, and at its end, without a picture of a layer that counts as there: 0.5 s.
const HOLE_MAX: i64 = 45_000;

/// Where a segment lies, as its leader cut it, in ticks of 90 kHz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The segment after it begins with a key frame.
    pub(crate) key_follows: bool,
    /// How far a key frame may be from either and still begin a segment there.
    pub(crate) tolerance: i64,
}

/// What a follower has for a segment.
#[derive(Debug)]
pub(crate) struct FollowerCut {
    pub(crate) init: Arc<InitSegment>,
    pub(crate) pictures: Vec<Picture>,
    /// Decoding time of the picture after the last one.
    pub(crate) next_dts: i64,
}

/// What became of a picture.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Pictures that had to go, itself perhaps among them.
    pub(crate) dropped: usize,
    /// Its decoding time had to be moved.
    pub(crate) moved: bool,
    /// The bounds were reached.
    pub(crate) overflowed: bool,
}

/// The pictures of a video track beside the one that leads.
///
/// They are kept until the leader's segment leaves. A segment of the follower begins with its own key
/// frame nearest to the leader's; where there is none, or pictures are missing, it has no media there.
#[derive(Debug)]
pub(crate) struct Follower {
    id: TrackId,
    /// Its last key frame's.
    init: Option<Arc<InitSegment>>,
    timeline: Option<Timeline>,
    queue: VideoQueue,
    /// The first picture goes on where a segment had to be cut without a key frame.
    carried: bool,
    /// Where its last segment ends, by decoding time, if that was the one before.
    ended: Option<i64>,
    /// The last wait for its pictures ended without any.
    idle: bool,
    /// The last picture that had come when a segment began to wait.
    seen: Option<i64>,
}

impl Follower {
    pub(crate) const fn new(id: TrackId) -> Self {
        Self {
            id,
            init: None,
            timeline: None,
            queue: VideoQueue::new(),
            carried: false,
            ended: None,
            idle: false,
            seen: None,
        }
    }

    /// A track that led until now, with the pictures of its open segment, which goes on at `start`.
    pub(crate) fn led(
        init: Arc<InitSegment>,
        timeline: Timeline,
        pictures: Vec<Picture>,
        start: i64,
    ) -> Self {
        let mut follower = Self::new(init.track.id);
        follower.ended = Some(pictures.first().map_or(start, |first| first.dts));
        pictures.into_iter().for_each(|picture| follower.queue.push(picture));
        Self { init: Some(init), timeline: Some(timeline), ..follower }
    }

    pub(crate) const fn id(&self) -> TrackId {
        self.id
    }

    pub(crate) const fn queue(&self) -> &VideoQueue {
        &self.queue
    }

    /// Pixels of its pictures.
    pub(crate) fn pixels(&self) -> u64 {
        self.init.as_ref().map_or(0, |init| pixels(init))
    }

    /// Takes the next picture, which `init` decodes, on the `leader`'s timeline.
    pub(crate) fn push(
        &mut self,
        leader: Timeline,
        init: &Arc<InitSegment>,
        unit: AccessUnit,
    ) -> Taken {
        let mut taken = Taken::default();
        let stamps = |timeline: Timeline| timeline.video(&unit);
        let back = |last: i64, stamps: Stamps| stamps.dts.saturating_sub(last) < -BACKWARD_MAX;
        if let (Some(timeline), Some(last)) = (self.timeline, self.queue.last_dts())
            && back(last, stamps(timeline))
        {
            taken.dropped += self.reset();
        }
        if self.queue.len() >= PICTURES_MAX || self.queue.bytes() >= BYTES_MAX {
            taken.overflowed = true;
            taken.dropped += self.reset();
        }
        if unit.random_access {
            self.init = Some(Arc::clone(init));
            self.timeline.get_or_insert_with(|| leader.beside(&unit));
        }
        let (Some(timeline), Some(init)) = (self.timeline, &self.init) else {
            taken.dropped += 1;
            return taken;
        };
        let stamps = timeline.video(&unit);
        let (dts, moved) = self.queue.decoding_time(stamps);
        taken.moved = moved || stamps.repaired;
        self.idle = false;
        self.queue.push(Picture {
            dts,
            pts: stamps.pts,
            sync: unit.random_access,
            payload: unit.payload,
            arrived: unit.arrived,
            init: Arc::clone(init),
        });
        taken
    }

    /// Forgets every picture and its clock; answers how many pictures there were.
    pub(crate) fn reset(&mut self) -> usize {
        let count = self.queue.reset();
        *self = Self::new(self.id);
        count
    }

    /// When its last picture arrived.
    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.queue.last_arrival()
    }

    /// Whether more than one picture of it is decoded after `dts`, so that it flows on there.
    pub(crate) fn flows_after(&self, dts: i64) -> bool {
        self.queue.len().saturating_sub(self.queue.count_before(dts.saturating_add(1))) > 1
    }

    /// Whether its pictures begin with a key frame where the open segment begins, at `start`.
    pub(crate) fn begins_at(&self, start: i64, tolerance: i64) -> bool {
        self.queue.get(0).is_some_and(|first| {
            first.sync && first.pts.abs_diff(start) <= tolerance.unsigned_abs()
        })
    }

    /// It has paused: nothing waits for it until it is back.
    #[must_use]
    pub(crate) fn paused(self) -> Self {
        Self { idle: true, ..self }
    }

    /// Whether nothing waits for it: it has paused.
    pub(crate) const fn is_idle(&self) -> bool {
        self.idle
    }

    /// A segment begins to wait for its tracks.
    pub(crate) const fn note_waiting(&mut self) {
        self.seen = self.queue.last_dts();
    }

    /// A segment that ends at `end` has waited in vain: where nothing came, the next one need not wait.
    pub(crate) fn note_waited(&mut self, end: i64, tolerance: i64) {
        let nothing_came = self.seen == self.queue.last_dts();
        self.idle |= nothing_came && !self.is_complete_before(end, tolerance);
    }

    /// Whether everything before `end` has come, as far as it is to be waited for.
    pub(crate) fn is_complete_before(&self, end: i64, tolerance: i64) -> bool {
        let past = |last: i64| last >= end.saturating_add(tolerance);
        self.idle
            || self.queue.last_dts().is_none_or(past)
            || self.queue.key_frame_near(end, tolerance).is_some()
    }

    /// Takes what belongs to a segment that leaves, and how many pictures belong to none.
    pub(crate) fn cut(&mut self, stretch: Stretch) -> (Option<FollowerCut>, usize) {
        let Stretch { start, end, key_follows, tolerance } = stretch;
        let first =
            if self.carried { Some(0) } else { self.queue.key_frame_near(start, tolerance) };
        let half = self.queue.last_step() / 2;
        let next_key = self.queue.key_frame_near(end, tolerance);
        let next_key = next_key.filter(|next| first.is_none_or(|first| *next > first));
        let parted = || self.queue.count_before(end.saturating_sub(half));
        let last = next_key.unwrap_or_else(parted);
        // Where the leader is cut without a key frame, so is what goes on behind it.
        let next = self.queue.get(last).filter(|_| next_key.is_some() || !key_follows);
        let (next_dts, goes_on) = (next.map_or(end, |next| next.dts), next.is_some());
        let mut pictures = self.queue.take(last);
        let mut dropped = 0;
        if let Some(first) = first {
            dropped = first.min(pictures.len());
            pictures.drain(..dropped);
        }
        let whole = first.is_some() && is_whole(&pictures, start, end, self.queue.last_step());
        self.carried = whole && goes_on && next_key.is_none();
        let ended = self.ended.take();
        let init = pictures.first().map(|picture| Arc::clone(&picture.init));
        let Some(init) = init.filter(|_| whole) else { return (None, dropped + pictures.len()) };
        join(&mut pictures, ended);
        let least = pictures.last().map_or(0, |last| last.dts.saturating_add(1));
        let next_dts = next_dts.max(least);
        self.ended = Some(next_dts);
        (Some(FollowerCut { init, pictures, next_dts }), dropped)
    }

    /// Its pictures from the open segment's first on, its clock and where that segment has to go on: it
    /// leads from now on.
    pub(crate) fn into_leader(mut self) -> Option<(Vec<Picture>, Timeline)> {
        let mut pictures = self.queue.take(self.queue.len());
        join(&mut pictures, self.ended);
        Some((pictures, self.timeline?))
    }
}

/// Pixels of the pictures that a header decodes.
pub(crate) fn pixels(init: &InitSegment) -> u64 {
    let picture = init.track.parameters.picture();
    picture.map_or(0, |(_, picture)| u64::from(picture.width) * u64::from(picture.height))
}

/// Whether pictures of one header cover a segment from its start to its end.
fn is_whole(pictures: &[Picture], start: i64, end: i64, step: i64) -> bool {
    let (Some(first), Some(last)) = (pictures.first(), pictures.last()) else { return false };
    let pairs = || pictures.iter().zip(pictures.iter().skip(1));
    first.dts.saturating_sub(start) <= HOLE_MAX
        && end.saturating_sub(last.dts.saturating_add(step)) <= HOLE_MAX
        && pairs().all(|(a, b)| b.dts.saturating_sub(a.dts) <= HOLE_MAX.max(2 * step))
        && pictures.iter().all(|picture| Arc::ptr_eq(&picture.init, &first.init))
}

/// Has the first picture decoded exactly where the segment before `ended`, the others after it in their order,
/// and no picture shown before time zero.
fn join(pictures: &mut [Picture], ended: Option<i64>) {
    let Some(first) = pictures.first_mut() else { return };
    first.pts = first.pts.max(0);
    first.dts = ended.unwrap_or(first.dts).max(0);
    let mut least = first.dts;
    for picture in pictures {
        picture.dts = picture.dts.max(least);
        least = picture.dts.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use media::{Chain, Timescale};

    use super::*;
    use crate::fixture::{init, instant};

    const STEP: i64 = 3_000;

    fn unit(index: i64, key: bool) -> AccessUnit {
        AccessUnit {
            track: TrackId(3),
            dts: index * STEP,
            pts: index * STEP,
            random_access: key,
            payload: Chain::new(),
            arrived: instant(0),
        }
    }

    /// A follower of 30 pictures per second, with key frames and holes at these pictures.
    fn follower(end: i64, keys: &[i64], missing: std::ops::Range<i64>) -> Follower {
        let timeline = Timeline::new(0, &unit(0, true), Timescale::VIDEO);
        let (mut follower, init) = (Follower::new(TrackId(3)), init());
        for index in (0..end).filter(|index| !missing.contains(index)) {
            follower.push(timeline, &init, unit(index, keys.contains(&index)));
        }
        follower
    }

    fn stretch(start: i64, end: i64) -> Stretch {
        Stretch { start: start * STEP, end: end * STEP, key_follows: true, tolerance: STEP }
    }

    /// Number of pictures, the first one's decoding time and that after the last one, in pictures.
    fn cut(follower: &mut Follower, stretch: Stretch) -> Option<(usize, i64, i64)> {
        let (cut, _) = follower.cut(stretch);
        cut.map(|cut| (cut.pictures.len(), cut.pictures[0].dts / STEP, cut.next_dts / STEP))
    }

    #[test]
    fn is_cut_at_its_own_key_frame_nearest_the_leaders() {
        let mut follower = follower(130, &[0, 61, 119], 0..0);
        assert_eq!(cut(&mut follower, stretch(0, 60)), Some((61, 0, 61)));
        assert_eq!(cut(&mut follower, stretch(60, 120)), Some((58, 61, 119)));
        assert_eq!(follower.queue().len(), 11, "the rest waits for its segment");
    }

    #[test]
    fn without_a_key_frame_near_the_cut_it_has_nothing_until_there_is_one() {
        let mut follower = follower(260, &[0, 30, 180, 200], 0..0);
        assert_eq!(cut(&mut follower, stretch(0, 60)), Some((60, 0, 60)), "whole so far");
        assert_eq!(cut(&mut follower, stretch(60, 120)), None);
        assert_eq!(cut(&mut follower, stretch(120, 180)), None);
        assert_eq!(cut(&mut follower, stretch(180, 240)), Some((60, 180, 240)));
    }

    #[test]
    fn goes_on_behind_a_cut_without_a_key_frame() {
        let mut follower = follower(130, &[0, 100], 0..0);
        let forced = |start, end| Stretch { key_follows: false, ..stretch(start, end) };
        assert_eq!(cut(&mut follower, forced(0, 50)), Some((50, 0, 50)));
        assert_eq!(cut(&mut follower, stretch(50, 100)), Some((50, 50, 100)));
        assert_eq!(cut(&mut follower, stretch(100, 125)), Some((25, 100, 125)));
    }

    #[test]
    fn a_pause_within_a_segment_leaves_nothing_of_it() {
        let mut follower = follower(190, &[0, 120], 40..120);
        assert_eq!(cut(&mut follower, stretch(0, 60)), None, "20 pictures are missing at its end");
        assert_eq!(cut(&mut follower, stretch(60, 120)), None);
        assert_eq!(cut(&mut follower, stretch(120, 180)), Some((60, 120, 180)));
        let mut holed = self::follower(130, &[0, 60], 20..40);
        assert_eq!(cut(&mut holed, stretch(0, 60)), None, "20 pictures are missing within");
        assert_eq!(cut(&mut holed, stretch(60, 120)), Some((60, 60, 120)));
    }

    #[test]
    fn is_waited_for_until_it_has_passed_the_cut_or_is_idle() {
        let mut follower = follower(59, &[0], 0..0);
        let end = 60 * STEP;
        assert!(!follower.is_complete_before(end, STEP));
        follower.note_waiting();
        follower.note_waited(end, STEP);
        assert!(follower.is_complete_before(end, STEP), "nothing came");
        let timeline = Timeline::new(0, &unit(0, true), Timescale::VIDEO);
        follower.push(timeline, &init(), unit(59, false));
        assert!(!follower.is_complete_before(end, STEP), "it is back");
        follower.push(timeline, &init(), unit(60, true));
        assert!(follower.is_complete_before(end, STEP));
    }

    #[test]
    fn past_its_bounds_it_begins_anew() {
        let timeline = Timeline::new(0, &unit(0, true), Timescale::VIDEO);
        let (mut follower, init) = (Follower::new(TrackId(3)), init());
        let mut dropped = 0;
        for index in 0..2 * i64::try_from(PICTURES_MAX).unwrap() {
            let taken = follower.push(timeline, &init, unit(index, index == 0));
            dropped += taken.dropped;
            assert!(follower.queue().len() <= PICTURES_MAX);
        }
        assert_eq!(dropped, 2 * PICTURES_MAX, "and without a key frame there is nothing to keep");
    }
}
