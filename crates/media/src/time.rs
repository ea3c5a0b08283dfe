//! Media clocks: integer ticks of a stated timescale, compared and converted exactly.

use std::{cmp::Ordering, fmt, num::NonZeroU32, time::Duration};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Ticks per second of a media clock. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 90 kHz, the clock of every video track and of the stream's timeline.
    pub const VIDEO: Self = Self(NonZeroU32::new(90_000).unwrap());
    /// 1 kHz, the clock of RTMP.
    pub const MILLIS: Self = Self(NonZeroU32::new(1_000).unwrap());

    /// `None` for zero.
    #[must_use]
    pub const fn new(ticks_per_second: u32) -> Option<Self> {
        match NonZeroU32::new(ticks_per_second) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Ticks per second.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// Rounds `ticks * to / from` to the nearest integer, halves away from zero.
fn rescale(ticks: i128, from: Timescale, to: Timescale) -> i128 {
    let (from, to) = (i128::from(from.get()), i128::from(to.get()));
    let scaled = ticks * to;
    let half = if scaled < 0 { -(from / 2) } else { from / 2 };
    (scaled + half) / from
}

/// A point on a media clock. Equal and ordered by the instant meant, whatever the timescale.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    ticks: i64,
    timescale: Timescale,
}

impl Timestamp {
    /// The point `ticks` after the clock's zero.
    #[must_use]
    pub const fn new(ticks: i64, timescale: Timescale) -> Self {
        Self { ticks, timescale }
    }

    /// Ticks since the clock's zero.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// The clock's timescale.
    #[must_use]
    pub const fn timescale(self) -> Timescale {
        self.timescale
    }

    /// The same point in another timescale, rounded to the nearest tick; saturates at `i64`'s ends.
    #[must_use]
    pub fn rescale(self, to: Timescale) -> Self {
        if self.timescale == to {
            return self;
        }
        let ticks = rescale(i128::from(self.ticks), self.timescale, to);
        let limit = if ticks < 0 { i64::MIN } else { i64::MAX };
        Self { ticks: i64::try_from(ticks).unwrap_or(limit), timescale: to }
    }

    /// Time since `earlier`, in this clock's timescale; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> MediaDuration {
        let ticks = i128::from(self.ticks) - i128::from(earlier.rescale(self.timescale).ticks);
        let ticks = u64::try_from(ticks.max(0)).unwrap_or(u64::MAX);
        MediaDuration { ticks, timescale: self.timescale }
    }
}

impl std::ops::Add<MediaDuration> for Timestamp {
    type Output = Self;

    fn add(self, duration: MediaDuration) -> Self {
        let ticks = i64::try_from(duration.rescale(self.timescale).ticks).unwrap_or(i64::MAX);
        Self { ticks: self.ticks.saturating_add(ticks), timescale: self.timescale }
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i128::from(self.ticks) * i128::from(other.timescale.get());
        let right = i128::from(other.ticks) * i128::from(self.timescale.get());
        left.cmp(&right)
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timestamp {}

/// A length of media time. Equal and ordered by the length meant, whatever the timescale.
#[derive(Clone, Copy, Debug)]
pub struct MediaDuration {
    ticks: u64,
    timescale: Timescale,
}

impl MediaDuration {
    /// No time at all.
    pub const ZERO: Self = Self { ticks: 0, timescale: Timescale::VIDEO };

    /// `ticks` of `timescale`.
    #[must_use]
    pub const fn new(ticks: u64, timescale: Timescale) -> Self {
        Self { ticks, timescale }
    }

    /// The nearest number of 90 kHz ticks; saturates.
    #[must_use]
    pub fn from_std(duration: Duration) -> Self {
        let scaled = duration.as_nanos() * u128::from(Timescale::VIDEO.get());
        let ticks = (scaled + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        Self { ticks: u64::try_from(ticks).unwrap_or(u64::MAX), timescale: Timescale::VIDEO }
    }

    /// To the nanosecond, rounded down.
    #[must_use]
    pub fn to_std(self) -> Duration {
        let nanos = u128::from(self.ticks) * NANOS_PER_SECOND / u128::from(self.timescale.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Its ticks.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.ticks
    }

    /// Ticks per second.
    #[must_use]
    pub const fn timescale(self) -> Timescale {
        self.timescale
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.ticks == 0
    }

    /// The same length in another timescale, rounded to the nearest tick; saturates.
    #[must_use]
    pub fn rescale(self, to: Timescale) -> Self {
        if self.timescale == to {
            return self;
        }
        let ticks = rescale(i128::from(self.ticks), self.timescale, to);
        Self { ticks: u64::try_from(ticks).unwrap_or(u64::MAX), timescale: to }
    }

    /// Whole seconds, rounded to the nearest, halves up (as `EXT-X-TARGETDURATION` compares).
    #[must_use]
    pub fn rounded_seconds(self) -> u64 {
        let scale = u128::from(self.timescale.get());
        let seconds = (u128::from(self.ticks) * 2 + scale) / (scale * 2);
        u64::try_from(seconds).unwrap_or(u64::MAX)
    }
}

impl std::ops::Add for MediaDuration {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        if self.ticks == 0 {
            return other;
        }
        let ticks = self.ticks.saturating_add(other.rescale(self.timescale).ticks);
        Self { ticks, timescale: self.timescale }
    }
}

impl std::iter::Sum for MediaDuration {
    fn sum<I: Iterator<Item = Self>>(durations: I) -> Self {
        durations.fold(Self::ZERO, |sum, duration| sum + duration)
    }
}

impl Ord for MediaDuration {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.ticks) * u128::from(other.timescale.get());
        let right = u128::from(other.ticks) * u128::from(self.timescale.get());
        left.cmp(&right)
    }
}

impl PartialOrd for MediaDuration {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for MediaDuration {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for MediaDuration {}

/// Seconds with six decimals, from integers (HLS rule PL-12): `2.002000`.
impl fmt::Display for MediaDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = u128::from(self.timescale.get());
        let micros = (u128::from(self.ticks) * 1_000_000 + scale / 2) / scale;
        write!(f, "{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn audio() -> Timescale {
        Timescale::new(48_000).unwrap()
    }

    #[test]
    fn compares_across_timescales() {
        assert_eq!(Timestamp::new(90_000, Timescale::VIDEO), Timestamp::new(48_000, audio()));
        assert!(Timestamp::new(90_001, Timescale::VIDEO) > Timestamp::new(48_000, audio()));
        assert!(MediaDuration::new(1, audio()) > MediaDuration::new(1, Timescale::VIDEO));
    }

    #[test]
    fn prints_six_decimals_from_integers() {
        assert_eq!(MediaDuration::new(180_180, Timescale::VIDEO).to_string(), "2.002000");
        assert_eq!(MediaDuration::new(1024, audio()).to_string(), "0.021333");
        assert_eq!(MediaDuration::from_std(Duration::from_millis(8_333)).to_string(), "8.333000");
    }

    #[test]
    fn rounds_seconds_half_up() {
        let millis = |ms| MediaDuration::new(ms, Timescale::MILLIS).rounded_seconds();
        assert_eq!([millis(2_499), millis(2_500), millis(8_333)], [2, 3, 8]);
    }

    #[test]
    fn since_never_goes_negative() {
        let (early, late) =
            (Timestamp::new(5, Timescale::MILLIS), Timestamp::new(9, Timescale::MILLIS));
        assert_eq!(late.since(early).ticks(), 4);
        assert!(early.since(late).is_zero());
    }

    proptest! {
        #[test]
        fn rescaling_to_a_finer_clock_and_back_is_exact(ticks in -1_000_000_000_i64..1_000_000_000) {
            let there = Timestamp::new(ticks, Timescale::MILLIS).rescale(Timescale::VIDEO);
            prop_assert_eq!(there.rescale(Timescale::MILLIS).ticks(), ticks);
        }
    }
}
