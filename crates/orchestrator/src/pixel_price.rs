//! What an orchestrator asks for its work.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::proto;

/// Most digits after the point of a price written as a decimal.
const MAX_DECIMALS: usize = 18;

/// A price that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// A price below zero.
    #[error("the price is negative")]
    Negative,
    /// A price for no pixels, or for less than none.
    #[error("the price is for no pixels")]
    NoPixels,
    /// Neither a decimal such as `1200` or `0.5` nor a fraction such as `3/2`, or out of range.
    #[error("not a price in wei per pixel, such as 1200, 0.5 or 3/2")]
    Malformed,
}

/// Wei per pixel, as the fraction it was quoted as. Comparisons are exact: `1/2` equals `2/4`.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
#[serde(into = "(u64, u64)", try_from = "(u64, u64)")]
pub struct PixelPrice {
    wei: u64,
    pixels: u64,
}

impl PixelPrice {
    /// `wei` for each `pixels` pixels; `None` when `pixels` is zero.
    #[must_use]
    pub const fn new(wei: u64, pixels: u64) -> Option<Self> {
        if pixels == 0 { None } else { Some(Self { wei, pixels }) }
    }

    /// Wei of the fraction.
    #[must_use]
    pub const fn wei(self) -> u64 {
        self.wei
    }

    /// Pixels of the fraction; not zero.
    #[must_use]
    pub const fn pixels(self) -> u64 {
        self.pixels
    }

    /// The same price as the smallest fraction: `1/2` for `2/4`, `0/1` for nothing.
    #[must_use]
    pub fn in_lowest_terms(self) -> Self {
        let (mut divisor, mut rest) = (self.pixels, self.wei);
        // Euclid's; the divisor is never zero, as the pixels are not.
        while let Some(next) = divisor.checked_rem(rest) {
            (divisor, rest) = (rest, next);
        }
        let part = |number: u64| number.checked_div(divisor).unwrap_or(number);
        Self { wei: part(self.wei), pixels: part(self.pixels) }
    }

    /// Reads a quote (livepeer-wire §2.4). One of zero wei for zero pixels is none: it is what an
    /// empty message says.
    pub(crate) fn from_wire(quote: &proto::PriceInfo) -> Result<Option<Self>, PriceError> {
        if (quote.price_per_unit, quote.pixels_per_unit) == (0, 0) {
            return Ok(None);
        }
        let wei = u64::try_from(quote.price_per_unit).map_err(|_| PriceError::Negative)?;
        let pixels = u64::try_from(quote.pixels_per_unit).map_err(|_| PriceError::NoPixels)?;
        Self::new(wei, pixels).map(Some).ok_or(PriceError::NoPixels)
    }
}

impl From<tickets::Price> for PixelPrice {
    fn from(price: tickets::Price) -> Self {
        Self { wei: price.wei(), pixels: price.pixels().get() }
    }
}

impl From<PixelPrice> for tickets::Price {
    fn from(price: PixelPrice) -> Self {
        // The pixels are not zero.
        Self::new(price.wei, price.pixels).unwrap_or(Self::FREE)
    }
}

impl From<PixelPrice> for (u64, u64) {
    fn from(price: PixelPrice) -> Self {
        (price.wei, price.pixels)
    }
}

impl TryFrom<(u64, u64)> for PixelPrice {
    type Error = PriceError;

    fn try_from((wei, pixels): (u64, u64)) -> Result<Self, PriceError> {
        Self::new(wei, pixels).ok_or(PriceError::NoPixels)
    }
}

impl Ord for PixelPrice {
    fn cmp(&self, other: &Self) -> Ordering {
        let ours = u128::from(self.wei) * u128::from(other.pixels);
        ours.cmp(&(u128::from(other.wei) * u128::from(self.pixels)))
    }
}

impl PartialOrd for PixelPrice {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for PixelPrice {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for PixelPrice {}

/// `1200 wei per pixel`, or `3 wei per 2 pixels`.
impl fmt::Display for PixelPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pixels == 1 {
            write!(f, "{} wei per pixel", self.wei)
        } else {
            write!(f, "{} wei per {} pixels", self.wei, self.pixels)
        }
    }
}

/// Reads wei per pixel: a decimal such as `1200` or `0.5`, or a fraction such as `3/2`.
impl FromStr for PixelPrice {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let text = text.trim();
        if text.strip_prefix('-').is_some_and(|rest| magnitude(rest).is_ok()) {
            return Err(PriceError::Negative);
        }
        magnitude(text)
    }
}

fn magnitude(text: &str) -> Result<PixelPrice, PriceError> {
    if let Some((wei, pixels)) = text.split_once('/') {
        return PixelPrice::new(digits(wei)?, digits(pixels)?).ok_or(PriceError::NoPixels);
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let point = text.len() > whole.len();
    if decimals.len() > MAX_DECIMALS || (point && decimals.is_empty()) {
        return Err(PriceError::Malformed);
    }
    let pixels = u32::try_from(decimals.len()).ok().and_then(|digits| 10_u64.checked_pow(digits));
    let wei = digits(&format!("{}{decimals}", if whole.is_empty() && point { "0" } else { whole }));
    PixelPrice::new(wei?, pixels.ok_or(PriceError::Malformed)?).ok_or(PriceError::NoPixels)
}

/// A number of digits only: the standard library's parser also takes a sign.
fn digits(text: &str) -> Result<u64, PriceError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().ok_or(PriceError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(wei: u64, pixels: u64) -> PixelPrice {
        PixelPrice::new(wei, pixels).unwrap()
    }

    fn quoted(price_per_unit: i64, pixels_per_unit: i64) -> Result<Option<PixelPrice>, PriceError> {
        let quote = proto::PriceInfo { price_per_unit, pixels_per_unit, ..Default::default() };
        PixelPrice::from_wire(&quote)
    }

    #[test]
    fn fractions_compare_exactly() {
        assert_eq!(price(1, 2), price(2, 4));
        assert!(price(u64::MAX - 1, u64::MAX) < price(1, 1));
        assert!(price(1, 3) > price(333_333_333_333, 1_000_000_000_000));
        assert_eq!(price(u64::MAX, u64::MAX), price(1, 1));
        assert_eq!(PixelPrice::new(1, 0), None);
    }

    #[test]
    fn lowest_terms_are_the_same_price() {
        let terms = |wei, pixels| {
            let lowest = price(wei, pixels).in_lowest_terms();
            (lowest.wei(), lowest.pixels())
        };
        assert_eq!(terms(1_000, 2_000), (1, 2));
        assert_eq!(terms(10, 5), (2, 1));
        assert_eq!(terms(0, 7), (0, 1));
        assert_eq!(terms(u64::MAX, u64::MAX), (1, 1));
        assert_eq!(terms(u64::MAX, u64::MAX - 1), (u64::MAX, u64::MAX - 1));
    }

    #[test]
    fn quotes_are_read_or_refused() {
        assert_eq!(quoted(1200, 1), Ok(Some(price(1200, 1))));
        assert_eq!(quoted(0, 1), Ok(Some(price(0, 1))), "free, and said so");
        assert_eq!(quoted(i64::MAX, i64::MAX), Ok(Some(price(1, 1))));
        assert_eq!(quoted(0, 0), Ok(None));
        assert_eq!(quoted(1, 0), Err(PriceError::NoPixels));
        assert_eq!(quoted(1, -1), Err(PriceError::NoPixels));
        assert_eq!(quoted(-1, 1), Err(PriceError::Negative));
        assert_eq!(quoted(i64::MIN, i64::MIN), Err(PriceError::Negative));
    }

    #[test]
    fn operators_write_decimals_or_fractions() {
        let read = |text: &str| text.parse::<PixelPrice>();
        for (text, expected) in [
            ("1200", price(1200, 1)),
            (" 0.5 ", price(1, 2)),
            (".5", price(1, 2)),
            ("3/2", price(3, 2)),
            ("1.50", price(3, 2)),
            ("0", price(0, 1)),
            ("0.000000000000000001", price(1, 1_000_000_000_000_000_000)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for text in ["", ".", "1.", "1e3", "+1", "1.2.3", "1 2", "0x1", "1/2/3", "1/", "/2", "--1"]
        {
            assert_eq!(read(text), Err(PriceError::Malformed), "{text:?}");
        }
        assert_eq!(read("-1"), Err(PriceError::Negative));
        assert_eq!(read("1/0"), Err(PriceError::NoPixels));
        assert_eq!(read("18446744073709551616"), Err(PriceError::Malformed));
        assert_eq!(read("0.0000000000000000001"), Err(PriceError::Malformed));
    }

    #[test]
    fn prices_are_shown_as_quoted() {
        assert_eq!(price(1200, 1).to_string(), "1200 wei per pixel");
        assert_eq!(price(3, 2).to_string(), "3 wei per 2 pixels");
    }

    proptest! {
        #[test]
        fn any_text_is_a_price_or_refused(text in "[-+0-9./ e]{0,24}|.{0,24}") {
            if let Ok(price) = text.parse::<PixelPrice>() {
                prop_assert!(price.pixels() > 0);
            }
        }

        #[test]
        fn a_written_fraction_is_read_back(wei: u64, pixels in 1..=u64::MAX) {
            let read = format!("{wei}/{pixels}").parse::<PixelPrice>().unwrap();
            prop_assert_eq!((read.wei(), read.pixels()), (wei, pixels));
        }

        #[test]
        fn lowest_terms_go_no_lower(wei: u64, pixels in 1..=u64::MAX) {
            let lowest = price(wei, pixels).in_lowest_terms();
            prop_assert_eq!(lowest, price(wei, pixels));
            let again = lowest.in_lowest_terms();
            prop_assert_eq!((again.wei(), again.pixels()), (lowest.wei(), lowest.pixels()));
        }

        #[test]
        fn any_quote_is_read_or_refused(wei: i64, pixels: i64) {
            let read = quoted(wei, pixels);
            prop_assert_eq!(read.is_ok(), (wei, pixels) == (0, 0) || (wei >= 0 && pixels > 0));
        }
    }
}
