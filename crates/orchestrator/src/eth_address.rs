//! Ethereum addresses, by which operators of orchestrators are known.

use std::{fmt, str::FromStr};

/// A 20-byte Ethereum address. Shown, and best written in lists, as `0x` and lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EthAddress([u8; 20]);

/// A text or a field that holds no Ethereum address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethereum address: 40 hex digits, with or without 0x")]
pub struct EthAddressError;

impl EthAddress {
    /// The 20 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Reads a wire field: absent and all-zero ones are none, which is what off-chain nodes send.
    pub(crate) fn from_wire(field: &[u8]) -> Result<Option<Self>, EthAddressError> {
        if field.is_empty() {
            return Ok(None);
        }
        let bytes: [u8; 20] = field.try_into().map_err(|_| EthAddressError)?;
        Ok((bytes != [0; 20]).then_some(Self(bytes)))
    }
}

impl fmt::Display for EthAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EthAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EthAddress({self})")
    }
}

/// Reads 40 hex digits of any case, with or without `0x`; a mixed-case checksum is not verified.
impl FromStr for EthAddress {
    type Err = EthAddressError;

    fn from_str(text: &str) -> Result<Self, EthAddressError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| EthAddressError)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIXED: &str = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";

    #[test]
    fn any_case_reads_and_lower_case_is_shown() {
        let address: EthAddress = MIXED.parse().unwrap();
        assert_eq!(address.to_string(), MIXED.to_lowercase());
        assert_eq!(MIXED[2..].parse(), Ok(address));
        for text in ["", "0x", &MIXED[..41], "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4G"] {
            assert_eq!(text.parse::<EthAddress>(), Err(EthAddressError), "{text:?}");
        }
    }

    #[test]
    fn off_chain_nodes_have_none() {
        assert_eq!(EthAddress::from_wire(&[]), Ok(None));
        assert_eq!(EthAddress::from_wire(&[0; 20]), Ok(None));
        assert_eq!(EthAddress::from_wire(&[1; 19]), Err(EthAddressError));
        assert_eq!(EthAddress::from_wire(&[1; 20]).unwrap().unwrap().as_bytes(), &[1; 20]);
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_refused(text in ".{0,44}") {
            if let Ok(address) = text.parse::<EthAddress>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
