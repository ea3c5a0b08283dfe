//! How attempts end, and what follows: each class of fault has its own rule.

use std::time::{Duration, Instant};

use media::{GapReason, SequenceNumber};
use orchestrator::OrchestratorAddress;

use super::Dispatcher;
use crate::{
    attempt::{Attempt, Delivery},
    decision::{AttemptKind, AttemptOutcome},
    fault::{AttemptFault, FaultClass},
    fleet::Fleet,
    output::Output,
    roster::Verdict,
    waiting::{Outcome, Waiting},
};

/// Orchestrators that may say that a segment can't be transcoded before that is believed.
const WITNESSES: usize = 2;
/// How long an orchestrator may give no sign of life before work on it counts as lost.
const SILENCE: Duration = Duration::from_millis(400);

impl Dispatcher {
    pub(super) fn attempt_ended(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        attempt: &Attempt,
        result: Result<Delivery, AttemptFault>,
    ) {
        fleet.ended(attempt.address());
        let expected = self.waiting_for(attempt.sequence).map(|it| it.ladder.profiles().len());
        let result = result.and_then(|delivery| {
            let (found, asked) = (delivery.media.len(), expected.unwrap_or(delivery.media.len()));
            if found == asked {
                return Ok(delivery);
            }
            let detail = format!("{found} renditions where {asked} were asked for");
            Err(AttemptFault::new(FaultClass::WrongWork, detail))
        });
        match result {
            Ok(delivery) => self.delivered(now, fleet, attempt, delivery),
            Err(fault) => self.failed(now, fleet, attempt, &fault),
        }
    }

    fn delivered(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        attempt: &Attempt,
        delivery: Delivery,
    ) {
        let address = attempt.address();
        // How long we took to look at it is not the orchestrator's time.
        let ours = Duration::from_micros(delivery.facts.check_micros);
        let theirs = attempt.elapsed(now).saturating_sub(ours);
        fleet.delivered(now, address, theirs, attempt.duration);
        self.misses = 0;
        let mut verdict = Verdict::Delivered;
        if let Some(price) = delivery.price {
            fleet.answered(now, address, None, Some(price));
            if !self.roster.allows(address, Some(&price)) {
                verdict = Verdict::PricedOut;
            }
        }
        let mut slandered = Vec::new();
        if let Some(waiting) = self.waiting_for(attempt.sequence) {
            let first = waiting.is_open();
            let outcome = if first { AttemptOutcome::Delivered } else { AttemptOutcome::Surplus };
            waiting.record_end(now, attempt.id, outcome, Some(delivery.facts));
            if first {
                waiting.outcome = Some(Outcome::Media(delivery.media));
                slandered = std::mem::take(&mut waiting.blamed_by);
            }
        }
        for other in slandered {
            let detail = "blamed a segment that another one transcoded";
            fleet.failed(now, &other, FaultClass::Orchestrator, detail);
        }
        self.roster.ended(now, attempt.session, verdict, &mut self.outputs);
        if attempt.kind != AttemptKind::Probe {
            self.lose_race(now, fleet, attempt.sequence);
        }
    }

    /// A segment has its renditions: the other attempt for it is cancelled, unless it is the probe of a
    /// slow orchestrator, whose whole point is how long it takes.
    fn lose_race(&mut self, now: Instant, fleet: &mut Fleet, sequence: SequenceNumber) {
        let (others, going): (Vec<_>, Vec<_>) = self
            .attempts
            .drain(..)
            .partition(|it| it.sequence == sequence && it.kind != AttemptKind::Probe);
        self.attempts = going;
        for other in others {
            self.cancel(now, fleet, &other, cancelled("another was faster"), None);
            if other.overdue {
                fleet.suspect(other.address());
            }
        }
    }

    fn failed(&mut self, now: Instant, fleet: &mut Fleet, attempt: &Attempt, fault: &AttemptFault) {
        let address = attempt.address().clone();
        if fault.class.is_fault() {
            fleet.failed(now, &address, fault.class, &fault.detail);
        }
        let in_flight = self.is_in_flight(attempt.sequence);
        if let Some(waiting) = self.waiting_for(attempt.sequence) {
            let (class, detail) = (fault.class, fault.detail.clone());
            waiting.record_end(now, attempt.id, AttemptOutcome::Failed { class, detail }, None);
            note(waiting, attempt, fault.class, in_flight);
            // One that found the segment bad and one at work on it are all it may have at a time.
            waiting.second_failed =
                in_flight && attempt.kind == AttemptKind::Hedge && waiting.blamed_by.is_empty();
        }
        let verdict = verdict_of(fault.class);
        self.roster.ended(now, attempt.session, verdict, &mut self.outputs);
    }

    pub(super) fn expire_attempts(&mut self, now: Instant, fleet: &mut Fleet) {
        let is_over = |it: &&Attempt| it.give_up <= now || self.is_lost(now, fleet, it);
        let over: Vec<_> = self.attempts.iter().filter(is_over).map(|it| it.id).collect();
        let (over, going): (Vec<_>, Vec<_>) =
            self.attempts.drain(..).partition(|it| over.contains(&it.id));
        self.attempts = going;
        for attempt in over {
            let (silent, elapsed) = (fleet.silent_since(attempt.address()), attempt.elapsed(now));
            let detail = match silent {
                _ if attempt.paying => format!("not paid for within {elapsed:?}"),
                Some(_) if attempt.give_up > now => format!("no sign of life, after {elapsed:?}"),
                Some(_) | None => format!("no result within {elapsed:?}"),
            };
            let class = if attempt.paying { FaultClass::Unpaid } else { FaultClass::Timeout };
            let outcome = AttemptOutcome::Failed { class, detail };
            self.cancel(now, fleet, &attempt, outcome, None);
            if let Some(waiting) = self.waiting_for(attempt.sequence).filter(|_| !attempt.paying) {
                waiting.tried.push(attempt.address().clone());
            }
        }
    }

    /// Whether an attempt is with an orchestrator that has been silent for so long that it is better
    /// given up: another is at work on the segment already, or may take it.
    fn is_lost(&self, now: Instant, fleet: &Fleet, attempt: &Attempt) -> bool {
        if lost_at(fleet, attempt).is_none_or(|at| at > now) {
            return false;
        }
        let sequence = attempt.sequence;
        let is_there = |it: &OrchestratorAddress| fleet.silent_since(it).is_none();
        let mut of_it = self.attempts.iter().filter(|it| it.sequence == sequence);
        if of_it.any(|it| is_there(it.address())) {
            return true;
        }
        let waiting = self.waiting.iter().find(|it| it.segment.sequence == sequence);
        waiting.is_some_and(|waiting| {
            // One that failed it is asked again for want of others, but not for what may be bad.
            let again = waiting.blamed_by.is_empty();
            let may_take = |it| is_there(it) && (again || !waiting.tried.contains(it));
            self.may_try(now, waiting) && self.roster.in_session().any(may_take)
        })
    }

    /// Cancels what is in flight for a segment that is released; true when something was, but for
    /// probes.
    pub(super) fn cancel_attempts(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        head: &mut Waiting,
        reason: &'static str,
    ) -> bool {
        let sequence = head.segment.sequence;
        let complete = !head.is_open();
        let (over, going): (Vec<_>, Vec<_>) = self.attempts.drain(..).partition(|it| {
            it.sequence == sequence && !(complete && it.kind == AttemptKind::Probe)
        });
        self.attempts = going;
        for attempt in &over {
            self.cancel(now, fleet, attempt, cancelled(reason), Some(head));
        }
        !over.is_empty()
    }

    /// The stream is over: probes that nothing waits for end with it.
    pub(super) fn cancel_all(&mut self, now: Instant, fleet: &mut Fleet) {
        for attempt in std::mem::take(&mut self.attempts) {
            self.cancel(now, fleet, &attempt, cancelled("the stream ended"), None);
        }
    }

    /// Ends an attempt whose result is not waited for any more.
    fn cancel(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        attempt: &Attempt,
        outcome: AttemptOutcome,
        waiting: Option<&mut Waiting>,
    ) {
        self.outputs.push_back(Output::CancelAttempt(attempt.id));
        fleet.ended(attempt.address());
        if !attempt.paying {
            fleet.took_longer(now, attempt.address(), attempt.elapsed(now), attempt.duration);
        }
        let waiting = match waiting {
            Some(waiting) => Some(waiting),
            None => self.waiting.iter_mut().find(|it| it.segment.sequence == attempt.sequence),
        };
        if let Some(waiting) = waiting {
            waiting.record_end(now, attempt.id, outcome, None);
        }
        let late = attempt.is_late(now);
        if late {
            fleet.failed(now, attempt.address(), FaultClass::Timeout, "no result in time");
        }
        let unpaid = attempt.paying && attempt.give_up <= now;
        let verdict = match (late, unpaid) {
            (true, _) => Verdict::Late,
            (false, true) => Verdict::Unpaid,
            (false, false) => Verdict::Innocent,
        };
        self.roster.ended(now, attempt.session, verdict, &mut self.outputs);
    }
}

/// When an attempt with a silent orchestrator is given up, should it stay silent.
pub(super) fn lost_at(fleet: &Fleet, attempt: &Attempt) -> Option<Instant> {
    let since = fleet.silent_since(attempt.address())?;
    (attempt.kind != AttemptKind::Probe && !attempt.paying)
        .then(|| since.max(attempt.started) + SILENCE)
}

fn cancelled(reason: &str) -> AttemptOutcome {
    AttemptOutcome::Cancelled { reason: reason.to_owned() }
}

/// Notes on the segment what a failed attempt means for it.
fn note(waiting: &mut Waiting, attempt: &Attempt, class: FaultClass, in_flight: bool) {
    match class {
        FaultClass::ExpiredSession => {}
        FaultClass::Unpaid => waiting.attempts = waiting.attempts.saturating_sub(1),
        FaultClass::Capacity | FaultClass::Price | FaultClass::Terms => {
            waiting.attempts = waiting.attempts.saturating_sub(1);
            waiting.tried.push(attempt.address().clone());
        }
        FaultClass::Media => {
            waiting.tried.push(attempt.address().clone());
            waiting.blamed_by.push(attempt.address().clone());
            if waiting.blamed_by.len() >= WITNESSES && !in_flight {
                waiting.give_up(GapReason::Quarantined);
            }
        }
        FaultClass::Internal => waiting.give_up(GapReason::AttemptsFailed),
        FaultClass::Orchestrator
        | FaultClass::WrongWork
        | FaultClass::FalseWork
        | FaultClass::Network
        | FaultClass::Timeout
        | FaultClass::Busy => waiting.tried.push(attempt.address().clone()),
    }
}

const fn verdict_of(class: FaultClass) -> Verdict {
    match class {
        FaultClass::Orchestrator
        | FaultClass::WrongWork
        | FaultClass::FalseWork
        | FaultClass::Network
        | FaultClass::Timeout
        | FaultClass::Terms => Verdict::Fault,
        FaultClass::Busy => Verdict::Late,
        FaultClass::Capacity => Verdict::Capped,
        FaultClass::Price => Verdict::PricedOut,
        FaultClass::Unpaid => Verdict::Unpaid,
        FaultClass::ExpiredSession => Verdict::Renew,
        FaultClass::Media | FaultClass::Internal => Verdict::Innocent,
    }
}
