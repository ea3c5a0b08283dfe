//! When a segment's pictures are shown, and which of them to compare.

use ffmpeg_next::Rational;

use crate::decode::SourceTrack;

/// The pictures of one segment by the time since the first of them, in microseconds.
///
/// The first is the key frame that the segment begins with: what is shown before it refers to another
/// segment.
pub(super) struct Timeline {
    pictures: Vec<TimedPicture>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimedPicture {
    /// Place of its packet in the track.
    packet: usize,
    since_first: i64,
}

/// Packets of the two pictures from about the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MiddlePair {
    pub(super) source: usize,
    pub(super) rendition: usize,
}

impl Timeline {
    /// `None` when the first picture has no time.
    pub(super) fn of(track: &SourceTrack) -> Option<Self> {
        Self::new(track.packets.iter().map(|packet| packet.pts()), track.time_base)
    }

    fn new(times: impl Iterator<Item = Option<i64>>, time_base: Rational) -> Option<Self> {
        let mut times = times.enumerate().peekable();
        let first = times.peek()?.1?;
        let timed = |(packet, pts): (usize, Option<i64>)| {
            let ticks = pts?.checked_sub(first).filter(|ticks| *ticks >= 0)?;
            Some(TimedPicture { packet, since_first: microseconds(ticks, time_base) })
        };
        Some(Self { pictures: times.filter_map(timed).collect() })
    }

    /// The rendition's picture nearest to the middle of this, the source's, timeline, and the source's
    /// nearest to that one. `None` when the rendition shows nothing near the middle.
    pub(super) fn middle_pair(&self, rendition: &Self) -> Option<MiddlePair> {
        /// The nearest is never refused below this, in microseconds: a segment may be very short.
        const ALWAYS_NEAR: i64 = 100_000;
        let span = self.pictures.iter().map(|picture| picture.since_first).max()?;
        let middle = self.nearest(span / 2)?;
        let counterpart = rendition.nearest(middle.since_first)?;
        let apart = counterpart.since_first.saturating_sub(middle.since_first).saturating_abs();
        if apart > ALWAYS_NEAR.max(span / 8) {
            return None;
        }
        let source = self.nearest(counterpart.since_first)?;
        Some(MiddlePair { source: source.packet, rendition: counterpart.packet })
    }

    /// Of two that are equally near, the earlier in the file.
    fn nearest(&self, since_first: i64) -> Option<TimedPicture> {
        let distance = |picture: &&TimedPicture| picture.since_first.abs_diff(since_first);
        self.pictures.iter().min_by_key(distance).copied()
    }
}

fn microseconds(ticks: i64, time_base: Rational) -> i64 {
    let (num, den) = (time_base.numerator(), time_base.denominator().max(1));
    let microseconds = i128::from(ticks) * i128::from(num) * 1_000_000 / i128::from(den);
    i64::try_from(microseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pictures at these milliseconds.
    fn timeline(times: &[i64]) -> Timeline {
        Timeline::new(times.iter().map(|time| Some(*time)), Rational(1, 1_000)).unwrap()
    }

    fn every(interval: i64, count: i64, start: i64) -> Vec<i64> {
        (0..count).map(|n| start + n * interval).collect()
    }

    fn pair(source: usize, rendition: usize) -> Option<MiddlePair> {
        Some(MiddlePair { source, rendition })
    }

    #[test]
    fn the_same_pictures_meet_whatever_their_start() {
        let source = timeline(&every(40, 51, 90_000));
        assert_eq!(source.middle_pair(&timeline(&every(40, 51, 0))), pair(25, 25));
        assert_eq!(source.middle_pair(&timeline(&every(40, 51, -7_000))), pair(25, 25));
    }

    #[test]
    fn half_the_frame_rate_meets_the_picture_it_kept() {
        let source = timeline(&every(20, 100, 0));
        let rendition = timeline(&every(40, 50, 0));
        let met = source.middle_pair(&rendition).unwrap();
        assert_eq!(met.source, 2 * met.rendition);
        assert!((40..60).contains(&met.source), "{met:?}");
    }

    #[test]
    fn packets_are_found_in_decoding_order() {
        let source = timeline(&[0, 80, 40, 160, 120]);
        let rendition = timeline(&[0, 160, 80, 40, 120]);
        assert_eq!(source.middle_pair(&rendition), pair(1, 2));
    }

    #[test]
    fn pictures_ahead_of_the_key_frame_count_for_nothing() {
        let source = timeline(&[1_000, 920, 960, 1_080, 1_040]);
        assert_eq!(source.middle_pair(&source), pair(4, 4));
    }

    #[test]
    fn a_rendition_that_ends_early_has_no_counterpart() {
        let source = timeline(&every(40, 51, 0));
        assert_eq!(source.middle_pair(&timeline(&every(40, 18, 0))), None);
        assert_eq!(source.middle_pair(&timeline(&[0])), None);
        assert_eq!(source.middle_pair(&timeline(&[5; 51])), None);
    }

    #[test]
    fn a_single_picture_is_its_own_middle() {
        assert_eq!(timeline(&[70]).middle_pair(&timeline(&[0])), pair(0, 0));
        assert_eq!(timeline(&[70]).middle_pair(&timeline(&every(40, 5, 0))), pair(0, 0));
    }

    #[test]
    fn no_first_time_no_timeline() {
        assert!(Timeline::new([None, Some(1)].into_iter(), Rational(1, 90_000)).is_none());
        assert!(Timeline::new(std::iter::empty(), Rational(1, 90_000)).is_none());
    }

    proptest! {
        #[test]
        fn any_times_meet_within_the_tracks(
            source in proptest::collection::vec(any::<Option<i64>>(), 1..50),
            rendition in proptest::collection::vec(any::<Option<i64>>(), 1..50),
            base in (any::<i32>(), any::<i32>()),
        ) {
            let base = Rational(base.0, base.1);
            let timelines = (
                Timeline::new(source.iter().copied(), base),
                Timeline::new(rendition.iter().copied(), base),
            );
            if let (Some(a), Some(b)) = timelines
                && let Some(pair) = a.middle_pair(&b)
            {
                prop_assert!(pair.source < source.len() && pair.rendition < rendition.len());
            }
        }
    }
}
