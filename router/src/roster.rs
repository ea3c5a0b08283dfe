//! The orchestrators one stream works with: who is asked, who is in use, who is set aside.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use orchestrator::OrchestratorAddress;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    back_off::BackOff,
    config::RouterConfig,
    output::Output,
    reason::Reason,
    selection::{Choice, select},
    session::{
        ConfiguredOrchestrator, DiscoveryFault, OrchestratorSession, Phase, SessionId, SessionOffer,
    },
};

/// Attempts in a row that may come late before their session is dropped.
const LATE_ALLOWED: u32 = 2;

/// An orchestrator of the operator's list, and what this stream learned about it.
#[derive(Debug)]
struct Candidate {
    orchestrator: Arc<ConfiguredOrchestrator>,
    back_off: BackOff,
    /// Sessions replaced in a row at the orchestrator's wish without a delivery in between.
    renewals: u32,
}

/// What the end of an attempt says about the session it ran on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It brought what was asked for.
    Delivered,
    /// It failed: drop the session, set the orchestrator aside.
    Fault,
    /// It is at capacity: drop the session, come back in a while.
    Capped,
    /// The session is stale, the orchestrator is not to blame: get a new one at once.
    Renew,
    /// Slower than the publisher: tolerated once, then a fault.
    Late,
    /// Says nothing about the session.
    Innocent,
}

/// The orchestrators of one stream.
#[derive(Debug)]
pub(crate) struct Roster {
    config: Arc<RouterConfig>,
    candidates: Vec<Candidate>,
    sessions: Vec<OrchestratorSession>,
    /// The session in use: the one that delivered last, or the first one sent to.
    current: Option<SessionId>,
    next_session: u64,
    rng: StdRng,
}

impl Roster {
    pub(crate) fn new(config: Arc<RouterConfig>, seed: u64) -> Self {
        Self {
            config,
            candidates: Vec::new(),
            sessions: Vec::new(),
            current: None,
            next_session: 0,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Whether no orchestrator is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Whether a session takes segments, now or when one of its attempts ends.
    pub(crate) fn has_live(&self) -> bool {
        self.sessions.iter().any(OrchestratorSession::is_live)
    }

    /// Takes over the operator's list; sessions of those no longer in it end with their attempts.
    pub(crate) fn set_orchestrators(
        &mut self,
        configured: Vec<ConfiguredOrchestrator>,
        outputs: &mut VecDeque<Output>,
    ) {
        let mut kept = Vec::with_capacity(configured.len());
        for orchestrator in configured {
            if kept.iter().any(|it: &Candidate| it.orchestrator.address == orchestrator.address) {
                continue;
            }
            let known = self.candidates.iter().position(|it| *it.orchestrator == orchestrator);
            kept.push(match known {
                Some(index) => self.candidates.swap_remove(index),
                None => Candidate {
                    orchestrator: Arc::new(orchestrator),
                    back_off: BackOff::default(),
                    renewals: 0,
                },
            });
        }
        self.candidates = kept;
        let gone: Vec<_> = self
            .sessions
            .iter()
            .filter(|session| self.order(&session.orchestrator).is_none())
            .map(|session| session.id)
            .collect();
        for id in gone {
            self.retire(id, outputs);
        }
    }

    /// Ends what is over, and asks for the sessions the stream needs. A token that could not be
    /// replaced in time is used on: the orchestrator says when it no longer likes it.
    pub(crate) fn maintain(&mut self, now: Instant, wanted: bool, outputs: &mut VecDeque<Output>) {
        self.expire(now, outputs);
        if !wanted {
            return;
        }
        let without_session = !self.has_live();
        let mut room = self.room();
        let due: Vec<_> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.back_off.is_over(now, without_session))
            .filter(|candidate| match self.engagement(candidate) {
                Engagement::Idle => {
                    let taken = room > 0;
                    room = room.saturating_sub(1);
                    taken
                }
                Engagement::RefreshAt(refresh) => refresh <= now,
                Engagement::Busy => false,
            })
            .map(|candidate| Arc::clone(&candidate.orchestrator))
            .collect();
        for orchestrator in due {
            self.discover(now, orchestrator, outputs);
        }
    }

    fn discover(
        &mut self,
        now: Instant,
        orchestrator: Arc<ConfiguredOrchestrator>,
        outputs: &mut VecDeque<Output>,
    ) {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.push(OrchestratorSession {
            id,
            orchestrator: Arc::clone(&orchestrator),
            phase: Phase::Discovering { give_up: now + self.config.discovery_timeout },
            in_flight: 0,
            used: false,
            epoch: 0,
            late: 0,
        });
        outputs.push_back(Output::Discover { session: id, orchestrator });
    }

    /// Gives up questions that were not answered in time.
    fn expire(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        let unanswered = |session: &&OrchestratorSession| matches!(session.phase, Phase::Discovering { give_up } if give_up <= now);
        let over: Vec<_> = self.sessions.iter().filter(unanswered).map(|it| it.id).collect();
        for id in over {
            self.fault(now, id);
            self.retire(id, outputs);
        }
    }

    /// Takes the answer to [`Output::Discover`]; false when nobody waits for it any more.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        id: SessionId,
        answer: Result<SessionOffer, DiscoveryFault>,
        outputs: &mut VecDeque<Output>,
    ) -> bool {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return false };
        if !session.is_discovering() {
            return false;
        }
        match answer {
            Ok(offer) => {
                session.phase = Phase::Live { refresh: offer.refresh };
                let address = session.orchestrator.address.clone();
                let before = self.sessions.iter().filter(|it| it.is_live() && it.id != id);
                let replaced = before.filter(|it| it.orchestrator.address == address);
                for old in replaced.map(|it| it.id).collect::<Vec<_>>() {
                    if self.current == Some(old) {
                        self.current = Some(id);
                    }
                    self.retire(old, outputs);
                }
                true
            }
            Err(fault) => {
                match fault {
                    DiscoveryFault::Capped => self.capped(now, id),
                    DiscoveryFault::Failed => self.fault(now, id),
                }
                self.sessions.retain(|it| it.id != id);
                false
            }
        }
    }

    /// The session to send a segment on that failed at the orchestrators `tried`.
    pub(crate) fn choose(&self, tried: &[OrchestratorAddress]) -> Option<SessionId> {
        select(self.choices(tried))
    }

    /// Whether another orchestrator than that of `session`, and not one of `tried`, could take over.
    pub(crate) fn has_other(&self, session: SessionId, tried: &[OrchestratorAddress]) -> bool {
        self.choices(tried).any(|choice| choice.session != session && !choice.tried)
    }

    fn choices<'a>(
        &'a self,
        tried: &'a [OrchestratorAddress],
    ) -> impl Iterator<Item = Choice> + 'a {
        let bound = self.config.in_flight_per_session;
        let free = self.sessions.iter().filter(move |it| it.is_live() && it.in_flight < bound);
        free.filter_map(|session| {
            Some(Choice {
                session: session.id,
                tried: tried.contains(&session.orchestrator.address),
                current: self.current == Some(session.id),
                in_flight: session.in_flight,
                order: self.order(&session.orchestrator)?,
            })
        })
    }

    /// Counts an attempt on a session; tells whose it is, and whether its encoder has to start anew.
    pub(crate) fn begin(
        &mut self,
        id: SessionId,
        epoch: u64,
    ) -> Option<(Arc<ConfiguredOrchestrator>, bool)> {
        let session = self.sessions.iter_mut().find(|it| it.id == id)?;
        session.in_flight += 1;
        let force_session_reinit = session.used && session.epoch != epoch;
        session.used = true;
        session.epoch = epoch;
        self.current.get_or_insert(id);
        Some((Arc::clone(&session.orchestrator), force_session_reinit))
    }

    /// Takes the end of an attempt on a session.
    pub(crate) fn ended(
        &mut self,
        now: Instant,
        id: SessionId,
        verdict: Verdict,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return };
        session.in_flight = session.in_flight.saturating_sub(1);
        let live = session.is_live();
        match verdict {
            Verdict::Delivered => {
                session.late = 0;
                if live {
                    self.current = Some(id);
                }
                if let Some(candidate) = self.candidate_of(id) {
                    candidate.back_off.clear();
                    candidate.renewals = 0;
                }
            }
            Verdict::Late => {
                session.late += 1;
                let dropped = session.late >= LATE_ALLOWED;
                self.current = self.current.filter(|it| *it != id);
                if live && dropped {
                    self.fault(now, id);
                    self.retire(id, outputs);
                }
            }
            // Several attempts that fail with one session are one fault.
            Verdict::Fault if live => {
                self.fault(now, id);
                self.retire(id, outputs);
            }
            Verdict::Capped if live => {
                self.capped(now, id);
                self.retire(id, outputs);
            }
            Verdict::Renew if live => {
                self.renew(now, id);
                self.retire(id, outputs);
            }
            Verdict::Fault | Verdict::Capped | Verdict::Renew | Verdict::Innocent => {}
        }
        self.sweep(id, outputs);
    }

    /// Takes no more segments on a session; it ends with its last attempt.
    fn retire(&mut self, id: SessionId, outputs: &mut VecDeque<Output>) {
        let Some(session) = self.sessions.iter_mut().find(|it| it.id == id) else { return };
        if session.is_discovering() {
            outputs.push_back(Output::CancelDiscovery { session: id });
            self.sessions.retain(|it| it.id != id);
            return;
        }
        session.phase = Phase::Retiring;
        self.current = self.current.filter(|it| *it != id);
        self.sweep(id, outputs);
    }

    /// Ends a retiring session once nothing is in flight on it.
    fn sweep(&mut self, id: SessionId, outputs: &mut VecDeque<Output>) {
        let over = |it: &OrchestratorSession| {
            it.id == id && it.phase == Phase::Retiring && it.in_flight == 0
        };
        if let Some(index) = self.sessions.iter().position(over) {
            let session = self.sessions.swap_remove(index);
            outputs.push_back(Output::EndSession { session: id, notify: session.used });
        }
    }

    /// Ends every session. Attempts in flight are the caller's to cancel.
    pub(crate) fn close(&mut self, outputs: &mut VecDeque<Output>) {
        let all: Vec<_> = self.sessions.iter().map(|it| it.id).collect();
        for id in all {
            self.retire(id, outputs);
        }
    }

    fn fault(&mut self, now: Instant, id: SessionId) {
        let Some(index) = self.candidate_index(id) else { return };
        let Some(candidate) = self.candidates.get_mut(index) else { return };
        candidate.back_off.fault(now, &self.config, &mut self.rng);
    }

    fn capped(&mut self, now: Instant, id: SessionId) {
        let Some(index) = self.candidate_index(id) else { return };
        let Some(candidate) = self.candidates.get_mut(index) else { return };
        candidate.back_off.capped(now, &self.config);
    }

    /// A stale session is replaced at once; an orchestrator that never likes its own is at fault.
    fn renew(&mut self, now: Instant, id: SessionId) {
        let Some(candidate) = self.candidate_of(id) else { return };
        candidate.renewals = candidate.renewals.saturating_add(1);
        if candidate.renewals > 1 {
            self.fault(now, id);
        }
    }

    fn candidate_of(&mut self, id: SessionId) -> Option<&mut Candidate> {
        let index = self.candidate_index(id)?;
        self.candidates.get_mut(index)
    }

    fn candidate_index(&self, id: SessionId) -> Option<usize> {
        let session = self.sessions.iter().find(|it| it.id == id)?;
        self.order(&session.orchestrator)
    }

    /// Place in the operator's list.
    fn order(&self, orchestrator: &ConfiguredOrchestrator) -> Option<usize> {
        self.candidates.iter().position(|it| *it.orchestrator == *orchestrator)
    }

    /// How many more orchestrators may be engaged.
    fn room(&self) -> usize {
        let engaged = self
            .candidates
            .iter()
            .filter(|candidate| !matches!(self.engagement(candidate), Engagement::Idle))
            .count();
        let limit =
            if self.has_live() { self.config.sessions } else { self.config.discovery_width };
        limit.saturating_sub(engaged)
    }

    fn engagement(&self, candidate: &Candidate) -> Engagement {
        let mut sessions = self
            .sessions
            .iter()
            .filter(|it| it.orchestrator == candidate.orchestrator && it.phase != Phase::Retiring);
        let Some(first) = sessions.next() else { return Engagement::Idle };
        // A second one is the question for its replacement.
        match first.phase {
            Phase::Live { refresh: Some(at) } if sessions.next().is_none() => {
                Engagement::RefreshAt(at)
            }
            Phase::Live { .. } | Phase::Discovering { .. } | Phase::Retiring => Engagement::Busy,
        }
    }

    /// The earliest time a segment could be sent; `None` when no session is there or in sight.
    pub(crate) fn earliest_opportunity(&self, now: Instant) -> Option<Instant> {
        if self.sessions.iter().any(|it| it.is_live() || it.is_discovering()) {
            return Some(now);
        }
        let until = |candidate: &Candidate| candidate.back_off.until(true).unwrap_or(now);
        self.candidates.iter().map(until).min()
    }

    /// When [`maintain`](Self::maintain) has something to do, and what.
    pub(crate) fn timeouts(&self, wanted: bool) -> impl Iterator<Item = (Instant, Reason)> + '_ {
        let ends = self.sessions.iter().filter_map(|session| match session.phase {
            Phase::Discovering { give_up } => Some((give_up, Reason::DiscoveryTimeout)),
            Phase::Live { .. } | Phase::Retiring => None,
        });
        let without_session = !self.has_live();
        let room = self.room();
        let questions = self.candidates.iter().filter(move |_| wanted).filter_map(move |it| {
            let until = it.back_off.until(without_session);
            match self.engagement(it) {
                Engagement::Idle => until.filter(|_| room > 0).map(|at| (at, Reason::Rediscovery)),
                Engagement::RefreshAt(refresh) => {
                    Some((until.map_or(refresh, |at| at.max(refresh)), Reason::SessionRefresh))
                }
                Engagement::Busy => None,
            }
        });
        ends.chain(questions)
    }

    #[cfg(test)]
    pub(crate) fn most_in_flight(&self) -> usize {
        self.sessions.iter().map(|it| it.in_flight).max().unwrap_or(0)
    }

    #[cfg(test)]
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }
}

/// What a stream has going with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engagement {
    /// Nothing.
    Idle,
    /// A session whose token has to be replaced from then on.
    RefreshAt(Instant),
    /// A session, or a question for one, that needs nothing.
    Busy,
}
