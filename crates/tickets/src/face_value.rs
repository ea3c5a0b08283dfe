//! How an orchestrator sizes its tickets.

use alloy_primitives::U256;

use crate::Wei;

/// Face value over the wanted expected value, where redeeming costs next to nothing.
const EV_MULTIPLIER: u64 = 100;
/// Wei per unit of gas at which redeeming is assumed to be possible some day.
const USUAL_GAS_PRICE: u64 = 3_000_000_000;
/// From so many times its pending tickets on, a deposit is taken to cover them.
const COVERS_PENDING: u64 = 3;

/// What an orchestrator's operator wants of tickets (livepeer-wire §4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketPolicy {
    /// Wei that one ticket is to be worth on average.
    pub ticket_ev: U256,
    /// Gas that redeeming a ticket takes.
    pub redeem_gas: u64,
    /// How many times the cost of redeeming a winning ticket pays.
    pub tx_cost_multiplier: u64,
    /// Most wei that a winning ticket pays, if limited.
    pub max_face_value: Option<U256>,
}

/// The network's defaults, on Arbitrum.
impl Default for TicketPolicy {
    fn default() -> Self {
        Self {
            ticket_ev: U256::from(8_000_000_000_u64),
            redeem_gas: 1_200_000,
            tx_cost_multiplier: 100,
            max_face_value: None,
        }
    }
}

/// What a sender's reserve can pay to one orchestrator within a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderFloat {
    /// Wei left in the reserve.
    pub funds_remaining: U256,
    /// Wei that all orchestrators claimed from it in this round.
    pub claimed_in_round: U256,
    /// Wei that this orchestrator claimed of these.
    pub claimed_by_recipient: U256,
    /// Orchestrators that share the reserve.
    pub pool_size: u64,
    /// Wei of the deposit.
    pub deposit: U256,
    /// Wei of winning tickets that aren't redeemed yet.
    pub pending: U256,
}

/// A sender whose reserve is too small for tickets that are worth redeeming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("insufficient sender reserve")]
pub struct InsufficientReserve;

impl SenderFloat {
    /// Most wei that a winning ticket is certain to be paid.
    #[must_use]
    pub fn max_float(&self) -> U256 {
        let funds = self.funds_remaining.saturating_add(self.claimed_in_round);
        let share = funds.checked_div(U256::from(self.pool_size)).unwrap_or_default();
        let allocated = share.saturating_sub(self.claimed_by_recipient);
        let covered = self.pending.saturating_mul(U256::from(COVERS_PENDING)) <= self.deposit;
        if covered { allocated } else { allocated.saturating_sub(self.pending) }
    }
}

impl TicketPolicy {
    /// Wei that redeeming costs at `gas_price` wei per unit of gas.
    #[must_use]
    pub fn tx_cost(&self, gas_price: U256) -> U256 {
        U256::from(self.redeem_gas).saturating_mul(gas_price)
    }

    /// Wei that a winning ticket is to pay, for a sender with that float.
    pub fn face_value(
        &self,
        gas_price: U256,
        max_float: U256,
    ) -> Result<U256, InsufficientReserve> {
        let tx_cost = self.tx_cost(gas_price);
        let mut face_value = tx_cost.saturating_mul(U256::from(self.tx_cost_multiplier));
        if face_value < self.ticket_ev {
            face_value = self.ticket_ev.saturating_mul(U256::from(EV_MULTIPLIER));
        }
        face_value = face_value.min(max_float);
        if let Some(limit) = self.max_face_value {
            face_value = face_value.min(limit);
        }
        let unprofitable =
            face_value < tx_cost && face_value < self.tx_cost(U256::from(USUAL_GAS_PRICE));
        if face_value < self.ticket_ev || unprofitable {
            return Err(InsufficientReserve);
        }
        Ok(face_value)
    }

    /// How much dearer the cost of redeeming makes work paid with such tickets: the arguments of
    /// [`Price::with_overhead`](crate::Price::with_overhead).
    #[must_use]
    pub fn overhead(&self, gas_price: U256, face_value: U256) -> (Wei, Wei) {
        (Wei::new(self.tx_cost(gas_price)), Wei::new(face_value))
    }
}

/// Probability of a win, over 2^256 - 1, that makes a ticket worth `ev` or slightly more
/// (livepeer-wire §4.7). As the network's, it is rounded up, but not where the lowest 64 bits of the
/// remainder happen to be zero.
#[must_use]
pub fn win_prob(ev: U256, face_value: U256) -> U256 {
    if face_value == ev && !ev.is_zero() {
        return U256::MAX;
    }
    let Some(quotient) = U256::MAX.checked_div(face_value) else { return U256::ZERO };
    let remainder = U256::MAX.checked_rem(face_value).unwrap_or_default();
    let [lowest, ..] = remainder.into_limbs();
    let rounded = quotient.saturating_add(U256::from(u8::from(lowest != 0)));
    ev.saturating_mul(rounded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expected_value;

    fn wei(number: u64) -> U256 {
        U256::from(number)
    }

    /// livepeer-wire §9.5.
    #[test]
    fn probabilities_are_the_networks() {
        for (face_value, expected) in [
            (100_000_000, "5789604461865809771178549250434395392663499233282028201972879200395660"),
            (777_000_000, "745122839364969082519761808292714979750772102095499125093034646125570"),
            (10_001, "57890255593098787833002192285115442382396752657554526567072084795477017120"),
        ] {
            assert_eq!(win_prob(wei(5), wei(face_value)).to_string(), expected);
        }
        assert_eq!(win_prob(wei(5), wei(5)), U256::MAX);
        assert_eq!(
            (win_prob(wei(5), U256::ZERO), win_prob(U256::ZERO, U256::ZERO)),
            Default::default()
        );
    }

    #[test]
    fn face_value_pays_for_redeeming() {
        let policy = TicketPolicy::default();
        let gas = wei(100_000_000);
        let tx_cost = wei(120_000_000_000_000);
        assert_eq!(policy.tx_cost(gas), tx_cost);
        assert_eq!(policy.face_value(gas, U256::MAX), Ok(tx_cost * wei(100)));
        assert_eq!(policy.face_value(gas, tx_cost * wei(50)), Ok(tx_cost * wei(50)));
        assert_eq!(policy.face_value(gas, tx_cost), Ok(tx_cost));
        assert_eq!(policy.face_value(gas, tx_cost - wei(1)), Err(InsufficientReserve));
        // Cheaper than redeeming now, but not than redeeming usually.
        let usually = wei(1_200_000 * USUAL_GAS_PRICE);
        assert_eq!(policy.face_value(wei(2 * USUAL_GAS_PRICE), usually), Ok(usually));
        let less = usually - wei(1);
        assert_eq!(policy.face_value(wei(2 * USUAL_GAS_PRICE), less), Err(InsufficientReserve));
        let limited = TicketPolicy { max_face_value: Some(tx_cost), ..policy };
        assert_eq!(limited.face_value(gas, U256::MAX), Ok(tx_cost));
        let ev = policy.ticket_ev;
        assert_eq!(policy.face_value(U256::ZERO, U256::MAX), Ok(ev * wei(100)));
        assert_eq!(policy.face_value(U256::ZERO, ev - wei(1)), Err(InsufficientReserve));
    }

    #[test]
    fn float_is_a_share_of_the_reserve() {
        let float = SenderFloat {
            funds_remaining: wei(900),
            claimed_in_round: wei(100),
            claimed_by_recipient: wei(3),
            pool_size: 7,
            deposit: wei(60),
            pending: wei(20),
        };
        assert_eq!(float.max_float(), wei(139));
        assert_eq!(SenderFloat { deposit: wei(59), ..float }.max_float(), wei(119));
        assert_eq!(SenderFloat { pool_size: 0, ..float }.max_float(), U256::ZERO);
        let overdrawn = SenderFloat { claimed_by_recipient: wei(500), ..float };
        assert_eq!(overdrawn.max_float(), U256::ZERO);
    }

    proptest! {
        #[test]
        fn a_ticket_is_worth_what_was_wanted(ev in 1_u64..1_000_000_000_000, times in 2_u64..1_000_000) {
            let face_value = wei(ev) * wei(times);
            let worth = expected_value(face_value, win_prob(wei(ev), face_value));
            prop_assert_eq!(worth.floor(), Wei::new(wei(ev)));
        }
    }
}
