//! `EXT-X-TARGETDURATION`, and when a segment has to end (HLS rule PL-10).

use media::{MediaDuration, Timescale};

/// The largest target duration a stream may settle on, in seconds.
pub(crate) const LARGEST_TARGET: u8 = 12;

/// Stamps of RTMP are whole milliseconds: a GOP of two seconds may look this much shorter, in ticks.
const GOAL_TOLERANCE: i64 = 900;

const TICKS_PER_SECOND: i64 = 90_000;

/// The longest segment that is legal under a target, in ticks: just below half a second more, so that
/// it still rounds to the target.
fn limit_of(target: u8) -> i64 {
    i64::from(target) * TICKS_PER_SECOND + TICKS_PER_SECOND / 2 - 1
}

/// Seconds of `ticks` of the stream's clock, rounded as `EXTINF` is.
fn rounded_seconds(ticks: i64) -> u64 {
    let ticks = u64::try_from(ticks).unwrap_or(0);
    MediaDuration::new(ticks, Timescale::VIDEO).rounded_seconds()
}

/// The target duration: what it would be, until it is asked for; from then on a constant.
///
/// All lengths are in ticks of 90 kHz.
#[derive(Debug)]
pub(crate) struct TargetDuration {
    goal: i64,
    longest_gop: i64,
    longest_segment: i64,
    settled: Option<u8>,
}

impl TargetDuration {
    pub(crate) const fn new(goal: i64) -> Self {
        Self { goal, longest_gop: 0, longest_segment: 0, settled: None }
    }

    /// Seconds, with a segment open that is `open` ticks long so far.
    fn value(&self, open: i64) -> u8 {
        self.settled.unwrap_or_else(|| {
            let longest = self.goal.max(self.longest_gop).max(self.longest_segment).max(open);
            let seconds = rounded_seconds(longest).clamp(1, LARGEST_TARGET.into());
            u8::try_from(seconds).unwrap_or(LARGEST_TARGET)
        })
    }

    /// The final value; the first call decides it.
    pub(crate) fn settle(&mut self, open: i64) -> u8 {
        let value = self.value(open);
        self.settled = Some(value);
        value
    }

    /// The longest a segment may become.
    pub(crate) fn limit(&self) -> i64 {
        limit_of(self.settled.unwrap_or(LARGEST_TARGET))
    }

    pub(crate) fn saw_gop(&mut self, length: i64) {
        self.longest_gop = self.longest_gop.max(length);
    }

    pub(crate) fn saw_segment(&mut self, length: i64) {
        self.longest_segment = self.longest_segment.max(length);
    }

    pub(crate) const fn reaches_goal(&self, length: i64) -> bool {
        length + GOAL_TOLERANCE >= self.goal
    }

    /// Whether a segment of `length` ticks ends at the key frame that has just come: it has reached
    /// the goal, or another GOP as long as the longest so far could make it too long.
    pub(crate) fn ends_at_key_frame(&self, length: i64) -> bool {
        self.reaches_goal(length)
            || length.saturating_add(self.longest_gop) > limit_of(self.value(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> i64 {
        MediaDuration::from_std(std::time::Duration::from_secs_f64(seconds))
            .ticks()
            .try_into()
            .unwrap()
    }

    #[test]
    fn settles_once_on_the_longest_length_known() {
        let mut target = TargetDuration::new(seconds(2.0));
        target.saw_gop(seconds(8.333));
        assert_eq!(target.settle(seconds(1.0)), 8);
        target.saw_gop(seconds(11.0));
        assert_eq!(target.settle(seconds(11.0)), 8);
        assert_eq!(target.limit(), seconds(8.5) - 1);
    }

    #[test]
    fn stays_between_one_and_twelve_seconds() {
        assert_eq!(TargetDuration::new(seconds(0.3)).settle(0), 1);
        assert_eq!(TargetDuration::new(seconds(2.0)).settle(seconds(30.0)), 12);
    }

    #[test]
    fn halves_round_up_so_the_limit_stays_below() {
        assert_eq!(TargetDuration::new(seconds(2.5)).settle(0), 3);
        assert_eq!(rounded_seconds(limit_of(2)), 2);
        assert_eq!(rounded_seconds(limit_of(2) + 1), 3);
    }

    #[test]
    fn a_key_frame_before_the_goal_ends_the_segment_when_the_next_may_come_too_late() {
        let mut target = TargetDuration::new(seconds(2.0));
        target.saw_gop(seconds(1.2));
        assert!(!target.ends_at_key_frame(seconds(1.2)), "2.4 s would still be legal");
        target.saw_gop(seconds(2.0));
        assert!(target.ends_at_key_frame(seconds(1.2)));
        assert!(target.ends_at_key_frame(seconds(1.999)), "a millisecond of quantisation");
    }
}
