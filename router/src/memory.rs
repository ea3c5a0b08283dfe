//! What outlives the process: a port that a store implements.

use std::{fmt, future::Future, pin::Pin, time::SystemTime};

use media::SequenceNumber;
use orchestrator::OrchestratorAddress;

/// A future of a port's method.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the fleet has learned about one orchestrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedOrchestrator {
    /// Whom it is about.
    pub address: OrchestratorAddress,
    /// Smoothed time of an attempt, in thousandths of its segment's duration.
    pub latency_permille: u32,
    /// Smoothed share of attempts that delivered, in thousandths.
    pub success_permille: u32,
    /// Smoothed round trip of a question for a session, in microseconds.
    pub round_trip_micros: u32,
    /// It was caught returning wrong work, and gets none before this time.
    pub demoted_until: Option<SystemTime>,
    /// How often it was caught.
    pub offences: u32,
    /// When this was learned.
    pub learned: SystemTime,
}

/// Proof that an orchestrator returned wrong work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who returned it.
    pub address: OrchestratorAddress,
    /// When.
    pub at: SystemTime,
    /// The stream's name.
    pub stream: String,
    /// The segment's number.
    pub sequence: SequenceNumber,
    /// The rendition's name.
    pub rendition: String,
    /// A bounded label, such as `picture_differs`.
    pub kind: &'static str,
    /// What was found, for people.
    pub detail: String,
    /// The source's picture and the rendition's, as small binary PGM images; empty where the finding
    /// is not about the picture.
    pub pictures: Vec<Vec<u8>>,
}

/// A memory could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MemoryError(#[from] Box<dyn std::error::Error + Send + Sync>);

impl MemoryError {
    /// Wraps the store's own error.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

/// Keeps what the fleet learned. Failures cost memory, never a segment.
pub trait FleetMemory: fmt::Debug + Send + Sync + 'static {
    /// All that was kept, at most [`MAX_REMEMBERED`], the latest first.
    fn recall(&self) -> BoxFuture<'_, Result<Vec<RememberedOrchestrator>, MemoryError>>;

    /// Keeps these in place of what was kept about the same addresses.
    fn remember(
        &self,
        learned: Vec<RememberedOrchestrator>,
    ) -> BoxFuture<'_, Result<(), MemoryError>>;

    /// Keeps a proof; the oldest go when there are more than [`MAX_EVIDENCE`].
    fn keep_evidence(&self, evidence: Evidence) -> BoxFuture<'_, Result<(), MemoryError>>;
}

/// Orchestrators remembered; those heard of longest ago are forgotten first.
pub const MAX_REMEMBERED: usize = 10_000;
/// Proofs kept, of all orchestrators together.
pub const MAX_EVIDENCE: usize = 1_000;
