//! What a transaction may cost.

use alloy_primitives::U256;

/// Gas added to what the node estimates, in percent: the estimate holds for the block it was made on.
const GAS_MARGIN_PERCENT: u64 = 25;
/// A transaction that replaces another must offer more by so much; nodes ask for 10 percent.
const REPLACEMENT_PERCENT: u64 = 13;

/// The operator's limits for the price of gas (EIP-1559).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeePolicy {
    /// Most wei per unit of gas that is ever offered, tip included.
    pub max_fee_per_gas: U256,
    /// Most wei per unit of gas for the block's producer, of a first offer; what replaces it offers 13 % more.
    pub max_tip: U256,
    /// Most gas of one transaction.
    pub max_gas: u64,
}

/// 10 gwei is a hundred to a thousand times Arbitrum's usual price.
impl Default for FeePolicy {
    fn default() -> Self {
        Self {
            max_fee_per_gas: U256::from(10_000_000_000_u64),
            max_tip: U256::from(1_000_000_000_u64),
            max_gas: 5_000_000,
        }
    }
}

/// What a transaction offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// Most wei per unit of gas, tip included.
    pub max_fee_per_gas: U256,
    /// Wei per unit of gas for the block's producer.
    pub tip: U256,
    /// Most gas.
    pub gas_limit: u64,
}

/// Why a transaction isn't sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeeError {
    /// The chain asks for more than the operator allows.
    #[error("gas costs {price} wei, more than the limit of {limit} wei: wait, or raise the limit")]
    TooDear {
        /// Wei per unit of gas, tip included.
        price: U256,
        /// The limit.
        limit: U256,
    },
    /// The transaction needs more gas than the operator allows.
    #[error("the transaction needs {gas} gas, more than the limit of {limit}")]
    TooMuchGas {
        /// Gas with its margin.
        gas: u64,
        /// The limit.
        limit: u64,
    },
}

impl FeePolicy {
    /// Fees for a transaction of `estimate` gas: twice the base fee, within the limit, holds for six
    /// blocks that are all full.
    pub fn fees(&self, base_fee: U256, tip: U256, estimate: u64) -> Result<Fees, FeeError> {
        let tip = tip.min(self.max_tip);
        let (price, limit) = (base_fee.saturating_add(tip), self.max_fee_per_gas);
        if price > limit {
            return Err(FeeError::TooDear { price, limit });
        }
        let room = price.saturating_add(base_fee).min(limit);
        let gas = estimate.saturating_add(estimate / 100 * GAS_MARGIN_PERCENT + GAS_MARGIN_PERCENT);
        if gas > self.max_gas {
            return Err(FeeError::TooMuchGas { gas, limit: self.max_gas });
        }
        Ok(Fees { max_fee_per_gas: room, tip, gas_limit: gas })
    }

    /// Fees for the same transaction that replace those of one that is stuck.
    pub fn replacement(&self, stuck: &Fees) -> Result<Fees, FeeError> {
        let (price, limit) = (raised(stuck.max_fee_per_gas), self.max_fee_per_gas);
        if price > limit {
            return Err(FeeError::TooDear { price, limit });
        }
        Ok(Fees { max_fee_per_gas: price, tip: raised(stuck.tip).min(price), ..*stuck })
    }
}

impl Fees {
    /// Most wei it can cost, besides the value it carries.
    #[must_use]
    pub fn max_cost(&self) -> U256 {
        self.max_fee_per_gas.saturating_mul(U256::from(self.gas_limit))
    }
}

fn raised(amount: U256) -> U256 {
    let by = amount.saturating_mul(U256::from(REPLACEMENT_PERCENT)) / U256::from(100_u8);
    amount.saturating_add(by).saturating_add(U256::from(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wei(number: u64) -> U256 {
        U256::from(number)
    }

    const POLICY: FeePolicy = FeePolicy {
        max_fee_per_gas: U256::from_limbs([1_000, 0, 0, 0]),
        max_tip: U256::from_limbs([10, 0, 0, 0]),
        max_gas: 1_000_000,
    };

    #[test]
    fn fees_leave_room_for_the_next_blocks() {
        let fees = POLICY.fees(wei(100), wei(3), 80_000).unwrap();
        let expected = Fees { max_fee_per_gas: wei(203), tip: wei(3), gas_limit: 100_025 };
        assert_eq!(fees, expected);
        assert_eq!(fees.max_cost(), wei(203 * 100_025));
        let greedy = POLICY.fees(wei(100), wei(50), 1).unwrap();
        assert_eq!((greedy.tip, greedy.max_fee_per_gas), (wei(10), wei(210)));
    }

    #[test]
    fn limits_hold() {
        let fees = POLICY.fees(wei(990), wei(10), 1).unwrap();
        assert_eq!(fees.max_fee_per_gas, wei(1_000));
        let dear = POLICY.fees(wei(991), wei(10), 1);
        assert_eq!(dear, Err(FeeError::TooDear { price: wei(1_001), limit: wei(1_000) }));
        let large = POLICY.fees(wei(1), wei(1), 800_000);
        assert_eq!(large, Err(FeeError::TooMuchGas { gas: 1_000_025, limit: 1_000_000 }));
        assert!(POLICY.fees(U256::MAX, U256::MAX, u64::MAX).is_err());
    }

    #[test]
    fn replacements_offer_more() {
        let stuck = POLICY.fees(wei(100), wei(10), 1).unwrap();
        let next = POLICY.replacement(&stuck).unwrap();
        assert!(next.max_fee_per_gas * wei(100) >= stuck.max_fee_per_gas * wei(113));
        assert!(next.tip * wei(100) >= stuck.tip * wei(113));
        let at_limit = Fees { max_fee_per_gas: wei(900), ..stuck };
        assert!(POLICY.replacement(&at_limit).is_err());
    }
}
