//! Which attempts are begun: the first, retries, hedges and probes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use orchestrator::OrchestratorAddress;

use super::{Dispatcher, OUTAGE};
use crate::{
    attempt::{Attempt, AttemptId, AttemptStart},
    decision::{AttemptKind, AttemptOutcome, AttemptRecord, PaymentFacts},
    fleet::{Fleet, Standing},
    output::Output,
    pool::{ConfiguredOrchestrator, PoolName},
    rejection::Rejection,
    roster::Excluded,
    selection::{Candidate, Circumstances, select},
    session::SessionId,
    waiting::Waiting,
};

/// A second orchestrator is not asked before this, however fast the first one is as a rule.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(100);
/// How long after nobody could be asked besides it is tried again.
pub(super) const HEDGE_AGAIN: Duration = Duration::from_millis(100);

/// A session that a segment goes to.
struct Chosen {
    session: SessionId,
    orchestrator: Arc<ConfiguredOrchestrator>,
    pool: PoolName,
    /// It is paid for first.
    paying: bool,
    candidates: Vec<Candidate>,
    index: usize,
}

impl Chosen {
    /// Whether another one could have been chosen.
    fn has_another(&self) -> bool {
        let others = self.candidates.iter().enumerate().filter(|(at, _)| *at != self.index);
        others.into_iter().any(|(_, it)| it.rejected.is_none())
    }
}

impl Dispatcher {
    /// Sends what can be sent, oldest first.
    pub(super) fn send(&mut self, now: Instant, fleet: &mut Fleet) {
        let mut wanted = Vec::new();
        for index in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.get(index) else { break };
            let in_flight = self.is_in_flight(waiting.segment.sequence);
            if (in_flight && !waiting.second_failed) || !self.may_try(now, waiting) {
                continue;
            }
            let kind = if waiting.sent { AttemptKind::Retry } else { AttemptKind::First };
            if self.attempt(now, fleet, index, kind, |_| true).is_none() {
                self.note_full(index, &mut wanted);
            }
        }
        fleet.wait_for_room(now, self.stream, &wanted);
    }

    /// Notes the orchestrators that a segment would go to if only they had room for it.
    fn note_full(&self, index: usize, wanted: &mut Vec<(OrchestratorAddress, Instant)>) {
        let Some(waiting) = self.waiting.get(index) else { return };
        let full = |it: &&Candidate| {
            let full = matches!(it.rejected, Some(Rejection::InFlight | Rejection::OthersWait));
            full && it.session_id().is_some_and(|id| self.roster.takes_more(id))
        };
        let until = self.deadline(waiting);
        for candidate in waiting.held_up_candidates().iter().filter(full) {
            let session = candidate.session_id();
            let Some(found) = session.and_then(|id| self.roster.orchestrator_of(id)) else {
                continue;
            };
            match wanted.iter_mut().find(|(address, _)| *address == found.address) {
                Some((_, known)) => *known = until.max(*known),
                None => wanted.push((found.address.clone(), until)),
            }
        }
    }

    /// Asks a second orchestrator for what takes longer than it should or is with one that gives no sign
    /// of life, and lets a slow one show that it has healed, as far as the budget of work done twice goes.
    pub(super) fn send_twice(&mut self, now: Instant, fleet: &mut Fleet) {
        for index in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.get(index) else { return };
            let sequence = waiting.segment.sequence;
            let mut working = self.attempts.iter().filter(|it| it.sequence == sequence);
            let (Some(only), None) = (working.next(), working.next()) else { continue };
            // One that found the segment bad and one at work on it are all it may have at a time.
            let suspect = !waiting.blamed_by.is_empty();
            if only.paying || suspect || !self.extra_work.affords() || !self.may_try(now, waiting) {
                continue;
            }
            let silent = fleet.silent_since(only.address()).is_some();
            if only.hedge_at.is_some_and(|at| at <= now || silent) {
                let there = |it: &Candidate| !silent || it.standing != Standing::Silent;
                self.attempt(now, fleet, index, AttemptKind::Hedge, there);
            } else if only.kind == AttemptKind::First && only.started == now {
                let healed: Vec<_> = self
                    .roster
                    .orchestrators()
                    .filter(|it| fleet.wants_probe(now, &it.address))
                    .map(|it| it.address.to_string())
                    .collect();
                if !healed.is_empty() {
                    let slow = |it: &Candidate| healed.contains(&it.orchestrator);
                    self.attempt(now, fleet, index, AttemptKind::Probe, slow);
                }
            }
        }
    }

    /// Whether another attempt for a segment is allowed, and has a chance.
    pub(super) fn may_try(&self, now: Instant, waiting: &Waiting) -> bool {
        let least = waiting.segment.duration.to_std() / 10;
        waiting.is_open()
            && waiting.attempts < self.config.attempts
            && self.deadline(waiting).saturating_duration_since(now) > least
    }

    /// Begins an attempt with the best of the candidates that `suits`, if one can take it.
    fn attempt(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        index: usize,
        kind: AttemptKind,
        suits: impl Fn(&Candidate) -> bool,
    ) -> Option<()> {
        let waiting = self.waiting.get(index)?;
        let deadline = self.deadline(waiting);
        let Some(chosen) = self.choose(now, fleet, index, kind, suits) else {
            if kind == AttemptKind::Hedge {
                self.no_second_for(now, index);
            }
            return None;
        };
        let waiting = self.waiting.get_mut(index)?;
        let remaining = deadline.saturating_duration_since(now);
        let more = waiting.attempts + 1 < self.config.attempts;
        let another = !kind.is_extra() && more && chosen.has_another();
        let budget = if another { remaining * 2 / 3 } else { remaining };
        let duration = waiting.segment.duration.to_std();
        let patience = patience(fleet, &chosen, duration, remaining);
        let hedge_at = another.then_some(now + patience);
        waiting.count_attempt();
        let id = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        waiting.record_attempt(AttemptRecord {
            id: id.0,
            kind,
            orchestrator: chosen.orchestrator.address.to_string(),
            pool: chosen.pool.clone(),
            started_micros: waiting.micros(now),
            budget_micros: micros(budget),
            hedge_after_micros: hedge_at.map(|_| micros(patience)),
            ended_micros: None,
            outcome: AttemptOutcome::InFlight,
            facts: None,
            payment: None,
            candidates: chosen.candidates,
        });
        let (segment, ladder) = (Arc::clone(&waiting.segment), Arc::clone(&waiting.ladder));
        let (number, epoch) = (waiting.attempts, waiting.epoch);
        if kind.is_extra() {
            self.second_begins(now, index, deadline);
        }
        let force_session_reinit = self.roster.begin(chosen.session, epoch);
        self.attempts.push(Attempt {
            id,
            session: chosen.session,
            sequence: segment.sequence,
            kind,
            orchestrator: Arc::clone(&chosen.orchestrator),
            started: now,
            paying: chosen.paying,
            give_up: now + budget,
            hedge_at,
            overdue: false,
            duration,
            real_time: duration * 3 / 4,
        });
        self.count(kind);
        self.outputs.push_back(Output::StartAttempt(AttemptStart {
            pool: chosen.pool,
            price_cap: self.roster.price_cap(&chosen.orchestrator.address),
            id,
            session: chosen.session,
            check_picture: chosen.orchestrator.checked
                && fleet.takes_picture_check(&chosen.orchestrator.address),
            orchestrator: chosen.orchestrator,
            segment,
            ladder,
            number,
            kind,
            force_session_reinit,
            budget,
        }));
        Some(())
    }

    /// The best session for a segment, with the fleet's leave.
    fn choose(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        index: usize,
        kind: AttemptKind,
        suits: impl Fn(&Candidate) -> bool,
    ) -> Option<Chosen> {
        let waiting = self.waiting.get(index)?;
        let deadline = self.deadline(waiting);
        let sequence = waiting.segment.sequence;
        let of_it = self.attempts.iter().filter(|it| it.sequence == sequence);
        let working: Vec<OrchestratorAddress> = of_it.map(|it| it.address().clone()).collect();
        let excluded = Excluded { tried: &waiting.tried, working: &working };
        let mut candidates = self.roster.candidates(now, fleet, excluded);
        let circumstances = Circumstances {
            class: self.roster.policy().class,
            duration_micros: micros(waiting.segment.duration.to_std()),
            remaining_micros: micros(deadline.saturating_duration_since(now)),
        };
        for candidate in candidates.iter_mut().filter(|it| !suits(it)) {
            candidate.rejected.get_or_insert(Rejection::NotAsked);
        }
        loop {
            let best = select(&mut candidates, circumstances).or_else(|| {
                // Better the same one again, after what it failed of, than nobody.
                let again = kind == AttemptKind::Retry
                    && waiting.blamed_by.is_empty()
                    && self.misses < OUTAGE;
                again.then(|| retry_tried(&mut candidates))?;
                select(&mut candidates, circumstances)
            });
            let Some(index) = best else {
                if !kind.is_extra()
                    && let Some(waiting) = self.waiting_for(sequence)
                {
                    waiting.record_held_up(now, candidates);
                }
                return None;
            };
            let found = candidates.get_mut(index)?;
            let session = found.session_id()?;
            let orchestrator = self.roster.orchestrator_of(session)?;
            if fleet.begin(now, self.stream, &orchestrator) {
                fleet.asks(now, &orchestrator.address, deadline.saturating_duration_since(now));
                let costs = found.price.is_some_and(|price| price.wei() > 0);
                let paying = self.config.pays && costs;
                let pool = found.pool.clone();
                return Some(Chosen { session, orchestrator, pool, paying, candidates, index });
            }
            found.rejected = Some(Rejection::OthersWait);
        }
    }

    /// Work is done twice from now on: the first attempt may go on to the end as well.
    fn second_begins(&mut self, now: Instant, index: usize, deadline: Instant) {
        self.extra_work.spend();
        let Some(sequence) = self.waiting.get(index).map(|it| it.segment.sequence) else { return };
        for attempt in self.attempts.iter_mut().filter(|it| it.sequence == sequence) {
            attempt.overdue |= attempt.hedge_at.take().is_some_and(|at| at <= now);
            attempt.give_up = deadline;
        }
    }

    /// The orchestrator's time begins, and what counts from it.
    pub(super) fn attempt_paid(
        &mut self,
        now: Instant,
        id: AttemptId,
        facts: Option<PaymentFacts>,
    ) {
        let Some(attempt) = self.attempts.iter_mut().find(|it| it.id == id) else { return };
        attempt.paying = false;
        let took = attempt.elapsed(now);
        attempt.started = now;
        attempt.hedge_at = attempt.hedge_at.map(|at| (at + took).min(attempt.give_up));
        let sequence = attempt.sequence;
        if let Some(waiting) = self.waiting_for(sequence) {
            waiting.record_payment(id, facts);
        }
    }

    /// Nobody can be asked besides just now: somebody may be there in a moment.
    fn no_second_for(&mut self, now: Instant, index: usize) {
        let Some(sequence) = self.waiting.get(index).map(|it| it.segment.sequence) else { return };
        for attempt in self.attempts.iter_mut().filter(|it| it.sequence == sequence) {
            attempt.overdue |= attempt.hedge_at.is_some_and(|at| at <= now);
            attempt.hedge_at = attempt.hedge_at.map(|at| at.max(now + HEDGE_AGAIN));
        }
    }

    fn count(&mut self, kind: AttemptKind) {
        self.stats.attempts += 1;
        match kind {
            AttemptKind::First => self.extra_work.earn(),
            AttemptKind::Retry => self.stats.retries += 1,
            AttemptKind::Hedge => self.stats.hedges += 1,
            AttemptKind::Probe => self.stats.probes += 1,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How long an attempt may take before a second orchestrator is asked: a quarter more than 19 of 20
/// took on this one; less where that would leave the second one too little time, but always longer than
/// this one takes as a rule.
fn patience(fleet: &Fleet, chosen: &Chosen, duration: Duration, remaining: Duration) -> Duration {
    let others = chosen.candidates.iter().enumerate();
    let others = others.filter(|(at, it)| *at != chosen.index && it.rejected.is_none());
    let second = others.min_by_key(|(_, it)| it.cost).and_then(|(_, it)| it.latency_permille);
    let whole = duration.max(Duration::from_secs(1));
    let share = |permille: u32| whole.saturating_mul(permille) / 1_000;
    let view = fleet.view(&chosen.orchestrator.address);
    let usual = view.latency.map_or(500, |latency| latency.saturating_mul(11) / 10);
    let unusual = view.p95.map_or(usual / 2 * 3, |p95| p95.saturating_mul(5) / 4);
    let needs = share(second.unwrap_or(400).saturating_mul(5) / 4);
    let latest = remaining.saturating_sub(needs);
    share(unusual).min(latest.max(share(usual))).max(SHORTEST_PATIENCE)
}

/// Lets those be chosen that have failed the segment. `None` when there is none.
fn retry_tried(candidates: &mut [Candidate]) -> Option<()> {
    let mut found = None;
    for candidate in candidates.iter_mut().filter(|it| it.rejected == Some(Rejection::Tried)) {
        candidate.rejected = None;
        found = Some(());
    }
    found
}
