//! Amounts in USD, exact until they are written.

use std::str::FromStr;

use tickets::{U256, Wei};

/// Digits of a price in USD, at most: more would not fit what it is kept in.
const MAX_DIGITS: usize = 18;
/// Places of a written amount.
const PLACES: u64 = 6;
const WEI_OF_AN_ETHER: u64 = 1_000_000_000_000_000_000;

/// An exact, positive amount of USD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usd(Wei);

/// What another service asks for an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPrice {
    /// The service.
    pub name: String,
    /// USD for an hour of video.
    pub price: Usd,
}

/// A text that is no price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// No positive decimal number.
    #[error("not a positive number of USD, such as 3123.45, of at most 18 digits")]
    Number,
    /// No name, or none before an equals sign.
    #[error("not a name and a price, such as Name=3.00")]
    Name,
}

impl FromStr for Usd {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{places}");
        let plain = !whole.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || digits.len() > MAX_DIGITS || text.ends_with('.') {
            return Err(PriceError::Number);
        }
        let units: u64 = digits.parse().map_err(|_| PriceError::Number)?;
        let scale = U256::from(10).pow(U256::from(places.len()));
        let price = Wei::ratio(U256::from(units), scale).filter(Wei::is_positive);
        price.map(Self).ok_or(PriceError::Number)
    }
}

impl FromStr for ListPrice {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let (name, price) = text.rsplit_once('=').ok_or(PriceError::Name)?;
        if name.trim().is_empty() {
            return Err(PriceError::Name);
        }
        Ok(Self { name: name.trim().to_owned(), price: price.parse()? })
    }
}

impl Usd {
    /// What an amount of wei is worth, where this is the price of an ether; may be negative.
    pub(super) fn worth(&self, amount: &Wei) -> Self {
        let wei_of_a_dollar = Wei::new(U256::from(WEI_OF_AN_ETHER)).per(&self.0);
        Self(wei_of_a_dollar.and_then(|wei| amount.per(&wei)).unwrap_or_default())
    }

    /// What is paid for an hour, where this is paid for that many microseconds; `None` for none.
    pub(super) fn for_an_hour(&self, micros: u64) -> Option<Self> {
        self.0.per(&hours(micros)).map(Self)
    }

    /// How many times as much it is, as a number with two places; `None` beside nothing.
    pub(super) fn times(&self, other: &Self) -> Option<String> {
        self.0.per(&other.0).map(|times| rounded(&times, 2))
    }

    /// The amount with six places.
    pub(super) fn written(&self) -> String {
        rounded(&self.0, PLACES)
    }
}

/// Hours, as an exact number.
fn hours(micros: u64) -> Wei {
    Wei::ratio(U256::from(micros), U256::from(3_600_000_000_u64)).unwrap_or_default()
}

/// Hours with four places.
pub(super) fn written_hours(micros: u64) -> String {
    rounded(&hours(micros), 4)
}

/// A number with so many places, halves upwards.
fn rounded(number: &Wei, places: u64) -> String {
    let scale = Wei::new(U256::from(10).pow(U256::from(places)));
    let one = Wei::new(U256::from(1));
    let half = Wei::ratio(U256::from(1), U256::from(2)).unwrap_or_default();
    // Divided by one part of the last place: so many of these.
    let parts = one.per(&scale).and_then(|part| number.per(&part)).unwrap_or_default();
    let units = (&parts + &half).floor().to_string();
    let (sign, digits) = units.strip_prefix('-').map_or(("", units.as_str()), |rest| ("-", rest));
    let places = usize::try_from(places).unwrap_or_default();
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_rounded_at_its_last_place() {
        for (number, expected) in [
            ("1/3", "0.33"),
            ("5/1000", "0.01"),
            ("-5/1000", "0.00"),
            ("-7/2", "-3.50"),
            ("12", "12.00"),
        ] {
            assert_eq!(rounded(&number.parse().unwrap(), 2), expected, "{number}");
        }
    }

    #[test]
    fn a_price_is_exact() {
        let price: Usd = "3123.45".parse().unwrap();
        let third = price.worth(&"1000000000000000000/3".parse().unwrap());
        assert_eq!(third, Usd("312345/300".parse().unwrap()));
        assert_eq!(third.for_an_hour(1_800_000_000).unwrap().written(), "2082.300000");
        assert_eq!(third.for_an_hour(0), None);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in
            ["", ".5", "5.", "0", "0.00", "-1", "1e3", "1,5", "1.2.3", "1234567890123456789"]
        {
            assert_eq!(text.parse::<Usd>(), Err(PriceError::Number), "{text:?}");
        }
        for text in ["Mux", "=3", " =3"] {
            assert_eq!(text.parse::<ListPrice>(), Err(PriceError::Name), "{text:?}");
        }
        assert_eq!("a=b=2".parse::<ListPrice>().unwrap().name, "a=b");
    }
}
