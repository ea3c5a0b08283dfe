//! Dates as playlists and HTTP headers print them.

use std::time::{SystemTime, UNIX_EPOCH};

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment of the Gregorian calendar in UTC. Times before 1970 count as 1970.
struct Civil {
    year: i64,
    month: i64,
    day: i64,
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millisecond: u32,
}

impl Civil {
    /// `time`, rounded down to the millisecond.
    fn new(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let days = seconds / 86_400;
        let (year, month, day) = media::civil_date(i64::try_from(days).unwrap_or_default());
        Self {
            year,
            month,
            day,
            weekday: (days + 4) % 7,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            millisecond: since.subsec_millis(),
        }
    }
}

fn name(names: &[&'static str], index: impl TryInto<usize>) -> &'static str {
    index.try_into().ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
}

/// ISO 8601 with milliseconds, in UTC: `2026-11-24T18:10:02.345Z` (`EXT-X-PROGRAM-DATE-TIME`).
pub(crate) fn iso8601(time: SystemTime) -> String {
    let Civil { year, month, day, hour, minute, second, millisecond, .. } = Civil::new(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The preferred date of HTTP (RFC 9110 §5.6.7): `Tue, 24 Nov 2026 18:10:02 GMT`.
pub(crate) fn http_date(time: SystemTime) -> String {
    let Civil { year, month, day, weekday, hour, minute, second, .. } = Civil::new(time);
    let (weekday, month) = (name(&WEEKDAYS, weekday), name(&MONTHS, month.saturating_sub(1)));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn prints_what_the_calendar_says() {
        assert_eq!(iso8601(at(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(at(951_782_400_999)), "2000-02-29T00:00:00.999Z");
        assert_eq!(iso8601(at(1_709_251_199_000)), "2024-02-29T23:59:59.000Z");
        assert_eq!(iso8601(at(4_107_542_400_000)), "2100-03-01T00:00:00.000Z");
        assert_eq!(http_date(at(784_111_777_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(at(1_796_083_200_000)), "Tue, 01 Dec 2026 00:00:00 GMT");
    }

    #[test]
    fn before_the_epoch_is_the_epoch() {
        let early = UNIX_EPOCH.checked_sub(Duration::from_secs(5)).unwrap();
        assert_eq!(iso8601(early), "1970-01-01T00:00:00.000Z");
    }
}
