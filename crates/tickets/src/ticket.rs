//! A lottery ticket.

use alloy_primitives::{Address, B256, U256};
use num_rational::BigRational;

use crate::{ExpirationParams, Signature, TicketParams, Wei, keccak::keccak256_of, wei::big};

/// Pays `face_value` to `recipient` with a probability of `win_prob / (2^256 - 1)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Who is paid.
    pub recipient: Address,
    /// Who pays.
    pub sender: Address,
    /// Wei a winning ticket pays.
    pub face_value: U256,
    /// How probable a win is.
    pub win_prob: U256,
    /// Tells apart the tickets of one `recipient_rand_hash`; the first is 1.
    pub sender_nonce: u32,
    /// The recipient's commitment.
    pub recipient_rand_hash: B256,
    /// The round it is made in.
    pub expiration: ExpirationParams,
}

impl Ticket {
    /// A ticket on the terms of `params`, made in the round `expiration`.
    #[must_use]
    pub fn new(
        params: &TicketParams,
        expiration: ExpirationParams,
        sender: Address,
        sender_nonce: u32,
    ) -> Self {
        Self {
            recipient: params.recipient,
            sender,
            face_value: params.face_value,
            win_prob: params.win_prob,
            sender_nonce,
            recipient_rand_hash: params.recipient_rand_hash,
            expiration,
        }
    }

    /// Keccak-256 of the fields, tightly packed as the contract does (livepeer-wire §4.1): what the
    /// sender signs.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256_of([
            self.recipient.as_slice(),
            self.sender.as_slice(),
            &self.face_value.to_be_bytes::<32>(),
            &self.win_prob.to_be_bytes::<32>(),
            &U256::from(self.sender_nonce).to_be_bytes::<32>(),
            self.recipient_rand_hash.as_slice(),
            &self.expiration.aux_data(),
        ])
    }

    /// What it is worth on average.
    #[must_use]
    pub fn expected_value(&self) -> Wei {
        expected_value(self.face_value, self.win_prob)
    }

    /// Whether it wins, given the recipient's number and the sender's signature.
    #[must_use]
    pub fn wins(&self, signature: &Signature, recipient_rand: U256) -> bool {
        U256::from_be_bytes(winning_digest(signature, recipient_rand).0) < self.win_prob
    }
}

/// `face_value × win_prob / (2^256 - 1)`, exactly.
#[must_use]
pub fn expected_value(face_value: U256, win_prob: U256) -> Wei {
    Wei::from_rational(BigRational::new(big(face_value) * big(win_prob), big(U256::MAX)))
}

fn winning_digest(signature: &Signature, recipient_rand: U256) -> B256 {
    keccak256_of([&signature.to_bytes()[..], &recipient_rand.to_be_bytes::<32>()])
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;

    const H: B256 = b256!("41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d");

    fn ticket() -> Ticket {
        Ticket {
            recipient: Address::ZERO,
            sender: Address::ZERO,
            face_value: U256::ZERO,
            win_prob: U256::ZERO,
            sender_nonce: 0,
            recipient_rand_hash: B256::ZERO,
            expiration: ExpirationParams::default(),
        }
    }

    /// livepeer-wire §9.3.
    #[test]
    fn hashes_are_the_networks() {
        let recipient = address!("73AEd7b5dEb30222fa896f399d46cC99c7BEe57F");
        let round = ExpirationParams { creation_round: 10, creation_round_block_hash: H };
        let (one, five_hundred) = (U256::from(1), U256::from(500));
        for (ticket, hash) in [
            (
                Ticket { sender_nonce: u32::MAX, ..ticket() },
                "e1393fc7f6de093780674022f96cb8e3872235167d037c04d554e58c0e63d280",
            ),
            (
                Ticket { sender_nonce: 1, ..ticket() },
                "ce0918ba94518293e9712effbe5fca4f1f431089833a5b8c257cb1e024595f68",
            ),
            (
                Ticket { face_value: one, win_prob: five_hundred, ..ticket() },
                "87ef13f2d37e4d5352a01d3c77b8179d80e0887f1953bfabfd0bfd7b0f689ddd",
            ),
            (
                Ticket { face_value: five_hundred, win_prob: one, ..ticket() },
                "aa4b35071043587992ac8b9dd1b2cf1d8311130e6458cf0b2342484e21af5f5b",
            ),
            (
                Ticket { recipient, ..ticket() },
                "81e353ae39046e2b77b9f996abbaeed527fda559b61ef90f299c4499dd508ccc",
            ),
            (
                Ticket { recipient_rand_hash: H, ..ticket() },
                "be5eaf9a49a39540b9bb02f1a21904f61324a29819e2c032824bfaa10c100b17",
            ),
            (
                Ticket { expiration: round, ..ticket() },
                "e502907c16036ab3d11b78c5a2e93c20f3d6415c67f91de4ed01348182b3b2e2",
            ),
        ] {
            assert_eq!(hex::encode(ticket.hash()), hash, "{ticket:?}");
        }
    }

    #[test]
    fn expected_value_is_exact() {
        let million = U256::from(1_000_000);
        assert_eq!(expected_value(million, U256::MAX).to_string(), "1000000");
        assert_eq!(expected_value(million, U256::MAX / U256::from(5)).to_string(), "200000");
        assert_eq!(expected_value(U256::MAX, U256::MAX).to_u256(), Some(U256::MAX));
        assert_eq!(expected_value(million, U256::ZERO), Wei::zero());
        assert!(expected_value(U256::from(1), U256::from(1)).is_positive());
    }

    /// livepeer-wire §9.4: the digest, and that this ticket loses.
    #[test]
    fn winning_is_decided_by_signature_and_number() {
        let signature = hex::decode(
            "8f66bb50dd65eadf1a430b3090ee3db7ef971da353a3f437bce8b3b6c1166d2c28abe3235829922f4fdf98\
             e6fc18f5f6a586c16b6e458e0bde082dfa3a37d4501c",
        );
        let signature = Signature::from_wire(&signature.unwrap()).unwrap();
        let rand = U256::from(12_345);
        let digest = winning_digest(&signature, rand);
        assert_eq!(
            digest,
            b256!("e7397e3b53f1a5889286cf86243baadb26bae6b5d693d91b5368bedde1f541d8")
        );
        let win_prob = U256::MAX / U256::from(1_000);
        assert!(!Ticket { win_prob, ..ticket() }.wins(&signature, rand));
        let exact = U256::from_be_bytes(digest.0);
        assert!(!Ticket { win_prob: exact, ..ticket() }.wins(&signature, rand));
        let above = exact + U256::from(1);
        assert!(Ticket { win_prob: above, ..ticket() }.wins(&signature, rand));
    }
}
