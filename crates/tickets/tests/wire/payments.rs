//! livepeer-wire §9.4: the header of a payment, from params to base64.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost::Message;
use tickets::{
    ChainView, ExpirationParams, SenderFunds, SenderLimits, TicketBatch, TicketParams,
    TicketSender, U256, big_bytes, from_big_bytes, keccak256,
};

use crate::{address, key, messages};

const HEADER: &str = "CmwKFHOu17XeswIi+olvOZ1GzJnHvuV/EgcDjX6kxoAAGh9BiTdLxqfvnbItDlYEGJN0vGp++dsi0O\
    VgQYk3S8anIiBBsaBkl1KvGyiz3CmhVW7ueB5KTDoff1P5D6g03gmMTSoCEjQyBAFAb2gSFJ2KYvZWqNFhXBKU/XHpz7PkhV\
    pPGiUIgBsSIH5VNtbZQbX4nvJuv+qNypez9coOSzXkonrOEaUvXAOZIkUIARJBj2a7UN1l6t8aQwswkO49t++XHaNTo/Q3vO\
    iztsEWbSwoq+MjWCmSL0/fmOb8GPX2pYbBa25FjgveCC36OjfUUBwiRQgCEkHKmJ566ElhlK2Oiv8ATJVFSYaigmNGhvSINM\
    lqHxLgGRgGcmeSedIzmC6v05Lov2B+QM2U34uZn0najVMfmoM4HCoFCLAJEAE=";

fn batch(params: &TicketParams) -> TicketBatch {
    let mut sender = TicketSender::new(address(), SenderLimits::default());
    let deposit = U256::from(10).pow(U256::from(18));
    sender.handle_funds(SenderFunds { deposit, reserve: deposit, withdraw_round: U256::ZERO });
    sender.handle_view(ChainView {
        l1_block: 21_000_000,
        last_initialized_round: 3_456,
        ..ChainView::default()
    });
    let unsigned = sender.take(params, NonZeroU32::new(2).unwrap()).unwrap();
    unsigned.sign(&key()).unwrap()
}

fn params() -> TicketParams {
    let hash = "7e5536d6d941b5f89ef26ebfea8dca97b3f5ca0e4b35e4a27ace11a52f5c0399";
    assert_eq!(hex::encode(keccak256("round")), hash);
    TicketParams {
        recipient: "73AEd7b5dEb30222fa896f399d46cC99c7BEe57F".parse().unwrap(),
        face_value: U256::from(10).pow(U256::from(15)),
        win_prob: U256::MAX / U256::from(1_000),
        recipient_rand_hash: "41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d"
            .parse()
            .unwrap(),
        seed: U256::from(0x1234),
        expiration_block: 21_000_040,
        expiration: ExpirationParams {
            creation_round: 3_456,
            creation_round_block_hash: hash.parse().unwrap(),
        },
    }
}

fn header(payment: &messages::Payment) -> String {
    STANDARD.encode(payment.encode_to_vec())
}

fn unpaid() -> messages::Payment {
    messages::Payment {
        sender: address().to_vec(),
        expected_price: Some(messages::PriceInfo { price_per_unit: 1_200, pixels_per_unit: 1 }),
        ..messages::Payment::default()
    }
}

#[test]
fn tickets_are_hashed_and_signed() {
    let batch = batch(&params());
    let hashes: Vec<_> =
        batch.unsigned().tickets().map(|ticket| hex::encode(ticket.hash())).collect();
    assert_eq!(
        hashes,
        [
            "3bf20ecfd8dad55dea30cc60d3c5ceb20704471473c54cdde2e2f11b6e0a959a",
            "a3c34d3478fd5fd4063683e079fc65ea16f3fdc84a9280ab40333126e161f3c0",
        ]
    );
    let signed: Vec<_> = batch
        .signed()
        .map(|(nonce, signature)| (nonce, hex::encode(signature.to_bytes())))
        .collect();
    let first = "8f66bb50dd65eadf1a430b3090ee3db7ef971da353a3f437bce8b3b6c1166d2c28abe3235829922f4fdf98\
        e6fc18f5f6a586c16b6e458e0bde082dfa3a37d4501c";
    let second = "ca989e7ae8496194ad8e8aff004c95454986a282634686f48834c96a1f12e019180672679279d233982ea\
        fd392e8bf607e40cd94df8b999f49da8d531f9a83381c";
    assert_eq!(signed, [(1, first.to_owned()), (2, second.to_owned())]);
}

#[test]
fn payment_is_the_vector() {
    let batch = batch(&params());
    let params = batch.unsigned().params();
    let expiration = batch.unsigned().expiration();
    assert_eq!(big_bytes(params.win_prob).len(), 31);
    let payment = messages::Payment {
        ticket_params: Some(messages::TicketParams {
            recipient: params.recipient.to_vec(),
            face_value: big_bytes(params.face_value),
            win_prob: big_bytes(params.win_prob),
            recipient_rand_hash: params.recipient_rand_hash.to_vec(),
            seed: big_bytes(params.seed),
            expiration_block: big_bytes(U256::from(params.expiration_block)),
        }),
        expiration_params: Some(messages::ExpirationParams {
            creation_round: expiration.creation_round.try_into().unwrap(),
            creation_round_block_hash: expiration.creation_round_block_hash.to_vec(),
        }),
        ticket_sender_params: batch
            .signed()
            .map(|(sender_nonce, signature)| messages::SenderParams {
                sender_nonce,
                sig: signature.to_bytes().into(),
            })
            .collect(),
        ..unpaid()
    };
    assert_eq!(header(&payment), HEADER);
    assert_eq!(header(&unpaid()), "EhSdimL2VqjRYVwSlP1x6c+z5IVaTyoFCLAJEAE=");

    let read = messages::Payment::decode(&*STANDARD.decode(HEADER).unwrap()).unwrap();
    let read = read.ticket_params.unwrap();
    assert_eq!(from_big_bytes(&read.win_prob), Some(params.win_prob));
    assert_eq!(from_big_bytes(&read.face_value), Some(params.face_value));
}
