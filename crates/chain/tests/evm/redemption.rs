//! Tickets of the `tickets` crate win on the chain, and the deposit moves.

use std::num::NonZeroU32;

use alloy_primitives::{Address, U256};
use chain::{BrokerEvent, ChainError, FeePolicy, Patience, WalletAction};
use tickets::{
    Payment, Price, PrivateKey, ReceiverSecret, ReceiverView, SenderLimits, SenderTicket,
    TicketReceiver, TicketSender, WinningTicket,
};

use crate::support::{Layer, World, ether_of, key};

/// A sender with funds and an orchestrator in the pool, both knowing what the chain says.
struct Pair {
    sender_key: PrivateKey,
    orchestrator_key: PrivateKey,
    sender: TicketSender,
    receiver: TicketReceiver,
}

impl Pair {
    async fn start(world: &World, deposit: U256, reserve: U256) -> Self {
        let (sender_key, orchestrator_key) = (key(1), key(2));
        world.give(sender_key.address(), ether_of("10")).await;
        world.give(orchestrator_key.address(), ether_of("1")).await;
        world.join(orchestrator_key.address()).await;
        world.act(&sender_key, WalletAction::DepositAndReserve { deposit, reserve }).await;
        let limits = SenderLimits {
            max_ticket_ev: U256::MAX,
            max_total_ev: U256::MAX,
            ..SenderLimits::default()
        };
        let sender = TicketSender::new(sender_key.address(), limits);
        let secret = ReceiverSecret::new([5; 32]);
        let receiver = TicketReceiver::new(orchestrator_key.address(), secret);
        let mut pair = Self { sender_key, orchestrator_key, sender, receiver };
        pair.look(world).await;
        pair
    }

    /// Both look at the chain.
    async fn look(&mut self, world: &World) {
        let seen = world.client.observe(Some(self.sender.address())).await.unwrap();
        assert_eq!(seen.block.l1_number, world.l1_block().await);
        self.sender.handle_funds(seen.funds);
        self.sender.handle_view(tickets::ChainView {
            l1_block: seen.block.l1_number,
            last_initialized_round: seen.last_initialized_round,
            round: seen.round,
        });
        self.receiver.handle_view(ReceiverView {
            l1_block: seen.block.l1_number,
            last_initialized_round: seen.last_initialized_round,
            round: seen.round,
            active: true,
        });
    }

    /// So many tickets, paid and accepted; gives those that won.
    async fn pay(
        &mut self,
        world: &World,
        (ev, face_value): (U256, U256),
        count: u32,
    ) -> Vec<WinningTicket> {
        let price = Price::new(1, 1).unwrap();
        let address = self.sender.address();
        let params = self.receiver.issue(address, price, (ev, face_value), U256::from(77));
        let batch = self.sender.take(&params, NonZeroU32::new(count).unwrap()).unwrap();
        for ticket in batch.tickets() {
            assert_eq!(world.client.ticket_hash(&ticket).await, Ok(ticket.hash()));
        }
        let batch = batch.sign(&self.sender_key).unwrap();
        let signed = batch.signed().map(|(nonce, signature)| SenderTicket {
            nonce,
            signature: signature.to_bytes().to_vec(),
        });
        let payment =
            Payment { sender: address, params, expected_price: price, tickets: signed.collect() };
        let (funds, _) = world.client.sender_funds(address).await.unwrap();
        let outcome = self.receiver.receive(&payment, Ok(&funds));
        assert_eq!((outcome.accepted, &outcome.refusal), (count, &None));
        outcome.winning
    }
}

async fn redeem(
    world: &World,
    won: &WinningTicket,
    key: &PrivateKey,
) -> Result<chain::Receipt, ChainError> {
    world.client.redeem(won, key, &FeePolicy::default(), &Patience::default()).await
}

/// What a ticket of that face value is worth that wins but for a chance of 1 in 10^15.
fn nearly(face_value: U256) -> U256 {
    face_value - U256::from(1)
}

async fn deposit(world: &World, sender: Address) -> (U256, U256) {
    let (funds, _) = world.client.sender_funds(sender).await.unwrap();
    (funds.deposit, funds.reserve)
}

fn revert_text(error: Result<chain::Receipt, ChainError>) -> String {
    let Err(ChainError::Rpc(error)) = error else { panic!("{error:?}") };
    assert!(error.is_revert(), "{error}");
    error.message
}

async fn winning_tickets_move_the_deposit(layer: Layer) {
    let world = World::start(layer).await;
    let (before, reserve) = (ether_of("1"), ether_of("0.5"));
    let mut pair = Pair::start(&world, before, reserve).await;
    let (sender, recipient) = (pair.sender.address(), pair.orchestrator_key.address());
    let face_value = ether_of("0.01");

    // One in two wins.
    let won = pair.pay(&world, (face_value / U256::from(2), face_value), 24).await;
    assert!((1..24).contains(&won.len()), "{} of 24 won", won.len());
    let from = world.client.latest_block().await.unwrap().number + 1;
    for (paid, ticket) in (1_u64..).zip(&won) {
        let receipt = redeem(&world, ticket, &pair.orchestrator_key).await.unwrap();
        let event = receipt.logs.iter().find_map(BrokerEvent::read).unwrap();
        let transfer = BrokerEvent::WinningTicketTransfer { sender, recipient, amount: face_value };
        assert_eq!(event, transfer);
        let left = before - face_value * U256::from(paid);
        assert_eq!(deposit(&world, sender).await, (left, reserve));
    }
    let to = world.client.latest_block().await.unwrap().number;
    let events = world.client.broker_events(sender, from, to).await.unwrap();
    assert_eq!(events.len(), won.len());

    let first = &won[0];
    assert_eq!(world.client.is_redeemed(first.ticket.hash()).await, Ok(true));
    let again = revert_text(redeem(&world, first, &pair.orchestrator_key).await);
    assert!(again.contains("ticket is used"), "{again}");
    let mut forged = pair.pay(&world, (nearly(face_value), face_value), 1).await.remove(0);
    forged.ticket.face_value += U256::from(1);
    let refused = revert_text(redeem(&world, &forged, &pair.orchestrator_key).await);
    assert!(refused.contains("invalid signature over ticket hash"), "{refused}");
}

#[tokio::test]
async fn winning_tickets_move_the_deposit_on_the_first_layer() {
    winning_tickets_move_the_deposit(Layer::One).await;
}

#[tokio::test]
async fn winning_tickets_move_the_deposit_on_a_second_layer() {
    winning_tickets_move_the_deposit(Layer::Two).await;
}

#[tokio::test]
async fn what_the_deposit_lacks_comes_from_the_reserve_by_shares() {
    let world = World::start(Layer::Two).await;
    let mut pair = Pair::start(&world, ether_of("1"), ether_of("0.6")).await;
    // Two orchestrators share the reserve.
    world.join(key(7).address()).await;
    let (sender, recipient) = (pair.sender.address(), pair.orchestrator_key.address());
    let face_value = ether_of("0.9");
    let won = pair.pay(&world, (nearly(face_value), face_value), 2).await;
    for ticket in &won {
        redeem(&world, ticket, &pair.orchestrator_key).await.unwrap();
    }
    // The second one found 0.1 in the deposit and 0.3, half of the reserve.
    assert_eq!(deposit(&world, sender).await, (U256::ZERO, ether_of("0.3")));
    assert_eq!(world.client.claimed_reserve(sender, recipient).await, Ok(ether_of("0.3")));
    let (_, claimed) = world.client.sender_funds(sender).await.unwrap();
    assert_eq!(claimed, ether_of("0.3"));
}

#[tokio::test]
async fn tickets_expire_with_their_round() {
    let world = World::start(Layer::Two).await;
    let mut pair = Pair::start(&world, ether_of("1"), ether_of("0.5")).await;
    let face_value = ether_of("0.01");
    let won = pair.pay(&world, (nearly(face_value), face_value), 1).await;
    // Nobody has initialized the next round yet.
    world.mine(crate::support::world::ROUND_LENGTH).await;
    let refused = revert_text(redeem(&world, &won[0], &pair.orchestrator_key).await);
    assert!(refused.contains("current round is not initialized"), "{refused}");
    world.next_rounds(1).await;
    let refused = revert_text(redeem(&world, &won[0], &pair.orchestrator_key).await);
    assert!(refused.contains("ticket is expired"), "{refused}");
    pair.look(&world).await;
    let won = pair.pay(&world, (nearly(face_value), face_value), 1).await;
    redeem(&world, &won[0], &pair.orchestrator_key).await.unwrap();
    assert_eq!(deposit(&world, pair.sender.address()).await.0, ether_of("0.99"));
}
