//! One segment sent to one orchestrator.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use media::{Ladder, Segment, SequenceNumber, TrackSegment};
use orchestrator::{OrchestratorAddress, PixelPrice};

use crate::{
    decision::{AttemptFacts, AttemptKind},
    pool::{ConfiguredOrchestrator, PoolName},
    session::SessionId,
};

/// Names one attempt of a stream. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub(crate) u64);

impl AttemptId {
    /// Its number: attempts of a stream count from 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

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
    /// What it is for.
    pub kind: AttemptKind,
    /// The pool through which the orchestrator is used.
    pub pool: PoolName,
    /// The most that may be paid for a pixel; `None`: any price.
    pub price_cap: Option<PixelPrice>,
    /// Compare its pictures with the source's.
    pub check_picture: bool,
    /// The session's encoder has to start anew: the source's timeline, parameters or ladder differ
    /// from what the session saw last.
    pub force_session_reinit: bool,
    /// How long it may take, download included. Cancelled after that.
    pub budget: Duration,
}

/// What an attempt brought.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// One track per rung of the ladder, in the ladder's order, on the source's timeline.
    pub media: Vec<TrackSegment>,
    /// What was measured.
    pub facts: AttemptFacts,
    /// What the orchestrator asks from now on, where it said so.
    pub price: Option<PixelPrice>,
}

/// An attempt in flight.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) session: SessionId,
    pub(crate) sequence: SequenceNumber,
    pub(crate) kind: AttemptKind,
    pub(crate) orchestrator: Arc<ConfiguredOrchestrator>,
    /// When it began; once it is paid for, when that was done: before, time is not the orchestrator's.
    pub(crate) started: Instant,
    /// It is being paid for, and nothing was sent yet.
    pub(crate) paying: bool,
    pub(crate) give_up: Instant,
    /// When a second orchestrator is asked, if none was yet.
    pub(crate) hedge_at: Option<Instant>,
    /// It had its time, and more, when the second one was asked.
    pub(crate) overdue: bool,
    /// The segment's duration.
    pub(crate) duration: Duration,
    /// How long it may be out before the orchestrator counts as slower than the publisher.
    pub(crate) real_time: Duration,
}

impl Attempt {
    pub(crate) fn address(&self) -> &OrchestratorAddress {
        &self.orchestrator.address
    }

    pub(crate) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Whether it has been out so long that the orchestrator, not its budget, is to blame.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        !self.paying && self.elapsed(now) >= self.real_time
    }
}
