//! What a run came to.

use std::{ops::AddAssign, time::Duration};

/// Counts of one run, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Stands for everything that happened.
    pub trace: u64,
    /// Virtual time that passed.
    pub simulated: Duration,
    /// Streams.
    pub streams: u64,
    /// Numbers released.
    pub segments: u64,
    /// Of these, with media in every rendition.
    pub complete: u64,
    /// Of these, with gaps although the source could be transcoded.
    pub missing: u64,
    /// Attempts begun.
    pub attempts: u64,
    /// Of these, after another had failed.
    pub retries: u64,
    /// Of these, beside another that took long.
    pub hedges: u64,
    /// Of these, to see whether a slow orchestrator has healed.
    pub probes: u64,
    /// Segments of which it was required that their renditions are there.
    pub required: u64,
    /// Of these, lost all the same.
    pub lost: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.trace = self.trace.rotate_left(1) ^ other.trace;
        self.simulated += other.simulated;
        self.streams += other.streams;
        self.segments += other.segments;
        self.complete += other.complete;
        self.missing += other.missing;
        self.attempts += other.attempts;
        self.retries += other.retries;
        self.hedges += other.hedges;
        self.probes += other.probes;
        self.required += other.required;
        self.lost += other.lost;
    }
}
