//! Pools, prices, what streams share, and the record.

use orchestrator::PixelPrice;

use super::super::*;
use super::bench::{Bench, CONNECT, HOLD, SECOND, SEGMENT, at_once};
use crate::{
    decision::{AttemptKind, AttemptOutcome},
    fault::FaultClass,
    pool::{ConfiguredOrchestrator, Pool, PoolName, Pools},
    price::PriceCap,
    rejection::Rejection,
    test_media::{ladder, orchestrators, renditions, segment},
};

#[test]
fn the_next_pool_takes_over_when_the_preferred_one_fails_and_no_other_is_touched() {
    let all = orchestrators(3);
    let pool = |name: &str, index: usize| Pool {
        name: PoolName::new(name).unwrap(),
        orchestrators: vec![all[index].clone()],
        ..Pool::default()
    };
    let pools = Pools {
        pools: vec![pool("spill", 0), pool("premium", 1), pool("standard", 2)],
        region: None,
    };
    let named = ["premium", "standard"].map(|name| PoolName::new(name).unwrap());
    let policy = StreamPolicy { pools: named.to_vec(), ..StreamPolicy::default() };
    let mut bench = Bench::bound(at_once(), pools, policy);
    bench.answer_all();
    bench.push(1);
    bench.fail(0, CONNECT);
    assert_eq!([bench.host(0), bench.host(1)], ["o1", "o2"]);
    bench.fail(1, CONNECT);
    bench.pass(HOLD);
    assert!(bench.started.iter().all(|start| start.orchestrator.address.host() != "o0"));
}

#[test]
fn a_price_above_the_cap_is_refused_at_discovery_and_in_the_middle() {
    let wei = |wei| PixelPrice::new(wei, 1);
    let pool = Pool {
        orchestrators: orchestrators(2),
        price_cap: PriceCap { most: wei(100), allows_absent: false, ..PriceCap::default() },
        ..Pool::default()
    };
    let pools = Pools { pools: vec![pool], region: None };
    let mut bench = Bench::bound(at_once(), pools, StreamPolicy::default());
    let quote = |price| Ok(SessionOffer { price, ..SessionOffer::default() });
    let [dear, fair] = [bench.questions[0].0, bench.questions[1].0];
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(!dispatcher.handle_discovered(*now, fleet, dear, quote(wei(101))));
    assert!(dispatcher.handle_discovered(*now, fleet, fair, quote(wei(100))));
    bench.drain();
    bench.push(1);
    assert_eq!(bench.host(0), "o1");
    let media = renditions(&bench.start(0).ladder);
    let delivery = Delivery { media, price: wei(150), ..Delivery::default() };
    let id = bench.start(0).id;
    bench.dispatcher.handle_attempt(bench.now, &mut bench.fleet, id, Ok(delivery));
    bench.drain();
    assert_eq!(bench.gap(0), None, "what was done is used");
    bench.push(2);
    assert_eq!(bench.started.len(), 1, "nothing more is sent at that price");
    bench.pass(HOLD);
    let held_up = bench.decided.last().unwrap().held_up.clone().unwrap();
    let reasons: Vec<_> = held_up.candidates.iter().map(|it| it.rejected).collect();
    assert_eq!(reasons, [Some(Rejection::Price), Some(Rejection::Price)]);
}

#[test]
fn a_price_that_one_stream_hears_of_is_too_much_for_the_others_as_well() {
    let wei = |wei| PixelPrice::new(wei, 1);
    let pool = Pool {
        orchestrators: orchestrators(1),
        price_cap: PriceCap { most: wei(100), allows_absent: false, ..PriceCap::default() },
        ..Pool::default()
    };
    let pools = Pools { pools: vec![pool], region: None };
    let mut bench = Bench::bound(at_once(), pools, StreamPolicy::default());
    let offer = SessionOffer { price: wei(100), ..SessionOffer::default() };
    let session = bench.questions.remove(0).0;
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(offer)));
    let address = fleet.pools().pools[0].orchestrators[0].address.clone();
    fleet.answered(*now, &address, None, wei(101));
    bench.push(1);
    assert!(bench.started.is_empty());
    assert_eq!(bench.ended, [(session, false)]);
    bench.pass(RouterConfig::default().price_pause);
    assert_eq!(bench.questions.len(), 1, "asked again later");
}

#[test]
fn nothing_that_costs_is_used_while_the_cap_is_unknown_and_all_is_asked_again_when_it_is_known() {
    let wei = |wei| PixelPrice::new(wei, 1);
    let capped = |price_cap| {
        let pool = Pool { orchestrators: orchestrators(2), price_cap, ..Pool::default() };
        Pools { pools: vec![pool], region: None }
    };
    let known = PriceCap { most: wei(100), ..PriceCap::default() };
    let unknown = capped(PriceCap::default().while_unknown());
    let mut bench = Bench::bound(at_once(), unknown.clone(), StreamPolicy::default());
    let quote = |price| Ok(SessionOffer { price, ..SessionOffer::default() });
    let [paid, free] = [bench.questions[0].0, bench.questions[1].0];
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(!dispatcher.handle_discovered(*now, fleet, paid, quote(wei(1))));
    assert!(dispatcher.handle_discovered(*now, fleet, free, quote(wei(0))));
    bench.drain();
    bench.push(1);
    assert_eq!(bench.host(0), "o1");
    assert_eq!(bench.start(0).price_cap, wei(0), "a price that comes with the answer is not paid");
    bench.pass(HOLD);
    let decision = bench.decided.last().unwrap();
    let reasons: Vec<_> = decision.attempts[0].candidates.iter().map(|it| it.rejected).collect();
    assert_eq!(reasons, [Some(Rejection::PriceUnknown), None]);

    bench.questions.clear();
    bench.set_pools(capped(known));
    let asked = |bench: &Bench| bench.questions.iter().map(|it| it.1.clone()).collect::<Vec<_>>();
    assert_eq!(asked(&bench), ["o0"], "though its pause isn't over");
    let question = bench.questions.remove(0).0;
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(dispatcher.handle_discovered(*now, fleet, question, quote(wei(100))));
    bench.set_pools(unknown);
    assert!(bench.ended.contains(&(question, false)), "the one that costs is left");
}

/// Two streams' worth of pools: `paid` with o0 and o1, who ask for money, and `free` with o2.
fn paid_and_free() -> Bench {
    paid_and_free_by(at_once())
}

fn paid_and_free_by(config: RouterConfig) -> Bench {
    let all = orchestrators(3);
    let pool = |name: &str, members: &[ConfiguredOrchestrator]| Pool {
        name: PoolName::new(name).unwrap(),
        orchestrators: members.to_vec(),
        ..Pool::default()
    };
    let pools =
        Pools { pools: vec![pool("paid", &all[..2]), pool("free", &all[2..])], region: None };
    let mut bench = Bench::bound(config, pools, StreamPolicy::default());
    for (session, host) in std::mem::take(&mut bench.questions) {
        let price = PixelPrice::new(u64::from(host != "o2"), 1);
        let offer = SessionOffer { price, ..SessionOffer::default() };
        let Bench { dispatcher, fleet, now, .. } = &mut bench;
        assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(offer)));
    }
    bench.drain();
    bench
}

#[test]
fn what_may_not_be_paid_goes_to_what_is_free_and_is_tried_again_in_a_moment() {
    let mut bench = paid_and_free();
    bench.push(1);
    assert_eq!(bench.host(0), "o0");
    bench.fail(0, FaultClass::Unpaid);
    assert_eq!(bench.host(1), "o2", "the other one that costs something is not even tried");
    let rejected = |bench: &Bench| {
        let record = bench.decided.last().unwrap().attempts.last().unwrap();
        record.candidates.iter().map(|it| it.rejected).collect::<Vec<_>>()
    };
    bench.succeed(1);
    assert_eq!(rejected(&bench), [Some(Rejection::Unpaid), Some(Rejection::Unpaid), None]);
    bench.push(2);
    assert_eq!(bench.host(2), "o2", "nor with the next segment");
    bench.succeed(2);
    bench.pass(RouterConfig::default().unpaid_pause);
    bench.push(3);
    assert_eq!(bench.host(3), "o0", "it is not held against anybody");
    assert!(bench.ended.is_empty(), "sessions are kept");
}

#[test]
fn without_anybody_free_the_source_is_not_held_up_once_nothing_is_paid() {
    let mut bench = paid_and_free();
    let paid_only = bench.fleet.pools().pools[0].clone();
    bench.fleet.set_pools(Pools { pools: vec![paid_only], region: None });
    let mut delays = Vec::new();
    for sequence in 1..=6 {
        bench.push(sequence);
        let (pushed, mut at) = (bench.now, bench.started.len());
        while at > 0 && bench.now < pushed + SEGMENT {
            at = bench.started.len();
            if bench.started[at - 1].segment.sequence.0 == sequence {
                bench.fail(at - 1, FaultClass::Unpaid);
            }
            bench.pass(SECOND / 10);
        }
        bench.now = pushed + SEGMENT;
        let known = bench.released.iter().find(|(_, it)| it.source.sequence.0 == sequence);
        delays.push(known.map(|(at, _)| at.saturating_duration_since(pushed)));
    }
    assert_eq!(delays[4..], [Some(Duration::ZERO); 2], "{delays:?}");
}

#[test]
fn time_that_a_payment_takes_is_not_the_orchestrators() {
    let mut bench = paid_and_free_by(RouterConfig { pays: true, ..at_once() });
    bench.push(1);
    bench.pass(HOLD + SECOND);
    // It was never sent; the next one is paid for in time.
    let record = &bench.decided[0].attempts[0];
    let AttemptOutcome::Failed { class, detail } = &record.outcome else { panic!("{record:#?}") };
    assert_eq!(*class, FaultClass::Unpaid, "{detail}");
    assert_eq!(bench.host(1), "o2", "somebody free is tried meanwhile");
    let standing = bench.fleet.standing(bench.now, &bench.start(0).orchestrator.address);
    assert_eq!(standing, crate::Standing::Ready);
    bench.push(2);
    let (id, asked) = (bench.started.last().unwrap().id, bench.started.len());
    assert_eq!(bench.host(asked - 1), "o0");
    bench.pass(SECOND);
    assert_eq!(bench.started.len(), asked, "nobody is asked besides while it is paid for");
    let facts = PaymentFacts {
        payment: 7,
        price: PixelPrice::new(1, 1).unwrap(),
        tickets: 2,
        ev_wei: "5".to_owned(),
    };
    bench.dispatcher.handle_paid(bench.now, &mut bench.fleet, id, Some(facts));
    bench.drain();
    bench.pass(SECOND / 5);
    bench.succeed(asked - 1);
    let record = &bench.decided.last().unwrap().attempts[0];
    assert_eq!(record.payment.as_ref().unwrap().payment, 7);
    let view = bench.fleet.view(&bench.start(asked - 1).orchestrator.address);
    assert_eq!(view.latency, Some(100), "a fifth of a second of two");
}

#[test]
fn a_price_or_terms_that_can_not_be_paid_send_the_segment_elsewhere_and_count_no_attempt() {
    for class in [FaultClass::Price, FaultClass::Terms] {
        let mut bench = paid_and_free();
        bench.push(1);
        bench.fail(0, class);
        bench.fail(1, class);
        assert_eq!([bench.host(0), bench.host(1), bench.host(2)], ["o0", "o1", "o2"]);
        assert_eq!([bench.start(1).number, bench.start(2).number], [1, 1]);
        bench.succeed(2);
        let outcome = &bench.decided[0].attempts[0].outcome;
        assert!(matches!(outcome, AttemptOutcome::Failed { class: found, .. } if *found == class));
        assert_eq!(bench.ended.len(), 2, "their sessions are over");
    }
}

#[test]
fn a_token_that_is_old_from_the_start_does_not_have_its_orchestrator_asked_again_and_again() {
    let mut bench = Bench::asking(1);
    let mut asked = 0;
    for _ in 0..100 {
        for (session, _) in std::mem::take(&mut bench.questions) {
            asked += 1;
            let offer = SessionOffer { refresh: Some(bench.now), ..SessionOffer::default() };
            let Bench { dispatcher, fleet, now, .. } = &mut bench;
            assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(offer)));
            bench.drain();
        }
        bench.pass(SECOND / 20);
    }
    assert!((4..=6).contains(&asked), "{asked} in five seconds");
}

#[test]
fn a_fault_that_one_stream_meets_is_known_to_the_others() {
    let mut bench = Bench::with(2);
    bench.push(1);
    bench.fail(0, CONNECT);
    let stream = bench.fleet.admit_stream();
    let config = Arc::clone(&bench.dispatcher.config);
    let mut other = Dispatcher::new(config, stream, StreamPolicy::default(), 8);
    other.set_ladder(bench.now, &mut bench.fleet, Arc::new(ladder()));
    let asked: Vec<_> = std::iter::from_fn(|| other.poll_output())
        .filter_map(|output| {
            let Output::Discover { orchestrator, .. } = output else { return None };
            Some(orchestrator.address.host().to_owned())
        })
        .collect();
    assert_eq!(asked, ["o1"]);
}

#[test]
fn a_stream_that_found_no_room_is_woken_when_there_is_some_and_comes_before_the_next() {
    let one = ConfiguredOrchestrator { in_flight: 1, ..orchestrators(1).remove(0) };
    let mut bench = Bench::bound(at_once(), Pools::of(vec![one]), StreamPolicy::default());
    bench.answer_all();
    bench.push(1);
    let [mut second, mut third] = [8, 9].map(|seed| {
        let stream = bench.fleet.admit_stream();
        let config = Arc::clone(&bench.dispatcher.config);
        let mut other = Dispatcher::new(config, stream, StreamPolicy::default(), seed);
        other.set_ladder(bench.now, &mut bench.fleet, Arc::new(ladder()));
        let Some(Output::Discover { session, .. }) = other.poll_output() else { panic!("asks") };
        let offer = Ok(SessionOffer::default());
        assert!(other.handle_discovered(bench.now, &mut bench.fleet, session, offer));
        other.push(bench.now, &mut bench.fleet, Arc::new(segment(1, bench.now, SEGMENT)));
        assert!(other.poll_output().is_none(), "there is no room");
        other
    });
    let before = bench.fleet.version();
    bench.succeed(0);
    assert_ne!(bench.fleet.version(), before, "those that wait are woken");
    third.handle_timeout(bench.now, &mut bench.fleet);
    assert!(third.poll_output().is_none(), "another waits longer");
    second.handle_timeout(bench.now, &mut bench.fleet);
    assert!(matches!(second.poll_output(), Some(Output::StartAttempt(_))));
}

#[test]
fn a_stream_that_loses_its_segments_asks_whoever_it_had_left_alone() {
    let config = RouterConfig { sessions: 1, extra_work_percent: 0, ..at_once() };
    let mut bench = Bench::configured(config, 2);
    let (session, host) = bench.questions.remove(0);
    assert_eq!(host, "o0");
    let Bench { dispatcher, fleet, now, .. } = &mut bench;
    assert!(dispatcher.handle_discovered(*now, fleet, session, Ok(SessionOffer::default())));
    bench.answer_all_failed();
    bench.pass(SEGMENT);
    assert!(bench.questions.is_empty(), "one session is enough");
    bench.push(1);
    bench.pass(HOLD);
    assert_eq!(bench.gap(0), Some(GapReason::Deadline));
    let asked: Vec<_> = bench.questions.iter().map(|(_, host)| host.as_str()).collect();
    assert_eq!(asked, ["o1"]);
}

#[test]
fn the_record_tells_who_was_considered_and_why_not() {
    let mut bench = Bench::with(3);
    bench.push(1);
    bench.fail(0, CONNECT);
    bench.succeed(1);
    let decision = bench.decided.first().unwrap();
    assert_eq!(decision.outcome, "complete");
    assert_eq!(decision.attempts.len(), 2);
    let [first, second] = &decision.attempts[..] else { panic!("two attempts") };
    assert_eq!(first.kind, AttemptKind::First);
    assert!(first.candidates.iter().all(|it| it.cost.is_some() && it.rejected.is_none()));
    assert!(matches!(first.outcome, AttemptOutcome::Failed { class: FaultClass::Network, .. }));
    assert_eq!(second.kind, AttemptKind::Retry);
    let reasons: Vec<_> = second.candidates.iter().map(|it| it.rejected).collect();
    assert_eq!(reasons, [Some(Rejection::BreakerOpen), None, None]);
    assert_eq!(second.outcome, AttemptOutcome::Delivered);
}
