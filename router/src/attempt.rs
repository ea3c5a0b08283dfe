//! One segment sent to one orchestrator.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use media::{Ladder, Segment, SequenceNumber};
use orchestrator::{OrchestratorAddress, Retry};

use crate::session::{ConfiguredOrchestrator, SessionId};

/// Names one attempt of a stream. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub(crate) u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An attempt to begin now.
#[derive(Clone, Debug)]
pub struct AttemptStart {
    /// Its name in the answer and in a cancellation.
    pub id: AttemptId,
    /// The session to send it on.
    pub session: SessionId,
    /// Whose session that is.
    pub orchestrator: Arc<ConfiguredOrchestrator>,
    /// What to send.
    pub segment: Arc<Segment>,
    /// What to ask for.
    pub ladder: Arc<Ladder>,
    /// 1 for the segment's first attempt.
    pub number: u32,
    /// The session's encoder has to start anew: the source's timeline, parameters or ladder differ
    /// from what the session saw last.
    pub force_session_reinit: bool,
    /// How long it may take, download included. Cancelled after that.
    pub budget: Duration,
}

/// Who is to blame for a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The orchestrator: its session is dropped, and it is set aside for a while.
    Orchestrator,
    /// The orchestrator has no free session. No fault: it is left alone for a while, and the segment
    /// keeps its attempt.
    Capped,
    /// The session has not kept up with the segments before. Tolerated once.
    Busy,
    /// Nobody, or the segment.
    Nobody,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptFault {
    /// Where the segment may be tried next.
    pub retry: Retry,
    /// Who is to blame.
    pub blame: Blame,
    /// A bounded label for logs and metrics.
    pub kind: &'static str,
}

impl AttemptFault {
    /// The result was there, and wrong.
    pub const BAD_RESULT: Self =
        Self { retry: Retry::Other, blame: Blame::Orchestrator, kind: "bad_result" };
    /// The attempt used up its time.
    pub const TIMEOUT: Self =
        Self { retry: Retry::Other, blame: Blame::Orchestrator, kind: "timeout" };
}

/// An attempt in flight.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) session: SessionId,
    pub(crate) sequence: SequenceNumber,
    pub(crate) address: OrchestratorAddress,
    pub(crate) started: Instant,
    pub(crate) give_up: Instant,
    /// How long it may be out before the orchestrator counts as slower than the publisher.
    pub(crate) real_time: Duration,
}

impl Attempt {
    /// Whether it has been out so long that the orchestrator, not its budget, is to blame.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.started) >= self.real_time
    }
}
