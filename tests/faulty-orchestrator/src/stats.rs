//! What has been asked of the orchestrator.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Requests since the start, by kind, whatever became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls of `GetOrchestrator`.
    pub discoveries: u64,
    /// Uploads.
    pub segments: u64,
    /// Uploads that were answered with renditions, the upstream's or echoes.
    pub transcoded: u64,
    /// Requests for renditions.
    pub renditions: u64,
}

/// The same, being counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) discoveries: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) transcoded: AtomicU64,
    pub(crate) renditions: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            discoveries: read(&self.discoveries),
            segments: read(&self.segments),
            transcoded: read(&self.transcoded),
            renditions: read(&self.renditions),
        }
    }
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
