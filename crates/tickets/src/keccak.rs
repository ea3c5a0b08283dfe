//! Ethereum's Keccak-256.

use alloy_primitives::B256;
use sha3::{Digest, Keccak256};

/// Keccak-256 digest of the bytes.
#[must_use]
pub fn keccak256(bytes: impl AsRef<[u8]>) -> B256 {
    keccak256_of([bytes.as_ref()])
}

/// Digest of the pieces as if they were one.
pub(crate) fn keccak256_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> B256 {
    let mut state = Keccak256::new();
    for piece in pieces {
        state.update(piece);
    }
    B256::new(state.finalize().into())
}
