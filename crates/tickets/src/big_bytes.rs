//! Big numbers as protobuf fields carry them.

use alloy_primitives::U256;

/// Big-endian, without leading zeros; nothing for zero (livepeer-wire §0).
#[must_use]
pub fn big_bytes(number: U256) -> Vec<u8> {
    number.to_be_bytes_trimmed_vec()
}

/// Reads a big-endian number of any length; `None` from 2^256 on. Leading zeros are taken, as the
/// network's other readers do.
#[must_use]
pub fn from_big_bytes(field: &[u8]) -> Option<U256> {
    let start = field.iter().position(|byte| *byte != 0).unwrap_or(field.len());
    U256::try_from_be_slice(field.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_is_nothing_and_leading_zeros_are_taken() {
        assert!(big_bytes(U256::ZERO).is_empty());
        assert_eq!(from_big_bytes(&[]), Some(U256::ZERO));
        assert_eq!(from_big_bytes(&[0; 40]), Some(U256::ZERO));
        let mut padded = vec![0; 8];
        padded.extend([0xff; 32]);
        assert_eq!(from_big_bytes(&padded), Some(U256::MAX));
        assert_eq!(from_big_bytes(&[1; 33]), None);
    }

    proptest! {
        #[test]
        fn numbers_come_back(bytes: [u8; 32]) {
            let number = U256::from_be_bytes(bytes);
            prop_assert_eq!(from_big_bytes(&big_bytes(number)), Some(number));
            prop_assert!(!big_bytes(number).starts_with(&[0]));
        }
    }
}
