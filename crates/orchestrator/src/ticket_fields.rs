//! Ticket params, rounds and prices, as the wire carries them.

use bytes::Bytes;
use tickets::{Address, B256, ExpirationParams, Price, TicketParams, big_bytes, from_big_bytes};

use crate::proto;

/// Why a field says nothing that can be used.
pub(crate) type FieldFault = &'static str;

/// Reads a price. Zero pixels are a price of nothing the network knows: an error.
pub(crate) fn read_price(price: &proto::PriceInfo) -> Result<Price, FieldFault> {
    let wei = u64::try_from(price.price_per_unit).map_err(|_| "price per unit is negative")?;
    let pixels = u64::try_from(price.pixels_per_unit).map_err(|_| "pixels per unit is negative")?;
    Price::new(wei, pixels).ok_or("pixels per unit is 0")
}

/// Writes a price, in lowest terms. Numbers beyond the wire's type become its largest.
pub(crate) fn write_price(price: Price) -> proto::PriceInfo {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    proto::PriceInfo {
        price_per_unit: number(price.wei()),
        pixels_per_unit: number(price.pixels().get()),
        ..proto::PriceInfo::default()
    }
}

/// Reads a round. A missing one is incomplete, not an error.
pub(crate) fn read_expiration(
    round: Option<&proto::TicketExpirationParams>,
) -> Result<ExpirationParams, FieldFault> {
    let Some(round) = round else { return Ok(ExpirationParams::default()) };
    let creation_round =
        u64::try_from(round.creation_round).map_err(|_| "the round is negative")?;
    let hash = &*round.creation_round_block_hash;
    let creation_round_block_hash = if hash.is_empty() {
        B256::ZERO
    } else {
        B256::try_from(hash).map_err(|_| "the round's block hash has not 32 bytes")?
    };
    Ok(ExpirationParams { creation_round, creation_round_block_hash })
}

/// Writes a round.
pub(crate) fn write_expiration(round: &ExpirationParams) -> proto::TicketExpirationParams {
    proto::TicketExpirationParams {
        creation_round: i64::try_from(round.creation_round).unwrap_or(i64::MAX),
        creation_round_block_hash: Bytes::copy_from_slice(
            round.creation_round_block_hash.as_slice(),
        ),
    }
}

/// Reads params, with the round that stands beside them in a payment and inside them in a quote.
pub(crate) fn read_params(
    params: &proto::TicketParams,
    round: Option<&proto::TicketExpirationParams>,
) -> Result<TicketParams, FieldFault> {
    let number = |field: &Bytes, fault| from_big_bytes(field).ok_or(fault);
    let expiration_block =
        number(&params.expiration_block, "the expiration block is out of range")?;
    Ok(TicketParams {
        recipient: Address::try_from(&*params.recipient)
            .map_err(|_| "the recipient has not 20 bytes")?,
        face_value: number(&params.face_value, "the face value is out of range")?,
        win_prob: number(&params.win_prob, "the win probability is out of range")?,
        recipient_rand_hash: B256::try_from(&*params.recipient_rand_hash)
            .map_err(|_| "the recipientRandHash has not 32 bytes")?,
        seed: number(&params.seed, "the seed is out of range")?,
        expiration_block: u64::try_from(expiration_block)
            .map_err(|_| "the expiration block is out of range")?,
        expiration: read_expiration(round)?,
    })
}

/// Writes params without their round.
pub(crate) fn write_params(params: &TicketParams) -> proto::TicketParams {
    let number = |number| Bytes::from(big_bytes(number));
    proto::TicketParams {
        recipient: Bytes::copy_from_slice(params.recipient.as_slice()),
        face_value: number(params.face_value),
        win_prob: number(params.win_prob),
        recipient_rand_hash: Bytes::copy_from_slice(params.recipient_rand_hash.as_slice()),
        seed: number(params.seed),
        expiration_block: number(tickets::U256::from(params.expiration_block)),
        expiration_params: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tickets::U256;

    use super::*;

    fn number() -> impl Strategy<Value = U256> {
        any::<[u8; 32]>().prop_map(U256::from_be_bytes)
    }

    proptest! {
        #[test]
        fn params_come_back(
            (face_value, win_prob, seed) in (number(), number(), number()),
            expiration_block: u64,
            creation_round in 0..=i64::MAX as u64,
            hash: [u8; 32],
        ) {
            let expiration =
                ExpirationParams { creation_round, creation_round_block_hash: hash.into() };
            let params = TicketParams {
                recipient: Address::repeat_byte(7),
                face_value,
                win_prob,
                recipient_rand_hash: B256::repeat_byte(9),
                seed,
                expiration_block,
                expiration,
            };
            let round = write_expiration(&expiration);
            prop_assert_eq!(read_params(&write_params(&params), Some(&round)), Ok(params));
        }

        #[test]
        fn any_fields_are_read_or_refused(
            fields in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 7),
            creation_round: i64,
        ) {
            let field = |index: usize| Bytes::from(fields[index].clone());
            let params = proto::TicketParams {
                recipient: field(0),
                face_value: field(1),
                win_prob: field(2),
                recipient_rand_hash: field(3),
                seed: field(4),
                expiration_block: field(5),
                expiration_params: None,
            };
            let creation_round_block_hash = field(6);
            let round = proto::TicketExpirationParams { creation_round, creation_round_block_hash };
            drop(read_params(&params, Some(&round)));
        }
    }

    #[test]
    fn impossible_prices_are_refused() {
        let read = |price_per_unit, pixels_per_unit| {
            let wire = proto::PriceInfo { price_per_unit, pixels_per_unit, ..Default::default() };
            read_price(&wire)
        };
        assert_eq!(read(2_400, 2), Ok(Price::new(1_200, 1).unwrap()));
        assert_eq!(read(0, 5), Ok(Price::FREE));
        assert_eq!(read(1, 0), Err("pixels per unit is 0"));
        assert_eq!(read(-1, 1), Err("price per unit is negative"));
        assert_eq!(read(1, i64::MIN), Err("pixels per unit is negative"));
        let most = Price::new(u64::MAX, 1).unwrap();
        assert_eq!(write_price(most).price_per_unit, i64::MAX);
    }
}
