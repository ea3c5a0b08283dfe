//! One track's clock.

use media::{Timescale, Timestamp};

use super::{SECOND_NS, arrival::ArrivalFloor, reports::Reports};
use crate::{SLEW_MAX_PER_MILLE, SLEW_PER_MILLE};

/// Timestamps that step back further than this have jumped; those that step back less are out of order.
const BACKWARD_NS: i64 = SECOND_NS;
/// Timestamps that run this far ahead of the time that passed have jumped.
const AHEAD_NS: i64 = SECOND_NS;
/// Timestamps this far behind what arrived least delayed have jumped, or stood still.
const BEHIND_NS: i64 = 5 * SECOND_NS;
/// Timestamps may run this far ahead of arrivals in all, beyond where they began; and by a hundredth of the
/// time that passed, which is more than any clock drifts.
const AHEAD_SUM_NS: i64 = 10 * SECOND_NS;
const DRIFT_DIVISOR: i64 = 100;

/// What a timestamp means, by the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It goes on.
    InLine,
    /// It is elsewhere: a fault, or a jump, as the next one will tell.
    Odd,
    /// It is before the one before, or its track has run too far ahead of arrivals, which have to catch up
    /// first.
    Backward,
}

/// A timestamp with the arrival of what it is of, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) timestamp: u32,
    pub(crate) arrived: i64,
}

/// Where a track is.
#[derive(Clone, Copy, Debug)]
struct Last {
    stamp: Stamp,
    /// The timestamp extended, from zero where the clock was laid.
    ticks: i64,
    /// Presentation time handed out, in ticks on the media timeline.
    pts: i64,
}

/// A track's clock, laid on the media timeline by an offset.
#[derive(Debug)]
pub(crate) struct Lane {
    timescale: Timescale,
    /// Sound can't be stretched: it leads, pictures follow.
    pub(crate) is_sound: bool,
    last: Option<Last>,
    /// Media time minus arrival where the lane began first, in nanoseconds.
    lead: Option<i64>,
    /// Media time minus extended timestamp, in nanoseconds.
    pub(crate) offset: i64,
    pub(crate) floor: ArrivalFloor,
    pub(crate) reports: Reports,
    /// What reports put it before where arrivals do, in nanoseconds: how its path differs from the
    /// leader's.
    pub(crate) path: i64,
}

impl Lane {
    pub(crate) fn new(timescale: Timescale, is_sound: bool) -> Self {
        Self {
            timescale,
            is_sound,
            last: None,
            lead: None,
            offset: 0,
            floor: ArrivalFloor::default(),
            reports: Reports::default(),
            path: 0,
        }
    }

    pub(crate) const fn has_begun(&self) -> bool {
        self.last.is_some()
    }

    pub(crate) fn judge(&self, stamp: Stamp) -> Judgement {
        let Some(last) = self.last else { return Judgement::InLine };
        let step = step(last.stamp.timestamp, stamp.timestamp);
        let time = self.nanos(step);
        let waited = (stamp.arrived - last.stamp.arrived).max(0);
        let ahead = stamp.arrived - self.nanos(last.ticks + step);
        let behind = self.floor.get().is_some_and(|floor| ahead - floor > BEHIND_NS);
        if self.runs_ahead(last.pts, time, stamp.arrived) {
            Judgement::Backward
        } else if time < -BACKWARD_NS || time - waited > AHEAD_NS {
            Judgement::Odd
        } else if step < 0 || (step == 0 && self.is_sound) {
            Judgement::Backward
        } else if behind {
            Judgement::Odd
        } else {
            Judgement::InLine
        }
    }

    /// Whether a unit that comes `time` after the one at `pts` is further ahead of its arrival than all steps
    /// together may take it.
    fn runs_ahead(&self, pts: i64, time: i64, arrived: i64) -> bool {
        let lead = self.nanos(pts).saturating_add(time.clamp(0, AHEAD_NS)).saturating_sub(arrived);
        let gained = lead.saturating_sub(self.lead.unwrap_or(lead));
        gained > AHEAD_SUM_NS.saturating_add(arrived / DRIFT_DIVISOR)
    }

    /// Whether two odd stamps in a row agree: then the clock has jumped.
    pub(crate) fn agree(&self, first: Stamp, second: Stamp) -> bool {
        let step = step(first.timestamp, second.timestamp);
        let waited = (second.arrived - first.arrived).max(0);
        step > 0 && self.nanos(step) - waited <= AHEAD_NS
    }

    /// Begins the lane, or lays it anew after a jump, with `offset` for extended timestamps from zero.
    pub(crate) fn begin(&mut self, stamp: Stamp, offset: i64) -> i64 {
        self.floor = ArrivalFloor::default();
        self.floor.push(stamp.arrived, stamp.arrived);
        // Never back, so the offset gives way.
        let earliest = self.last.map(|last| self.nanos(last.pts + 1));
        self.offset = earliest.map_or(offset, |earliest| offset.max(earliest));
        let pts = self.hand_out(stamp, 0);
        let lead = self.nanos(pts).saturating_sub(stamp.arrived);
        self.lead.get_or_insert(lead);
        pts
    }

    /// The time of a stamp in line, after moving the offset towards `target`, by no more than
    /// [`slew_per_mille`] of the time since the one before.
    pub(crate) fn place(&mut self, stamp: Stamp, target: Option<i64>) -> i64 {
        let Some(last) = self.last else { return self.begin(stamp, self.offset) };
        let step = step(last.stamp.timestamp, stamp.timestamp);
        if let Some(target) = target {
            let way = target.saturating_sub(self.offset);
            let limit = self.nanos(step.max(0)).saturating_mul(slew_per_mille(way)) / 1_000;
            self.offset += way.clamp(-limit, limit);
        }
        let ticks = last.ticks + step;
        self.floor.push(stamp.arrived, stamp.arrived - self.nanos(ticks));
        self.hand_out(stamp, ticks)
    }

    /// The time of a unit whose stamp means nothing: `after` ticks behind the one before.
    pub(crate) fn place_behind(&mut self, after: i64) -> i64 {
        let Some(last) = &mut self.last else { return 0 };
        last.pts += after.max(1);
        last.pts
    }

    /// The extended timestamp of a sender report, in nanoseconds; `None` if it is out of all proportion
    /// to the time that passed since the last unit, or there was none.
    pub(crate) fn report_time(&self, stamp: Stamp) -> Option<i64> {
        let last = self.last?;
        let step = step(last.stamp.timestamp, stamp.timestamp);
        let off = self.nanos(step) - (stamp.arrived - last.stamp.arrived);
        (off.abs() <= 2 * BEHIND_NS).then(|| self.nanos(last.ticks + step))
    }

    fn hand_out(&mut self, stamp: Stamp, ticks: i64) -> i64 {
        let offset = nanos_to_ticks(self.offset, self.timescale);
        let earliest = self.last.map_or(i64::MIN, |last| last.pts + 1);
        let pts = (ticks + offset).max(earliest);
        self.last = Some(Last { stamp, ticks, pts });
        pts
    }

    fn nanos(&self, ticks: i64) -> i64 {
        ticks_to_nanos(ticks, self.timescale)
    }
}

/// How fast an offset moves that has `way` nanoseconds to go: as usual up to 100 ms, then the faster the
/// further. Half a second apart is seen by everyone, pictures a quarter too fast for a moment hardly.
fn slew_per_mille(way: i64) -> i64 {
    const NANOS_PER_MILLE: i64 = 2_000_000;
    (way.saturating_abs() / NANOS_PER_MILLE).clamp(SLEW_PER_MILLE, SLEW_MAX_PER_MILLE)
}

/// From a timestamp to another one, by the shorter way round (RFC 1982).
fn step(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from).cast_signed())
}

const NANOS: Timescale = Timescale::new(1_000_000_000).unwrap();

fn ticks_to_nanos(ticks: i64, timescale: Timescale) -> i64 {
    Timestamp::new(ticks, timescale).rescale(NANOS).ticks()
}

fn nanos_to_ticks(nanos: i64, timescale: Timescale) -> i64 {
    Timestamp::new(nanos, NANOS).rescale(timescale).ticks()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_steps_ahead_do_not_add_up() {
        let mut lane = Lane::new(Timescale::new(90_000).unwrap(), false);
        lane.begin(Stamp { timestamp: 0, arrived: 0 }, 0);
        // Each 0.9 s after the one before, all at once.
        let at = |index: u32, arrived| Stamp { timestamp: index * 81_000, arrived };
        let taken = (1..100).take_while(|index| {
            let stamp = at(*index, 0);
            let in_line = lane.judge(stamp) == Judgement::InLine;
            if in_line {
                lane.place(stamp, None);
            }
            in_line
        });
        assert_eq!(taken.count(), 11);
        assert_eq!(lane.judge(at(12, 0)), Judgement::Backward);
        // A jump does not get round it.
        assert_eq!(lane.judge(at(1_000, 0)), Judgement::Backward);
        // Arrivals catch up.
        assert_eq!(lane.judge(at(12, SECOND_NS)), Judgement::InLine);
    }
}
