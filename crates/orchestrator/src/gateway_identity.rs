//! Who asks for terms.

use tickets::{Address, PrivateKey, Signature, SignatureError, signed};

/// A gateway's address, and its signature over it: what orchestrators that are paid want to see before
/// they quote. It holds no time and no orchestrator, so one serves all (livepeer-wire §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayIdentity {
    address: Address,
    signature: Signature,
}

impl GatewayIdentity {
    /// The identity of a key's owner.
    #[must_use]
    pub fn sign(key: &PrivateKey) -> Self {
        let address = key.address();
        let signature = key.sign_hashed(signed::orchestrator_request(address).as_bytes());
        Self { address, signature }
    }

    /// An identity that was signed elsewhere.
    ///
    /// # Errors
    /// When the signature isn't the address's.
    pub fn new(address: Address, signature: Signature) -> Result<Self, SignatureError> {
        let text = signed::orchestrator_request(address);
        signed::verify_hashed(&signature, address, text.as_bytes())?;
        Ok(Self { address, signature })
    }

    /// Who asks, and later pays.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// livepeer-wire §9.1.
    #[test]
    fn identity_is_the_vectors() {
        let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let identity = GatewayIdentity::sign(&key);
        let expected = "4e166c2cd389f60c02051be1252202fc8a9d9f81b34ace389523a47cb5e70d26\
            5bcff71ffa9bda088fb65f04930ca11aa5818b5c688e0d130a32f3a03e9254c91c";
        assert_eq!(hex::encode(identity.signature().to_bytes()), expected);
        assert_eq!(GatewayIdentity::new(key.address(), *identity.signature()), Ok(identity));
        let stranger = GatewayIdentity::new(Address::repeat_byte(1), *identity.signature());
        assert!(stranger.is_err());
    }
}
