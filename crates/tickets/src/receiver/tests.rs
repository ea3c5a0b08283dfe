//! The receiver against livepeer-wire §4.7 and §4.8, with the sender of this crate on the other side.

use std::num::NonZeroU32;

use super::*;
use crate::{ChainView, PrivateKey, SenderLimits, TicketSender};

const EV: u64 = 8_000_000_000;

fn key() -> PrivateKey {
    PrivateKey::from_bytes(&[0x46; 32]).unwrap()
}

fn price() -> Price {
    Price::new(1_200, 1).unwrap()
}

fn funds() -> SenderFunds {
    let million = U256::from(1_000_000_000_000_000_000_u64);
    SenderFunds { deposit: million, reserve: million, withdraw_round: U256::ZERO }
}

fn view() -> ReceiverView {
    let round =
        ExpirationParams { creation_round: 5, creation_round_block_hash: B256::repeat_byte(9) };
    ReceiverView { l1_block: 100, last_initialized_round: 5, round, active: true }
}

fn receiver() -> TicketReceiver {
    let mut receiver = TicketReceiver::new(Address::repeat_byte(7), ReceiverSecret::new([3; 32]));
    receiver.handle_view(view());
    receiver
}

fn params(receiver: &TicketReceiver, seed: u64, one_in: u64) -> TicketParams {
    let sizes = (U256::from(EV), U256::from(EV * one_in));
    receiver.issue(key().address(), price(), sizes, U256::from(seed))
}

fn sender() -> TicketSender {
    let mut sender = TicketSender::new(key().address(), SenderLimits::default());
    sender.handle_funds(funds());
    sender.handle_view(ChainView {
        l1_block: 100,
        last_initialized_round: 5,
        ..ChainView::default()
    });
    sender
}

fn pay(sender: &mut TicketSender, params: &TicketParams, tickets: u32) -> Payment {
    let batch = sender.take(params, NonZeroU32::new(tickets).unwrap()).unwrap();
    let batch = batch.sign(&key()).unwrap();
    Payment {
        sender: key().address(),
        params: TicketParams { expiration: batch.unsigned().expiration(), ..params.clone() },
        expected_price: price(),
        tickets: batch
            .signed()
            .map(|(nonce, signature)| SenderTicket {
                nonce,
                signature: signature.to_bytes().into(),
            })
            .collect(),
    }
}

fn refusal(receiver: &mut TicketReceiver, payment: &Payment) -> Option<String> {
    receiver.receive(payment, Ok(&funds())).refusal.map(|refusal| refusal.to_string())
}

#[test]
fn issued_params_are_paid_on() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 100);
    assert_eq!((params.expiration_block, params.expiration), (140, view().round));
    let payment = pay(&mut sender, &params, 3);
    let outcome = receiver.receive(&payment, Ok(&funds()));
    assert_eq!((outcome.refusal, outcome.accepted), (None, 3));
    assert_eq!(outcome.credited, params.expected_value().times(3));
    assert_eq!(outcome.credited.floor(), Wei::new(U256::from(EV * 3)));
    let later = pay(&mut sender, &params, 1);
    assert_eq!(refusal(&mut receiver, &later), None);
}

#[test]
fn free_work_has_worthless_tickets() {
    let receiver = receiver();
    let sizes = (U256::from(EV), U256::from(EV * 100));
    let params = receiver.issue(key().address(), Price::FREE, sizes, U256::from(1));
    assert_eq!((params.face_value, params.win_prob), (U256::ZERO, U256::ZERO));
    assert!(params.expected_value().is_zero());
}

/// Everything the commitment covers, changed one by one.
#[test]
fn other_terms_are_refused() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 100);
    let good = pay(&mut sender, &params, 1);
    let one = U256::from(1);
    let with = |params| Payment { params, ..good.clone() };
    let terms = good.params.clone();
    let round = terms.expiration;
    let later = ExpirationParams { creation_round: round.creation_round + 1, ..round };
    let other_hash = ExpirationParams { creation_round_block_hash: B256::ZERO, ..round };
    for bad in [
        with(TicketParams { face_value: terms.face_value + one, ..terms.clone() }),
        with(TicketParams { win_prob: terms.win_prob - one, ..terms.clone() }),
        with(TicketParams { seed: terms.seed + one, ..terms.clone() }),
        with(TicketParams { expiration_block: 141, ..terms.clone() }),
        with(TicketParams { recipient_rand_hash: B256::ZERO, ..terms.clone() }),
        with(TicketParams { expiration: later, ..terms.clone() }),
        with(TicketParams { expiration: other_hash, ..terms.clone() }),
        Payment { expected_price: Price::new(1_199, 1).unwrap(), ..good.clone() },
        Payment { sender: Address::repeat_byte(1), ..good.clone() },
    ] {
        let text = refusal(&mut receiver, &bad);
        assert_eq!(text.as_deref(), Some("invalid recipientRand for ticket recipientRandHash"));
    }
    let restarted = &mut TicketReceiver::new(Address::repeat_byte(7), ReceiverSecret::new([4; 32]));
    restarted.handle_view(view());
    assert_eq!(
        refusal(restarted, &good).as_deref(),
        Some("invalid recipientRand for ticket recipientRandHash")
    );
    assert_eq!(refusal(&mut receiver, &good), None);
}

#[test]
fn senders_and_recipients_are_checked() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 100);
    let good = pay(&mut sender, &params, 1);
    let other = TicketParams { recipient: Address::repeat_byte(8), ..good.params.clone() };
    let other = Payment { params: other, ..good.clone() };
    assert_eq!(refusal(&mut receiver, &other).as_deref(), Some("invalid ticket recipient"));
    let nobody = Payment { sender: Address::ZERO, ..good.clone() };
    assert_eq!(refusal(&mut receiver, &nobody).as_deref(), Some("invalid ticket sender"));

    let unlocking = SenderFunds { withdraw_round: U256::from(6), ..funds() };
    let outcome = receiver.receive(&good, Ok(&unlocking));
    let address = key().address();
    assert_eq!(outcome.refusal, Some(PaymentError::UnlockSoon(address)));
    let outcome = receiver.receive(&good, Err("no answer"));
    let text = outcome.refusal.unwrap().to_string();
    assert_eq!(text, format!("could not get sender info for {address}: no answer"));
    receiver.handle_view(ReceiverView { active: false, ..view() });
    let text = refusal(&mut receiver, &good).unwrap();
    let recipient = Address::repeat_byte(7);
    let inactive = "is inactive in round 5, cannot process payments";
    assert_eq!(text, format!("orchestrator {recipient} {inactive}"));
}

#[test]
fn nothing_is_credited_after_the_first_fault() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 100);
    let mut payment = pay(&mut sender, &params, 4);
    payment.tickets[1].signature[64] ^= 7;
    payment.tickets[2].nonce = payment.tickets[0].nonce;
    payment.tickets[2].signature = payment.tickets[0].signature.clone();
    let outcome = receiver.receive(&payment, Ok(&funds()));
    assert_eq!((outcome.accepted, outcome.credited), (1, params.expected_value()));
    let sender = key().address();
    assert_eq!(outcome.refusal, Some(PaymentError::NonceSeen { sender, nonce: 1 }), "the last");
}

#[test]
fn signatures_are_the_senders() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 100);
    let good = pay(&mut sender, &params, 1);
    let signed = |signature: Vec<u8>| {
        let tickets = vec![SenderTicket { nonce: 1, signature }];
        Payment { tickets, ..good.clone() }
    };
    let hash = Ticket::new(&good.params, good.params.expiration, good.sender, 1).hash();
    let other = PrivateKey::from_bytes(&[1; 32]).unwrap().sign(hash.as_slice());
    let hashed_again = key().sign_hashed(hash.as_slice());
    for signature in [
        vec![],
        good.tickets[0].signature[..64].to_vec(),
        other.to_bytes().into(),
        hashed_again.to_bytes().into(),
    ] {
        let text = refusal(&mut receiver, &signed(signature));
        assert_eq!(text.as_deref(), Some("invalid ticket signature"));
    }
    assert_eq!(refusal(&mut receiver, &good), None, "refused tickets use no nonce");
}

#[test]
fn nonces_are_bounded_and_forgotten() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 100);
    for _ in 0..6 {
        let payment = pay(&mut sender, &params, 100);
        assert_eq!(refusal(&mut receiver, &payment), None);
    }
    let round = params.expiration;
    let ticket = Ticket::new(&params, round, key().address(), 601);
    let signature = key().sign(ticket.hash().as_slice()).to_bytes().into();
    let beyond = Payment {
        sender: key().address(),
        params: params.clone(),
        expected_price: price(),
        tickets: vec![SenderTicket { nonce: 601, signature }],
    };
    let expected = format!(
        "invalid ticket senderNonce: too many values sender={} nonces=600",
        key().address()
    );
    assert_eq!(refusal(&mut receiver, &beyond), Some(expected));

    receiver.handle_view(ReceiverView { l1_block: 139, ..view() });
    assert_eq!(receiver.seen.len(), 1);
    receiver.handle_view(ReceiverView { l1_block: 140, ..view() });
    assert!(receiver.seen.is_empty());
    receiver.handle_view(ReceiverView { l1_block: 100, ..view() });
    assert_eq!(refusal(&mut receiver, &beyond).as_deref(), Some("TicketParams expired"));
}

#[test]
fn open_params_are_bounded() {
    let (mut receiver, mut sender) = (receiver(), sender());
    receiver.capacity = 1;
    let (first, second) = (params(&receiver, 1, 100), params(&receiver, 2, 100));
    let payments = [&first, &second, &first].map(|params| pay(&mut sender, params, 1));
    let refused = payments.map(|payment| refusal(&mut receiver, &payment).is_some());
    assert_eq!(refused, [false, true, false]);
}

/// A ticket that wins is redeemed though it came too late, but never twice.
#[test]
fn winning_tickets_are_to_be_redeemed() {
    let (mut receiver, mut sender) = (receiver(), sender());
    let params = params(&receiver, 1, 2);
    let payment = pay(&mut sender, &params, 64);
    let outcome = receiver.receive(&payment, Ok(&funds()));
    assert!((16..48).contains(&outcome.winning.len()), "{}", outcome.winning.len());
    for WinningTicket { ticket, signature, recipient_rand } in &outcome.winning {
        assert_eq!(recipient_rand_hash(*recipient_rand), ticket.recipient_rand_hash);
        assert_eq!(signature.verify(key().address(), ticket.hash().as_slice()), Ok(()));
        assert!(ticket.wins(signature, *recipient_rand));
    }
    let again = receiver.receive(&payment, Ok(&funds()));
    assert_eq!((again.winning.len(), again.accepted), (0, 0));

    let late = pay(&mut sender, &params, 64);
    receiver.handle_view(ReceiverView { l1_block: 140, ..view() });
    let outcome = receiver.receive(&late, Ok(&funds()));
    assert_eq!((outcome.refusal, outcome.accepted), (Some(PaymentError::Expired), 0));
    assert!((16..48).contains(&outcome.winning.len()));
}
