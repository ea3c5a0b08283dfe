//! Signatures over personal messages.

use std::fmt;

use alloy_primitives::{Address, B256, U256};
use k256::ecdsa::{RecoveryId, VerifyingKey};

use crate::keccak::keccak256_of;

/// Recovery ids count from here in the last byte.
const V_BASE: u8 = 27;

/// A recoverable signature with a low `s`, as the network takes it (livepeer-wire §0).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    signature: k256::ecdsa::Signature,
    odd: bool,
}

/// Why a signature isn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not 65 bytes.
    #[error("a signature has 65 bytes")]
    Length,
    /// The last byte is neither 27 nor 28.
    #[error("the last byte of a signature is 27 or 28")]
    RecoveryId,
    /// `s` is above half the order of the curve.
    #[error("the signature's s is high")]
    HighS,
    /// No point or number of the curve.
    #[error("not a signature of the curve")]
    Malformed,
    /// Somebody else signed, or another message was signed.
    #[error("signed by {0}")]
    OtherSigner(Address),
}

impl Signature {
    /// Bytes of a signature: `r`, `s` and `v`.
    pub const LENGTH: usize = 65;

    /// Reads 65 bytes, strictly: low `s`, and `v` is 27 or 28.
    pub fn from_wire(field: &[u8]) -> Result<Self, SignatureError> {
        let bytes: &[u8; Self::LENGTH] = field.try_into().map_err(|_| SignatureError::Length)?;
        let [numbers @ .., v] = bytes;
        let odd = match v.checked_sub(V_BASE) {
            Some(0) => false,
            Some(1) => true,
            Some(_) | None => return Err(SignatureError::RecoveryId),
        };
        let signature =
            k256::ecdsa::Signature::from_slice(numbers).map_err(|_| SignatureError::Malformed)?;
        if signature.normalize_s() != signature {
            return Err(SignatureError::HighS);
        }
        Ok(Self { signature, odd })
    }

    /// The network's last byte can't say that `r` was reduced, which has a probability of 2^-127.
    pub(crate) fn new(signature: k256::ecdsa::Signature, id: RecoveryId) -> Self {
        Self { signature, odd: id.is_y_odd() }
    }

    /// The 65 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let [numbers @ .., v] = &mut bytes;
        numbers.copy_from_slice(&self.signature.to_bytes());
        *v = V_BASE + u8::from(self.odd);
        bytes
    }

    /// The first number.
    #[must_use]
    pub fn r(&self) -> U256 {
        U256::from_be_slice(&self.signature.r().to_bytes())
    }

    /// The second number.
    #[must_use]
    pub fn s(&self) -> U256 {
        U256::from_be_slice(&self.signature.s().to_bytes())
    }

    /// Which of two keys it is: the recovery id as typed transactions have it.
    #[must_use]
    pub const fn is_y_odd(&self) -> bool {
        self.odd
    }

    /// Who signed the personal message `message` (EIP-191, version `0x45`).
    pub fn recover(&self, message: &[u8]) -> Result<Address, SignatureError> {
        self.recover_prehash(personal_digest(message))
    }

    /// Who signed these 32 bytes as they are.
    pub fn recover_prehash(&self, digest: B256) -> Result<Address, SignatureError> {
        let id = RecoveryId::new(self.odd, false);
        VerifyingKey::recover_from_prehash(digest.as_slice(), &self.signature, id)
            .map(|key| address_of(&key))
            .map_err(|_| SignatureError::Malformed)
    }

    /// Checks that `signer` signed the personal message `message`.
    pub fn verify(&self, signer: Address, message: &[u8]) -> Result<(), SignatureError> {
        let recovered = self.recover(message)?;
        if recovered == signer { Ok(()) } else { Err(SignatureError::OtherSigner(recovered)) }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(self.to_bytes()))
    }
}

/// What a wallet signs for a personal message.
pub(crate) fn personal_digest(message: &[u8]) -> B256 {
    let length = message.len().to_string();
    keccak256_of([b"\x19Ethereum Signed Message:\n", length.as_bytes(), message])
}

pub(crate) fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    Address::from_word(keccak256_of([coordinates]))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::address;
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &str = "b7da355477356fc4c47fcabcf232dc77a6db9b07b7e48b76261cc55cc8fbabb3";
    const SIGNATURE: &str = "206443228e8f784bc3a122de0d85eb3ebff82d6a79cca26c7eeb907099a6404f6dff5\
        7bc6828f28bd6cd073c89d94cf3364204679ed8365fa45b5ee6af19a9841c";
    const HIGH_S: &str = "e742ff452d41413616a5bf43fe15dd88294e983d3d36206c2712f39083d638bde0a0fc89b\
        e718fbc1033e1d30d78be1c68081562ed2e97af876f286f3453231d1b";
    const SIGNER: Address = address!("3BadDb1eeE2105893136A3F96c8a963E9C6309d6");

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    /// livepeer-wire §9.1.
    #[test]
    fn signer_is_recovered() {
        let signature = Signature::from_wire(&bytes(SIGNATURE)).unwrap();
        assert_eq!(signature.recover(&bytes(MESSAGE)), Ok(SIGNER));
        assert_eq!(signature.verify(SIGNER, &bytes(MESSAGE)), Ok(()));
        assert_eq!(signature.to_bytes()[..], bytes(SIGNATURE));
        assert!(matches!(
            signature.verify(SIGNER, b"another"),
            Err(SignatureError::OtherSigner(_))
        ));
    }

    /// A signature's numbers are those of its 65 bytes, and what is signed unhashed is no message.
    #[test]
    fn digests_are_signed_as_they_are() {
        let key = crate::PrivateKey::from_bytes(&[7; 32]).unwrap();
        let digest = B256::repeat_byte(9);
        let signature = key.sign_prehash(digest);
        assert_eq!(signature.recover_prehash(digest), Ok(key.address()));
        assert!(signature.verify(key.address(), digest.as_slice()).is_err());
        let bytes = signature.to_bytes();
        let numbers = [signature.r(), signature.s()].map(|number| number.to_be_bytes::<32>());
        assert_eq!(bytes[..64], numbers.concat());
        assert_eq!(bytes[64], 27 + u8::from(signature.is_y_odd()));
    }

    /// livepeer-wire §9.1 has the one with the high `s`.
    #[test]
    fn signatures_are_read_strictly() {
        let read = |bytes: &[u8]| Signature::from_wire(bytes).unwrap_err();
        assert_eq!(read(&bytes(HIGH_S)), SignatureError::HighS);
        let good = bytes(SIGNATURE);
        assert_eq!(read(&good[..64]), SignatureError::Length);
        assert_eq!(read(&[&good[..], &[0]].concat()), SignatureError::Length);
        assert_eq!(read(&[]), SignatureError::Length);
        for v in [0, 1, 26, 29, 255] {
            assert_eq!(read(&[&good[..64], &[v]].concat()), SignatureError::RecoveryId, "{v}");
        }
        assert_eq!(read(&[&[0; 64][..], &[27]].concat()), SignatureError::Malformed);
        assert_eq!(read(&[&[0xff; 64][..], &[27]].concat()), SignatureError::Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_signature_or_refused(mut field in prop::collection::vec(any::<u8>(), 65), v in 26_u8..30) {
            field[64] = v;
            field[32] &= 0x7f;
            if let Ok(signature) = Signature::from_wire(&field) {
                prop_assert_eq!(&signature.to_bytes()[..], &field[..]);
                if let Ok(signer) = signature.recover(b"message") {
                    prop_assert_eq!(signature.verify(signer, b"message"), Ok(()));
                }
            }
        }
    }
}
