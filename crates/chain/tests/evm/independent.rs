//! What we sign, read by an implementation that shares no code with ours: ethers.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use chain::{ContractCall, Fees, Transaction};
use serde_json::{Value, json};
use tickets::{
    Address, ExpirationParams, PrivateKey, Ticket, TicketParams, U256, keccak256,
    signed::{SegmentClaim, orchestrator_request},
};

use crate::support::folder;

fn key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes(keccak256([number]).as_slice()).unwrap()
}

fn hex_of(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// What ethers makes of these lines.
fn asked(lines: &[Value]) -> Vec<Value> {
    let mut node = Command::new("node")
        .arg(folder().join("recover.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    node.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn requests_and_segments_recover_to_their_signer() {
    let mut lines = Vec::new();
    for number in 0..16 {
        let key = key(number);
        let request = orchestrator_request(key.address());
        let claim = SegmentClaim {
            manifest_id: b"cam",
            sequence: u64::from(number) << 40,
            hash: keccak256([number, 1]),
            profile_names: &["720p", "360p"],
        };
        for message in [request.into_bytes(), claim.to_bytes()] {
            let signature = hex_of(key.sign_hashed(&message).to_bytes());
            lines.push(json!({ "message": hex_of(keccak256(message)), "signature": signature }));
        }
    }
    for (index, answer) in asked(&lines).iter().enumerate() {
        let signer = key(u8::try_from(index / 2).unwrap()).address();
        assert_eq!(answer["signer"], signer.to_checksum(None), "{}", lines[index]);
    }
}

#[test]
fn tickets_hash_and_recover_to_their_sender() {
    let ticket = |number: u8| {
        let key = key(number);
        let params = TicketParams {
            recipient: Address::repeat_byte(number),
            face_value: U256::MAX >> number,
            win_prob: U256::MAX / U256::from(u64::from(number) + 2),
            recipient_rand_hash: keccak256([number, 2]),
            seed: U256::from(number),
            expiration_block: 1_000,
            expiration: ExpirationParams {
                creation_round: 3_000 + u64::from(number),
                creation_round_block_hash: keccak256([number, 3]),
            },
        };
        (Ticket::new(&params, params.expiration, key.address(), u32::from(number) + 1), key)
    };
    let lines: Vec<_> = (0..16)
        .map(|number| {
            let (ticket, key) = ticket(number);
            json!({
                "ticket": {
                    "recipient": ticket.recipient.to_checksum(None),
                    "sender": ticket.sender.to_checksum(None),
                    "faceValue": hex_of(ticket.face_value.to_be_bytes::<32>()),
                    "winProb": hex_of(ticket.win_prob.to_be_bytes::<32>()),
                    "senderNonce": ticket.sender_nonce,
                    "recipientRandHash": hex_of(ticket.recipient_rand_hash),
                    "creationRound": ticket.expiration.creation_round,
                    "creationRoundBlockHash": hex_of(ticket.expiration.creation_round_block_hash),
                },
                "signature": hex_of(key.sign(ticket.hash().as_slice()).to_bytes()),
            })
        })
        .collect();
    for (number, answer) in (0..).zip(asked(&lines)) {
        let (ticket, key) = ticket(number);
        assert_eq!(answer["hash"], hex_of(ticket.hash()), "{ticket:?}");
        assert_eq!(answer["signer"], key.address().to_checksum(None), "{ticket:?}");
    }
}

#[test]
fn transactions_recover_to_their_sender() {
    let lines: Vec<_> = (0..8)
        .map(|number| {
            let fees = Fees {
                max_fee_per_gas: U256::from(2_000_000_000_u64) << number,
                tip: U256::from(number),
                gas_limit: 100_000 << number,
            };
            let call = ContractCall {
                name: "fundDeposit",
                to: Address::repeat_byte(5),
                value: U256::from(10).pow(U256::from(number)),
                data: vec![number; usize::from(number) * 40].into(),
            };
            let nonce = u64::from(number) * 100;
            let transaction = Transaction { chain_id: 42_161, nonce, fees, call };
            json!({ "transaction": hex_of(transaction.sign(&key(number)).raw) })
        })
        .collect();
    for (number, answer) in (0..).zip(asked(&lines)) {
        assert_eq!(answer["signer"], key(number).address().to_checksum(None));
    }
}
