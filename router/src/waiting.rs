//! A segment that is not listed yet.

use std::{sync::Arc, time::Instant};

use media::{GapReason, Ladder, RenditionSegment, Segment, TrackSegment};
use media::{RenditionOutcome, RenditionProfile};
use orchestrator::OrchestratorAddress;

use crate::roster::Roster;

/// What the renditions of a segment came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The presentation has no rendition but the source.
    SourceOnly,
    /// No rendition has media.
    Gaps(GapReason),
    /// Every rendition has media, in the ladder's order.
    Media(Vec<TrackSegment>),
}

/// A segment between its closing and its release.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) segment: Arc<Segment>,
    pub(crate) ladder: Arc<Ladder>,
    /// Changes with the source's timeline and with the ladder: an encoder has to start anew.
    pub(crate) epoch: u64,
    /// When the hold ends. Never before that of the segment ahead, which is listed first.
    pub(crate) due: Instant,
    /// `None` while media may still come.
    pub(crate) outcome: Option<Outcome>,
    /// Attempts begun, those that met an orchestrator at capacity left out.
    pub(crate) attempts: u32,
    /// Whether it was ever sent.
    pub(crate) sent: bool,
    /// Orchestrators that failed it.
    pub(crate) tried: Vec<OrchestratorAddress>,
}

impl Waiting {
    /// Whether its renditions may still get media.
    pub(crate) const fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// Declares its renditions gaps, unless they came to something before.
    pub(crate) fn give_up(&mut self, reason: GapReason) {
        self.outcome.get_or_insert(Outcome::Gaps(reason));
    }

    /// Why there is no media, where no attempt is in flight.
    pub(crate) fn reason(&self, roster: &Roster) -> GapReason {
        if self.sent && !roster.is_empty() {
            GapReason::AttemptsFailed
        } else if roster.has_live() {
            GapReason::Deadline
        } else {
            GapReason::NoOrchestrator
        }
    }

    /// Whether gaps for this reason tell that orchestrators fail. A deadline that passed before the
    /// segment could be sent does not: an orchestrator was live, only time or room was short.
    pub(crate) const fn is_miss(&self, reason: GapReason) -> bool {
        match reason {
            GapReason::Deadline => self.sent,
            GapReason::AttemptsFailed | GapReason::NoOrchestrator => true,
            GapReason::PublisherAway | GapReason::NotTranscodable => false,
        }
    }
}

/// Every rung of the ladder as a gap.
pub(crate) fn gaps(ladder: &Ladder, reason: GapReason) -> Vec<RenditionSegment> {
    let gap = |profile: &RenditionProfile| RenditionSegment {
        name: profile.name.clone(),
        outcome: RenditionOutcome::Gap(reason),
    };
    ladder.profiles().iter().map(gap).collect()
}
