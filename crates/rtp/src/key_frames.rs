//! When to ask for key frames.

use std::time::{Duration, Instant};

use media::TrackId;

use crate::{KeyFrameReason, KeyFrameRequest};

/// Decides when to ask for key frames: when one is needed now, and ahead of time such that groups of
/// pictures last no longer than a target. All tracks are asked together. Holds no I/O.
#[derive(Debug)]
pub struct KeyFrameSchedule {
    target: Option<Duration>,
}

impl KeyFrameSchedule {
    /// A schedule that asks for a key frame each `target`; never on its own with `None`.
    #[must_use]
    pub const fn new(target: Option<Duration>) -> Self {
        Self { target }
    }

    /// Another target from now on.
    pub const fn set_target(&mut self, target: Option<Duration>) {
        self.target = target;
    }

    /// Takes note that `track` needs a key frame.
    pub fn want(&mut self, _now: Instant, _track: TrackId, _reason: KeyFrameReason) {}

    /// Takes note of a picture of `track` that arrived at `now`.
    pub fn saw_picture(&mut self, _now: Instant, _track: TrackId, _key: bool) {}

    /// The request to be made at `now`, if any. It counts as made.
    pub fn poll_request(&mut self, _now: Instant) -> Option<KeyFrameRequest> {
        None
    }

    /// When [`Self::poll_request`] will have one at the latest, unless key frames come.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
