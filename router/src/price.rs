//! What work may cost.

use orchestrator::PixelPrice;

use crate::rejection::Rejection;

/// A price in thousandths of another; `None` when that one is zero.
pub(crate) fn permille_of(price: PixelPrice, other: PixelPrice) -> Option<u64> {
    let numerator = u128::from(price.wei()) * u128::from(other.pixels());
    let denominator = u128::from(price.pixels()) * u128::from(other.wei());
    // Divided first where the product has no room: a ratio that large needs no thousandths.
    let permille = match numerator.checked_mul(1_000) {
        Some(scaled) => scaled.checked_div(denominator)?,
        None => numerator.checked_div(denominator)?.saturating_mul(1_000),
    };
    Some(u64::try_from(permille).unwrap_or(u64::MAX))
}

/// The most a pool pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceCap {
    /// `None`: any price.
    pub most: Option<PixelPrice>,
    /// Whether an orchestrator that quotes no price may be used: so where nothing is paid.
    pub allows_absent: bool,
    /// What `most` ought to be isn't known now: it is nothing until it is.
    pub unknown: bool,
}

impl Default for PriceCap {
    fn default() -> Self {
        Self { most: None, allows_absent: true, unknown: false }
    }
}

impl PriceCap {
    /// Pixels of an hour of 720p30.
    pub const HOUR_OF_720P30: u64 = 1_280 * 720 * 30 * 3_600;

    /// The same, while what may be paid isn't known: nothing that costs anything is used.
    #[must_use]
    pub fn while_unknown(self) -> Self {
        Self { most: PixelPrice::new(0, 1), unknown: true, ..self }
    }

    /// Why what it doesn't allow isn't used.
    pub(crate) const fn rejection(&self) -> Rejection {
        if self.unknown { Rejection::PriceUnknown } else { Rejection::Price }
    }

    /// Whether a quoted price is within the cap.
    #[must_use]
    pub fn allows(&self, price: Option<&PixelPrice>) -> bool {
        match (price, self.most) {
            (None, _) => self.allows_absent,
            (Some(_), None) => true,
            (Some(price), Some(most)) => *price <= most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(wei: u64, pixels: u64) -> PixelPrice {
        PixelPrice::new(wei, pixels).unwrap()
    }

    #[test]
    fn fractions_compare_exactly() {
        assert_eq!(permille_of(price(3, 2), price(1, 1)), Some(1_500));
        assert_eq!(permille_of(price(3, 2), price(0, 1)), None);
        assert_eq!(permille_of(price(u64::MAX, 1), price(1, u64::MAX)), Some(u64::MAX));
    }

    #[test]
    fn a_cap_refuses_what_is_above_it_and_absent_prices_where_money_flows() {
        let most = Some(price(1_200, 1));
        let cap = PriceCap { most, allows_absent: false, ..PriceCap::default() };
        assert!(cap.allows(Some(&price(1_200, 1))));
        assert!(!cap.allows(Some(&price(12_001, 10))));
        assert!(!cap.allows(None));
        assert!(PriceCap::default().allows(None));
        assert!(PriceCap::default().allows(Some(&price(u64::MAX, 1))));
        let unknown = cap.while_unknown();
        assert!(!unknown.allows(Some(&price(1, u64::MAX))) && !unknown.allows(None));
        assert!(unknown.allows(Some(&price(0, 1))), "what costs nothing goes on");
        assert!(PriceCap::default().while_unknown().allows(None));
    }
}
