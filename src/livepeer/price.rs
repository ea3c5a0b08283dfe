//! Prices as go-livepeer writes them: numbers of any size and scale, with a unit of pixels aside
//! (livepeer-gateway §13).

use orchestrator::PixelPrice;

/// Largest power of ten in a number such as `1e12`.
const EXPONENT_MAX: u32 = 30;
const WEI_PER_ETH: u128 = 1_000_000_000_000_000_000;

/// Why a price can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PriceFault {
    /// Not a number.
    #[error("{0}: expected a number such as 1200, 0.5, 3/2 or 1e12")]
    Number(&'static str),
    /// Pixels are counted from one up.
    #[error("pixelsPerUnit: must be greater than 0")]
    NoPixels,
    /// Nothing here knows what a coin is worth.
    #[error(
        "currency {0:?}: give wei or eth here; dollars are max_usd_per_hour of [[pool]], with eth_usd or [payments.price_feed]"
    )]
    Currency(String),
    /// Too large or too fine for wei per pixel.
    #[error("maxPricePerUnit / pixelsPerUnit: out of range")]
    Range,
}

/// `maxPricePerUnit` in `currency` (empty: wei) for `pixelsPerUnit` pixels, as wei per pixel in lowest
/// terms. `None`: a price of zero, which stands for any.
///
/// # Errors
/// [`PriceFault`].
pub(crate) fn max_price(
    price: &str,
    currency: &str,
    pixels: &str,
) -> Result<Option<PixelPrice>, PriceFault> {
    let price = Ratio::parse(price).ok_or(PriceFault::Number("maxPricePerUnit"))?;
    let pixels = Ratio::parse(pixels).ok_or(PriceFault::Number("pixelsPerUnit"))?;
    if pixels.numerator == 0 {
        return Err(PriceFault::NoPixels);
    }
    let unit = match currency.to_ascii_lowercase().as_str() {
        "" | "wei" => 1,
        "eth" => WEI_PER_ETH,
        _ => return Err(PriceFault::Currency(currency.to_owned())),
    };
    if price.numerator == 0 {
        return Ok(None);
    }
    let ratio = price.times(unit, 1).and_then(|it| it.times(pixels.denominator, pixels.numerator));
    let ratio = ratio.ok_or(PriceFault::Range)?;
    let fit = |number: u128| u64::try_from(number).map_err(|_| PriceFault::Range);
    let price = PixelPrice::new(fit(ratio.numerator)?, fit(ratio.denominator)?);
    price.map(Some).ok_or(PriceFault::Range)
}

/// A number and the currency behind it: `0.5USD`.
pub(super) fn split_currency(text: &str) -> (&str, &str) {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    let tail = text.get(number.len()..).unwrap_or_default();
    let letters = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    // The exponent of a number is no currency.
    let exponent = letters.strip_prefix(['e', 'E']);
    if exponent.is_some_and(|it| digits(it).is_some()) {
        return (text, "");
    }
    text.split_at(text.len() - letters.len())
}

/// A fraction in lowest terms, zero or more; the denominator is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ratio {
    numerator: u128,
    denominator: u128,
}

impl Ratio {
    fn new(numerator: u128, denominator: u128) -> Option<Self> {
        let divisor = common_divisor(numerator, denominator);
        Some(Self {
            numerator: numerator.checked_div(divisor)?,
            denominator: denominator.checked_div(divisor).filter(|it| *it > 0)?,
        })
    }

    /// Reads `1200`, `0.5`, `3/2`, `1e12` or `2.5e-3`.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Self::new(digits(numerator)?, digits(denominator)?);
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let number = Self::new(
            digits(&format!("{whole}{decimals}"))?,
            10_u128.checked_pow(u32::try_from(decimals.len()).ok()?)?,
        )?;
        let (is_negative, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => (true, exponent),
            None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
        };
        let exponent = u32::try_from(digits(exponent)?).ok().filter(|it| *it <= EXPONENT_MAX)?;
        let scale = 10_u128.checked_pow(exponent)?;
        if is_negative { number.times(1, scale) } else { number.times(scale, 1) }
    }

    /// This times `numerator / denominator`; `None` when that is out of range.
    fn times(self, numerator: u128, denominator: u128) -> Option<Self> {
        let other = Self::new(numerator, denominator)?;
        // Crosswise first, so that what cancels out needs no room.
        let left = Self::new(self.numerator, other.denominator)?;
        let right = Self::new(other.numerator, self.denominator)?;
        Self::new(
            left.numerator.checked_mul(right.numerator)?,
            left.denominator.checked_mul(right.denominator)?,
        )
    }
}

/// A number of digits only: the standard library's parser also takes a sign.
fn digits(text: &str) -> Option<u128> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(price: &str, currency: &str, pixels: &str) -> Option<(u64, u64)> {
        max_price(price, currency, pixels).unwrap().map(|price| (price.wei(), price.pixels()))
    }

    #[test]
    fn numbers_of_any_scale_become_exact_wei_per_pixel() {
        assert_eq!(read("1200", "", "1"), Some((1200, 1)));
        assert_eq!(read("0.5", "wei", "1"), Some((1, 2)));
        assert_eq!(read("1200", "", "1e12"), Some((3, 2_500_000_000)));
        assert_eq!(read("3/2", "", "3"), Some((1, 2)));
        assert_eq!(read("2.5e-3", "", "1"), Some((1, 400)));
        assert_eq!(read("0.0000005", "eth", "1e12"), Some((1, 2)));
        assert_eq!(read("1e+3", "", "1000"), Some((1, 1)));
    }

    #[test]
    fn zero_is_any_price() {
        for zero in ["0", "0.0", "0/5", "0e9"] {
            assert_eq!(read(zero, "", "1"), None, "{zero}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        let fault = |price, currency, pixels| max_price(price, currency, pixels).unwrap_err();
        for text in ["", "-1", "+1", "1.2.3", "e3", "1e", "1e99", "0x1", "1/0", "1/2/3", "dear"] {
            assert_eq!(fault(text, "", "1"), PriceFault::Number("maxPricePerUnit"), "{text:?}");
        }
        assert_eq!(fault("1", "", "many"), PriceFault::Number("pixelsPerUnit"));
        assert_eq!(fault("1", "", "0"), PriceFault::NoPixels);
        assert_eq!(fault("1", "USD", "1"), PriceFault::Currency("USD".to_owned()));
        assert_eq!(fault("1e30", "", "1"), PriceFault::Range);
        assert_eq!(fault("1e29", "eth", "1"), PriceFault::Range);
    }

    #[test]
    fn a_currency_is_what_follows_the_number() {
        for (text, expected) in [
            ("0.50USD", ("0.50", "USD")),
            ("1200", ("1200", "")),
            ("1e12", ("1e12", "")),
            ("2.5e-3", ("2.5e-3", "")),
            ("1eth", ("1", "eth")),
            ("", ("", "")),
            ("dear", ("", "dear")),
        ] {
            assert_eq!(split_currency(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(price in "[0-9./eE+-]{0,40}|.{0,9}", pixels in "[0-9./e]{0,40}") {
            let (number, currency) = split_currency(&price);
            if let Ok(Some(read)) = max_price(number, currency, &pixels) {
                prop_assert!(read.wei() > 0 && read.pixels() > 0);
            }
        }
    }
}
