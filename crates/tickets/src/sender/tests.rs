//! The sender against livepeer-wire §4.5 and §9.6.

use alloy_primitives::{B256, U256};
use proptest::prelude::*;

use super::*;
use crate::{PrivateKey, Remedy, SignatureError, SignerFault};

const MILLION: u64 = 1_000_000;

fn key() -> PrivateKey {
    PrivateKey::from_bytes(&[0x46; 32]).unwrap()
}

fn round(creation_round: u64) -> ExpirationParams {
    ExpirationParams { creation_round, creation_round_block_hash: B256::repeat_byte(9) }
}

fn view() -> ChainView {
    ChainView { l1_block: 100, last_initialized_round: 5, round: round(5) }
}

fn funds() -> SenderFunds {
    SenderFunds { deposit: U256::from(MILLION), reserve: U256::from(1), withdraw_round: U256::ZERO }
}

/// Tickets worth 1000 wei.
fn params() -> TicketParams {
    TicketParams {
        recipient: Address::repeat_byte(7),
        face_value: U256::from(MILLION),
        win_prob: U256::MAX / U256::from(1_000) + U256::from(1),
        recipient_rand_hash: B256::repeat_byte(1),
        seed: U256::from(1),
        expiration_block: 140,
        expiration: round(4),
    }
}

fn sender() -> TicketSender {
    let mut sender = TicketSender::new(key().address(), SenderLimits::default());
    sender.handle_view(view());
    sender.handle_funds(funds());
    sender
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Why the first ticket on these params is refused.
fn refused(sender: &mut TicketSender, params: &TicketParams) -> &'static str {
    sender.take(params, number(1)).map_or_else(|error| error.kind(), |_| "taken")
}

#[test]
fn params_expire() {
    for (expiration_block, kind) in [
        (0, "no_expiration"),
        (1, "expired"),
        (99, "expired"),
        (101, "expired"),
        (102, "taken"),
        (105, "taken"),
    ] {
        let params = TicketParams { expiration_block, ..params() };
        assert_eq!(refused(&mut sender(), &params), kind, "{expiration_block}");
    }
}

#[test]
fn funds_are_locked_and_there() {
    for (withdraw_round, kind) in [
        (4, "unlock_soon"),
        (2, "unlock_soon"),
        (6, "unlock_soon"),
        (7, "taken"),
        (0, "taken"),
        (100, "taken"),
    ] {
        let mut sender = sender();
        sender.handle_funds(SenderFunds { withdraw_round: U256::from(withdraw_round), ..funds() });
        assert_eq!(refused(&mut sender, &params()), kind, "{withdraw_round}");
    }
    let with_funds = |funds| {
        let mut sender = sender();
        sender.handle_funds(funds);
        refused(&mut sender, &params())
    };
    assert_eq!(with_funds(SenderFunds { reserve: U256::ZERO, ..funds() }), "no_reserve");
    assert_eq!(with_funds(SenderFunds { deposit: U256::ZERO, ..funds() }), "no_deposit");
    let short = SenderFunds { deposit: U256::from(MILLION - 1), ..funds() };
    assert_eq!(with_funds(short), "face_value_high");
}

#[test]
fn limits_are_the_operators() {
    let with_limits = |limits, tickets| {
        let mut sender = sender();
        sender.handle_limits(limits);
        sender.take(&params(), number(tickets)).map_or_else(|error| error.kind(), |_| "taken")
    };
    let limits = SenderLimits::default();
    // A ticket is worth a little more than 1000 wei.
    let ev = |max_ticket_ev| SenderLimits { max_ticket_ev: U256::from(max_ticket_ev), ..limits };
    assert_eq!((with_limits(ev(1_000), 1), with_limits(ev(1_001), 1)), ("ticket_ev", "taken"));
    let total = |max_total_ev| SenderLimits { max_total_ev: U256::from(max_total_ev), ..limits };
    assert_eq!((with_limits(total(3_001), 3), with_limits(total(3_001), 4)), ("taken", "total_ev"));
    let twice = SenderLimits { deposit_multiplier: 2.try_into().unwrap(), ..limits };
    assert_eq!(with_limits(twice, 1), "face_value_high");
    assert_eq!((with_limits(limits, 100), with_limits(limits, 101)), ("taken", "batch_size"));
}

#[test]
fn first_check_that_fails_is_told() {
    let mut sender = TicketSender::new(key().address(), SenderLimits::default());
    let all_wrong = TicketParams { expiration_block: 0, win_prob: U256::MAX, ..params() };
    assert_eq!(refused(&mut sender, &all_wrong), "no_expiration");
    sender.handle_view(view());
    let wrong = TicketParams { expiration_block: 140, ..all_wrong };
    assert_eq!(refused(&mut sender, &wrong), "face_value_low");
    assert_eq!(refused(&mut sender, &params()), "no_reserve");
    let error = sender.take(&params(), number(1)).unwrap_err();
    assert_eq!(
        (error.remedy(), error.to_string().as_str()),
        (Remedy::Operator, "no sender reserve")
    );
    let worthless = TicketParams { win_prob: U256::ZERO, ..params() };
    assert_eq!(refused(&mut sender, &worthless), "taken", "nothing is at stake");
}

#[test]
fn round_is_the_orchestrators_or_ours() {
    let mut sender = sender();
    let made_in = |sender: &mut TicketSender, expiration| {
        let params = TicketParams { expiration, ..params() };
        sender.take(&params, number(1)).map(|batch| batch.expiration().creation_round)
    };
    assert_eq!(made_in(&mut sender, round(4)), Ok(4));
    let without_hash = ExpirationParams { creation_round: 4, ..ExpirationParams::default() };
    assert_eq!(made_in(&mut sender, without_hash), Ok(5));
    assert_eq!(made_in(&mut sender, round(0)), Ok(5));
    sender.handle_view(ChainView { round: without_hash, ..view() });
    assert_eq!(made_in(&mut sender, round(0)), Err(SenderError::NoRound));
}

#[test]
fn batches_are_signed_here_or_elsewhere() {
    let mut sender = sender();
    let batch = sender.take(&params(), number(2)).unwrap();
    assert_eq!(batch.mark().last_nonce, 2);
    assert_eq!(batch.expected_value(), params().expected_value().times(2));
    let here = batch.clone().sign(&key()).unwrap();
    let signatures: Vec<_> = here.signed().map(|(_, signature)| signature).collect();
    assert_eq!(here.signed().map(|(nonce, _)| nonce).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(batch.clone().with_signatures(signatures.clone()), Ok(here));

    let short = batch.clone().with_signatures(signatures[..1].to_vec());
    assert_eq!(short, Err(SignerFault::Count { expected: 2, found: 1 }));
    let swapped = batch.clone().with_signatures(signatures.into_iter().rev().collect());
    assert!(matches!(
        swapped,
        Err(SignerFault::Signature { nonce: 1, fault: SignatureError::OtherSigner(_) })
    ));
    let other = PrivateKey::from_bytes(&[1; 32]).unwrap();
    assert_eq!(batch.sign(&other), Err(SignerFault::OtherKey(other.address())));
}

#[test]
fn nonces_go_on_after_a_restart() {
    let mut sender_before = sender();
    let mark = sender_before.take(&params(), number(100)).unwrap().mark();
    let mut restarted = sender();
    restarted.handle_mark(mark);
    assert_eq!(restarted.last_nonce(&params()), 100);
    let batch = restarted.take(&params(), number(1)).unwrap();
    assert_eq!(batch.tickets().map(|ticket| ticket.sender_nonce).collect::<Vec<_>>(), [101]);
    let fresh = TicketParams { recipient_rand_hash: B256::repeat_byte(2), ..params() };
    assert_eq!(restarted.last_nonce(&fresh), 0);
}

proptest! {
    /// Whatever is asked for, restarts included, no nonce is given twice and none above the limit.
    #[test]
    fn no_nonce_is_given_twice(asked in prop::collection::vec((0_u8..3, 1_u32..110, any::<bool>()), 1..40)) {
        let mut sender = sender();
        let mut given = std::collections::HashSet::new();
        let mut recorded = Vec::new();
        for (which, tickets, restart) in asked {
            let params = TicketParams { recipient_rand_hash: B256::repeat_byte(which), ..params() };
            if let Ok(batch) = sender.take(&params, number(tickets)) {
                recorded.push(batch.mark());
                for ticket in batch.tickets() {
                    prop_assert!(given.insert((which, ticket.sender_nonce)));
                    prop_assert!((1..=MAX_NONCE).contains(&ticket.sender_nonce));
                }
            }
            if restart {
                sender = self::sender();
                recorded.iter().for_each(|mark| sender.handle_mark(*mark));
            }
        }
    }
}
