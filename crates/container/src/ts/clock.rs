//! The 33-bit, 90 kHz clock of PTS, DTS and PCR base (ISO/IEC 13818-1 §2.4.3.7).

use media::{Timescale, Timestamp};

/// Ticks after which the clock starts over: 26 h 30 min 43.7 s.
pub(super) const PERIOD: i64 = 1 << 33;

/// The clock's 33-bit reading `ticks` after its zero.
pub(super) fn wrap(ticks: i64) -> u64 {
    ticks.rem_euclid(PERIOD).unsigned_abs()
}

/// The unwrapped time nearest to `reference` at which the clock reads `reading`.
pub(super) fn unwrap_near(reading: u64, reference: i64) -> i64 {
    let reading = i64::try_from(reading).unwrap_or(0);
    let ahead = reading.wrapping_sub(reference).rem_euclid(PERIOD);
    let difference = if ahead >= PERIOD / 2 { ahead - PERIOD } else { ahead };
    reference.saturating_add(difference)
}

/// `ticks` of `timescale` in 90 kHz ticks.
pub(super) fn to_90k(ticks: i64, timescale: Timescale) -> i64 {
    Timestamp::new(ticks, timescale).rescale(Timescale::VIDEO).ticks()
}

/// 90 kHz `ticks` in `timescale`.
pub(super) fn from_90k(ticks: i64, timescale: Timescale) -> i64 {
    Timestamp::new(ticks, Timescale::VIDEO).rescale(timescale).ticks()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn readings_wrap_below_zero_and_above_the_period() {
        assert_eq!(wrap(-1), 0x1_FFFF_FFFF);
        assert_eq!(wrap(PERIOD), 0);
        assert_eq!(wrap(PERIOD + 7), 7);
    }

    #[test]
    fn a_reading_just_past_the_wrap_is_later() {
        assert_eq!(unwrap_near(5, PERIOD - 10), PERIOD + 5);
        assert_eq!(unwrap_near(0x1_FFFF_FFFF, 3), -1);
    }

    proptest! {
        #[test]
        fn unwrapping_inverts_wrapping_within_half_a_period(
            reference in any::<i32>().prop_map(|v| i64::from(v) * 16),
            difference in -(PERIOD / 2)..PERIOD / 2,
        ) {
            let ticks = reference + difference;
            prop_assert_eq!(unwrap_near(wrap(ticks), reference), ticks);
        }

        #[test]
        fn any_reading_and_reference_is_accepted(reading: u64, reference: i64) {
            unwrap_near(reading, reference);
        }
    }
}
