//! Nodes that fail, lag and lie.

use alloy_primitives::U256;

use super::*;

const CHAIN: u64 = 42_161;
const WALL: u64 = 1_700_000_000;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn start() -> Instant {
    // A clock for the core; nothing else reads it.
    tokio::time::Instant::now().into_std()
}

fn block(timestamp: u64, l1_number: u64) -> Block {
    Block { number: timestamp * 4, l1_number, timestamp, base_fee: U256::ZERO }
}

/// So many nodes that have told their chain.
fn endpoints(count: usize, now: Instant) -> Endpoints {
    let rules = EndpointRules { chain_id: CHAIN, max_lag: seconds(30) };
    let mut endpoints = Endpoints::new(rules, count);
    for place in 0..count {
        assert!(endpoints.needs_chain_id(place, now));
        endpoints.handle_chain_id(place, now, CHAIN);
    }
    endpoints
}

#[test]
fn the_operators_order_holds_among_the_well() {
    let now = start();
    let mut endpoints = endpoints(3, now);
    assert_eq!(endpoints.order(now), [0, 1, 2]);
    endpoints.handle_fault(0, now, EndpointFault::Timeout);
    assert_eq!(endpoints.order(now), [1, 2]);
    assert_eq!(endpoints.next_rest_end(now), Some(now + seconds(1)));
    let later = now + seconds(1);
    assert_eq!(endpoints.order(later), [0, 1, 2]);
    // What answers there may be another server now.
    assert!(endpoints.needs_chain_id(0, later) && !endpoints.needs_chain_id(1, later));
}

#[test]
fn rests_grow_and_end() {
    let mut now = start();
    let mut endpoints = endpoints(1, now);
    let mut rests = Vec::new();
    for _ in 0..8 {
        endpoints.handle_fault(0, now, EndpointFault::Status(502));
        let until = endpoints.next_rest_end(now).unwrap();
        assert_eq!(endpoints.order(now), [0; 0]);
        rests.push((until - now).as_secs());
        now = until;
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
    endpoints.handle_success(0);
    endpoints.handle_fault(0, now, EndpointFault::Status(502));
    assert_eq!(endpoints.next_rest_end(now), Some(now + seconds(1)));
}

#[test]
fn a_node_can_ask_for_a_rest_but_not_for_ever() {
    let now = start();
    let mut endpoints = endpoints(1, now);
    endpoints.handle_fault(0, now, EndpointFault::RateLimited(Some(seconds(40))));
    assert_eq!(endpoints.next_rest_end(now), Some(now + seconds(40)));
    endpoints.handle_fault(0, now, EndpointFault::RateLimited(Some(seconds(1_000_000))));
    assert_eq!(endpoints.next_rest_end(now), Some(now + seconds(300)));
}

#[test]
fn nobody_is_waited_for_who_came_back_as_another_chain() {
    let now = start();
    let mut endpoints = endpoints(1, now);
    endpoints.handle_fault(0, now, EndpointFault::Timeout);
    let later = endpoints.next_rest_end(now).unwrap();
    endpoints.handle_chain_id(0, later, CHAIN + 1);
    assert_eq!(endpoints.order(later), [0; 0]);
    assert_eq!(endpoints.next_rest_end(later), None);
}

#[test]
fn another_chain_is_refused_until_it_is_asked_again() {
    let now = start();
    let mut endpoints = endpoints(2, now);
    endpoints.handle_chain_id(0, now, 1);
    let refused = EndpointState::WrongChain { found: 1, wanted: CHAIN };
    assert_eq!(endpoints.states(now), [refused, EndpointState::Well]);
    assert_eq!(endpoints.order(now), [1]);
    let later = now + seconds(600);
    assert_eq!(endpoints.states(later), [EndpointState::Unchecked, EndpointState::Unchecked]);
}

#[test]
fn a_node_that_lags_comes_last() {
    let now = start();
    let mut endpoints = endpoints(2, now);
    endpoints.handle_block(0, now, WALL, block(WALL - 31, 100));
    endpoints.handle_block(1, now, WALL, block(WALL, 100));
    assert_eq!(endpoints.states(now)[0], EndpointState::Demoted(Demotion::Behind(31)));
    assert_eq!(endpoints.order(now), [1, 0]);
    endpoints.handle_block(0, now, WALL, block(WALL - 30, 100));
    assert_eq!(endpoints.order(now), [0, 1]);
    endpoints.handle_block(0, now, WALL, block(WALL, 89));
    assert_eq!(endpoints.states(now)[0], EndpointState::Demoted(Demotion::L1Behind(11)));
    // Alone it is still better than none.
    endpoints.handle_fault(1, now, EndpointFault::Timeout);
    assert_eq!(endpoints.order(now), [0]);
}

#[test]
fn a_node_whose_blocks_go_back_comes_last_for_a_while() {
    let now = start();
    let mut endpoints = endpoints(2, now);
    endpoints.handle_block(0, now, WALL, block(WALL, 100));
    endpoints.handle_block(0, now, WALL, block(WALL - 30, 100));
    assert_eq!(endpoints.order(now), [0, 1]);
    endpoints.handle_block(0, now, WALL, block(WALL - 61, 100));
    assert_eq!(endpoints.states(now)[0], EndpointState::Demoted(Demotion::WentBack(31)));
    assert_eq!(endpoints.order(now), [1, 0]);
    assert_eq!(endpoints.order(now + seconds(60)), [0, 1]);
}

#[test]
fn one_node_cannot_make_all_others_look_late() {
    let now = start();
    let mut endpoints = endpoints(3, now);
    endpoints.handle_block(0, now, WALL, block(WALL, 5_000_000));
    endpoints.handle_block(1, now, WALL, block(WALL, 100));
    endpoints.handle_block(2, now, WALL, block(WALL, 101));
    assert_eq!(endpoints.states(now)[0], EndpointState::Demoted(Demotion::L1Ahead(4_999_899)));
    assert_eq!(endpoints.order(now), [1, 2, 0]);
}

#[test]
fn blocks_from_the_future_count_for_nothing() {
    let now = start();
    let mut endpoints = endpoints(2, now);
    endpoints.handle_block(0, now, WALL, block(WALL + 121, 5_000));
    endpoints.handle_block(1, now, WALL, block(WALL, 100));
    assert_eq!(endpoints.states(now)[0], EndpointState::Demoted(Demotion::Future(121)));
    assert_eq!(endpoints.order(now), [1, 0]);
}

#[test]
fn old_reports_count_for_nothing() {
    let now = start();
    let mut endpoints = endpoints(2, now);
    endpoints.handle_block(0, now, WALL, block(WALL, 100));
    let later = now + seconds(60);
    endpoints.handle_block(1, later, WALL, block(WALL - 500, 50));
    assert_eq!(endpoints.order(later), [0, 1]);
    assert_eq!(endpoints.blocks(later), [None, Some(block(WALL - 500, 50))]);
}
