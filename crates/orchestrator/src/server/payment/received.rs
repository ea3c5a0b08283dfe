//! A payment as it comes in.

use tickets::{Address, Payment, PaymentError, Price, SenderTicket, TicketParams};

use crate::{proto, ticket_fields};

/// Most tickets looked at in one payment: as many as there are nonces. Each takes a signature check of
/// some 100 µs.
const MAX_TICKETS: usize = 600;

/// A payment whose fields hold values of their kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceivedPayment {
    pub(crate) sender: Address,
    pub(crate) price: Price,
    /// None where the session's credit is to be used.
    pub(crate) with_tickets: Option<Payment>,
}

impl ReceivedPayment {
    /// Reads a payment. What can't be a value that this orchestrator ever gave out is refused as one
    /// that it did not.
    pub(crate) fn read(wire: &proto::Payment) -> Result<Self, PaymentError> {
        let sender = read_sender(&wire.sender)?;
        let price = wire.expected_price.as_ref().ok_or("no price");
        let price = price
            .and_then(ticket_fields::read_price)
            .map_err(|fault| PaymentError::InvalidPrice(fault.to_owned()))?;
        let listed = wire.ticket_sender_params.len();
        let Some(params) = &wire.ticket_params else {
            // Tickets that pay nobody.
            let unpaid = Self { sender, price, with_tickets: None };
            return if listed == 0 { Ok(unpaid) } else { Err(PaymentError::Recipient) };
        };
        if listed > MAX_TICKETS {
            return Err(PaymentError::TooManyNonces { sender, nonces: listed });
        }
        let params = read_params(params, wire.expiration_params.as_ref())?;
        let tickets = wire.ticket_sender_params.iter().map(|ticket| SenderTicket {
            nonce: ticket.sender_nonce,
            signature: ticket.sig.to_vec(),
        });
        let tickets = tickets.collect();
        let payment = Payment { sender, params, expected_price: price, tickets };
        Ok(Self { sender, price, with_tickets: Some(payment) })
    }
}

fn read_sender(field: &[u8]) -> Result<Address, PaymentError> {
    if field.is_empty() {
        return Err(PaymentError::NoSender("it has no address".to_owned()));
    }
    match Address::try_from(field) {
        Ok(sender) if !sender.is_zero() => Ok(sender),
        Ok(_) | Err(_) => Err(PaymentError::Sender),
    }
}

fn read_params(
    params: &proto::TicketParams,
    round: Option<&proto::TicketExpirationParams>,
) -> Result<TicketParams, PaymentError> {
    if Address::try_from(&*params.recipient).is_err() {
        return Err(PaymentError::Recipient);
    }
    ticket_fields::read_params(params, round).map_err(|_| PaymentError::RecipientRand)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn wire() -> proto::Payment {
        let params = proto::TicketParams {
            recipient: Bytes::from_static(&[7; 20]),
            recipient_rand_hash: Bytes::from_static(&[3; 32]),
            ..Default::default()
        };
        let price =
            proto::PriceInfo { price_per_unit: 2, pixels_per_unit: 4, ..Default::default() };
        proto::Payment {
            ticket_params: Some(params),
            sender: Bytes::from_static(&[1; 20]),
            expiration_params: None,
            ticket_sender_params: vec![proto::TicketSenderParams::default(); 2],
            expected_price: Some(price),
        }
    }

    fn refused(wire: proto::Payment) -> String {
        ReceivedPayment::read(&wire).unwrap_err().to_string()
    }

    #[test]
    fn usable_fields_are_taken() {
        let payment = ReceivedPayment::read(&wire()).unwrap();
        assert_eq!((payment.sender, payment.price), ([1; 20].into(), Price::new(1, 2).unwrap()));
        assert_eq!(payment.with_tickets.unwrap().tickets.len(), 2);
        let unpaid =
            proto::Payment { ticket_params: None, ticket_sender_params: Vec::new(), ..wire() };
        assert_eq!(ReceivedPayment::read(&unpaid).unwrap().with_tickets, None);
    }

    #[test]
    fn others_are_refused_in_the_networks_words() {
        let with_price = |price_per_unit, pixels_per_unit| {
            let price = proto::PriceInfo { price_per_unit, pixels_per_unit, ..Default::default() };
            proto::Payment { expected_price: Some(price), ..wire() }
        };
        let with_params = |change: fn(&mut proto::TicketParams)| {
            let mut wire = wire();
            wire.ticket_params.iter_mut().for_each(change);
            wire
        };
        let zero = "invalid expected price sent with payment err=\"pixels per unit is 0\"";
        let none = proto::Payment { expected_price: None, ..wire() };
        let not_issued = "invalid recipientRand for ticket recipientRandHash";
        let round = proto::TicketExpirationParams { creation_round: -1, ..Default::default() };
        for (wire, text) in [
            (
                proto::Payment { sender: Bytes::new(), ..wire() },
                "Could not find Sender for payment",
            ),
            (proto::Payment { sender: vec![0; 20].into(), ..wire() }, "invalid ticket sender"),
            (proto::Payment { sender: vec![1; 21].into(), ..wire() }, "invalid ticket sender"),
            (with_price(1, 0), zero),
            (with_price(-1, 1), "invalid expected price sent with payment err="),
            (with_price(i64::MAX, i64::MIN), "invalid expected price sent with payment err="),
            (none, "invalid expected price sent with payment err=\"no price\""),
            (proto::Payment { ticket_params: None, ..wire() }, "invalid ticket recipient"),
            (with_params(|params| params.recipient = Bytes::new()), "invalid ticket recipient"),
            (with_params(|params| params.face_value = vec![1; 33].into()), not_issued),
            (with_params(|params| params.expiration_block = vec![1; 9].into()), not_issued),
            (with_params(|params| params.recipient_rand_hash = vec![1; 31].into()), not_issued),
            (proto::Payment { expiration_params: Some(round), ..wire() }, not_issued),
        ] {
            let refusal = refused(wire);
            assert!(refusal.starts_with(text), "{refusal}");
        }
        let listed = vec![proto::TicketSenderParams::default(); 601];
        let many = refused(proto::Payment { ticket_sender_params: listed, ..wire() });
        assert!(many.starts_with("invalid ticket senderNonce: too many values"), "{many}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_payment_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Ok(wire) = proto::Payment::decode(&*bytes) {
                drop(ReceivedPayment::read(&wire));
            }
        }
    }
}
