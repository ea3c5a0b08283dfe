//! Moments to count from in tests.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// An instant that many milliseconds after a fixed one.
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
pub(crate) fn instant(millis: u64) -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(|| Instant::now() + Duration::from_secs(3_600))
        + Duration::from_millis(millis)
}
