//! The `Livepeer-Payment` header of an upload.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use prost::Message;
use tickets::{Address, ExpirationParams, Price, Signature, SignatureError, TicketBatch};

use crate::{Quote, proto, ticket_fields};

/// Longest header sent, in bytes: six hundred tickets have some 60 kB.
const MAX_LENGTH: usize = 128 << 10;

/// A payment, ready to be sent: as good as money, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentHeader(HeaderValue);

/// A text that is no payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a payment of the network, in base64")]
pub struct PaymentHeaderError;

impl PaymentHeader {
    /// Pays with these tickets, at the price that came with their params.
    #[must_use]
    pub fn with_tickets(price: Price, batch: &TicketBatch) -> Self {
        let unsigned = batch.unsigned();
        let tickets = batch.signed().map(|(sender_nonce, signature)| proto::TicketSenderParams {
            sender_nonce,
            sig: Bytes::copy_from_slice(&signature.to_bytes()),
        });
        let expiration: ExpirationParams = unsigned.expiration();
        Self::encode(&proto::Payment {
            ticket_params: Some(ticket_fields::write_params(unsigned.params())),
            expiration_params: Some(ticket_fields::write_expiration(&expiration)),
            ticket_sender_params: tickets.collect(),
            ..without_tickets(unsigned.sender(), price)
        })
    }

    /// Pays nothing more: the session has credit, or the work is free. Even then the price must be
    /// said (livepeer-wire §4.2).
    #[must_use]
    pub fn without_tickets(sender: Address, price: Price) -> Self {
        Self::encode(&without_tickets(sender, price))
    }

    /// As [`Self::with_tickets`] where there are any, at the quote's price.
    #[must_use]
    pub fn new(quote: &Quote, sender: Address, batch: Option<&TicketBatch>) -> Self {
        batch.map_or_else(
            || Self::without_tickets(sender, quote.price),
            |batch| Self::with_tickets(quote.price, batch),
        )
    }

    /// Takes a header that a signer made elsewhere.
    ///
    /// # Errors
    /// When it can't be read as a payment, or is longer than 128 KiB.
    pub fn from_text(text: &str) -> Result<Self, PaymentHeaderError> {
        if text.len() > MAX_LENGTH {
            return Err(PaymentHeaderError);
        }
        let bytes = STANDARD.decode(text).map_err(|_| PaymentHeaderError)?;
        let payment = proto::Payment::decode(&*bytes).map_err(|_| PaymentHeaderError)?;
        Ok(Self::encode(&payment))
    }

    /// Each ticket's nonce and signature, in the header's order: what a payer checks of a header that
    /// a signer made elsewhere.
    ///
    /// # Errors
    /// When a field holds no signature.
    pub fn tickets(&self) -> Result<Vec<(u32, Signature)>, SignatureError> {
        let bytes = STANDARD.decode(self.expose()).unwrap_or_default();
        let payment = proto::Payment::decode(&*bytes).unwrap_or_default();
        let tickets = payment.ticket_sender_params.iter();
        tickets.map(|one| Ok((one.sender_nonce, Signature::from_wire(&one.sig)?))).collect()
    }

    /// The header's text. Whoever has it can spend it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) const fn value(&self) -> &HeaderValue {
        &self.0
    }

    fn encode(payment: &proto::Payment) -> Self {
        let text = STANDARD.encode(payment.encode_to_vec());
        // Base64 always is a header's value.
        let mut value =
            HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        Self(value)
    }
}

fn without_tickets(sender: Address, price: Price) -> proto::Payment {
    proto::Payment {
        sender: Bytes::copy_from_slice(sender.as_slice()),
        expected_price: Some(ticket_fields::write_price(price)),
        ..proto::Payment::default()
    }
}

impl fmt::Debug for PaymentHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentHeader({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tickets::{
        ChainView, PrivateKey, SenderFunds, SenderLimits, TicketParams, TicketSender, U256,
        keccak256,
    };

    use super::*;

    /// livepeer-wire §9.4.
    const WITH_TICKETS: &str = "CmwKFHOu17XeswIi+olvOZ1GzJnHvuV/EgcDjX6kxoAAGh9BiTdLxqfvnbItDlYEGJ\
        N0vGp++dsi0OVgQYk3S8anIiBBsaBkl1KvGyiz3CmhVW7ueB5KTDoff1P5D6g03gmMTSoCEjQyBAFAb2gSFJ2KYvZW\
        qNFhXBKU/XHpz7PkhVpPGiUIgBsSIH5VNtbZQbX4nvJuv+qNypez9coOSzXkonrOEaUvXAOZIkUIARJBj2a7UN1l6t\
        8aQwswkO49t++XHaNTo/Q3vOiztsEWbSwoq+MjWCmSL0/fmOb8GPX2pYbBa25FjgveCC36OjfUUBwiRQgCEkHKmJ56\
        6ElhlK2Oiv8ATJVFSYaigmNGhvSINMlqHxLgGRgGcmeSedIzmC6v05Lov2B+QM2U34uZn0najVMfmoM4HCoFCLAJEAE=";
    const WITHOUT_TICKETS: &str = "EhSdimL2VqjRYVwSlP1x6c+z5IVaTyoFCLAJEAE=";

    fn quote() -> Quote {
        let hex = "41b1a0649752af1b28b3dc29a1556eee781e4a4c3a1f7f53f90fa834de098c4d";
        let params = TicketParams {
            recipient: "0x73AEd7b5dEb30222fa896f399d46cC99c7BEe57F".parse().unwrap(),
            face_value: U256::from(1_000_000_000_000_000_u64),
            win_prob: U256::MAX / U256::from(1_000),
            recipient_rand_hash: hex.parse().unwrap(),
            seed: U256::from(0x1234),
            expiration_block: 21_000_040,
            expiration: ExpirationParams {
                creation_round: 3_456,
                creation_round_block_hash: keccak256("round"),
            },
        };
        Quote { session_id: "deadbeef".into(), price: Price::new(1_200, 1).unwrap(), params }
    }

    #[test]
    fn headers_are_the_vectors() {
        let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let limits = SenderLimits { max_ticket_ev: U256::MAX, ..SenderLimits::default() };
        let mut sender = TicketSender::new(key.address(), limits);
        let plenty = U256::from(u64::MAX);
        sender.handle_funds(SenderFunds {
            deposit: plenty,
            reserve: plenty,
            withdraw_round: U256::ZERO,
        });
        sender.handle_view(ChainView { l1_block: 21_000_000, ..ChainView::default() });
        let quote = quote();
        let batch = sender.take(&quote.params, NonZeroU32::new(2).unwrap()).unwrap();
        let batch = batch.sign(&key).unwrap();
        let paid = PaymentHeader::new(&quote, key.address(), Some(&batch));
        assert_eq!(paid.expose(), WITH_TICKETS);
        let unpaid = PaymentHeader::new(&quote, key.address(), None);
        assert_eq!(unpaid.expose(), WITHOUT_TICKETS);
        assert_eq!(PaymentHeader::from_text(WITH_TICKETS), Ok(paid.clone()));
        assert_eq!(paid.tickets().unwrap(), batch.signed().collect::<Vec<_>>());
        assert!(unpaid.tickets().unwrap().is_empty());
        assert_eq!(format!("{paid:?}"), "PaymentHeader(428 bytes)");
        assert!(paid.value().is_sensitive());
    }

    #[test]
    fn other_texts_are_no_payment() {
        for text in ["?", "AAAA", &"A".repeat(MAX_LENGTH + 4)] {
            assert_eq!(PaymentHeader::from_text(text), Err(PaymentHeaderError));
        }
    }
}
