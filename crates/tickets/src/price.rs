//! What pixels cost.

use std::{fmt, num::NonZeroU64};

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::Signed;

use crate::Wei;

/// Wei per pixel, as a fraction in lowest terms: the form that ticket params commit to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Price {
    wei: u64,
    pixels: NonZeroU64,
}

impl Price {
    /// No payment.
    pub const FREE: Self = Self { wei: 0, pixels: NonZeroU64::MIN };

    /// `wei` for each `pixels` pixels; `None` when `pixels` is zero.
    #[must_use]
    pub fn new(wei: u64, pixels: u64) -> Option<Self> {
        let divisor = wei.gcd(&pixels);
        let pixels = NonZeroU64::new(pixels.checked_div(divisor)?)?;
        Some(Self { wei: wei.checked_div(divisor)?, pixels })
    }

    /// Wei of the fraction.
    #[must_use]
    pub const fn wei(self) -> u64 {
        self.wei
    }

    /// Pixels of the fraction.
    #[must_use]
    pub const fn pixels(self) -> NonZeroU64 {
        self.pixels
    }

    /// Whether nothing is to be paid.
    #[must_use]
    pub const fn is_free(self) -> bool {
        self.wei == 0
    }

    /// What so many pixels cost, exactly.
    #[must_use]
    pub fn of_pixels(self, pixels: u64) -> Wei {
        let wei = BigInt::from(self.wei) * BigInt::from(pixels);
        Wei::from_rational(BigRational::new(wei, BigInt::from(self.pixels.get())))
    }

    /// Whether the network's senders would refuse it in a session that began at `initial`: more than
    /// twice as much (livepeer-wire §4.6). A session that began free takes no price at all.
    #[must_use]
    pub fn more_than_doubled(self, initial: Self) -> bool {
        self.rational() > initial.rational() * BigInt::from(2)
    }

    /// An orchestrator's quote with the cost of redeeming on top: `price × (1 + tx_cost / face_value)`,
    /// rounded down to a thousandth of a wei (livepeer-wire §4.6). `None` when it is out of range;
    /// no face value or no cost adds nothing.
    #[must_use]
    pub fn with_overhead(self, tx_cost: &Wei, face_value: &Wei) -> Option<Self> {
        let mut factor = BigRational::from_integer(BigInt::from(1));
        if face_value.is_positive() && tx_cost.is_positive() && !self.is_free() {
            factor += tx_cost.as_rational() / face_value.as_rational();
        }
        let thousandths = (self.rational() * factor * BigInt::from(1_000)).floor().to_integer();
        let wei = i64::try_from(thousandths.abs()).ok().and_then(|wei| u64::try_from(wei).ok())?;
        Self::new(wei, 1_000)
    }

    fn rational(self) -> BigRational {
        BigRational::new(BigInt::from(self.wei), BigInt::from(self.pixels.get()))
    }
}

impl Ord for Price {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let ours = u128::from(self.wei) * u128::from(other.pixels.get());
        ours.cmp(&(u128::from(other.wei) * u128::from(self.pixels.get())))
    }
}

impl PartialOrd for Price {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// `1200/1`: wei, and for how many pixels.
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.wei, self.pixels)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Price({self})")
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    fn price(wei: u64, pixels: u64) -> Price {
        Price::new(wei, pixels).unwrap()
    }

    #[test]
    fn prices_are_in_lowest_terms() {
        assert_eq!(price(1_000, 2_000), price(1, 2));
        assert_eq!((price(0, 7).wei(), price(0, 7).pixels().get()), (0, 1));
        assert_eq!((Price::new(1, 0), Price::new(0, 0)), (None, None));
        assert!(price(1, 3) > price(333_333_333_333, 1_000_000_000_000));
    }

    #[test]
    fn pixels_cost_exactly() {
        assert_eq!(price(2, 3).of_pixels(10).to_string(), "20/3");
        assert_eq!(price(u64::MAX, 1).of_pixels(u64::MAX).to_u256(), {
            Some(U256::from(u64::MAX) * U256::from(u64::MAX))
        });
    }

    /// livepeer-wire §9.6.
    #[test]
    fn doubling_is_the_limit() {
        assert!(!price(1, 3).more_than_doubled(price(10, 3)));
        assert!(!price(1, 3).more_than_doubled(price(1, 6)));
        assert!(price(1, 3).more_than_doubled(price(1_000, 6_001)));
        assert!(price(1, u64::MAX).more_than_doubled(Price::FREE));
        assert!(!price(u64::MAX, 1).more_than_doubled(price(u64::MAX, 1)));
    }

    #[test]
    fn redeeming_is_put_on_top_and_rounded_down() {
        let wei = |number: u64| Wei::new(U256::from(number));
        assert_eq!(price(1200, 1).with_overhead(&wei(1), &wei(100)), Some(price(1212, 1)));
        assert_eq!(price(1, 1).with_overhead(&wei(1), &wei(3)), Some(price(1_333, 1_000)));
        assert_eq!(price(1, 3).with_overhead(&wei(0), &wei(100)), Some(price(333, 1_000)));
        assert_eq!(price(5, 1).with_overhead(&wei(1), &wei(0)), Some(price(5, 1)));
        assert_eq!(Price::FREE.with_overhead(&wei(1), &wei(100)), Some(Price::FREE));
        assert_eq!(price(u64::MAX, 1).with_overhead(&wei(1), &wei(1)), None);
    }
}
