//! Amounts as people write them.

use alloy_primitives::U256;

/// Decimal places of an ether.
const PLACES: usize = 18;

/// An amount of wei in ether, exactly: `0.065`.
#[must_use]
pub fn ether(wei: U256) -> String {
    decimal(wei, PLACES)
}

/// A number divided by ten to the power of `places`, exactly.
pub(crate) fn decimal(number: U256, places: usize) -> String {
    let digits = format!("{:0>width$}", number.to_string(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Reads an amount in ether as wei, exactly; `None` for anything but digits with at most one point
/// and 18 decimals.
#[must_use]
pub fn parse_ether(text: &str) -> Option<U256> {
    parse_decimal(text, PLACES)
}

/// A decimal number times ten to the power of `places`; `None` where that isn't whole.
pub(crate) fn parse_decimal(text: &str, places: usize) -> Option<U256> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > places || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    if text.ends_with('.') {
        return None;
    }
    U256::from_str_radix(&format!("{whole}{fraction:0<places$}"), 10).ok()
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write an amount as `0.1` (ETH), `100 gwei` or `5 wei`, without fractions of a wei")]
pub struct AmountError;

/// Reads an amount with its unit, exactly: `0.1`, `0.1 ETH`, `100 gwei`, `5 wei`.
///
/// # Errors
/// For anything else, fractions of a wei among it.
pub fn parse_amount(text: &str) -> Result<U256, AmountError> {
    let text = text.trim().to_ascii_lowercase();
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let places = match unit {
        "" | "eth" | "ether" => PLACES,
        "gwei" => 9,
        "wei" => 0,
        _ => return Err(AmountError),
    };
    parse_decimal(number.trim_end(), places).ok_or(AmountError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_written_exactly() {
        for (wei, text) in [
            ("0", "0"),
            ("1", "0.000000000000000001"),
            ("65000000000000000", "0.065"),
            ("1000000000000000000", "1"),
            ("12340000000000000000000", "12340"),
        ] {
            assert_eq!(ether(wei.parse().unwrap()), text);
            assert_eq!(parse_ether(text), Some(wei.parse().unwrap()));
        }
        for text in ["", ".5", "1.", "-1", "1e3", "1.0000000000000000001", "1,5", "0x10"] {
            assert_eq!(parse_ether(text), None, "{text}");
        }
        assert_eq!(parse_ether(&"9".repeat(70)), None);
    }

    #[test]
    fn amounts_have_units() {
        for (text, wei) in [
            ("0.1", 100_000_000_000_000_000),
            ("0.1 ETH", 100_000_000_000_000_000),
            ("2ether", 2_000_000_000_000_000_000),
            (" 100 gwei ", 100_000_000_000),
            ("0.000000001 gwei", 1),
            ("5 wei", 5),
        ] {
            assert_eq!(parse_amount(text), Ok(U256::from::<u64>(wei)), "{text}");
        }
        for text in ["", "eth", "5 usd", "0.5 wei", "1.0000000001 gwei", "-1", "1 2", "1 e th"] {
            assert_eq!(parse_amount(text), Err(AmountError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn amounts_come_back(wei in any::<[u64; 3]>()) {
            let wei = U256::from_limbs([wei[0], wei[1], wei[2], 0]);
            prop_assert_eq!(parse_ether(&ether(wei)), Some(wei));
        }
    }
}
