//! The number that decides which ticket wins.

use std::fmt;

use alloy_primitives::{Address, B256, U256};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Price, TicketParams, big_bytes, keccak256};

/// What an orchestrator derives its numbers from. It is wiped when dropped and never shown; with
/// another one, no ticket params issued before are valid.
#[derive(Clone)]
pub struct ReceiverSecret(Zeroizing<[u8; BLOCK]>);

/// Bytes of a SHA-256 block, to which HMAC pads a shorter key with zeros.
const BLOCK: usize = 64;

impl ReceiverSecret {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let bytes = Zeroizing::new(bytes);
        let mut block = Zeroizing::new([0; BLOCK]);
        block.iter_mut().zip(&*bytes).for_each(|(padded, byte)| *padded = *byte);
        Self(block)
    }

    /// The number for tickets of `sender` on the terms of `params` (livepeer-wire §4.1). It must not
    /// get out before the tickets are redeemed.
    #[must_use]
    pub fn recipient_rand(&self, params: &TicketParams, sender: Address, price: Price) -> U256 {
        let mut mac = Hmac::<Sha256>::new((&*self.0).into());
        mac.update(&big_bytes(params.seed));
        mac.update(sender.as_slice());
        for number in [
            params.face_value,
            params.win_prob,
            U256::from(params.expiration_block),
            U256::from(price.wei()),
            U256::from(price.pixels().get()),
        ] {
            mac.update(&big_bytes(number));
        }
        mac.update(&params.expiration.aux_data());
        U256::from_be_bytes::<32>(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for ReceiverSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiverSecret(***)")
    }
}

/// The commitment to a number (livepeer-wire §4.1).
#[must_use]
pub fn recipient_rand_hash(recipient_rand: U256) -> B256 {
    keccak256(recipient_rand.to_be_bytes::<32>())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;
    use crate::ExpirationParams;

    /// livepeer-wire §9.5, with the params of §9.4.
    #[test]
    fn numbers_are_the_networks() {
        let params = TicketParams {
            recipient: address!("73AEd7b5dEb30222fa896f399d46cC99c7BEe57F"),
            face_value: U256::from(1_000_000_000_000_000_u64),
            win_prob: U256::MAX / U256::from(1_000),
            recipient_rand_hash: B256::ZERO,
            seed: U256::from(0x1234),
            expiration_block: 21_000_040,
            expiration: ExpirationParams {
                creation_round: 3_456,
                creation_round_block_hash: keccak256("round"),
            },
        };
        let mut secret = [0; 32];
        secret[0] = 3;
        let rand = ReceiverSecret::new(secret).recipient_rand(
            &params,
            address!("9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"),
            Price::new(2_400, 2).unwrap(),
        );
        assert_eq!(
            B256::from(rand),
            b256!("d8d66ab80563e8018de2c4f81430f8479507b2735a0530fcf2e23c444cd95eed")
        );
        assert_eq!(
            recipient_rand_hash(rand),
            b256!("5803cf346797a8d87b384e0a631fb6459128eed3f9a10c199122cd66a80cd03c")
        );
        assert_eq!(
            recipient_rand_hash(U256::from(12_345)),
            b256!("e546b0a52c2879744f6def0fb483d581dc6d205de83af8440456804dd8b62380")
        );
    }

    #[test]
    fn secret_is_not_shown() {
        assert_eq!(format!("{:?}", ReceiverSecret::new([7; 32])), "ReceiverSecret(***)");
    }
}
