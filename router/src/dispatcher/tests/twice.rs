//! Work done twice: hedges and probes.

use super::super::{attempts::HEDGE_AGAIN, *};
use super::bench::{Bench, CONNECT, HOLD, MEDIA, SECOND, SEGMENT, at_once};
use crate::{
    decision::{AttemptKind, AttemptOutcome},
    fleet::Standing,
};

fn hedging() -> RouterConfig {
    RouterConfig { extra_work_percent: 100, ..at_once() }
}

/// Lets the first orchestrator take `time` for each of `count` segments.
fn accustom(bench: &mut Bench, sequences: std::ops::Range<u64>, time: Duration) {
    for sequence in sequences {
        let index = bench.started.len();
        bench.push(sequence);
        bench.pass(time);
        bench.succeed(index);
        bench.pass(SEGMENT.saturating_sub(time));
    }
}

#[test]
fn a_second_orchestrator_is_asked_when_the_first_passes_what_it_usually_takes() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.pass(Duration::from_millis(499));
    assert_eq!(bench.started.len(), first + 1);
    bench.pass(Duration::from_millis(2));
    assert_eq!(bench.started.len(), first + 2, "after a quarter more than usual");
    assert_eq!(bench.host(first + 1), "o1");
    assert_eq!(bench.start(first + 1).kind, AttemptKind::Hedge);
    bench.pass(Duration::from_millis(300));
    bench.succeed(first + 1);
    assert_eq!(bench.cancelled, [bench.start(first).id], "the first good result wins");
    assert_eq!(bench.gap(5), None);
    let decision = bench.decided.last().unwrap();
    let ends: Vec<_> = decision.attempts.iter().map(|it| &it.outcome).collect();
    assert!(matches!(ends[0], AttemptOutcome::Cancelled { .. }), "{ends:?}");
    assert_eq!(*ends[1], AttemptOutcome::Delivered);
    assert_eq!(bench.dispatcher.stats().hedges, 1);
}

#[test]
fn a_hedge_that_fails_is_replaced_at_once() {
    let mut bench = Bench::configured(hedging(), 3);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.pass(SEGMENT / 2);
    assert_eq!(bench.start(first + 1).kind, AttemptKind::Hedge);
    bench.fail(first + 1, CONNECT);
    assert_eq!(bench.start(first + 2).kind, AttemptKind::Retry);
    assert_eq!(bench.host(first + 2), "o2", "the first one is still at it");
    bench.succeed(first + 2);
    assert_eq!(bench.gap(5), None);
    assert!(bench.cancelled.contains(&bench.start(first).id));
}

#[test]
fn a_hedged_attempt_may_still_win() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(200));
    let first = bench.started.len();
    bench.push(6);
    bench.pass(SECOND);
    bench.succeed(first);
    assert_eq!(bench.cancelled, [bench.start(first + 1).id]);
    assert_eq!(bench.gap(5), None);
}

#[test]
fn a_segment_that_one_found_bad_is_not_hedged() {
    let mut bench = Bench::configured(hedging(), 3);
    bench.answer_all();
    bench.push(1);
    bench.fail(0, MEDIA);
    bench.pass(SEGMENT * 9 / 10);
    assert_eq!(bench.started.len(), 2, "a third could be the third to find it bad");
    bench.fail(1, MEDIA);
    assert_eq!(bench.gap(0), Some(GapReason::Quarantined));
}

#[test]
fn hedges_stay_within_their_budget() {
    let mut bench = Bench::configured(RouterConfig { extra_work_percent: 25, ..at_once() }, 2);
    bench.answer_all();
    for sequence in 1..=40 {
        bench.push(sequence);
        bench.pass(SEGMENT);
    }
    let stats = bench.dispatcher.stats();
    let extra = stats.hedges + stats.probes;
    assert!((1..=1 + 40 / 4).contains(&extra), "{extra} of {}", stats.attempts);
}

#[test]
fn a_slow_orchestrator_is_left_within_five_segments_and_back_after_it_heals() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    let slow = bench.fleet.pools().pools[0].orchestrators[0].address.clone();
    let mut pace = Duration::from_millis(500);
    let mut served = Vec::new();
    let mut standings = Vec::new();
    for sequence in 1..=40_u64 {
        match sequence {
            11 => pace *= 3,
            25 => pace /= 3,
            _ => {}
        }
        let first = bench.started.len();
        bench.push(sequence);
        let end = bench.now + SEGMENT;
        let mut answered = Vec::new();
        while bench.now < end {
            bench.pass(Duration::from_millis(50));
            for index in first..bench.started.len() {
                let takes =
                    if bench.host(index) == "o0" { pace } else { Duration::from_millis(600) };
                let due = bench.now + takes;
                if !answered.iter().any(|(it, _)| *it == index) {
                    answered.push((index, due));
                }
            }
            let over: Vec<_> =
                answered.iter().filter(|(_, due)| *due <= bench.now).map(|(it, _)| *it).collect();
            for index in over {
                answered.retain(|(it, _)| *it != index);
                answered.push((index, end + HOLD));
                bench.succeed(index);
            }
        }
        served.push(bench.host(first).to_owned());
        standings.push(bench.fleet.standing(bench.now, &slow));
    }
    assert!(bench.released.iter().all(|(_, it)| it.renditions.len() == 3));
    assert!((0..40).all(|index| bench.gap(index).is_none()), "no segment was lost over it");
    assert!(served[..10].iter().all(|host| host == "o0"));
    assert!(served[15..24].iter().all(|host| host == "o1"), "{served:?}");
    assert!(standings[10..15].contains(&Standing::Slow), "{standings:?}");
    assert_eq!(standings[39], Standing::Ready, "{standings:?}");
}

#[test]
fn a_segment_with_a_silent_orchestrator_goes_to_another_too() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    bench.push(1);
    bench.find(0, false);
    assert_eq!((bench.host(1), bench.start(1).kind), ("o1", AttemptKind::Hedge));
    bench.succeed(0);
    assert_eq!(bench.gap(0), None, "it was there after all, and first");
    bench.pass(SEGMENT);
    bench.push(2);
    assert_eq!(bench.host(2), "o0", "a delivery is a sign of life");
    bench.succeed(2);
    bench.find(0, false);
    bench.pass(SEGMENT);
    bench.push(3);
    assert_eq!(bench.host(3), "o1");
    bench.find(0, true);
    bench.find(1, false);
    assert_eq!(bench.host(4), "o0");
}

#[test]
fn without_a_budget_a_silent_orchestrator_is_given_up_when_another_is_there() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.find(1, false);
    bench.find(0, false);
    bench.pass(SECOND);
    assert_eq!(bench.started.len(), 1, "nobody else is there either");
    bench.find(1, true);
    assert_eq!((bench.host(1), bench.start(1).kind), ("o1", AttemptKind::Retry));
    assert_eq!(bench.cancelled, [bench.start(0).id]);
    bench.succeed(1);
    assert_eq!(bench.gap(0), None);
    let ending = &bench.decided[0].attempts[0].outcome;
    let AttemptOutcome::Failed { detail, .. } = ending else { panic!("{ending:?}") };
    assert!(detail.contains("no sign of life"), "{detail}");
}

#[test]
fn a_silent_orchestrator_keeps_a_segment_that_nobody_else_may_take() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.fail(0, MEDIA);
    assert_eq!(bench.host(1), "o1");
    bench.find(1, false);
    bench.pass(SECOND);
    assert_eq!(bench.cancelled, [], "the other one has found the segment bad");
    bench.succeed(1);
    assert_eq!(bench.gap(0), None);
}

#[test]
fn a_moment_of_silence_does_not_cost_the_second_orchestrator() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.find(1, false);
    bench.find(0, false);
    bench.pass(Duration::from_millis(100));
    bench.find(0, true);
    bench.find(1, true);
    assert_eq!(bench.started.len(), first + 1);
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.start(first + 1).kind, AttemptKind::Hedge, "it takes longer than it should");
}

#[test]
fn who_was_not_there_when_a_segment_was_late_is_asked_once_they_are() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.find(1, false);
    bench.find(0, false);
    bench.pass(Duration::from_millis(700));
    assert_eq!(bench.started.len(), first + 1, "late, and nobody else is there");
    bench.find(0, true);
    bench.find(1, true);
    bench.pass(HEDGE_AGAIN);
    assert_eq!((bench.host(first + 1), bench.start(first + 1).kind), ("o1", AttemptKind::Hedge));
    bench.succeed(first + 1);
    assert_eq!(bench.gap(5), None);
}

#[test]
fn an_orchestrator_is_not_slow_for_a_moment_of_silence() {
    let mut bench = Bench::configured(hedging(), 2);
    bench.answer_all();
    accustom(&mut bench, 1..6, Duration::from_millis(400));
    let first = bench.started.len();
    bench.push(6);
    bench.find(0, false);
    assert_eq!(bench.start(first + 1).kind, AttemptKind::Hedge);
    bench.find(0, true);
    bench.pass(Duration::from_millis(200));
    bench.succeed(first + 1);
    let address = bench.start(first).orchestrator.address.clone();
    assert_eq!(bench.fleet.standing(bench.now, &address), Standing::Ready);
}
