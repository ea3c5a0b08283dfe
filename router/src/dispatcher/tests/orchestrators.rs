//! Orchestrators that fail, return, come and go.

use media::RenditionOutcome;

use super::super::*;
use super::bench::{Bench, CAPPED, CONNECT, HOLD, MEDIA, SECOND, SEGMENT, TOKEN};
use crate::{
    fault::FaultClass,
    test_media::{orchestrators, renditions, segment},
};

#[test]
fn another_orchestrator_takes_over_within_the_same_deadline() {
    let mut bench = Bench::with(3);
    bench.push(1);
    assert_eq!(bench.host(0), "o0");
    assert_eq!(bench.start(0).budget, SEGMENT, "two thirds of the hold");
    bench.fail(0, CONNECT);
    assert_eq!(bench.host(1), "o1");
    assert_eq!(bench.start(1).number, 2);
    assert_eq!(bench.ended.len(), 1, "the failing session is dropped");
    bench.pass(SEGMENT);
    assert_eq!(bench.host(2), "o2", "the second used up its share");
    assert_eq!(bench.start(2).budget, SECOND, "the last gets all that is left");
    bench.succeed(2);
    assert_eq!(bench.gap(0), None);
    assert_eq!(bench.dispatcher.stats().retries, 2);
}

#[test]
fn the_orchestrator_that_took_over_keeps_the_stream() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.fail(0, CONNECT);
    bench.succeed(1);
    bench.pass(SEGMENT);
    bench.answer_all();
    bench.push(2);
    assert_eq!(bench.host(2), "o1", "although the first one is back");
}

#[test]
fn gives_up_at_once_after_the_allowed_attempts() {
    let mut bench = Bench::with(5);
    bench.answer_all();
    bench.push(1);
    for index in 0..4 {
        bench.fail(index, CONNECT);
        bench.answer_all();
    }
    assert_eq!(bench.started.len(), 4);
    assert_eq!(bench.gap(0), Some(GapReason::AttemptsFailed));
}

#[test]
fn a_segment_no_orchestrator_can_do_is_quarantined_after_two() {
    let mut bench = Bench::with(4);
    bench.push(1);
    bench.fail(0, MEDIA);
    bench.fail(1, MEDIA);
    assert_eq!(bench.started.len(), 2);
    assert_eq!(bench.gap(0), Some(GapReason::Quarantined));
    assert!(bench.ended.is_empty(), "no session is to blame");
    bench.push(2);
    assert_eq!(bench.host(2), "o0");
}

#[test]
fn one_that_blames_a_good_segment_is_at_fault_itself() {
    let mut bench = Bench::with(2);
    let address = bench.fleet.pools().pools[0].orchestrators[0].address.clone();
    for sequence in 1..=3 {
        bench.push(sequence);
        let index = bench.started.len() - 1;
        if bench.host(index) == "o0" {
            bench.fail(index, MEDIA);
            assert_eq!(bench.host(index + 1), "o1");
        }
        bench.succeed(bench.started.len() - 1);
    }
    assert!(bench.fleet.view(&address).success < 1_000);
    assert_eq!(bench.sequences(), [1, 2, 3]);
}

#[test]
fn a_rejected_token_gets_a_new_session_with_the_same_orchestrator() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.fail(0, TOKEN);
    assert_eq!(bench.ended, [(bench.start(0).session, true)]);
    assert_eq!(bench.questions.len(), 1, "asked again without delay");
    bench.answer_all();
    assert_ne!(bench.start(1).session, bench.start(0).session);
    bench.succeed(1);
    assert_eq!(bench.gap(0), None);
}

#[test]
fn an_orchestrator_that_rejects_each_of_its_tokens_is_set_aside() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.fail(0, TOKEN);
    bench.answer_all();
    bench.fail(1, TOKEN);
    assert!(bench.questions.is_empty());
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.questions.len(), 1);
}

#[test]
fn capacity_costs_neither_the_segment_an_attempt_nor_the_orchestrator_its_name() {
    let mut bench = Bench::with(4);
    bench.push(1);
    for index in 0..3 {
        bench.fail(index, CAPPED);
        assert_eq!(bench.start(index).number, 1);
    }
    bench.succeed(3);
    assert_eq!(bench.host(3), "o3");
    assert_eq!(bench.gap(0), None);
    bench.pass(RouterConfig::default().capped_pause);
    assert_eq!(bench.questions.len(), 3, "all are asked again after one pause");
}

#[test]
fn capped_discovery_waits_for_room_within_the_deadline() {
    let mut bench = Bench::asking(1);
    let (session, _) = bench.questions.remove(0);
    let capped = Err(DiscoveryFault::Capped);
    assert!(!bench.dispatcher.handle_discovered(bench.now, &mut bench.fleet, session, capped));
    bench.push(1);
    bench.pass(SECOND);
    bench.answer_all();
    bench.succeed(0);
    assert_eq!(bench.gap(0), None);
}

#[test]
fn several_failures_of_one_session_are_one_fault() {
    let mut bench = Bench::with(1);
    for sequence in 1..=3 {
        bench.push(sequence);
    }
    for index in 0..3 {
        bench.fail(index, CONNECT);
    }
    assert_eq!(bench.ended.len(), 1);
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.questions.len(), 1, "the first, short time set aside");
    bench.answer_all();
    assert_eq!(bench.started.len(), 6, "all three are tried again in time");
}

#[test]
fn a_late_answer_is_tolerated_once_then_the_session_goes() {
    let mut bench = Bench::with(1);
    for sequence in 1..=2 {
        bench.push(sequence);
        bench.pass(HOLD);
        assert_eq!(bench.ended.len(), usize::from(sequence == 2));
    }
}

#[test]
fn with_all_dead_the_source_goes_on_and_stops_being_held() {
    let mut bench = Bench::asking(2);
    bench.answer_all_failed();
    let mut delays = Vec::new();
    for sequence in 1..=8 {
        bench.push(sequence);
        let closed = bench.now;
        bench.pass_dead(SEGMENT);
        delays.extend(bench.released.drain(..).map(|(at, segment)| {
            assert!(segment.renditions.iter().all(|rendition| matches!(
                rendition.outcome,
                RenditionOutcome::Gap(GapReason::NoOrchestrator)
            )));
            at.saturating_duration_since(segment.source.closed)
        }));
        assert!(bench.now >= closed);
    }
    assert_eq!(delays.len(), 8);
    assert!(delays.iter().all(|delay| *delay <= HOLD));
    assert!(delays[3..].iter().all(Duration::is_zero), "{delays:?}");
}

#[test]
fn renditions_are_back_within_three_segments_of_the_orchestrators_return() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    bench.push(2);
    bench.fail(1, CONNECT);
    let mut sequence = 3;
    // A long outage: every back-off is at its longest.
    for _ in 0..40 {
        bench.pass_dead(SEGMENT);
        bench.push(sequence);
        sequence += 1;
    }
    let returned = sequence;
    let mut served = bench.started.len();
    while bench.started.len() == served {
        for _ in 0..20 {
            bench.pass(Duration::from_millis(100));
            bench.answer_all();
        }
        bench.push(sequence);
        sequence += 1;
        assert!(sequence - returned <= 3);
    }
    served = bench.started.len() - 1;
    bench.succeed(served);
    assert_eq!(bench.gap(bench.released.len() - 1), None);
}

#[test]
fn an_orchestrator_whose_every_result_is_bad_does_not_hold_the_source() {
    let mut bench = Bench::with(1);
    for sequence in 1..=6 {
        bench.push(sequence);
        for _ in 0..20 {
            if let Some(index) = bench.started.len().checked_sub(1) {
                bench.fail(index, FaultClass::WrongWork);
            }
            bench.pass(SEGMENT / 20);
            bench.answer_all();
        }
        if sequence > 3 {
            let (at, segment) = bench.released.last().unwrap();
            assert_eq!(segment.source.sequence.0, sequence);
            assert!(*at - segment.source.closed < SECOND);
        }
    }
}

#[test]
fn a_result_with_the_wrong_number_of_renditions_is_a_failed_attempt() {
    let mut bench = Bench::with(1);
    bench.push(1);
    let start = bench.start(0);
    let mut media = renditions(&start.ladder);
    media.pop();
    bench.dispatcher.handle_attempt(
        bench.now,
        &mut bench.fleet,
        start.id,
        Ok(Delivery { media, ..Delivery::default() }),
    );
    bench.drain();
    assert_eq!(bench.ended.len(), 1);
    assert!(bench.released.is_empty());
}

#[test]
fn orchestrators_may_come_and_go_while_the_stream_runs() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.set_orchestrators(orchestrators(2).split_off(1));
    bench.drain();
    assert!(bench.ended.is_empty(), "its attempt may end");
    bench.answer_all();
    bench.push(2);
    assert_eq!(bench.host(1), "o1");
    bench.succeed(0);
    assert_eq!(bench.ended, [(bench.start(0).session, true)]);
    bench.set_orchestrators(Vec::new());
    bench.drain();
    bench.fail(1, CONNECT);
    assert_eq!(bench.gap(1), Some(GapReason::NoOrchestrator));
    bench.push(3);
    assert_eq!(bench.gap(2), Some(GapReason::NoOrchestrator), "its renditions stay listed");
}

#[test]
fn a_session_is_replaced_before_its_token_expires() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    bench.pass(99 * SECOND);
    assert!(bench.questions.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.questions.len(), 1);
    bench.push(2);
    assert_eq!(bench.start(1).session, bench.start(0).session, "the old one serves until then");
    bench.answer_all();
    assert!(bench.ended.is_empty(), "its attempt may end");
    bench.succeed(1);
    assert_eq!(bench.ended, [(bench.start(0).session, true)]);
    bench.push(3);
    assert_ne!(bench.start(2).session, bench.start(0).session);
}

#[test]
fn a_refused_refresh_leaves_the_session_in_use() {
    let mut bench = Bench::with(1);
    bench.push(1);
    bench.succeed(0);
    bench.pass(100 * SECOND);
    let (session, _) = bench.questions.remove(0);
    let capped = Err(DiscoveryFault::Capped);
    assert!(!bench.dispatcher.handle_discovered(bench.now, &mut bench.fleet, session, capped));
    bench.push(2);
    assert_eq!(bench.start(1).session, bench.start(0).session);
    bench.pass(SECOND);
    assert_eq!(bench.questions.len(), 1, "asked again");
}

#[test]
fn a_stream_that_ends_still_wakes_for_one_that_may_be_used_again() {
    let mut bench = Bench::with(2);
    let address = bench.fleet.pools().pools[0].orchestrators[1].address.clone();
    bench.fleet.failed(bench.now, &address, CONNECT, "another stream's");
    bench.push_segment(segment(1, bench.now, 8 * SECOND));
    bench.dispatcher.finish(bench.now, &mut bench.fleet);
    bench.fail(0, MEDIA);
    bench.pass(SECOND);
    assert_eq!(bench.started.len(), 2);
    assert_eq!(bench.host(1), "o1");
}
