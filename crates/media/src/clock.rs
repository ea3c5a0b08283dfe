//! The one place that reads the wall clock.

use std::time::SystemTime;

/// Wall-clock time now. Shells call it and hand the value to cores; cores never do.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place the ban points to")]
pub fn wall_clock_now() -> SystemTime {
    SystemTime::now()
}
