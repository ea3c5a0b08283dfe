//! Counters of an orchestrator.

use std::sync::atomic::{AtomicU64, Ordering};

/// What an [`super::OrchestratorServer`] has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Live transcoding sessions.
    pub sessions: usize,
    /// Segments transcoded.
    pub transcoded: u64,
    /// Segments that arrived and could not be transcoded.
    pub failed: u64,
    /// Segments answered with `OrchestratorBusy`.
    pub busy: u64,
    /// Sessions and segments refused with `OrchestratorCapped`.
    pub capped: u64,
    /// Uploads refused with another status.
    pub refused: u64,
    /// Segments given up because the gateway went away.
    pub abandoned: u64,
    /// Pixels encoded.
    pub pixels: u64,
}

/// The counters behind [`ServerStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) transcoded: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) busy: AtomicU64,
    pub(super) capped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) pixels: AtomicU64,
}

impl Counters {
    pub(super) fn snapshot(&self, sessions: usize) -> ServerStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ServerStats {
            sessions,
            transcoded: read(&self.transcoded),
            failed: read(&self.failed),
            busy: read(&self.busy),
            capped: read(&self.capped),
            refused: read(&self.refused),
            abandoned: read(&self.abandoned),
            pixels: read(&self.pixels),
        }
    }
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
