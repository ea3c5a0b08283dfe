//! What a live job's client carries from call to call.

use serde::{Deserialize, Serialize};
use tickets::{Address, Price, PrivateKey, Signature, Wei};

use crate::{
    Refusal,
    messages::live::{Blob, StateBlob},
};

/// Most bytes of a state.
const MAX_STATE: usize = 8 << 10;
/// Longest text of a balance: of fractions of 2^256 - 1 and of a price's pixels.
const MAX_BALANCE: usize = 512;

/// A live job's account. The signer signs it and keeps no copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LiveState {
    /// The job.
    pub(crate) manifest_id: String,
    /// The key the orchestrator signs with.
    pub(crate) orchestrator: String,
    /// Whose nonces.
    pub(crate) recipient_rand_hash: String,
    /// The last one used.
    pub(crate) nonce: u32,
    /// Wei paid and not used up, exactly.
    pub(crate) balance: String,
    /// The session's first price.
    pub(crate) price_wei: u64,
    pub(crate) price_pixels: u64,
    /// When it was last paid for, in milliseconds since 1970.
    pub(crate) paid_until: u64,
    /// Payments made.
    pub(crate) payments: u64,
}

impl LiveState {
    /// Reads a state that this signer signed; `None` where there is none yet.
    pub(crate) fn open(blob: &StateBlob, signer: Address) -> Result<Option<Self>, Refusal> {
        let (state, sig) = (&blob.state.0, &blob.sig.0);
        if state.is_empty() {
            return Ok(None);
        }
        if state.len() > MAX_STATE {
            return Err(Refusal::Live("state too long"));
        }
        let signature = Signature::from_wire(sig);
        // Unlike everything else, the JSON is signed without being hashed first.
        if signature.and_then(|signature| signature.verify(signer, state)).is_err() {
            return Err(Refusal::Live("invalid state signature"));
        }
        let state: Self =
            serde_json::from_slice(state).map_err(|_| Refusal::Live("invalid state"))?;
        Ok(Some(state))
    }

    pub(crate) fn seal(&self, key: &PrivateKey) -> StateBlob {
        let state = serde_json::to_vec(self).unwrap_or_default();
        let sig = key.sign(&state).to_bytes().to_vec();
        StateBlob { state: Blob(state), sig: Blob(sig) }
    }

    pub(crate) fn price(&self) -> Result<Price, Refusal> {
        Price::new(self.price_wei, self.price_pixels).ok_or(Refusal::Live("invalid state"))
    }

    pub(crate) fn balance(&self) -> Result<Wei, Refusal> {
        let text = Some(self.balance.as_str()).filter(|text| text.len() <= MAX_BALANCE);
        text.and_then(|text| text.parse().ok()).ok_or(Refusal::Live("invalid state"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// livepeer-wire §9.1: the JSON is signed as it is.
    #[test]
    fn states_are_signed_as_the_network_does() {
        let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let expected = "7c964e9f5f532674de2691f0187a6032096144e6ff217f1114dc81b93ad29c640e039378cf0\
            6efd14eafd4c4c82359d815c8c0341a4502d3d73f640b38a387e11c";
        let sig = Blob(hex::decode(expected).unwrap());
        let state = Blob(br#"{"a":1}"#.to_vec());
        assert_eq!(hex::encode(key.sign(&state.0).to_bytes()), expected);
        let other_shape = LiveState::open(&StateBlob { state, sig: sig.clone() }, key.address());
        assert_eq!(other_shape, Err(Refusal::Live("invalid state")));
        let tampered = StateBlob { state: Blob(br#"{"a":2}"#.to_vec()), sig };
        let refused = Err(Refusal::Live("invalid state signature"));
        assert_eq!(LiveState::open(&tampered, key.address()), refused);
        assert_eq!(LiveState::open(&StateBlob::default(), key.address()), Ok(None));
    }
}
