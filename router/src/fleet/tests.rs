use super::*;
use crate::test_media::{orchestrators, origin};

const SECOND: Duration = Duration::from_secs(1);

fn fleet(count: usize, in_flight: u32) -> (Fleet, Vec<ConfiguredOrchestrator>, Instant) {
    let mut fleet = Fleet::new(Arc::default(), 5);
    let limited = |it| ConfiguredOrchestrator { in_flight, ..it };
    let all: Vec<_> = orchestrators(count).into_iter().map(limited).collect();
    fleet.set_pools(Pools::of(all.clone()));
    (fleet, all, origin())
}

#[test]
fn room_goes_to_the_stream_that_waits_longest() {
    let (mut fleet, all, now) = fleet(1, 2);
    let [first, second, third] = [(); 3].map(|()| fleet.admit_stream());
    let until = now + SECOND;
    let wanted = [(all[0].address.clone(), until)];
    assert!(fleet.begin(now, first, &all[0]));
    assert!(fleet.begin(now, first, &all[0]));
    for stream in [first, second, third] {
        assert!(!fleet.begin(now, stream, &all[0]), "the first stream wants even more");
        fleet.wait_for_room(now, stream, &wanted);
    }
    let before = fleet.version();
    fleet.ended(&all[0].address);
    assert_ne!(fleet.version(), before, "those that wait are woken");
    assert!(!fleet.begin(now, third, &all[0]));
    assert!(!fleet.begin(now, second, &all[0]));
    assert!(fleet.begin(now, first, &all[0]));
    fleet.wait_for_room(now, first, &wanted);
    fleet.ended(&all[0].address);
    assert!(!fleet.begin(now, first, &all[0]), "took its turn");
    assert!(fleet.begin(now, second, &all[0]));
    fleet.ended(&all[0].address);
    // A stream that found room elsewhere holds nobody up.
    let before = fleet.version();
    fleet.wait_for_room(now, third, &[]);
    assert_ne!(fleet.version(), before, "those behind it are woken");
    assert!(fleet.begin(now, first, &all[0]));
    // Neither does one whose time is over.
    fleet.ended(&all[0].address);
    fleet.wait_for_room(now, second, &wanted);
    assert!(!fleet.begin(now, first, &all[0]));
    assert!(fleet.begin(until, first, &all[0]));
}

#[test]
fn a_full_fleet_is_known_as_full() {
    let (mut fleet, all, now) = fleet(2, 1);
    let streams: Vec<_> = (0..6).map(|_| fleet.admit_stream()).collect();
    let wanted: Vec<_> = all.iter().map(|it| (it.address.clone(), now + 9 * SECOND)).collect();
    for one in &all {
        fleet.delivered(now, &one.address, SECOND, 2 * SECOND);
        assert!(fleet.begin(now, streams[0], one));
    }
    // Half its duration each: in three seconds there is room for one ahead of it, not for two.
    let is_full =
        |fleet: &Fleet| fleet.is_full(now, streams[5], all.iter(), 2 * SECOND, 3 * SECOND);
    assert!(!is_full(&fleet));
    fleet.wait_for_room(now, streams[1], &wanted);
    assert!(!is_full(&fleet));
    fleet.wait_for_room(now, streams[2], &wanted);
    assert!(is_full(&fleet));
    fleet.ended(&all[1].address);
    assert!(!is_full(&fleet));
}

#[test]
fn false_work_demotes_longer_each_time_and_across_restarts() {
    let (mut fleet, all, now) = fleet(1, 4);
    let address = &all[0].address;
    fleet.delivered(now, address, SECOND, 2 * SECOND);
    fleet.failed(now, address, FaultClass::FalseWork, "black");
    assert_eq!(fleet.standing(now, address), Standing::Demoted);
    let wall = SystemTime::UNIX_EPOCH + 1_000 * SECOND;
    let learned = fleet.learned(now, wall);
    let mut restarted = Fleet::new(Arc::default(), 6);
    restarted.recall(now, wall + 60 * SECOND, learned);
    restarted.set_pools(Pools::of(all.clone()));
    assert_eq!(restarted.view(address).latency, Some(500));
    let again = restarted.learned(now, wall + 60 * SECOND);
    assert_eq!(again[0].learned, wall, "nothing was heard of it since");
    let Passage::Closed { until } = restarted.passage(now, address, true) else { panic!("used") };
    assert_eq!(until, now + RouterConfig::default().demotion - 60 * SECOND);
    assert_ne!(restarted.standing(until, address), Standing::Demoted);
    restarted.failed(until, address, FaultClass::FalseWork, "black again");
    let Passage::Closed { until: again } = restarted.passage(until, address, true) else {
        panic!("used")
    };
    assert_eq!(again, until + 2 * RouterConfig::default().demotion);
}

#[test]
fn one_streams_odd_segments_do_not_close_an_orchestrator_to_the_others() {
    let (mut fleet, all, now) = fleet(1, 4);
    let address = &all[0].address;
    for _ in 0..20 {
        fleet.failed(now, address, FaultClass::Orchestrator, "odd");
        fleet.failed(now, address, FaultClass::Orchestrator, "odd");
        fleet.delivered(now, address, SECOND, 2 * SECOND);
    }
    assert_eq!(fleet.passage(now, address, false), Passage::Free);
    fleet.failed(now, address, FaultClass::Network, "refused");
    assert!(matches!(fleet.passage(now, address, false), Passage::Closed { .. }));
}

#[test]
fn new_orchestrators_are_checked_first_and_then_now_and_then() {
    let (mut fleet, all, _) = fleet(1, 4);
    let checks: Vec<_> = (0..12).map(|_| fleet.takes_picture_check(&all[0].address)).collect();
    assert_eq!(checks[..2], [true, true]);
    assert_eq!(checks.iter().filter(|checked| **checked).count(), 4, "{checks:?}");
}

#[test]
fn leaving_the_pools_and_coming_back_forgives_nothing() {
    let (mut fleet, all, now) = fleet(2, 4);
    fleet.failed(now, &all[0].address, FaultClass::FalseWork, "black");
    fleet.set_pools(Pools::default());
    fleet.set_pools(Pools::of(all.clone()));
    assert_eq!(fleet.standing(now, &all[0].address), Standing::Demoted);
}

#[test]
fn those_heard_of_longest_ago_are_forgotten_first_and_none_in_use() {
    let (mut fleet, all, now) = fleet(5, 4);
    for (index, one) in all.iter().enumerate() {
        let at = now + SECOND * u32::try_from(index).unwrap();
        fleet.failed(at, &one.address, FaultClass::FalseWork, "black");
    }
    fleet.set_pools(Pools::of(all[..1].to_vec()));
    let stream = fleet.admit_stream();
    assert!(fleet.begin(now + SECOND * 86_400, stream, &all[1]));
    fleet.forget_beyond(3);
    let known: Vec<_> = all.iter().map(|it| fleet.nodes.contains_key(&it.address)).collect();
    assert_eq!(known, [true, true, false, false, true], "one listed, one in use, the latest");
}

#[test]
fn a_trial_is_told_to_the_others_because_it_moves_their_turn() {
    let (mut fleet, all, now) = fleet(1, 4);
    let address = &all[0].address;
    fleet.asks(now, address, SECOND);
    let before = fleet.version();
    fleet.asks(now, address, SECOND);
    assert_eq!(fleet.version(), before, "one that works is no trial");
    fleet.failed(now, address, FaultClass::Network, "gone");
    let Passage::Closed { until } = fleet.passage(now, address, false) else { panic!("not open") };
    let before = fleet.version();
    fleet.asks(until, address, SECOND);
    assert_ne!(fleet.version(), before);
    let passage = fleet.passage(until, address, false);
    assert_eq!(passage, Passage::Closed { until: until + SECOND });
}
