//! The key that signs.

use std::fmt;

use alloy_primitives::{Address, B256};
use k256::ecdsa::SigningKey;
use zeroize::Zeroizing;

use crate::{
    Signature, keccak256,
    signature::{address_of, personal_digest},
};

/// A secp256k1 private key. It is wiped when dropped; `Debug` shows its address only.
#[derive(Clone)]
pub struct PrivateKey {
    key: SigningKey,
    address: Address,
}

/// Bytes that are no private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a private key: 32 bytes, neither zero nor beyond the order of the curve")]
pub struct KeyError;

impl PrivateKey {
    /// Takes 32 big-endian bytes. The caller wipes its own copy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let key = SigningKey::from_slice(bytes).map_err(|_| KeyError)?;
        let address = address_of(key.verifying_key());
        Ok(Self { key, address })
    }

    /// Reads a key file's text: 64 hex digits, with or without `0x`, and white space around them.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits = text.trim();
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits.strip_prefix("0x").unwrap_or(digits), &mut *bytes)
            .map_err(|_| KeyError)?;
        Self::from_bytes(&*bytes)
    }

    /// The address the key signs for.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs `message` as a personal message (EIP-191, version `0x45`): deterministic (RFC 6979),
    /// with a low `s`. For tickets and results, whose message is a digest already.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.sign_prehash(personal_digest(message))
    }

    /// Signs the 32 bytes as they are, as a transaction's digest is. Never sign what others chose this
    /// way: it may be a transaction's digest.
    #[must_use]
    pub fn sign_prehash(&self, digest: B256) -> Signature {
        let (signature, id) = self.key.sign_prehash_recoverable(digest.as_slice());
        Signature::new(signature, id)
    }

    /// Signs the Keccak-256 digest of `message` as a personal message: what the network does for
    /// everything that isn't a digest yet (livepeer-wire §1).
    #[must_use]
    pub fn sign_hashed(&self, message: &[u8]) -> Signature {
        self.sign(keccak256(message).as_slice())
    }

    /// The 32 bytes, to be written into a keystore.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut bytes = Zeroizing::new([0; 32]);
        let mut repr = self.key.to_bytes();
        bytes.copy_from_slice(&repr);
        zeroize::Zeroize::zeroize(&mut repr[..]);
        bytes
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.address)
    }
}
