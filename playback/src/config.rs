//! What an operator may choose, and the token that keeps URIs unique.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How presentations are shown.
#[derive(Clone, Debug)]
pub struct PlaybackConfig {
    /// Segments a live playlist lists; never fewer than 3 are. More are listed while these play for
    /// less than three target durations.
    pub window_segments: usize,
    /// A presentation is published once it has this many segments with media, …
    pub start_segments: usize,
    /// … or this much media, whichever comes first.
    pub start_duration: Duration,
    /// Every segment of every stream starts with an IDR picture, by policy: playlists say so
    /// (`EXT-X-INDEPENDENT-SEGMENTS`).
    pub independent_segments: bool,
    /// Part of every segment's URI.
    pub epoch: Epoch,
}

impl PlaybackConfig {
    /// The defaults: 6 segments; published at 3 segments or 6 s; no promise of independence.
    #[must_use]
    pub const fn new(epoch: Epoch) -> Self {
        Self {
            window_segments: 6,
            start_segments: 3,
            start_duration: Duration::from_secs(6),
            independent_segments: false,
            epoch,
        }
    }
}

/// A token that differs from one process start to the next, so that a URI never names other content
/// than before, whatever sequence numbers a restarted gateway gives (HLS rule PL-14).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// The token of a process that starts at this wall-clock time, to the millisecond.
    #[must_use]
    pub fn starting_at(time: SystemTime) -> Self {
        let mut left = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut digits = Vec::new();
        while left > 0 || digits.is_empty() {
            let digit = u32::try_from(left % 36).unwrap_or_default();
            digits.push(char::from_digit(digit, 36).unwrap_or('0'));
            left /= 36;
        }
        Self(digits.into_iter().rev().collect::<String>().into())
    }

    /// The token: digits and lower-case letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_differ_by_the_millisecond_and_need_no_escaping() {
        let at = |millis| Epoch::starting_at(UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(0).as_str(), "0");
        assert_eq!(at(36 * 36 + 35).as_str(), "10z");
        assert_ne!(at(1_764_000_000_000), at(1_764_000_000_001));
        assert!(at(1_764_000_000_000).as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
