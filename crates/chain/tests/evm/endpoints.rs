//! Nodes that are dead, busy, late, of another chain, or lie.

use std::{net::SocketAddr, time::Duration};

use chain::{
    ChainClient, ChainError, ChainWatcher, Demotion, EndpointFault, EndpointState, FeePolicy,
    Patience, TrackerConfig, ViewError, WalletAction,
};
use serde_json::json;

use crate::support::{
    Layer, Mode, Proxy, World, ether_of, key,
    proxy::{SOON, nobody},
    world::{ROUND_LENGTH, rpc},
};

/// A client that prefers the first of these nodes.
async fn client(world: &World, addresses: &[SocketAddr]) -> ChainClient {
    ChainClient::connect(rpc(addresses), world.controller).await.unwrap()
}

/// A world, and a node of it that misbehaves.
async fn world_and(mode: Mode) -> (World, Proxy) {
    let world = World::start(Layer::One).await;
    let proxy = Proxy::start(world.anvil.address, mode).await;
    (world, proxy)
}

fn states(client: &ChainClient) -> Vec<EndpointState> {
    client.rpc().endpoints().into_iter().map(|endpoint| endpoint.state).collect()
}

/// How the first of two nodes is seen after a whole payment went by way of the second.
async fn first_while_second_works(mode: Mode) -> EndpointState {
    let (world, bad) = world_and(mode).await;
    let client = client(&world, &[bad.address, world.proxy.address]).await;
    // Its rest may be over by the end.
    let state = states(&client).swap_remove(0);
    let key = key(1);
    world.give(key.address(), ether_of("1")).await;
    let policy = FeePolicy::default();
    let action = WalletAction::Deposit(ether_of("0.1"));
    let plan = client.plan(key.address(), action, &policy).await.unwrap();
    client.carry_out(&plan, &key, &policy, &Patience::default()).await.unwrap();
    assert_eq!(world.status(key.address()).await.funds.deposit, ether_of("0.1"));
    assert_eq!(states(&client)[1], EndpointState::Well);
    state
}

#[tokio::test]
async fn a_dead_node_is_passed_over() {
    let world = World::start(Layer::One).await;
    let dead = nobody().await;
    let client = client(&world, &[dead, world.proxy.address]).await;
    client.wallet_status(key(1).address()).await.unwrap();
    let name = &client.rpc().endpoints()[0].name;
    assert_eq!(name, &format!("http://{dead}"));
    let state = states(&client).swap_remove(0);
    let EndpointState::Resting(EndpointFault::Unreachable(text)) = state else {
        panic!("{state:?}")
    };
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_node_that_fails_is_passed_over() {
    let state = first_while_second_works(Mode::Status(503)).await;
    assert_eq!(state, EndpointState::Resting(EndpointFault::Status(503)));
}

#[tokio::test]
async fn a_node_that_answers_nonsense_is_passed_over() {
    for mode in [Mode::Garbage, Mode::Endless] {
        let state = first_while_second_works(mode).await;
        let EndpointState::Resting(fault) = state else { panic!("{state:?}") };
        let expected = match mode {
            Mode::Garbage => matches!(fault, EndpointFault::Malformed(_)),
            _ => fault == EndpointFault::Oversized(4 << 20),
        };
        assert!(expected, "{fault:?}");
    }
}

#[tokio::test]
async fn a_busy_node_is_left_alone_for_as_long_as_it_asks() {
    let (world, busy) = world_and(Mode::TooMany(120)).await;
    let client = client(&world, &[busy.address, world.proxy.address]).await;
    for _ in 0..5 {
        client.wallet_status(key(1).address()).await.unwrap();
    }
    assert_eq!(busy.calls(), 1);
    let asked = EndpointFault::RateLimited(Some(Duration::from_secs(120)));
    assert_eq!(states(&client), [EndpointState::Resting(asked), EndpointState::Well]);
}

#[tokio::test]
async fn a_node_that_never_answers_costs_one_wait() {
    let (world, silent) = world_and(Mode::Silent).await;
    let started = tokio::time::Instant::now();
    let client = client(&world, &[silent.address, world.proxy.address]).await;
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(2) && waited < Duration::from_secs(8), "{waited:?}");
    assert_eq!(states(&client)[1], EndpointState::Well);
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused_by_name() {
    let (world, other) = world_and(Mode::OtherChain(1)).await;
    let good = client(&world, &[other.address, world.proxy.address]).await;
    let refused = EndpointState::WrongChain { found: 1, wanted: 31_337 };
    assert_eq!(states(&good), [refused, EndpointState::Well]);
    // Its only call was for its chain.
    assert_eq!(other.calls(), 1);
    let alone = ChainClient::connect(rpc(&[other.address]), world.controller).await;
    let Err(ChainError::Unavailable(reason)) = alone else { panic!("{alone:?}") };
    assert_eq!(reason, format!("http://{}: of chain 1, not 31337", other.address));
}

#[tokio::test]
async fn a_node_that_lies_about_the_block_comes_last() {
    for (mode, expected) in [
        (Mode::Behind(100, 0), Demotion::Behind(100)),
        (Mode::Behind(0, 11), Demotion::L1Behind(11)),
    ] {
        let (world, late) = world_and(mode).await;
        let client = client(&world, &[late.address, world.proxy.address]).await;
        let block = client.latest_block().await.unwrap();
        assert_eq!(block.l1_number, world.l1_block().await);
        assert_eq!(states(&client), [EndpointState::Demoted(expected), EndpointState::Well]);
        let calls = late.calls();
        client.wallet_status(key(1).address()).await.unwrap();
        // It is still asked for its block, for it may catch up, but for nothing else.
        assert_eq!(late.calls(), calls + 1);
        late.set(Mode::Honest);
        client.latest_block().await.unwrap();
        assert_eq!(states(&client), [EndpointState::Well, EndpointState::Well]);
    }
}

#[tokio::test]
async fn a_node_whose_blocks_go_back_comes_last() {
    let (world, node) = world_and(Mode::Honest).await;
    let client = client(&world, &[node.address, world.proxy.address]).await;
    client.latest_block().await.unwrap();
    node.set(Mode::Behind(31, 5));
    let block = client.latest_block().await.unwrap();
    assert_eq!(block.l1_number, world.l1_block().await);
    node.set(Mode::Honest);
    client.latest_block().await.unwrap();
    assert_eq!(states(&client)[0], EndpointState::Demoted(Demotion::WentBack(31)));
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_pay_twice() {
    let (world, loser) = world_and(Mode::LosesAnswers).await;
    let client = client(&world, &[loser.address, world.proxy.address]).await;
    let key = key(1);
    world.give(key.address(), ether_of("1")).await;
    let policy = FeePolicy::default();
    let action = WalletAction::Deposit(ether_of("0.1"));
    let plan = client.plan(key.address(), action, &policy).await.unwrap();
    client.carry_out(&plan, &key, &policy, &Patience::default()).await.unwrap();
    assert_eq!(world.status(key.address()).await.funds.deposit, ether_of("0.1"));
    let state = states(&client).swap_remove(0);
    let rested = [EndpointState::Resting(EndpointFault::Timeout), EndpointState::Unchecked];
    assert!(rested.contains(&state), "{state:?}");
}

#[tokio::test]
async fn a_transaction_whose_answers_are_all_lost_is_waited_for() {
    let (world, loser) = world_and(Mode::LosesAnswers).await;
    let client = client(&world, &[loser.address]).await;
    let key = key(1);
    world.give(key.address(), ether_of("1")).await;
    let policy = FeePolicy::default();
    let action = WalletAction::Deposit(ether_of("0.1"));
    let plan = client.plan(key.address(), action, &policy).await.unwrap();
    client.carry_out(&plan, &key, &policy, &Patience::default()).await.unwrap();
    assert_eq!(world.status(key.address()).await.funds.deposit, ether_of("0.1"));
}

#[tokio::test]
async fn a_transaction_that_no_block_takes_is_replaced() {
    let world = World::start(Layer::One).await;
    let key = key(1);
    world.give(key.address(), ether_of("1")).await;
    let policy = FeePolicy::default();
    let action = WalletAction::Deposit(ether_of("0.1"));
    let plan = world.client.plan(key.address(), action, &policy).await.unwrap();
    world.anvil.call("evm_setAutomine", json!([false])).await;
    let patience = Patience {
        poll_every: Duration::from_millis(50),
        replace_after: Duration::from_millis(300),
        give_up_after: SOON,
    };
    let carrying_out = world.client.carry_out(&plan, &key, &policy, &patience);
    let mining = async {
        let first = plan.transaction.sign(&key).hash;
        // Until the pool holds another transaction than the first.
        loop {
            let pool = world.anvil.call("txpool_content", json!([])).await.to_string();
            if pool.contains("\"hash\"") && !pool.contains(&format!("{first:#x}")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.mine(1).await;
        first
    };
    let both = async { tokio::join!(carrying_out, mining) };
    let (receipt, first) = tokio::time::timeout(SOON, both).await.expect("the replacement");
    let receipt = receipt.unwrap();
    assert_ne!(receipt.hash, first);
    assert_eq!(world.status(key.address()).await.funds.deposit, ether_of("0.1"));
}

#[tokio::test]
async fn while_all_are_down_the_last_answers_hold_up_to_a_limit() {
    let world = World::start(Layer::Two).await;
    let key = key(1);
    world.give(key.address(), ether_of("1")).await;
    world.act(&key, WalletAction::Deposit(ether_of("0.1"))).await;
    let config = TrackerConfig {
        poll_every: Duration::from_millis(100),
        fresh_for: Duration::from_secs(1),
        max_age: Duration::from_secs(3),
    };
    let watcher = ChainWatcher::new(world.client.clone(), Some(key.address()), config);
    assert_eq!(watcher.view(), Err(ViewError::Unknown));
    watcher.poll().await;
    let seen = tokio::time::Instant::now();
    let fresh = watcher.view().unwrap();
    assert_eq!(fresh.funds.deposit, ether_of("0.1"));
    assert_eq!(fresh.chain.l1_block, world.l1_block().await);
    assert!(!fresh.is_cached && fresh.chain.round.is_complete());

    world.proxy.set(Mode::TooMany(60));
    watcher.poll().await;
    let Some(ChainError::Unavailable(reason)) = watcher.fault() else { panic!("no fault") };
    assert!(reason.ends_with("too many requests"), "{reason}");
    tokio::time::sleep_until(seen + Duration::from_millis(1_100)).await;
    let cached = watcher.view().unwrap();
    assert!(cached.is_cached);
    assert_eq!((cached.funds, cached.chain.round), (fresh.funds, fresh.chain.round));
    tokio::time::sleep_until(seen + config.max_age).await;
    assert!(matches!(watcher.view(), Err(ViewError::TooOld { .. })), "{:?}", watcher.view());
}

#[tokio::test]
async fn the_watcher_follows_the_chain_and_recovers() {
    let world = World::start(Layer::Two).await;
    let client = ChainClient::connect(rpc(&[world.proxy.address]), world.controller).await;
    let config = TrackerConfig { poll_every: Duration::from_millis(50), ..Default::default() };
    let watcher = ChainWatcher::new(client.unwrap(), Some(key(1).address()), config);
    let reaches = async |l1_block: u64| {
        while watcher.view().is_ok_and(|view| view.chain.l1_block < l1_block)
            || watcher.view().is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let story = async {
        reaches(world.l1_block().await).await;
        world.proxy.set(Mode::Status(502));
        while watcher.fault().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        world.next_rounds(1).await;
        world.proxy.set(Mode::SecondLayer);
        reaches(world.l1_block().await).await;
        assert_eq!(watcher.fault(), None);
        watcher.view().unwrap().chain
    };
    let seen = tokio::select! {
        () = watcher.run() => unreachable!("it runs until it is dropped"),
        seen = tokio::time::timeout(SOON, story) => seen.expect("the watcher recovers"),
    };
    assert_eq!(seen.last_initialized_round, seen.round.creation_round);
    assert_eq!(seen.l1_block / ROUND_LENGTH, seen.last_initialized_round);
}
