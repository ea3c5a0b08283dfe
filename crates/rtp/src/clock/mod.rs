//! The clocks of a publisher's tracks, laid on one media timeline.
//!
//! An RTP clock starts anywhere and runs at the sender's pace; what ties two of them together is the
//! sender's wall clock in the sender reports (RFC 3550 §6.4.1). The rules:
//!
//! 1. Media time zero is the receiver's start. The first track is laid by the arrival of its first
//!    unit.
//! 2. **Sound leads**, or the first track as long as there is no sound: its offset never changes, so its
//!    samples are evenly spaced for ever, and a clock that drifts takes the timeline along.
//! 3. The others follow. With reports of both, a track belongs where these put it beside the leader;
//!    until then where its least delayed arrivals put it, and when they fail, there too, less what
//!    reports have shown its path to differ. Reports that put it more than [`TRUST_NS`] from where
//!    arrivals do are not believed.
//! 4. A follower's offset moves by at most [`crate::SLEW_PER_MILLE`] thousandths of the time that
//!    passes: 100 ms are gone after two seconds, a drift of 200 ppm takes a 250th of that. What is further
//!    off moves faster, up to [`crate::SLEW_MAX_PER_MILLE`]: half a second is gone after five. Time never
//!    goes back. Arrivals, which are never exact, move nothing by less than [`ARRIVAL_SLACK_NS`].
//! 5. A clock that jumps is laid anew by arrival ([`Clocks::lay_anew`]), and its reports are forgotten.
//!    When the sender's wall clock steps, all reports are, until each track has one from after it.

mod arrival;
mod lane;
mod reports;

use std::{collections::BTreeMap, time::Instant};

use media::{Timescale, TrackId};

pub(crate) use self::lane::Judgement;
use self::lane::Lane;
use self::{lane::Stamp, reports::Believed};
use crate::SenderReport;

pub(crate) const SECOND_NS: i64 = 1_000_000_000;

/// How far reports may put a track from where its arrivals put it: no path delays sound and pictures
/// that differently.
const TRUST_NS: i64 = 2 * SECOND_NS;
/// What arrivals are off by, at best.
const ARRIVAL_SLACK_NS: i64 = SECOND_NS / 100;

/// All clocks of a publisher. Holds no I/O.
#[derive(Debug)]
pub(crate) struct Clocks {
    epoch: Instant,
    lanes: BTreeMap<TrackId, Lane>,
    leader: Option<TrackId>,
    /// The wall clock of the first report; others are counted from it, so that 2036 is no special year.
    first_ntp: Option<u64>,
}

impl Clocks {
    /// Media time zero is `epoch`.
    pub(crate) const fn new(epoch: Instant) -> Self {
        Self { epoch, lanes: BTreeMap::new(), leader: None, first_ntp: None }
    }

    pub(crate) fn add(&mut self, track: TrackId, timescale: Timescale, is_sound: bool) {
        self.lanes.insert(track, Lane::new(timescale, is_sound));
        if self.leader == Some(track) {
            self.leader = None;
        }
    }

    /// What a unit's timestamp means.
    pub(crate) fn judge(&self, track: TrackId, timestamp: u32, arrived: Instant) -> Judgement {
        let stamp = self.stamp(timestamp, arrived);
        self.lanes.get(&track).map_or(Judgement::Backward, |lane| lane.judge(stamp))
    }

    /// Whether two odd units in a row agree that the clock has jumped.
    pub(crate) fn agree(
        &self,
        track: TrackId,
        first: (u32, Instant),
        second: (u32, Instant),
    ) -> bool {
        let (first, second) = (self.stamp(first.0, first.1), self.stamp(second.0, second.1));
        self.lanes.get(&track).is_some_and(|lane| lane.agree(first, second))
    }

    /// The time of a unit in line, in ticks of its track's clock.
    pub(crate) fn place(&mut self, track: TrackId, timestamp: u32, arrived: Instant) -> i64 {
        if self.lanes.get(&track).is_some_and(|lane| !lane.has_begun()) {
            return self.lay_anew(track, timestamp, arrived);
        }
        let stamp = self.stamp(timestamp, arrived);
        let target = self.target(track);
        self.lanes.get_mut(&track).map_or(0, |lane| lane.place(stamp, target))
    }

    /// The time of a unit whose timestamp means nothing: `after` ticks behind the one before.
    pub(crate) fn place_behind(&mut self, track: TrackId, after: i64) -> i64 {
        self.lanes.get_mut(&track).map_or(0, |lane| lane.place_behind(after))
    }

    /// Lays a track's clock anew, beginning with this unit, where its arrival puts it. Answers the
    /// unit's time. Its reports are forgotten.
    pub(crate) fn lay_anew(&mut self, track: TrackId, timestamp: u32, arrived: Instant) -> i64 {
        let stamp = self.stamp(timestamp, arrived);
        let behind = |lane: &Lane| Some(lane.offset - lane.floor.get()?);
        let leader = self.leader.and_then(|leader| self.lanes.get(&leader));
        let Some(lane) = self.lanes.get(&track) else { return 0 };
        // How far media time is from arrivals: as before, or as with the leader, or not at all.
        let behind = behind(lane).or_else(|| leader.and_then(behind)).unwrap_or(0);
        if leader.is_none_or(|leader| lane.is_sound && !leader.is_sound) {
            self.leader = Some(track);
        }
        let Some(lane) = self.lanes.get_mut(&track) else { return 0 };
        lane.reports = reports::Reports::default();
        lane.begin(stamp, stamp.arrived + behind)
    }

    /// Takes a sender report of a track. Answers whether it was believed.
    pub(crate) fn report(&mut self, track: TrackId, report: &SenderReport) -> bool {
        // A sender without a wall clock says zero (RFC 3550 §6.4.1).
        if report.ntp == 0 {
            return false;
        }
        let first = *self.first_ntp.get_or_insert(report.ntp);
        let wall = ntp_nanos(report.ntp.wrapping_sub(first).cast_signed());
        let stamp = self.stamp(report.rtp, report.arrived);
        let Some(lane) = self.lanes.get_mut(&track) else { return false };
        let Some(time) = lane.report_time(stamp) else { return false };
        match lane.reports.push(stamp.arrived, wall.saturating_sub(time)) {
            Believed::Yes => true,
            Believed::NotYet => false,
            Believed::Stepped => {
                for (id, lane) in &mut self.lanes {
                    if *id != track {
                        lane.reports = reports::Reports::default();
                    }
                }
                true
            }
        }
    }

    /// The offset a track should have beside the leader; `None` where it may stay.
    fn target(&mut self, track: TrackId) -> Option<i64> {
        let leader = self.lanes.get(&self.leader.filter(|leader| *leader != track)?)?;
        let (offset, floor, leads) = (leader.offset, leader.floor.get()?, leader.reports.get());
        let lane = self.lanes.get_mut(&track)?;
        let by_arrival = offset + lane.floor.get()? - floor;
        let by_reports = leads
            .zip(lane.reports.get())
            .map(|(leads, own)| offset.saturating_add(own.saturating_sub(leads)))
            .filter(|target| target.saturating_sub(by_arrival).saturating_abs() <= TRUST_NS);
        if let Some(target) = by_reports {
            lane.path = target - by_arrival;
            return Some(target);
        }
        let target = by_arrival + lane.path;
        ((target - lane.offset).abs() > ARRIVAL_SLACK_NS).then_some(target)
    }

    fn stamp(&self, timestamp: u32, arrived: Instant) -> Stamp {
        let since = arrived.saturating_duration_since(self.epoch).as_nanos();
        Stamp { timestamp, arrived: i64::try_from(since).unwrap_or(i64::MAX / 4) }
    }
}

/// Seconds with 32 bits of fraction, in nanoseconds.
fn ntp_nanos(fixed: i64) -> i64 {
    let nanos = (i128::from(fixed) * i128::from(SECOND_NS)) >> 32;
    i64::try_from(nanos).unwrap_or(i64::MAX)
}
