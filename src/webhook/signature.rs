//! How a hook knows that a call comes from its gateway: a shared secret signs time and body.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use media::Redacted;
use sha2::{Digest as _, Sha256};

/// Name of the header that carries the signature.
pub(super) const HEADER: &str = "headgate-signature";
/// Block of SHA-256, the length of an HMAC key, in bytes.
const BLOCK: usize = 64;

/// What the gateway and its hook know, and nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSecret(Redacted<[u8; BLOCK]>);

impl HookSecret {
    /// Fewest characters of a secret.
    pub const LENGTH_MIN: usize = 16;

    /// `None` when it is shorter than [`HookSecret::LENGTH_MIN`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        if text.chars().count() < Self::LENGTH_MIN {
            return None;
        }
        // RFC 2104: longer keys are hashed, shorter ones filled up.
        let digest = Sha256::digest(text.as_bytes());
        let key = if text.len() > BLOCK { digest.as_slice() } else { text.as_bytes() };
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        Some(Self(Redacted::new(block)))
    }

    /// The value of `Headgate-Signature` for a call made at `at`: `t=<unix seconds>,v1=<hex>`, where `v1`
    /// is HMAC-SHA-256 of `<unix seconds>.<body>`.
    ///
    /// A hook computes the same, compares in constant time, and refuses times that are minutes away from
    /// its own, so that a call can't be replayed later.
    #[must_use]
    pub fn sign(&self, at: SystemTime, body: &[u8]) -> String {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut mac = Hmac::<Sha256>::new(self.0.expose().into());
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sign(secret: &str, seconds: u64, body: &[u8]) -> String {
        HookSecret::new(secret).unwrap().sign(UNIX_EPOCH + Duration::from_secs(seconds), body)
    }

    #[test]
    fn time_and_body_are_signed() {
        let signed = sign("whsec-0123456789", 1_700_000_000, b"{}");
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac whsec-0123456789
        assert_eq!(
            signed,
            "t=1700000000,v1=08b496ed2f117626147d5cab7eae77c442444af39d99eafad1e9205451534b89"
        );
        assert_ne!(sign("whsec-0123456789", 1_700_000_001, b"{}"), signed);
        assert_ne!(sign("whsec-0123456789", 1_700_000_000, b"{} "), signed);
        assert_ne!(sign("whsec-9876543210", 1_700_000_000, b"{}"), signed);
    }

    #[test]
    fn secrets_of_any_length_sign_as_hmac_says() {
        let long = "0123456789".repeat(10);
        // printf '1.x' | openssl dgst -sha256 -hmac <the hundred digits>
        assert_eq!(
            sign(&long, 1, b"x"),
            "t=1,v1=96c93bc7c485276232a22364bec19d66d1686d45ce5008ef2a9f171e7dafb743"
        );
        assert_eq!(HookSecret::new("short"), None);
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = HookSecret::new("whsec-0123456789").unwrap();
        assert_eq!(format!("{secret:?}"), "HookSecret(***)");
    }
}
