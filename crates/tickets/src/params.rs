//! What an orchestrator asks tickets to be.

use alloy_primitives::{Address, B256, U256};

use crate::{Wei, expected_value};

/// The round a ticket is made in: it decides until when the ticket can be redeemed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExpirationParams {
    /// Number of the protocol's round.
    pub creation_round: u64,
    /// Hash of the L1 block that round began with.
    pub creation_round_block_hash: B256,
}

impl ExpirationParams {
    /// Whether both are known; a ticket can't be redeemed otherwise.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.creation_round != 0 && !self.creation_round_block_hash.is_zero()
    }

    /// What a ticket commits to: the round and the hash, 64 bytes; nothing when both are zero
    /// (livepeer-wire §4.1).
    #[must_use]
    pub fn aux_data(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let round = U256::from(self.creation_round).to_be_bytes::<32>();
        [round, self.creation_round_block_hash.0].concat()
    }
}

/// The terms on which an orchestrator takes tickets (livepeer-wire §2.4). All fields must be used
/// together: `recipient_rand_hash` commits the orchestrator to the others, the sender and the price.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TicketParams {
    /// Who is paid.
    pub recipient: Address,
    /// Wei a winning ticket pays.
    pub face_value: U256,
    /// A ticket wins with a probability of `win_prob / (2^256 - 1)`.
    pub win_prob: U256,
    /// Commitment to the number that decides which ticket wins.
    pub recipient_rand_hash: B256,
    /// From which the orchestrator finds that number again.
    pub seed: U256,
    /// L1 block from which on the orchestrator no longer takes tickets on these terms.
    pub expiration_block: u64,
    /// Round the tickets are to be made in; incomplete where the orchestrator leaves it to the sender.
    pub expiration: ExpirationParams,
}

impl TicketParams {
    /// What one ticket is worth on average.
    #[must_use]
    pub fn expected_value(&self) -> Wei {
        expected_value(self.face_value, self.win_prob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// livepeer-wire §9.3.
    #[test]
    fn aux_data_is_the_networks() {
        let hash = B256::repeat_byte(0x76);
        let aux = |creation_round, creation_round_block_hash| {
            ExpirationParams { creation_round, creation_round_block_hash }.aux_data()
        };
        let mut expected = [0; 64];
        expected[31] = 5;
        expected[32..].fill(0x76);
        assert_eq!(aux(5, hash), expected);
        assert_eq!((aux(0, hash).len(), aux(5, B256::ZERO).len()), (64, 64));
        assert!(aux(0, B256::ZERO).is_empty());
    }
}
