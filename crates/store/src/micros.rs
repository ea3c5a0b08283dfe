//! Wall-clock times as a column holds them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::RowError;

/// Microseconds since the Unix epoch, negative before it, rounded towards it.
///
/// A time that fits no `i64` (290 000 years away) becomes the nearest that does.
pub(crate) fn of_time(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            let micros = i64::try_from(before.duration().as_micros());
            micros.map_or(i64::MIN, |micros| -micros)
        }
    }
}

/// The time of a column, for the column's name in the error.
///
/// # Errors
/// When the platform's clock has no such time.
pub(crate) fn to_time(column: &'static str, value: i64) -> Result<SystemTime, RowError> {
    let distance = Duration::from_micros(value.unsigned_abs());
    let time =
        if value < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.ok_or(RowError::OutOfRange { column, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_before_the_epoch_is_negative() {
        let before = UNIX_EPOCH - Duration::from_millis(1);
        assert_eq!(of_time(before), -1_000);
        assert_eq!(to_time("at", -1_000), Ok(before));
    }

    #[test]
    fn nanoseconds_are_cut_off() {
        assert_eq!(of_time(UNIX_EPOCH + Duration::from_nanos(1_999)), 1);
    }

    proptest! {
        #[test]
        fn a_column_survives_the_round_trip(value in any::<i64>()) {
            if let Ok(time) = to_time("at", value) {
                prop_assert_eq!(of_time(time), value);
            }
        }
    }
}
