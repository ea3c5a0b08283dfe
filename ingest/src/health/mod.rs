//! How well a publisher's media arrives, and what to tell its owner about that.
//!
//! [`HealthMeter`] holds no I/O and reads no clock: it is handed every access unit, new tracks, breaks of the
//! timeline and counts of what was lost, and answers a [`HealthSnapshot`]. [`judge()`] makes findings of a
//! snapshot, in words for people; [`WarningSet`] begins a [`Warning`] once a finding has held for a while and
//! ends it once it has been absent for a while, so that none comes and goes.
//!
//! Cost: at most [`MAX_TRACKS`] tracks of 4.5 KiB each, and nothing is allocated for an access unit, which costs
//! below 2 µs even in a build without optimization (the test `cost_of_an_access_unit` measures it).
//!
//! Start reading at [`HealthMeter`], then [`judge()`].

mod cause;
mod encoder;
mod finding;
mod gops;
mod guesses;
mod judge;
mod meter;
mod reordering;
mod report;
mod ring;
mod snapshot;
#[cfg(test)]
mod tests;
mod track;
mod transit;
mod warning;

pub use cause::{Cause, Count};
pub use encoder::{Encoder, EncoderFamily};
pub use finding::{Finding, WarningKind, WarningLevel};
pub use guesses::Guesses;
pub use judge::judge;
pub use meter::{HealthMeter, MAX_TRACKS};
pub use report::{HealthReport, HealthWord, ShownWarning};
pub use snapshot::{Arrival, GopFigures, HealthSnapshot, Skew, TrackFigures};
pub use warning::{Warning, WarningChange, WarningSet};

/// Microseconds from `epoch` to `moment`; zero for earlier ones.
fn micros_since(epoch: std::time::Instant, moment: std::time::Instant) -> i64 {
    let micros = moment.saturating_duration_since(epoch).as_micros();
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// Whole milliseconds; zero where negative.
fn millis(micros: i64) -> u64 {
    u64::try_from(micros / 1_000).unwrap_or(0)
}
