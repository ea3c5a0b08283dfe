//! Amounts as people write them.

use alloy_primitives::U256;

/// Decimal places of an ether.
const PLACES: usize = 18;

/// An amount of wei in ether, exactly: `0.065`.
#[must_use]
pub fn ether(wei: U256) -> String {
    let digits = format!("{:0>width$}", wei.to_string(), width = PLACES + 1);
    let (whole, fraction) = digits.split_at(digits.len() - PLACES);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// Reads an amount in ether as wei, exactly; `None` for anything but digits with at most one point
/// and 18 decimals.
#[must_use]
pub fn parse_ether(text: &str) -> Option<U256> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > PLACES || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    if text.ends_with('.') {
        return None;
    }
    U256::from_str_radix(&format!("{whole}{fraction:0<PLACES$}"), 10).ok()
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

    proptest! {
        #[test]
        fn amounts_come_back(wei in any::<[u64; 3]>()) {
            let wei = U256::from_limbs([wei[0], wei[1], wei[2], 0]);
            prop_assert_eq!(parse_ether(&ether(wei)), Some(wei));
        }
    }
}
