//! A session an orchestrator offered.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::{
    Capabilities, DiscoveryError, EthAddress, NetworkPolicy, OrchestratorAddress, PixelPrice,
    Quote, QuoteError, address::ip_literal, proto,
};

/// Validity of a token whose expiration can't be trusted: the network's usual one.
const USUAL_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A token is renewed this long before it expires: the last tenth of its usual life.
const REFRESH_MARGIN: Duration = Duration::from_secs(3 * 60);
/// Longest validity believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Most bytes of a token; the network's have 32.
const MAX_TOKEN: usize = 1024;
/// Most bytes of a session id; the network's have 8.
const MAX_SESSION_ID: usize = 256;

/// One session at one orchestrator: where to send segments, and the token that goes with them.
#[derive(Clone, Debug)]
pub struct OrchestratorInfo {
    address: OrchestratorAddress,
    transcoder: OrchestratorAddress,
    policy: NetworkPolicy,
    capabilities: Capabilities,
    price: Option<PixelPrice>,
    eth_address: Option<EthAddress>,
    recipient: Option<EthAddress>,
    quote: Result<Quote, QuoteError>,
    token: proto::AuthToken,
    refresh_due: Instant,
}

impl OrchestratorInfo {
    /// The address it was discovered at: the one to ask for a new session.
    #[must_use]
    pub const fn address(&self) -> &OrchestratorAddress {
        &self.address
    }

    /// Where it takes segments; often, not always, the same host as [`Self::address`].
    #[must_use]
    pub const fn transcoder(&self) -> &OrchestratorAddress {
        &self.transcoder
    }

    /// Where segments may go, and renditions may come from.
    #[must_use]
    pub const fn policy(&self) -> NetworkPolicy {
        self.policy
    }

    /// The session's id. Opaque; fit for logs.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.token.session_id
    }

    /// What the orchestrator says it can do.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The orchestrator's software version, as it says; often empty or `undefined`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.capabilities.version()
    }

    /// What it asks for a pixel it encodes; `None` when it quotes no price, as off-chain.
    #[must_use]
    pub const fn price(&self) -> Option<PixelPrice> {
        self.price
    }

    /// The key it signs results with, by which block lists know it (livepeer-wire §2.1); `None`
    /// off-chain. Nothing proves it is the orchestrator's own.
    #[must_use]
    pub const fn eth_address(&self) -> Option<EthAddress> {
        self.eth_address
    }

    /// The registered orchestrator that is to be paid; `None` where it sent no ticket parameters.
    #[must_use]
    pub const fn recipient(&self) -> Option<EthAddress> {
        self.recipient
    }

    /// How it wants to be paid: everything a payer needs, all from this one message.
    ///
    /// # Errors
    /// When it takes no payment, as off-chain, or when its terms can't be used.
    pub const fn quote(&self) -> Result<&Quote, &QuoteError> {
        self.quote.as_ref()
    }

    /// From when on a new session should be asked for before the next segment is sent.
    #[must_use]
    pub const fn refresh_due(&self) -> Instant {
        self.refresh_due
    }

    /// URL of the segment upload, below the service URI.
    pub(crate) fn segment_url(&self) -> String {
        format!("{}/segment", self.transcoder)
    }

    pub(crate) const fn token(&self) -> &proto::AuthToken {
        &self.token
    }

    /// Reads the answer of a fresh `GetOrchestrator`; `policy` is for where the answer leads.
    pub(crate) fn from_discovery(
        address: &OrchestratorAddress,
        policy: NetworkPolicy,
        wire: proto::OrchestratorInfo,
        received: Instant,
        wall: SystemTime,
    ) -> Result<Self, DiscoveryError> {
        let mut info = Self::read(address, policy, wire, received)?;
        let lifetime = remaining(&info.token, wall)
            .filter(|left| (REFRESH_MARGIN..LONGEST_LIFETIME).contains(left))
            .unwrap_or(USUAL_LIFETIME);
        info.refresh_due = received + lifetime.saturating_sub(REFRESH_MARGIN);
        Ok(info)
    }

    /// Reads the `info` of a result. The token is as a rule the one that was sent, so its age goes on
    /// counting; a new one counts from now.
    pub(crate) fn adopt(
        &self,
        wire: proto::OrchestratorInfo,
        received: Instant,
        wall: SystemTime,
    ) -> Result<Self, DiscoveryError> {
        let mut info = Self::from_discovery(&self.address, self.policy, wire, received, wall)?;
        if info.token == self.token {
            info.refresh_due = self.refresh_due;
        }
        Ok(info)
    }

    fn read(
        address: &OrchestratorAddress,
        policy: NetworkPolicy,
        wire: proto::OrchestratorInfo,
        received: Instant,
    ) -> Result<Self, DiscoveryError> {
        if wire.transcoder.is_empty() {
            return Err(DiscoveryError::NoTranscoder);
        }
        let transcoder = OrchestratorAddress::from_service_uri(&wire.transcoder)
            .map_err(DiscoveryError::ServiceUri)?;
        // A name is checked when it is resolved, before each connection.
        if let Some(literal) = ip_literal(transcoder.host()) {
            policy.check(literal)?;
        }
        let quote = Quote::read(&wire);
        let mut token = wire.auth_token.ok_or(DiscoveryError::MissingToken)?;
        if token.token.len() > MAX_TOKEN || token.session_id.len() > MAX_SESSION_ID {
            return Err(DiscoveryError::OversizedToken);
        }
        // As read it is a slice of the whole message, which it would keep in memory.
        token.token = Bytes::copy_from_slice(&token.token);
        let price = wire.price_info.as_ref().map(PixelPrice::from_wire).transpose()?.flatten();
        let eth_address = EthAddress::from_wire(&wire.address)?;
        let recipient = wire.ticket_params.map(|params| EthAddress::from_wire(&params.recipient));
        let recipient = recipient.transpose()?.flatten();
        let capabilities =
            wire.capabilities.as_ref().map(Capabilities::from_wire).unwrap_or_default();
        Ok(Self {
            address: address.clone(),
            transcoder,
            policy,
            capabilities,
            price,
            eth_address,
            recipient,
            quote,
            token,
            refresh_due: received,
        })
    }
}

/// How long the token is still good, by its own word and our wall clock.
fn remaining(token: &proto::AuthToken, wall: SystemTime) -> Option<Duration> {
    let expires =
        UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(token.expiration).ok()?))?;
    expires.duration_since(wall).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn wire(transcoder: &str, token: &'static [u8], expiration: i64) -> proto::OrchestratorInfo {
        let token = Bytes::from_static(token);
        let auth_token = proto::AuthToken { token, session_id: "deadbeef".into(), expiration };
        proto::OrchestratorInfo {
            transcoder: transcoder.into(),
            auth_token: Some(auth_token),
            ..proto::OrchestratorInfo::default()
        }
    }

    fn read(
        wire: proto::OrchestratorInfo,
        at: Instant,
    ) -> Result<OrchestratorInfo, DiscoveryError> {
        read_under(NetworkPolicy::default(), wire, at)
    }

    fn read_under(
        policy: NetworkPolicy,
        wire: proto::OrchestratorInfo,
        at: Instant,
    ) -> Result<OrchestratorInfo, DiscoveryError> {
        let address = "orch:1".parse().unwrap();
        let wall = UNIX_EPOCH + Duration::from_secs(NOW);
        OrchestratorInfo::from_discovery(&address, policy, wire, at, wall)
    }

    fn instant() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn service_uri_is_the_base_of_the_upload() {
        let url = |uri| read(wire(uri, b"t", 0), instant()).unwrap().segment_url();
        assert_eq!(url("https://orch:8935"), "https://orch:8935/segment");
        assert_eq!(url("http://orch/base/"), "http://orch:80/base/segment");
        assert_eq!(url("https://orch"), "https://orch:443/segment");
    }

    #[test]
    fn token_is_renewed_in_the_last_tenth_of_its_life() {
        let at = instant();
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let due = |expiration: i64| {
            read(wire("https://o:1", b"t", expiration), at).unwrap().refresh_due() - at
        };
        assert_eq!(due(1_700_000_000 + 30 * 60), minutes(27));
        assert_eq!(due(1_700_000_000 + 10 * 60), minutes(7));
        assert_eq!(due(1_699_000_000), minutes(27), "clocks differ: the usual life is assumed");
        assert_eq!(due(i64::MAX), minutes(27));
        assert_eq!(due(-1), minutes(27));
    }

    #[test]
    fn adopting_the_same_token_does_not_renew_it() {
        let at = instant();
        let wall = UNIX_EPOCH + Duration::from_secs(NOW + 600);
        let info = read(wire("https://o:1", b"t", 1_700_001_800), at).unwrap();
        let later = at + Duration::from_secs(600);
        let same = info.adopt(wire("https://o:1", b"t", 1_700_001_800), later, wall).unwrap();
        assert_eq!(same.refresh_due(), info.refresh_due());
        let new = info.adopt(wire("https://o:1", b"u", 1_700_002_400), later, wall).unwrap();
        assert_eq!(new.refresh_due(), later + Duration::from_secs(27 * 60));
    }

    #[test]
    fn a_public_orchestrator_leads_into_no_private_network() {
        let public = NetworkPolicy::PublicOnly;
        let at = instant();
        for uri in ["http://127.0.0.1:1", "https://[::1]", "https://169.254.169.254/latest"] {
            let error = read_under(public, wire(uri, b"t", 0), at).unwrap_err();
            assert_eq!(error.kind(), "forbidden_address", "{uri}");
            assert!(read_under(NetworkPolicy::Anywhere, wire(uri, b"t", 0), at).is_ok(), "{uri}");
        }
        let info = read_under(public, wire("https://1.1.1.1", b"t", 0), at).unwrap();
        assert_eq!(info.policy(), public);
        // An update is held to the same.
        let moved = info.adopt(wire("https://10.0.0.1", b"t", 0), at, UNIX_EPOCH);
        assert_eq!(moved.unwrap_err().kind(), "forbidden_address");
    }

    fn priced(price_per_unit: i64, pixels_per_unit: i64) -> proto::OrchestratorInfo {
        let quote = proto::PriceInfo { price_per_unit, pixels_per_unit, ..Default::default() };
        proto::OrchestratorInfo { price_info: Some(quote), ..wire("https://o:1", b"t", 0) }
    }

    #[test]
    fn prices_are_kept_and_follow_updates() {
        let info = read(priced(3, 2), instant()).unwrap();
        assert_eq!(info.price(), PixelPrice::new(3, 2));
        let wall = UNIX_EPOCH + Duration::from_secs(NOW);
        let dearer = info.adopt(priced(6, 2), instant(), wall).unwrap();
        assert_eq!(dearer.price(), PixelPrice::new(3, 1));
        assert_eq!(read(priced(0, 0), instant()).unwrap().price(), None);
        assert_eq!(read(wire("https://o:1", b"t", 0), instant()).unwrap().price(), None);
    }

    #[test]
    fn identities_are_the_signing_key_and_the_one_paid() {
        let params =
            proto::TicketParams { recipient: Bytes::from_static(&[2; 20]), ..Default::default() };
        let on_chain = proto::OrchestratorInfo {
            address: Bytes::from_static(&[1; 20]),
            ticket_params: Some(params),
            ..wire("https://o:1", b"t", 0)
        };
        let info = read(on_chain, instant()).unwrap();
        let shown = |address: Option<EthAddress>| address.unwrap().to_string();
        assert_eq!(shown(info.eth_address()), format!("0x{}", "01".repeat(20)));
        assert_eq!(shown(info.recipient()), format!("0x{}", "02".repeat(20)));
        let off_chain = proto::OrchestratorInfo {
            address: Bytes::from_static(&[0; 20]),
            ..wire("https://o:1", b"t", 0)
        };
        let info = read(off_chain, instant()).unwrap();
        assert_eq!((info.eth_address(), info.recipient()), (None, None));
    }

    #[test]
    fn quotes_are_of_one_message() {
        let params = |seed: &'static [u8]| proto::TicketParams {
            recipient: Bytes::from_static(&[2; 20]),
            recipient_rand_hash: Bytes::from_static(&[3; 32]),
            seed: Bytes::from_static(seed),
            expiration_block: Bytes::from_static(&[100]),
            ..Default::default()
        };
        let paid = |wei, seed| proto::OrchestratorInfo {
            ticket_params: Some(params(seed)),
            ..priced(wei, 2)
        };
        let info = read(paid(3, &[1]), instant()).unwrap();
        let quote = info.quote().unwrap();
        assert_eq!(
            (quote.session_id.as_str(), quote.price.to_string().as_str()),
            ("deadbeef", "3/2")
        );
        assert_eq!((quote.recipient(), quote.params.expiration_block), ([2; 20].into(), 100));
        assert!(!quote.params.expiration.is_complete());

        let updated = info.adopt(paid(6, &[7]), instant(), UNIX_EPOCH).unwrap();
        let quote = updated.quote().unwrap();
        assert_eq!((quote.price.wei(), quote.params.seed.to_string().as_str()), (3, "7"));

        let refused = |wire| *read(wire, instant()).unwrap().quote().unwrap_err();
        assert_eq!(refused(priced(3, 2)), QuoteError::NoParams);
        let unpriced = proto::OrchestratorInfo { price_info: None, ..paid(3, &[1]) };
        assert_eq!(refused(unpriced), QuoteError::NoPrice);
        let odd = QuoteError::Malformed("the seed is out of range");
        assert_eq!(refused(paid(3, &[1; 33])), odd);
    }

    #[test]
    fn token_does_not_keep_the_message_it_came_in() {
        let message = Bytes::from(vec![7; 100_000]);
        let inside = message.slice(500..532);
        let auth_token = proto::AuthToken { token: inside.clone(), ..Default::default() };
        let wire =
            proto::OrchestratorInfo { auth_token: Some(auth_token), ..wire("https://o:1", b"", 0) };
        let kept = read(wire, instant()).unwrap().token().token.clone();
        assert_eq!(kept, inside);
        assert_ne!(kept.as_ptr(), inside.as_ptr());
    }

    #[test]
    fn unusable_answers_are_named() {
        let kind = |wire| read(wire, instant()).unwrap_err().kind();
        assert_eq!(kind(wire("", b"t", 0)), "no_transcoder");
        assert_eq!(kind(wire("ftp://o", b"t", 0)), "service_uri");
        let tokenless = proto::OrchestratorInfo { auth_token: None, ..wire("https://o", b"t", 0) };
        assert_eq!(kind(tokenless), "token");
        assert_eq!(kind(wire("https://o", &[0; 2_000], 0)), "token");
        assert_eq!(kind(priced(-1, 1)), "price");
        assert_eq!(kind(priced(1, 0)), "price");
        let address = Bytes::from_static(&[1; 21]);
        let odd = proto::OrchestratorInfo { address, ..wire("https://o", b"t", 0) };
        assert_eq!(kind(odd), "eth_address");
    }
}
