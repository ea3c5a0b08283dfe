//! A stream's hold on one orchestrator.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use orchestrator::{OrchestratorAddress, PixelPrice};

use crate::pool::ConfiguredOrchestrator;

/// Names one orchestrator session of a stream, from the question for it on. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an orchestrator that answered offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionOffer {
    /// From when on its token should be replaced; `None` where it holds for good.
    pub refresh: Option<Instant>,
    /// What it asks.
    pub price: Option<PixelPrice>,
    /// How long the question took, where that says something about the way there.
    pub round_trip: Option<Duration>,
}

/// How far an orchestrator session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Asked for; given up at this time.
    Discovering { give_up: Instant },
    /// Takes segments.
    Live { refresh: Option<Instant> },
    /// Takes no more segments; ends with its last attempt.
    Retiring,
}

/// One orchestrator working, or about to work, for one stream.
#[derive(Debug)]
pub(crate) struct OrchestratorSession {
    pub(crate) id: SessionId,
    pub(crate) orchestrator: Arc<ConfiguredOrchestrator>,
    pub(crate) phase: Phase,
    /// Attempts in flight.
    pub(crate) in_flight: usize,
    /// It was sent a segment, so the orchestrator holds something that should be freed.
    pub(crate) used: bool,
    /// Encoding epoch of the last segment sent.
    pub(crate) epoch: u64,
    /// Attempts in a row that took longer than their segment's time.
    pub(crate) late: u32,
}

impl OrchestratorSession {
    pub(crate) fn address(&self) -> &OrchestratorAddress {
        &self.orchestrator.address
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live { .. })
    }

    pub(crate) const fn is_discovering(&self) -> bool {
        matches!(self.phase, Phase::Discovering { .. })
    }
}
