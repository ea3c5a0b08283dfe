//! `POST /sign-orchestrator-info`: who pays.

use orchestrator::GatewayIdentity;
use serde::{Deserialize, Serialize};
use tickets::{Address, Signature, SignatureError};

/// Path of the call. It takes no body.
pub const PATH: &str = "/sign-orchestrator-info";

/// The answer: what an orchestrator wants to see before it quotes (livepeer-wire §2.5, §7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityAnswer {
    /// `0x` and 40 hex digits.
    pub address: String,
    /// `0x` and 130 hex digits.
    pub signature: String,
}

/// Why an answer tells nobody's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// A field isn't what it should be.
    #[error("the {0} can't be read")]
    Unreadable(&'static str),
    /// The signature isn't the address's.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl IdentityAnswer {
    /// As the wire carries it.
    #[must_use]
    pub fn new(identity: &GatewayIdentity) -> Self {
        let signature = hex::encode(identity.signature().to_bytes());
        let address = identity.address().to_checksum(None);
        Self { address, signature: format!("0x{signature}") }
    }

    /// The identity, if the signature is the address's.
    ///
    /// # Errors
    /// When it isn't, or can't be read.
    pub fn verify(&self) -> Result<GatewayIdentity, IdentityFault> {
        let address: Address =
            self.address.parse().map_err(|_| IdentityFault::Unreadable("address"))?;
        let signature = read_signature(&self.signature)?;
        Ok(GatewayIdentity::new(address, signature)?)
    }
}

/// A signature in hex, with or without `0x`.
pub(crate) fn read_signature(text: &str) -> Result<Signature, IdentityFault> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text))
        .map_err(|_| IdentityFault::Unreadable("signature"))?;
    Ok(Signature::from_wire(&bytes)?)
}

#[cfg(test)]
mod tests {
    use tickets::PrivateKey;

    use super::*;

    /// livepeer-wire §9.1.
    #[test]
    fn identity_is_the_vectors() {
        let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let identity = GatewayIdentity::sign(&key);
        let answer = IdentityAnswer::new(&identity);
        let expected = "{\"address\":\"0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F\",\"signature\":\"\
            0x4e166c2cd389f60c02051be1252202fc8a9d9f81b34ace389523a47cb5e70d265bcff71ffa9bda088fb65f\
            04930ca11aa5818b5c688e0d130a32f3a03e9254c91c\"}";
        assert_eq!(serde_json::to_string(&answer).unwrap(), expected);
        assert_eq!(answer.verify(), Ok(identity));
    }

    #[test]
    fn identities_of_others_are_refused() {
        let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let good = IdentityAnswer::new(&GatewayIdentity::sign(&key));
        let other = Address::repeat_byte(1).to_string();
        let fault = IdentityAnswer { address: other, ..good.clone() }.verify().unwrap_err();
        assert!(matches!(fault, IdentityFault::Signature(SignatureError::OtherSigner(_))));
        let unread = IdentityFault::Unreadable("address");
        assert_eq!(IdentityAnswer { address: "0x".into(), ..good.clone() }.verify(), Err(unread));
        let unread = IdentityFault::Unreadable("signature");
        assert_eq!(IdentityAnswer { signature: "0xzz".into(), ..good }.verify(), Err(unread));
    }
}
