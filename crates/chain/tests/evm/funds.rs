//! A sender's money comes and goes.

use alloy_primitives::U256;
use chain::{BrokerEvent, ChainError, FeeError, FeePolicy, Patience, WalletAction, WalletRefusal};
use tickets::SenderFunds;

use crate::support::{
    Layer, World, ether_of, key,
    proxy::OFFSET,
    world::{ROUND_LENGTH, UNLOCK_PERIOD},
};

async fn funds_come_and_go(layer: Layer) {
    let world = World::start(layer).await;
    let key = key(1);
    let account = key.address();
    world.give(account, ether_of("2")).await;
    let first = world.client.latest_block().await.unwrap();

    let both =
        WalletAction::DepositAndReserve { deposit: ether_of("0.065"), reserve: ether_of("0.03") };
    let receipt = world.act(&key, both).await;
    let status = world.status(account).await;
    assert_eq!(status.balance, ether_of("2") - ether_of("0.095") - receipt.fee());
    world.act(&key, WalletAction::Deposit(ether_of("0.1"))).await;
    world.act(&key, WalletAction::Reserve(U256::from(1))).await;
    let funds = world.status(account).await.funds;
    assert_eq!((funds.deposit, funds.withdraw_round), (ether_of("0.165"), U256::ZERO));
    assert_eq!(funds.reserve, ether_of("0.03") + U256::from(1));

    world.act(&key, WalletAction::Unlock).await;
    world.act(&key, WalletAction::CancelUnlock).await;
    world.act(&key, WalletAction::Unlock).await;
    let unlocking = world.status(account).await;
    let round = world.l1_block().await / ROUND_LENGTH;
    assert_eq!(unlocking.funds.withdraw_round, U256::from(round + UNLOCK_PERIOD));
    let early = world.client.plan(account, WalletAction::Withdraw, &FeePolicy::default()).await;
    let refused = WalletRefusal::TooEarly {
        withdraw_round: U256::from(round + UNLOCK_PERIOD),
        current_round: U256::from(round),
    };
    assert_eq!(early, Err(ChainError::Refused(refused)));

    world.next_rounds(UNLOCK_PERIOD).await;
    let before = world.status(account).await.balance;
    let receipt = world.act(&key, WalletAction::Withdraw).await;
    let after = world.status(account).await;
    assert_eq!(after.balance, before + funds.deposit + funds.reserve - receipt.fee());
    assert_eq!(after.funds, SenderFunds::default());

    let last = world.client.latest_block().await.unwrap();
    let events = world.client.broker_events(account, first.number, last.number).await.unwrap();
    let amount = |text: &str| ether_of(text);
    let withdraw_round = unlocking.funds.withdraw_round;
    let told: Vec<_> = events.iter().map(|(_, event)| *event).collect();
    assert_eq!(
        told,
        [
            BrokerEvent::DepositFunded { sender: account, amount: amount("0.065") },
            BrokerEvent::ReserveFunded { sender: account, amount: amount("0.03") },
            BrokerEvent::DepositFunded { sender: account, amount: amount("0.1") },
            BrokerEvent::ReserveFunded { sender: account, amount: U256::from(1) },
            BrokerEvent::Unlock { sender: account, withdraw_round },
            BrokerEvent::UnlockCancelled { sender: account },
            BrokerEvent::Unlock { sender: account, withdraw_round },
            BrokerEvent::Withdrawal {
                sender: account,
                deposit: funds.deposit,
                reserve: funds.reserve,
            },
        ]
    );
    assert_eq!(events.last().unwrap().0, receipt.block);
    let numbered_apart = last.number - last.l1_number;
    assert_eq!(numbered_apart, if layer == Layer::Two { OFFSET } else { 0 });
    assert_eq!(last.l1_number, world.l1_block().await);
}

#[tokio::test]
async fn funds_come_and_go_on_the_first_layer() {
    funds_come_and_go(Layer::One).await;
}

#[tokio::test]
async fn funds_come_and_go_on_a_second_layer() {
    funds_come_and_go(Layer::Two).await;
}

#[tokio::test]
async fn a_dry_run_tells_everything_and_changes_nothing() {
    let world = World::start(Layer::Two).await;
    let key = key(1);
    let account = key.address();
    world.give(account, ether_of("2")).await;
    world.act(&key, WalletAction::Deposit(ether_of("0.5"))).await;
    world.act(&key, WalletAction::Unlock).await;
    let (before, block) = (world.status(account).await, world.l1_block().await);

    let action = WalletAction::Deposit(ether_of("0.25"));
    let plan = world.client.plan(account, action, &FeePolicy::default()).await.unwrap();
    assert_eq!((world.status(account).await, world.l1_block().await), (before, block));
    let text = plan.to_string();
    let broker = world.client.contracts().ticket_broker;
    for part in [
        "add 0.25 ETH to the deposit\n",
        &format!("fundDeposit to {broker} on chain 31337\n"),
        &format!("from         {account}, nonce 2\n"),
        "value        0.25 ETH\n",
        "deposit      0.5 ETH, then 0.75 ETH\n",
        "reserve      0 ETH, then 0 ETH\n",
        "withdrawal   no longer under way\n",
        "note         adding funds ends the running unlock\n",
        "note         without a reserve orchestrators take no tickets\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_it_costs_anything() {
    let world = World::start(Layer::One).await;
    let (key, other) = (key(1), key(2));
    let account = key.address();
    world.give(account, ether_of("1")).await;
    let policy = FeePolicy::default();
    let plan = async |action| world.client.plan(account, action, &policy).await;

    let too_much = plan(WalletAction::Deposit(ether_of("1.1"))).await;
    let Err(ChainError::Refused(WalletRefusal::Balance { .. })) = too_much else {
        panic!("{too_much:?}")
    };
    // The value alone could be paid, but not the gas.
    let all = plan(WalletAction::Deposit(ether_of("1"))).await;
    assert!(matches!(all, Err(ChainError::Refused(_) | ChainError::Rpc(_))), "{all:?}");
    let unlock = plan(WalletAction::Unlock).await;
    assert_eq!(unlock, Err(ChainError::Refused(WalletRefusal::NoFunds)));

    let cheap = FeePolicy { max_fee_per_gas: U256::from(7), ..policy };
    let action = WalletAction::Deposit(ether_of("0.1"));
    let dear = world.client.plan(account, action, &cheap).await;
    assert!(matches!(dear, Err(ChainError::Fees(FeeError::TooDear { .. }))), "{dear:?}");

    let good = plan(action).await.unwrap();
    let carried_out = world.client.carry_out(&good, &other, &policy, &Patience::default()).await;
    let wrong_key = ChainError::OtherKey { found: other.address(), wanted: account };
    assert_eq!(carried_out, Err(wrong_key));

    let mut pause = vec![0; 32];
    pause[31] = 1;
    world.send(world.controller, ("setPaused(bool)", pause)).await;
    assert_eq!(plan(action).await, Err(ChainError::Refused(WalletRefusal::Paused)));
    // The contract would refuse, too: the transaction fails, and says so.
    let failed = world.client.carry_out(&good, &key, &policy, &Patience::default()).await;
    assert!(matches!(failed, Err(ChainError::Reverted(_))), "{failed:?}");
    assert_eq!(world.status(account).await.funds, SenderFunds::default());
}
