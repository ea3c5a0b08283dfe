//! The stream's orchestrators as candidates for a segment.

use std::time::Instant;

use orchestrator::OrchestratorAddress;

use super::{Contact, Engagement, Roster};
use crate::{
    fleet::{Fleet, Passage, Standing},
    rejection::Rejection,
    selection::Candidate,
    session::OrchestratorSession,
};

/// Orchestrators that are out of the question for one segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excluded<'a> {
    /// They failed it.
    pub(crate) tried: &'a [OrchestratorAddress],
    /// They work on it.
    pub(crate) working: &'a [OrchestratorAddress],
}

impl Roster {
    /// Every orchestrator the stream may use, each with what is known about it, and why it can't take
    /// the segment where it can't.
    pub(crate) fn candidates(
        &self,
        now: Instant,
        fleet: &Fleet,
        excluded: Excluded<'_>,
    ) -> Vec<Candidate> {
        let urgent = self.is_urgent(now, fleet);
        let one = |contact: &Contact| {
            let session = self.session_with(contact.address());
            let orchestrator = &contact.member.orchestrator;
            let view = fleet.view(contact.address());
            Candidate {
                orchestrator: contact.address().to_string(),
                pool: contact.member.pool.clone(),
                pool_rank: contact.member.rank,
                session: session.map(|it| it.id.0),
                current: session.is_some_and(|it| self.current == Some(it.id)),
                standing: fleet.standing(now, contact.address()),
                latency_permille: view.latency,
                success_permille: view.success,
                round_trip_micros: view.round_trip_micros,
                in_flight: view.in_flight,
                limit: orchestrator.in_flight,
                price: view.price,
                away: contact.member.away,
                weight: orchestrator.weight,
                cost: None,
                in_time: false,
                rejected: self.rejection(now, fleet, urgent, contact, session, excluded),
            }
        };
        self.contacts.iter().map(one).collect()
    }

    fn session_with(&self, address: &OrchestratorAddress) -> Option<&OrchestratorSession> {
        self.sessions.iter().find(|it| it.is_live() && it.address() == address)
    }

    fn rejection(
        &self,
        now: Instant,
        fleet: &Fleet,
        urgent: bool,
        contact: &Contact,
        session: Option<&OrchestratorSession>,
        excluded: Excluded<'_>,
    ) -> Option<Rejection> {
        let address = contact.address();
        if fleet.standing(now, address) == Standing::Demoted {
            return Some(Rejection::Demoted);
        }
        if matches!(fleet.passage(now, address, urgent), Passage::Closed { .. }) {
            return Some(Rejection::BreakerOpen);
        }
        if !contact.carries(self.source) {
            return Some(Rejection::Incapable);
        }
        let Some(session) = session else {
            return Some(match self.engagement(contact) {
                Engagement::Busy => Rejection::Asked,
                Engagement::Idle | Engagement::RefreshAt(_)
                    if contact.back_off.is_over(now, urgent) =>
                {
                    Rejection::NotAsked
                }
                Engagement::Idle | Engagement::RefreshAt(_) => contact.back_off.why(),
            });
        };
        // What was tried may be tried again when nothing else is left, so that comes last.
        if excluded.working.contains(address) {
            Some(Rejection::Working)
        } else if session.in_flight >= self.config.in_flight_per_session
            || !fleet.has_room(now, &contact.member.orchestrator)
        {
            Some(Rejection::InFlight)
        } else if !self.is_payable(now, fleet, contact) {
            Some(Rejection::Unpaid)
        } else if excluded.tried.contains(address) {
            Some(Rejection::Tried)
        } else {
            None
        }
    }
}
