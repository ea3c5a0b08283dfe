//! Session tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use media::Redacted;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::proto::AuthToken;

/// Length of an HMAC-SHA256 key that needs neither padding nor hashing.
const KEY: usize = 64;

/// Why a token is refused; the texts are the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("missing auth token")]
    Missing,
    #[error("invalid auth token")]
    Invalid,
    #[error("expired auth token")]
    Expired,
}

/// Makes and checks tokens: an HMAC over session id and expiration (livepeer-wire §2.4), under a key
/// that lives as long as the process. So a restart invalidates every token.
#[derive(Debug)]
pub(crate) struct TokenIssuer {
    key: Redacted<[u8; KEY]>,
    lifetime: Duration,
}

impl TokenIssuer {
    pub(super) const fn new(key: [u8; KEY], lifetime: Duration) -> Self {
        Self { key: Redacted::new(key), lifetime }
    }

    /// An issuer under a fresh random key.
    pub(super) fn random(lifetime: Duration) -> Self {
        Self::new(rand::random(), lifetime)
    }

    /// The token of a new session.
    pub(super) fn issue(&self, session_id: String, now: SystemTime) -> AuthToken {
        let expires = unix_seconds(now).saturating_add(self.lifetime.as_secs());
        let expiration = i64::try_from(expires).unwrap_or(i64::MAX);
        let token = Bytes::copy_from_slice(&self.digest(&session_id, expiration));
        AuthToken { token, session_id, expiration }
    }

    /// Checks a token that came back, in constant time.
    pub(super) fn verify<'a>(
        &self,
        token: Option<&'a AuthToken>,
        now: SystemTime,
    ) -> Result<&'a AuthToken, TokenError> {
        let token = token.ok_or(TokenError::Missing)?;
        let expected = self.digest(&token.session_id, token.expiration);
        if !bool::from(expected.ct_eq(&token.token)) {
            return Err(TokenError::Invalid);
        }
        let expires = u64::try_from(token.expiration).map_err(|_| TokenError::Expired)?;
        if expires <= unix_seconds(now) { Err(TokenError::Expired) } else { Ok(token) }
    }

    fn digest(&self, session_id: &str, expiration: i64) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(self.key.expose().into());
        mac.update(session_id.as_bytes());
        for byte in expiration.to_be_bytes().into_iter().skip_while(|byte| *byte == 0) {
            mac.update(&[byte]);
        }
        mac.finalize().into_bytes().into()
    }
}

fn unix_seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(1_800);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// livepeer-wire §9.5; the network's 32-byte keys are padded with zeros, as HMAC itself does.
    #[test]
    fn token_is_the_networks() {
        let mut key = [0; KEY];
        key.iter_mut().zip(0..32).for_each(|(byte, value)| *byte = value);
        let issuer = TokenIssuer::new(key, LIFETIME);
        let token = issuer.issue("deadbeef".into(), at(1_700_000_000 - 1_800));
        assert_eq!(token.expiration, 1_700_000_000);
        assert_eq!(
            hex::encode(&token.token),
            "5c037c669aad3190039b37020b7880ff2333bf17c17c89fe03fa72ece28963eb"
        );
    }

    #[test]
    fn only_own_unchanged_fresh_tokens_pass() {
        let issuer = TokenIssuer::random(LIFETIME);
        let token = issuer.issue("a".into(), at(1_000));
        let verify = |token: &AuthToken, seconds| issuer.verify(Some(token), at(seconds)).err();
        assert_eq!(verify(&token, 2_799), None);
        assert_eq!(verify(&token, 2_800), Some(TokenError::Expired));
        let longer = AuthToken { expiration: i64::MAX, ..token.clone() };
        assert_eq!(verify(&longer, 1_000), Some(TokenError::Invalid));
        let other = AuthToken { session_id: "b".into(), ..token.clone() };
        assert_eq!(verify(&other, 1_000), Some(TokenError::Invalid));
        let short = AuthToken { token: token.token.slice(..31), ..token.clone() };
        assert_eq!(verify(&short, 1_000), Some(TokenError::Invalid));
        assert_eq!(issuer.verify(None, at(0)).err(), Some(TokenError::Missing));
        let restarted = TokenIssuer::random(LIFETIME);
        assert_eq!(restarted.verify(Some(&token), at(1_000)).err(), Some(TokenError::Invalid));
    }
}
