//! One stretch of a publisher's clock, laid onto the stream's own continuous timeline.

use media::{AccessUnit, Timescale, Timestamp};

/// Furthest a presentation time may be from its decoding time, in seconds; beyond it is a fault.
const REORDER_LIMIT_SECONDS: i64 = 10;

/// Decoding and presentation time on the stream's timeline, in ticks of the track's timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    /// The presentation time was out of all proportion and replaced by the decoding time.
    pub(crate) repaired: bool,
}

/// Constants that move the publisher's stamps onto the stream's timeline.
///
/// Presentation times of all tracks move by the same time. Video's decoding times move by a second
/// constant such that its first picture is decoded when it is shown: then `tfdt` equals the segment's
/// start, no edit list is needed, and composition offsets are signed (HLS rule SEG-4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    /// Where it begins on the stream's timeline, in ticks of 90 kHz.
    start: i64,
    /// Added to presentation times, in ticks of `timescale`.
    offset: i64,
    /// The timescale of the track it was anchored to.
    timescale: Timescale,
    /// Added to video's decoding times on top of `offset`, in ticks of 90 kHz.
    reorder_delay: i64,
}

impl Timeline {
    /// Begins at `start` with the first access unit of the track that leads, in `timescale`.
    pub(crate) fn new(start: i64, first: &AccessUnit, timescale: Timescale) -> Self {
        let stamps = source_stamps(first, timescale);
        let begin = Timestamp::new(start, Timescale::VIDEO).rescale(timescale).ticks();
        Self {
            start,
            offset: begin.saturating_sub(stamps.pts),
            timescale,
            reorder_delay: stamps.pts.saturating_sub(stamps.dts),
        }
    }

    /// The same clock, for tracks that join at `start`: nothing of them lies before it.
    #[must_use]
    pub(crate) const fn joined_at(self, start: i64) -> Self {
        Self { start, ..self }
    }

    /// The same clock for another video track, which begins with `first`: how long its pictures wait
    /// between decoding and showing is its own.
    #[must_use]
    pub(crate) fn beside(self, first: &AccessUnit) -> Self {
        let stamps = source_stamps(first, Timescale::VIDEO);
        Self { reorder_delay: stamps.pts.saturating_sub(stamps.dts), ..self }
    }

    /// Where it begins on the stream's timeline, in ticks of 90 kHz.
    pub(crate) const fn start(&self) -> i64 {
        self.start
    }

    /// A picture's stamps, in ticks of 90 kHz.
    pub(crate) fn video(&self, unit: &AccessUnit) -> Stamps {
        let source = source_stamps(unit, Timescale::VIDEO);
        let offset = self.offset_in(Timescale::VIDEO);
        Stamps {
            dts: source.dts.saturating_add(offset).saturating_add(self.reorder_delay),
            pts: source.pts.saturating_add(offset),
            repaired: source.repaired,
        }
    }

    /// An audio frame's presentation time, which is also its decoding time.
    pub(crate) fn audio(&self, unit: &AccessUnit, timescale: Timescale) -> i64 {
        unit.pts.saturating_add(self.offset_in(timescale))
    }

    fn offset_in(&self, timescale: Timescale) -> i64 {
        Timestamp::new(self.offset, self.timescale).rescale(timescale).ticks()
    }
}

fn source_stamps(unit: &AccessUnit, timescale: Timescale) -> Stamps {
    let limit = u64::from(timescale.get()).saturating_mul(REORDER_LIMIT_SECONDS.unsigned_abs());
    let repaired = unit.pts.abs_diff(unit.dts) > limit;
    let pts = if repaired { unit.dts } else { unit.pts };
    Stamps { dts: unit.dts, pts, repaired }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use media::{Chain, TrackId};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
    fn unit(dts: i64, pts: i64) -> AccessUnit {
        AccessUnit {
            track: TrackId::VIDEO,
            dts,
            pts,
            random_access: true,
            payload: Chain::new(),
            arrived: Instant::now(),
        }
    }

    #[test]
    fn the_first_picture_is_decoded_when_shown_at_the_start() {
        let timeline = Timeline::new(900, &unit(7_000, 14_200), Timescale::VIDEO);
        let first = timeline.video(&unit(7_000, 14_200));
        assert_eq!((first.dts, first.pts), (900, 900));
        let b_frame = timeline.video(&unit(13_000, 16_000));
        assert_eq!((b_frame.dts, b_frame.pts), (6_900, 2_700));
    }

    #[test]
    fn audio_moves_by_the_same_time_within_half_a_tick() {
        let rate = Timescale::new(44_100).unwrap();
        let timeline = Timeline::new(180_007, &unit(1_234_567, 1_234_567), Timescale::VIDEO);
        let source = unit(604_938, 604_938);
        let moved = Timestamp::new(timeline.audio(&source, rate), rate);
        let want = 180_007 - 1_234_567;
        let got = (i128::from(moved.ticks()) - 604_938) * 90_000 / 44_100;
        assert!((got - want).abs() <= 2, "{got} {want}");
    }

    #[test]
    fn absurd_composition_times_are_replaced_and_extremes_do_not_overflow() {
        let timeline = Timeline::new(0, &unit(0, 0), Timescale::VIDEO);
        assert!(timeline.video(&unit(0, 90_000 * 11)).repaired);
        let far = Timeline::new(i64::MAX, &unit(i64::MIN, i64::MAX), Timescale::VIDEO);
        assert_eq!(far.video(&unit(i64::MAX, i64::MIN)).dts, i64::MAX);
    }
}
