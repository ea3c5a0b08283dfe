//! Exact amounts of money.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Neg, Sub, SubAssign},
    str::FromStr,
};

use alloy_primitives::U256;
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Signed, Zero};

/// An exact fraction of wei; may be negative. Written as `-3/2`, or `7` where it is whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wei(BigRational);

/// A text that holds no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of wei, such as 7 or -3/2")]
pub struct WeiError;

impl Wei {
    /// Most characters of a written amount: more than any [`Ledger`](crate::Ledger) lets one grow to.
    pub const MAX_TEXT: usize = 4_096;

    /// No money.
    #[must_use]
    pub fn zero() -> Self {
        Self(BigRational::zero())
    }

    /// A whole number of wei.
    #[must_use]
    pub fn new(whole: U256) -> Self {
        Self(BigRational::from_integer(big(whole)))
    }

    /// `numerator / denominator` wei; `None` when the denominator is zero.
    #[must_use]
    pub fn ratio(numerator: U256, denominator: U256) -> Option<Self> {
        (!denominator.is_zero()).then(|| Self(BigRational::new(big(numerator), big(denominator))))
    }

    /// Whether it is exactly nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.0.is_positive()
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.is_negative()
    }

    /// So many times as much.
    #[must_use]
    pub fn times(&self, count: u64) -> Self {
        Self(&self.0 * BigInt::from(count))
    }

    /// How many times `other` it is, as an exact number; `None` when `other` is nothing.
    #[must_use]
    pub fn per(&self, other: &Self) -> Option<Self> {
        (!other.is_zero()).then(|| Self(&self.0 / &other.0))
    }

    /// The next whole amount below, or the amount itself.
    #[must_use]
    pub fn floor(&self) -> Self {
        Self(self.0.floor())
    }

    /// The next whole amount above, or the amount itself.
    #[must_use]
    pub fn ceil(&self) -> Self {
        Self(self.0.ceil())
    }

    /// The amount as an integer; `None` unless it is whole and within `0..2^256`.
    #[must_use]
    pub fn to_u256(&self) -> Option<U256> {
        let (sign, bytes) = self.0.numer().to_bytes_be();
        let whole = self.0.is_integer() && sign != Sign::Minus;
        whole.then(|| U256::try_from_be_slice(&bytes)).flatten()
    }

    /// How many of `unit` cover this amount; `None` when the unit isn't positive or it is more than
    /// `u64::MAX`. Amounts below zero need none.
    #[must_use]
    pub fn units_to_cover(&self, unit: &Self) -> Option<u64> {
        if !unit.is_positive() {
            return None;
        }
        let units = (&self.0 / &unit.0).ceil().to_integer();
        if units.is_negative() { Some(0) } else { u64::try_from(units).ok() }
    }

    /// Bits of the denominator: how precise the amount has become.
    pub(crate) fn precision(&self) -> u64 {
        self.0.denom().bits()
    }

    pub(crate) fn from_rational(amount: BigRational) -> Self {
        Self(amount)
    }

    pub(crate) fn as_rational(&self) -> &BigRational {
        &self.0
    }
}

/// The same number, unbounded.
pub(crate) fn big(number: U256) -> BigInt {
    BigInt::from_bytes_be(Sign::Plus, &number.to_be_bytes::<32>())
}

impl Default for Wei {
    fn default() -> Self {
        Self::zero()
    }
}

impl Add<&Wei> for &Wei {
    type Output = Wei;

    fn add(self, other: &Wei) -> Wei {
        Wei(&self.0 + &other.0)
    }
}

impl Sub<&Wei> for &Wei {
    type Output = Wei;

    fn sub(self, other: &Wei) -> Wei {
        Wei(&self.0 - &other.0)
    }
}

impl AddAssign<&Self> for Wei {
    fn add_assign(&mut self, other: &Self) {
        self.0 += &other.0;
    }
}

impl SubAssign<&Self> for Wei {
    fn sub_assign(&mut self, other: &Self) {
        self.0 -= &other.0;
    }
}

impl Neg for Wei {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Wei {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::zero(), |sum, amount| &sum + &amount)
    }
}

impl fmt::Display for Wei {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads what `Display` writes; the fraction needn't be in lowest terms.
impl FromStr for Wei {
    type Err = WeiError;

    fn from_str(text: &str) -> Result<Self, WeiError> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let negative = numerator.strip_prefix('-');
        let top = digits(text, negative.unwrap_or(numerator))?;
        let bottom = digits(text, denominator)?;
        if bottom.is_zero() {
            return Err(WeiError);
        }
        let amount = BigRational::new(top, bottom);
        Ok(Self(if negative.is_some() { -amount } else { amount }))
    }
}

fn digits(whole_text: &str, digits: &str) -> Result<BigInt, WeiError> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || whole_text.len() > Wei::MAX_TEXT {
        return Err(WeiError);
    }
    digits.parse().map_err(|_| WeiError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wei(text: &str) -> Wei {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_exact() {
        assert_eq!(&wei("1/3") + &wei("1/6"), wei("1/2"));
        assert_eq!(wei("1/3").times(3), wei("1"));
        assert_eq!(wei("-3/2").floor(), wei("-2"));
        assert_eq!(wei("-3/2").ceil(), wei("-1"));
        assert_eq!(wei("7").to_u256(), Some(U256::from(7)));
        assert_eq!(wei("0").to_u256(), Some(U256::ZERO));
        assert_eq!((wei("-7").to_u256(), wei("7/2").to_u256()), (None, None));
        assert_eq!(Wei::new(U256::MAX).to_u256(), Some(U256::MAX));
        assert_eq!(Wei::new(U256::MAX).times(2).to_u256(), None);
        assert_eq!(Wei::ratio(U256::from(1), U256::ZERO), None);
    }

    #[test]
    fn units_cover_an_amount() {
        assert_eq!(wei("7/2").units_to_cover(&wei("1")), Some(4));
        assert_eq!(wei("4").units_to_cover(&wei("1")), Some(4));
        assert_eq!(wei("-4").units_to_cover(&wei("1")), Some(0));
        assert_eq!(wei("4").units_to_cover(&wei("0")), None);
        assert_eq!(wei("4").units_to_cover(&wei("-1")), None);
        assert_eq!(Wei::new(U256::MAX).units_to_cover(&wei("1")), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "-", "+1", "1/", "/2", "1/0", "1/-2", "--1", "1.5", " 1", "0x1", "1/2/3"] {
            assert_eq!(text.parse::<Wei>(), Err(WeiError), "{text:?}");
        }
        assert_eq!("1".repeat(Wei::MAX_TEXT + 1).parse::<Wei>(), Err(WeiError));
    }

    proptest! {
        #[test]
        fn written_amounts_are_read_back(top: i128, bottom in 1..=i128::MAX) {
            let read = wei(&format!("{top}/{bottom}"));
            prop_assert_eq!(wei(&read.to_string()), read);
        }
    }
}
