//! What must hold when an attempt begins.

use std::time::Duration;

use router::{AttemptId, AttemptKind, AttemptStart};

use super::{AttemptBook, Ended, SessionState, User, Watch, membership::Member};
use crate::violation::{Checked, ensure};

impl Watch {
    /// An attempt begins; the tag its renditions have to carry.
    pub(crate) fn started(
        &mut self,
        at: Duration,
        stream: usize,
        start: &AttemptStart,
        orchestrator: usize,
    ) -> Checked<u64> {
        let sequence = start.segment.sequence.0;
        let what = format!("stream {stream} sends {sequence} to o{orchestrator}");
        let members = self.members(stream);
        let Some(member) = members.iter().find(|it| it.orchestrator == orchestrator).copied()
        else {
            ensure!(at, false, "{what}, which is in none of its pools");
            return Ok(0);
        };
        self.check_node(at, stream, start, &member, &what)?;
        self.check_segment(at, stream, start, orchestrator, &what)?;
        self.check_session(at, stream, start, orchestrator, &what)?;
        self.check_budget(at, stream, start.kind, &what)?;
        let tag = self.next_tag;
        self.next_tag += 1;
        let book = self.stream(stream)?;
        let attempt = AttemptBook {
            id: start.id,
            tag,
            session: start.session,
            orchestrator,
            sequence,
            kind: start.kind,
            started: at,
            budget: start.budget,
            duration: start.segment.duration.to_std(),
            ended: None,
            members,
        };
        ensure!(
            at,
            book.attempts.insert(start.id, attempt).is_none(),
            "attempt {} twice",
            start.id
        );
        let node = self.node(orchestrator)?;
        node.in_flight += 1;
        Ok(tag)
    }

    /// The orchestrator may be used, and has room.
    fn check_node(
        &mut self,
        at: Duration,
        stream: usize,
        start: &AttemptStart,
        member: &Member,
        what: &str,
    ) -> Checked {
        let most = self.config.picture_check_every;
        let deadline = self.stream(stream)?.deadline(start.segment.sequence.0).unwrap_or(at);
        let node = self.node(member.orchestrator)?;
        node.not_demoted(at, what)?;
        if let Some(quote) = node.quote {
            ensure!(at, member.pays(quote), "{what}, which asks {quote:?} of {}", member.pool);
        }
        let limit = node.circuit.limit(member.limit);
        node.circuit.used(at, User::Attempt(stream, start.id), deadline, what)?;
        let in_flight = node.in_flight + 1;
        ensure!(at, in_flight <= limit, "{what}, which has {in_flight} in flight of {limit}");
        ensure!(
            at,
            start.orchestrator.in_flight == member.limit,
            "{what} with a limit of {}",
            start.orchestrator.in_flight
        );
        node.unchecked = if start.check_picture { 0 } else { node.unchecked + 1 };
        let unchecked = node.unchecked;
        ensure!(at, most == 0 || unchecked < most, "{what}, unchecked for {unchecked} segments");
        Ok(())
    }

    /// The segment may be sent (again), within its deadline.
    fn check_segment(
        &mut self,
        at: Duration,
        stream: usize,
        start: &AttemptStart,
        orchestrator: usize,
        what: &str,
    ) -> Checked {
        let sequence = start.segment.sequence.0;
        let most = self.config.attempts;
        let book = self.stream(stream)?;
        let deadline = book.deadline(sequence);
        let of_it = book.attempts.values().filter(|it| it.sequence == sequence);
        let working: Vec<_> = of_it.clone().filter(|it| it.ended.is_none()).collect();
        // A second attempt that failed may be replaced while the first is still at work.
        let latest = of_it.clone().max_by_key(|it| it.id);
        let replaces = latest.is_some_and(|it| {
            it.kind == AttemptKind::Hedge && matches!(it.ended, Some((_, Ended::Failed(_))))
        });
        let first = of_it.count() == 0;
        let kind = start.kind;
        let fits = match kind {
            AttemptKind::First => first && working.is_empty(),
            AttemptKind::Retry => !first && working.len() <= usize::from(replaces),
            AttemptKind::Hedge | AttemptKind::Probe => working.len() == 1,
        };
        ensure!(at, fits, "{what} as {kind:?}, with {} at work on it", working.len());
        let same = working.iter().any(|it| it.orchestrator == orchestrator);
        ensure!(at, !same, "{what}, which works on it already");
        ensure!(at, start.number <= most, "{what} as attempt {}", start.number);
        let Some(deadline) = deadline else {
            ensure!(at, false, "{what}, which does not wait for it");
            return Ok(());
        };
        let end = at + start.budget;
        ensure!(
            at,
            !start.budget.is_zero() && end <= deadline,
            "{what} until {end:?} > {deadline:?}"
        );
        let Some(waiting) = book.waiting_for(sequence) else { return Ok(()) };
        ensure!(at, waiting.delivered_by.is_none(), "{what} although it is complete");
        ensure!(at, waiting.transcodable, "{what}, which can't be transcoded");
        ensure!(at, waiting.blamed_by.len() < 2, "{what} after two found it bad");
        Ok(())
    }

    /// The session is live and has room, and its encoder starts anew where it has to.
    fn check_session(
        &mut self,
        at: Duration,
        stream: usize,
        start: &AttemptStart,
        orchestrator: usize,
        what: &str,
    ) -> Checked {
        let most = self.config.in_flight_per_session;
        let book = self.stream(stream)?;
        let epoch = book.waiting_for(start.segment.sequence.0).map(|it| it.epoch);
        let Some(session) = book.sessions.get_mut(&start.session) else {
            ensure!(at, false, "{what} on a session that was never asked for");
            return Ok(());
        };
        ensure!(at, session.state == SessionState::Live, "{what} on a session that is not live");
        ensure!(at, session.orchestrator == orchestrator, "{what} on another one's session");
        session.in_flight += 1;
        ensure!(at, session.in_flight <= most, "{what}, {} on one session", session.in_flight);
        let anew = session.epoch.is_some() && session.epoch != epoch;
        ensure!(
            at,
            start.force_session_reinit == anew,
            "{what}: the encoder starts anew: {}",
            start.force_session_reinit
        );
        session.epoch = epoch;
        Ok(())
    }

    /// Work done twice stays within its share.
    fn check_budget(
        &mut self,
        at: Duration,
        stream: usize,
        kind: AttemptKind,
        what: &str,
    ) -> Checked {
        let percent = u64::from(self.config.extra_work_percent);
        let book = self.stream(stream)?;
        match kind {
            AttemptKind::First => book.firsts += 1,
            AttemptKind::Retry => {}
            AttemptKind::Hedge | AttemptKind::Probe => book.extras += 1,
        }
        let most = if percent == 0 { 0 } else { 1 + book.firsts * percent / 100 };
        let (extras, firsts) = (book.extras, book.firsts);
        ensure!(at, extras <= most, "{what}: {extras} of {firsts} segments done twice");
        match kind {
            AttemptKind::Retry => self.summary.retries += 1,
            AttemptKind::Hedge => self.summary.hedges += 1,
            AttemptKind::Probe => self.summary.probes += 1,
            AttemptKind::First => {}
        }
        self.summary.attempts += 1;
        Ok(())
    }

    /// Tag and state of an attempt: whether it is still in flight.
    pub(crate) fn is_in_flight(&self, stream: usize, id: AttemptId) -> bool {
        let attempt = self.streams.get(stream).and_then(|book| book.attempts.get(&id));
        attempt.is_some_and(|it| it.ended.is_none())
    }
}
