//! An orchestrator's terms for a live job, as a client hands them to a signer (livepeer-wire §7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use prost::Message;
use tickets::{Address, B256, PrivateKey, keccak256, signed::SegmentClaim};

use crate::{Quote, QuoteError, proto};

/// What the older, unused profiles field always holds.
const LEGACY_PROFILES: &[u8] = b"invalid";

/// The terms, and the token that goes along with payments.
#[derive(Clone, Debug)]
pub struct LiveOffer {
    quote: Quote,
    address: Address,
    service_uri: String,
    token: proto::AuthToken,
}

/// Why there are no terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveOfferError {
    /// It is another message, or none.
    #[error("not an OrchestratorInfo")]
    Malformed,
    /// It holds no token.
    #[error("the orchestrator sent no auth token")]
    NoToken,
    /// Its terms can't be used.
    #[error(transparent)]
    Quote(#[from] QuoteError),
}

impl LiveOffer {
    /// Reads a serialized `OrchestratorInfo`.
    ///
    /// # Errors
    /// When it is none, or without terms.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LiveOfferError> {
        let wire = proto::OrchestratorInfo::decode(bytes).map_err(|_| LiveOfferError::Malformed)?;
        let quote = Quote::read(&wire)?;
        let address = match &*wire.address {
            [] => Address::ZERO,
            bytes => Address::try_from(bytes).map_err(|_| LiveOfferError::Malformed)?,
        };
        let token = wire.auth_token.ok_or(LiveOfferError::NoToken)?;
        Ok(Self { quote, address, service_uri: wire.transcoder, token })
    }

    /// How it wants to be paid.
    #[must_use]
    pub const fn quote(&self) -> &Quote {
        &self.quote
    }

    /// The key it signs with.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Where it says it can be reached. Whatever the client wrote.
    #[must_use]
    pub fn service_uri(&self) -> &str {
        &self.service_uri
    }

    /// When its token expires, by its own clock.
    #[must_use]
    pub fn token_expires(&self) -> SystemTime {
        let seconds = u64::try_from(self.token.expiration).unwrap_or(0);
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
    }

    /// Value of `Livepeer-Segment` for a payment without a segment: of no bytes, with number 0 and no
    /// profiles, signed with the payer's key. `capabilities` is a serialized `Capabilities`, or empty.
    ///
    /// # Errors
    /// When the capabilities can't be read.
    pub fn sign_segment(
        &self,
        manifest_id: &str,
        capabilities: &[u8],
        key: &PrivateKey,
    ) -> Result<String, LiveOfferError> {
        let capabilities = if capabilities.is_empty() {
            None
        } else {
            let read = proto::Capabilities::decode(capabilities);
            Some(read.map_err(|_| LiveOfferError::Malformed)?)
        };
        let hash: B256 = keccak256([]);
        let manifest_id = manifest_id.as_bytes();
        let claim = SegmentClaim { manifest_id, sequence: 0, hash, profile_names: &[] };
        let data = proto::SegData {
            manifest_id: Bytes::copy_from_slice(manifest_id),
            hash: Bytes::copy_from_slice(hash.as_slice()),
            profiles: Bytes::from_static(LEGACY_PROFILES),
            sig: Bytes::copy_from_slice(&key.sign_hashed(&claim.to_bytes()).to_bytes()),
            capabilities,
            auth_token: Some(self.token.clone()),
            ..proto::SegData::default()
        };
        Ok(STANDARD.encode(data.encode_to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use tickets::signed;

    use super::*;

    fn wire() -> proto::OrchestratorInfo {
        let params = proto::TicketParams {
            recipient: Bytes::from_static(&[2; 20]),
            recipient_rand_hash: Bytes::from_static(&[3; 32]),
            ..Default::default()
        };
        let token = proto::AuthToken {
            token: Bytes::from_static(b"t"),
            session_id: "deadbeef".into(),
            expiration: 1_700_000_000,
        };
        proto::OrchestratorInfo {
            transcoder: "https://orch:8935".into(),
            address: Bytes::from_static(&[4; 20]),
            ticket_params: Some(params),
            price_info: Some(proto::PriceInfo {
                price_per_unit: 3,
                pixels_per_unit: 2,
                ..Default::default()
            }),
            auth_token: Some(token),
            ..Default::default()
        }
    }

    #[test]
    fn empty_segments_are_vouched_for() {
        let offer = LiveOffer::from_bytes(&wire().encode_to_vec()).unwrap();
        assert_eq!(offer.service_uri(), "https://orch:8935");
        assert_eq!(offer.quote().session_id, "deadbeef");
        let key = PrivateKey::from_bytes(&[0x46; 32]).unwrap();
        let header = offer.sign_segment("abc", &[], &key).unwrap();
        let data = proto::SegData::decode(&*STANDARD.decode(header).unwrap()).unwrap();
        // livepeer-wire §8: the digest of nothing.
        let nothing = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(hex::encode(&data.hash), nothing);
        let signature = tickets::Signature::from_wire(&data.sig).unwrap();
        let claim = [&b"abc"[..], &[0; 32], &data.hash].concat();
        assert_eq!(signed::verify_hashed(&signature, key.address(), &claim), Ok(()));
        assert_eq!(data.auth_token, wire().auth_token);
        assert!(offer.sign_segment("abc", &[0xff], &key).is_err());
    }

    #[test]
    fn other_messages_are_refused() {
        let refused = |wire: proto::OrchestratorInfo| {
            LiveOffer::from_bytes(&wire.encode_to_vec()).unwrap_err()
        };
        assert_eq!(LiveOffer::from_bytes(&[0xff]).unwrap_err(), LiveOfferError::Malformed);
        let no_token = proto::OrchestratorInfo { auth_token: None, ..wire() };
        assert_eq!(refused(no_token), LiveOfferError::NoToken);
        let no_params = proto::OrchestratorInfo { ticket_params: None, ..wire() };
        assert_eq!(refused(no_params), LiveOfferError::Quote(QuoteError::NoParams));
    }
}
