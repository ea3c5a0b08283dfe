//! What must hold for the record of a segment: it says what happened.

use std::time::Duration;

use router::{AttemptOutcome, AttemptRecord, Candidate, Decision, Standing};

use super::{AttemptBook, AttemptKind, Ended, Watch, release::Pushed};
use crate::violation::{Checked, ensure};

/// Attempts a record keeps.
const RECORDED: usize = 16;

impl Watch {
    /// A decision comes out.
    pub(crate) fn decided(&mut self, at: Duration, stream: usize, decision: &Decision) -> Checked {
        let names = self.names.clone();
        let book = self.stream(stream)?;
        let what = format!("the record of {} of stream {stream}", decision.sequence);
        let Some(pushed) = book.undecided.take() else {
            ensure!(at, false, "{what} comes without a release");
            return Ok(());
        };
        ensure!(at, decision.sequence == pushed.sequence, "{what} is for {}", pushed.sequence);
        ensure!(at, decision.class == book.policy.class, "{what} has another class");
        ensure!(at, decision.pools == book.policy.pools, "{what} has other pools");
        check_times(at, &what, &pushed, decision)?;
        let made: Vec<_> =
            book.attempts.values().filter(|it| it.sequence == pushed.sequence).collect();
        let kept = made.len().min(RECORDED);
        ensure!(
            at,
            decision.attempts.len() == kept,
            "{what} has {} attempts of {}",
            decision.attempts.len(),
            made.len()
        );
        // Beyond its bound a record keeps the first ones and the last.
        let tail = if made.len() > RECORDED { made.last() } else { None };
        let first = made.iter().take(kept - usize::from(tail.is_some()));
        for (record, attempt) in decision.attempts.iter().zip(first.chain(tail)) {
            check_attempt(at, &what, &pushed, record, attempt, &names)?;
        }
        let delivered = |it: &&AttemptRecord| it.outcome == AttemptOutcome::Delivered;
        let used = decision.attempts.iter().filter(delivered).count();
        let complete = pushed.outcome == "complete";
        ensure!(at, used == usize::from(complete), "{what} says that {used} were used");
        book.attempts.retain(|_, it| it.sequence != pushed.sequence || it.ended.is_none());
        Ok(())
    }
}

/// Microseconds after the segment closed.
fn micros(pushed: &Pushed, at: Duration) -> u64 {
    u64::try_from(at.saturating_sub(pushed.closed).as_micros()).unwrap_or(u64::MAX)
}

fn check_times(at: Duration, what: &str, pushed: &Pushed, decision: &Decision) -> Checked {
    let same = [
        ("outcome", decision.outcome == pushed.outcome),
        ("release", decision.released_micros == micros(pushed, at)),
        ("due time", decision.due_micros == micros(pushed, pushed.due)),
        ("duration", u128::from(decision.duration_micros) == pushed.duration.as_micros()),
    ];
    let wrong = same.into_iter().find(|(_, it)| !it);
    ensure!(at, wrong.is_none(), "{what} has another {:?}: {decision:?}", wrong.map(|it| it.0));
    Ok(())
}

fn check_attempt(
    at: Duration,
    what: &str,
    pushed: &Pushed,
    record: &AttemptRecord,
    attempt: &AttemptBook,
    names: &[String],
) -> Checked {
    let what = format!("{what}, attempt {}", attempt.id);
    let member = attempt.members.iter().find(|it| it.orchestrator == attempt.orchestrator);
    let budget = u64::try_from(attempt.budget.as_micros()).unwrap_or(u64::MAX);
    let same = [
        ("name", record.id.to_string() == attempt.id.to_string()),
        ("kind", record.kind == attempt.kind),
        ("orchestrator", names.get(attempt.orchestrator) == Some(&record.orchestrator)),
        ("pool", member.is_some_and(|it| it.pool == record.pool.as_str())),
        ("start", record.started_micros == micros(pushed, attempt.started)),
        ("budget", record.budget_micros == budget),
        ("end", record.ended_micros == attempt.ended.map(|(end, _)| micros(pushed, end))),
        ("measure", record.facts.is_none_or(|it| it.pixels == attempt.tag)),
        ("outcome", is_same_outcome(&record.outcome, attempt, pushed)),
    ];
    let wrong = same.into_iter().find(|(_, it)| !it).map(|it| it.0);
    ensure!(at, wrong.is_none(), "{what} has another {wrong:?}: {record:?} for {attempt:?}");
    let listed = record.candidates.iter().map(|it| it.orchestrator.as_str());
    let members = attempt.members.iter().filter_map(|it| names.get(it.orchestrator));
    ensure!(at, listed.eq(members.map(String::as_str)), "{what} has other candidates");
    check_choice(at, &what, record, &attempt.session.to_string())
}

fn is_same_outcome(outcome: &AttemptOutcome, attempt: &AttemptBook, pushed: &Pushed) -> bool {
    let used = pushed.delivered_by == Some(attempt.id);
    match (outcome, attempt.ended.map(|it| it.1)) {
        (AttemptOutcome::InFlight, None) => attempt.kind == AttemptKind::Probe,
        (AttemptOutcome::Delivered, Some(Ended::Delivered)) => used,
        (AttemptOutcome::Surplus, Some(Ended::Delivered)) => !used,
        (AttemptOutcome::Failed { class, .. }, Some(Ended::Failed(found))) => *class == found,
        // Given up, or not needed any more.
        (
            AttemptOutcome::Failed { class: router::FaultClass::Timeout, .. }
            | AttemptOutcome::Cancelled { .. },
            Some(Ended::Cancelled),
        ) => true,
        _ => false,
    }
}

/// The one that was chosen is the best of those that were not rejected.
fn check_choice(at: Duration, what: &str, record: &AttemptRecord, session: &str) -> Checked {
    let chosen = record.candidates.iter().find(|it| it.orchestrator == record.orchestrator);
    let Some(chosen) = chosen else {
        ensure!(at, false, "{what} does not list the one that was chosen");
        return Ok(());
    };
    ensure!(at, chosen.rejected.is_none(), "{what} rejected the one that was chosen");
    let own = chosen.session.is_some_and(|it| it.to_string() == session);
    ensure!(at, own, "{what} names another session: {:?}", chosen.session);
    let order = |it: &Candidate| {
        (
            it.standing == Standing::Silent,
            !it.in_time,
            it.pool_rank,
            it.standing == Standing::Slow,
            it.cost,
        )
    };
    let others = record.candidates.iter().filter(|it| it.rejected.is_none());
    let better = others.into_iter().find(|it| order(it) < order(chosen));
    ensure!(at, better.is_none(), "{what} passed over {better:?}");
    Ok(())
}
