//! What requests, segments and results are signed over.
//!
//! Requests and segments are signed with [`PrivateKey::sign_hashed`], results with
//! [`PrivateKey::sign`], as their message is a digest already.
//!
//! [`PrivateKey::sign`]: crate::PrivateKey::sign
//! [`PrivateKey::sign_hashed`]: crate::PrivateKey::sign_hashed

use alloy_primitives::{Address, B256, U256};

use crate::{Signature, SignatureError, keccak::keccak256_of, keccak256};

/// Bytes of a profile's digest that stand for it.
const PROFILE_ID: usize = 4;

/// What a gateway signs to ask orchestrators for their terms: its address with the checksum's case
/// (livepeer-wire §2.5). It holds no time and no orchestrator, so one signature serves all.
#[must_use]
pub fn orchestrator_request(gateway: Address) -> String {
    gateway.to_checksum(None)
}

/// What a gateway vouches for when it sends a segment (livepeer-wire §3.2).
#[derive(Clone, Copy, Debug)]
pub struct SegmentClaim<'a> {
    /// The stream's id on the wire.
    pub manifest_id: &'a [u8],
    /// The segment's sequence number.
    pub sequence: u64,
    /// Keccak-256 digest of the segment's bytes.
    pub hash: B256,
    /// Names of the profiles, in the order of the request; none empty, as the wire replaces those.
    pub profile_names: &'a [&'a str],
}

impl SegmentClaim<'_> {
    /// The message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut message = self.manifest_id.to_vec();
        message.extend(U256::from(self.sequence).to_be_bytes::<32>());
        message.extend(self.hash);
        for name in self.profile_names {
            let digest = keccak256(name);
            let id = digest.iter().take(PROFILE_ID);
            message.extend(id.flat_map(|byte| format!("{byte:02x}").into_bytes()));
        }
        message
    }
}

/// The message of a transcoded segment's signature, from the digests of its renditions in order
/// (livepeer-wire §5.1). Sign it with [`PrivateKey::sign`](crate::PrivateKey::sign).
#[must_use]
pub fn renditions_digest(digests: &[B256]) -> B256 {
    keccak256_of(digests.iter().map(B256::as_slice))
}

/// Checks that `signer` signed the Keccak-256 digest of `message`.
pub fn verify_hashed(
    signature: &Signature,
    signer: Address,
    message: &[u8],
) -> Result<(), SignatureError> {
    signature.verify(signer, keccak256(message).as_slice())
}
