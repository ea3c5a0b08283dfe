//! The tickets of one payment.

use std::num::NonZeroU32;

use alloy_primitives::Address;

use crate::{
    ExpirationParams, MAX_BATCH, MAX_NONCE, NonceMark, PrivateKey, Signature, SignatureError,
    Ticket, TicketParams, Wei,
};

/// Tickets whose nonces are taken but which nobody has signed yet. Its [`NonceMark`] and worth are to
/// be recorded before the signatures leave the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedBatch {
    pub(crate) sender: Address,
    pub(crate) params: TicketParams,
    pub(crate) expiration: ExpirationParams,
    pub(crate) first_nonce: u32,
    pub(crate) count: NonZeroU32,
}

/// What a signer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerFault {
    /// Not one signature per ticket.
    #[error("{found} signatures for {expected} tickets")]
    Count {
        /// Tickets.
        expected: u32,
        /// Signatures.
        found: usize,
    },
    /// A signature isn't the sender's over the ticket.
    #[error("the signature of the ticket with nonce {nonce}: {fault}")]
    Signature {
        /// Which ticket.
        nonce: u32,
        /// What is wrong with it.
        fault: SignatureError,
    },
    /// The key belongs to another address.
    #[error("the key signs for {0}, which is not the sender")]
    OtherKey(Address),
}

/// What no batch of tickets can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {MAX_BATCH} tickets or fewer, with nonces from 1 to {MAX_NONCE}")]
pub struct BatchError;

impl UnsignedBatch {
    /// Tickets whose nonces somebody else took, as a signer is asked to sign them.
    ///
    /// # Errors
    /// When they are more than [`MAX_BATCH`], or a nonce is out of range.
    pub fn new(
        sender: Address,
        params: TicketParams,
        expiration: ExpirationParams,
        first_nonce: u32,
        count: NonZeroU32,
    ) -> Result<Self, BatchError> {
        let batch = Self { sender, params, expiration, first_nonce, count };
        let in_range = first_nonce > 0 && batch.mark().last_nonce <= MAX_NONCE;
        if in_range && count.get() <= MAX_BATCH { Ok(batch) } else { Err(BatchError) }
    }

    /// Nonce of the first ticket; the others' follow.
    #[must_use]
    pub const fn first_nonce(&self) -> u32 {
        self.first_nonce
    }

    /// Who pays.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.sender
    }

    /// The terms.
    #[must_use]
    pub const fn params(&self) -> &TicketParams {
        &self.params
    }

    /// The round the tickets are made in.
    #[must_use]
    pub const fn expiration(&self) -> ExpirationParams {
        self.expiration
    }

    /// How many tickets.
    #[must_use]
    pub const fn count(&self) -> NonZeroU32 {
        self.count
    }

    /// How far nonces are used once these are.
    #[must_use]
    pub const fn mark(&self) -> NonceMark {
        NonceMark {
            recipient_rand_hash: self.params.recipient_rand_hash,
            last_nonce: self.first_nonce.saturating_add(self.count.get() - 1),
            expiration_block: self.params.expiration_block,
        }
    }

    /// What all are worth on average.
    #[must_use]
    pub fn expected_value(&self) -> Wei {
        self.params.expected_value().times(u64::from(self.count.get()))
    }

    /// The tickets, in the order of their nonces.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        (self.first_nonce..=self.mark().last_nonce)
            .map(|nonce| Ticket::new(&self.params, self.expiration, self.sender, nonce))
    }

    /// Signs all with the sender's key: some 50 µs per ticket.
    pub fn sign(self, key: &PrivateKey) -> Result<TicketBatch, SignerFault> {
        if key.address() != self.sender {
            return Err(SignerFault::OtherKey(key.address()));
        }
        let signatures = self.tickets().map(|ticket| key.sign(ticket.hash().as_slice())).collect();
        Ok(TicketBatch { unsigned: self, signatures })
    }

    /// Takes signatures that were made elsewhere, in the order of the nonces, and checks each.
    pub fn with_signatures(self, signatures: Vec<Signature>) -> Result<TicketBatch, SignerFault> {
        let expected = self.count.get();
        if usize::try_from(expected).ok() != Some(signatures.len()) {
            return Err(SignerFault::Count { expected, found: signatures.len() });
        }
        for (ticket, signature) in self.tickets().zip(&signatures) {
            let nonce = ticket.sender_nonce;
            signature
                .verify(self.sender, ticket.hash().as_slice())
                .map_err(|fault| SignerFault::Signature { nonce, fault })?;
        }
        Ok(TicketBatch { unsigned: self, signatures })
    }
}

/// Signed tickets: as good as money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketBatch {
    unsigned: UnsignedBatch,
    signatures: Vec<Signature>,
}

impl TicketBatch {
    /// What was signed.
    #[must_use]
    pub const fn unsigned(&self) -> &UnsignedBatch {
        &self.unsigned
    }

    /// Each ticket's nonce and signature, as a payment lists them.
    pub fn signed(&self) -> impl Iterator<Item = (u32, Signature)> {
        (self.unsigned.first_nonce..).zip(self.signatures.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{B256, U256};

    use super::*;

    fn batch(first_nonce: u32, count: u32) -> Result<UnsignedBatch, BatchError> {
        let params = TicketParams {
            recipient: Address::repeat_byte(1),
            face_value: U256::from(1_000),
            win_prob: U256::MAX / U256::from(10),
            recipient_rand_hash: B256::repeat_byte(2),
            seed: U256::ZERO,
            expiration_block: 100,
            expiration: ExpirationParams::default(),
        };
        let sender = PrivateKey::from_bytes(&[7; 32]).unwrap().address();
        let count = NonZeroU32::new(count).unwrap();
        UnsignedBatch::new(sender, params, ExpirationParams::default(), first_nonce, count)
    }

    #[test]
    fn nonces_of_others_are_within_the_networks_range() {
        assert_eq!(batch(501, 100).unwrap().mark().last_nonce, 600);
        for (first, count) in [(0, 1), (1, 101), (502, 100), (u32::MAX, 2), (1, u32::MAX)] {
            assert_eq!(batch(first, count), Err(BatchError), "{first} {count}");
        }
    }

    #[test]
    fn signatures_of_others_are_checked() {
        let key = PrivateKey::from_bytes(&[7; 32]).unwrap();
        let stranger = PrivateKey::from_bytes(&[8; 32]).unwrap();
        let unsigned = batch(3, 2).unwrap();
        let signed = |key: &PrivateKey| -> Vec<_> {
            unsigned.tickets().map(|ticket| key.sign(ticket.hash().as_slice())).collect()
        };
        let taken = unsigned.clone().with_signatures(signed(&key)).unwrap();
        assert_eq!(taken, unsigned.clone().sign(&key).unwrap());
        let fault = unsigned.clone().with_signatures(signed(&stranger)).unwrap_err();
        assert!(matches!(fault, SignerFault::Signature { nonce: 3, .. }), "{fault}");
        let mut swapped = signed(&key);
        swapped.swap(0, 1);
        assert!(unsigned.clone().with_signatures(swapped).is_err());
        let fault = unsigned.clone().with_signatures(signed(&key)[..1].to_vec()).unwrap_err();
        assert_eq!(fault, SignerFault::Count { expected: 2, found: 1 });
    }
}
