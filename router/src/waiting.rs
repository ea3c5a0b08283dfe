//! A segment that is not listed yet.

use std::{sync::Arc, time::Instant};

use media::{GapReason, Ladder, RenditionSegment, Segment, TrackSegment};
use media::{RenditionOutcome, RenditionProfile};
use orchestrator::OrchestratorAddress;

use crate::{
    attempt::AttemptId,
    decision::{AttemptFacts, AttemptOutcome, AttemptRecord, Decision, HeldUp, PaymentFacts},
    pool::StreamPolicy,
    selection::Candidate,
};

/// Attempts a record keeps; those met at capacity count nowhere else.
const RECORDED_ATTEMPTS: usize = 16;

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
    /// The attempt beside one that takes too long has failed: a third may be begun.
    pub(crate) second_failed: bool,
    /// Orchestrators that failed it.
    pub(crate) tried: Vec<OrchestratorAddress>,
    /// Of these, those that say that the segment itself is at fault.
    pub(crate) blamed_by: Vec<OrchestratorAddress>,
    attempts_recorded: Vec<AttemptRecord>,
    held_up: Option<HeldUp>,
}

impl Waiting {
    pub(crate) const fn new(
        segment: Arc<Segment>,
        ladder: Arc<Ladder>,
        epoch: u64,
        due: Instant,
        outcome: Option<Outcome>,
    ) -> Self {
        Self {
            segment,
            ladder,
            epoch,
            due,
            outcome,
            attempts: 0,
            sent: false,
            second_failed: false,
            tried: Vec::new(),
            blamed_by: Vec::new(),
            attempts_recorded: Vec::new(),
            held_up: None,
        }
    }

    /// Whether its renditions may still get media.
    pub(crate) const fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// An attempt begins.
    pub(crate) const fn count_attempt(&mut self) {
        self.attempts += 1;
        self.sent = true;
        self.second_failed = false;
    }

    /// Declares its renditions gaps, unless they came to something before.
    pub(crate) fn give_up(&mut self, reason: GapReason) {
        self.outcome.get_or_insert(Outcome::Gaps(reason));
    }

    /// Why there is no media, where no attempt is in flight.
    pub(crate) const fn reason(&self, has_orchestrators: bool, has_live: bool) -> GapReason {
        if self.sent && has_orchestrators {
            GapReason::AttemptsFailed
        } else if has_live {
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
            GapReason::PublisherAway
            | GapReason::NotTranscodable
            | GapReason::Quarantined
            | GapReason::NoDecoder
            | GapReason::FleetFull => false,
        }
    }

    // The record.

    /// Microseconds after the segment closed.
    pub(crate) fn micros(&self, at: Instant) -> u64 {
        let after = at.saturating_duration_since(self.segment.closed);
        u64::try_from(after.as_micros()).unwrap_or(u64::MAX)
    }

    /// Notes an attempt that begins. Beyond the bound the latest is overwritten: the first ones tell
    /// more than the middle of a long row.
    pub(crate) fn record_attempt(&mut self, record: AttemptRecord) {
        if self.attempts_recorded.len() >= RECORDED_ATTEMPTS {
            self.attempts_recorded.pop();
        }
        self.attempts_recorded.push(record);
    }

    /// Notes how an attempt ended.
    pub(crate) fn record_end(
        &mut self,
        now: Instant,
        id: AttemptId,
        outcome: AttemptOutcome,
        facts: Option<AttemptFacts>,
    ) {
        let at = self.micros(now);
        if let Some(record) = self.attempts_recorded.iter_mut().find(|it| it.id == id.0) {
            record.ended_micros = Some(at);
            record.outcome = outcome;
            record.facts = facts;
        }
    }

    /// Notes what was paid for an attempt.
    pub(crate) fn record_payment(&mut self, id: AttemptId, payment: Option<PaymentFacts>) {
        if let Some(record) = self.attempts_recorded.iter_mut().find(|it| it.id == id.0) {
            record.payment = payment;
        }
    }

    /// Notes that nobody could take it.
    pub(crate) fn record_held_up(&mut self, now: Instant, candidates: Vec<Candidate>) {
        self.held_up = Some(HeldUp { at_micros: self.micros(now), candidates });
    }

    /// Whom it could have gone to when it last went to nobody.
    pub(crate) fn held_up_candidates(&self) -> &[Candidate] {
        self.held_up.as_ref().map_or(&[], |held_up| &held_up.candidates)
    }

    /// The whole record.
    pub(crate) fn decision(
        &mut self,
        now: Instant,
        policy: &StreamPolicy,
        outcome: &'static str,
    ) -> Decision {
        Decision {
            sequence: self.segment.sequence.0,
            duration_micros: u64::try_from(self.segment.duration.to_std().as_micros())
                .unwrap_or(u64::MAX),
            class: policy.class,
            pools: policy.pools.clone(),
            due_micros: self.micros(self.due),
            attempts: std::mem::take(&mut self.attempts_recorded),
            held_up: self.held_up.take(),
            outcome: outcome.to_owned(),
            released_micros: self.micros(now),
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
