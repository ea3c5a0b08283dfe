//! What answers those who check that a domain is ours.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::ClientHello,
    sign::{CertifiedKey, SingleCertAndKey},
};

/// What a client offers that checks a domain, and nothing beside it (RFC 8737 §3).
const ALPN: &[u8] = b"acme-tls/1";

/// How the server checks that a domain is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChallengeKind {
    /// A handshake at port 443 (TLS-ALPN-01, RFC 8737).
    #[default]
    TlsAlpn,
    /// A request at port 80 (HTTP-01, RFC 8555 §8.3).
    Http,
}

/// The answers to the checks that are under way; mostly none. Cheap to clone, all clones share them.
#[derive(Clone, Default)]
pub struct Challenges(Arc<RwLock<Answers>>);

#[derive(Default)]
struct Answers {
    /// By domain.
    tls: HashMap<String, Arc<ServerConfig>>,
    /// By token.
    http: HashMap<String, String>,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}

impl Challenges {
    /// Whether a handshake may be one that checks a domain.
    #[must_use]
    pub fn expects_handshakes(&self) -> bool {
        !self.0.read().unwrap_or_else(PoisonError::into_inner).tls.is_empty()
    }

    /// What to answer this client with when it checks a domain. The handshake is all it wants.
    #[must_use]
    pub fn handshake(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ALPN) || offered.next().is_some() {
            return None;
        }
        let domain = hello.server_name()?.to_ascii_lowercase();
        self.0.read().unwrap_or_else(PoisonError::into_inner).tls.get(&domain).cloned()
    }

    /// The answer's text to a request for this token below `/.well-known/acme-challenge/`.
    #[must_use]
    pub fn request(&self, token: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).http.get(token).cloned()
    }

    /// Ends what an order has put there when it is dropped.
    pub(crate) fn until_dropped(&self) -> Ending {
        Ending(self.clone())
    }

    /// Answers handshakes for `domain` with this digest of the key authorization.
    ///
    /// # Errors
    /// What could not be made.
    pub(crate) fn answer_handshakes(&self, domain: &str, digest: &[u8]) -> Result<(), String> {
        let domain = domain.to_ascii_lowercase();
        let config = certificate(&domain, digest)?;
        let mut answers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        answers.tls.insert(domain, Arc::new(config));
        Ok(())
    }

    /// Answers requests for `token` with this text.
    pub(crate) fn answer_requests(&self, token: &str, text: &str) {
        let mut answers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        answers.http.insert(token.to_owned(), text.to_owned());
    }
}

/// Takes all answers away.
pub(crate) struct Ending(Challenges);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = Answers::default();
    }
}

/// A certificate that only checks are shown (RFC 8737 §3).
fn certificate(domain: &str, digest: &[u8]) -> Result<ServerConfig, String> {
    let text = |error: rcgen::Error| error.to_string();
    if digest.len() != 32 {
        return Err("a digest has 32 bytes".to_owned());
    }
    let mut params = CertificateParams::new([domain.to_owned()]).map_err(text)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(text)?;
    let made = params.self_signed(&key).map_err(text)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let private = provider.key_provider.load_private_key(private);
    let private = private.map_err(|error| error.to_string())?;
    // The usual way checks that the two belong together, and chokes on the extension.
    let shown = SingleCertAndKey::from(CertifiedKey::new(vec![made.der().clone()], private));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rustls::{ClientConfig, ClientConnection, RootCertStore, server::Acceptor};

    use super::*;

    /// What answers a client that asks for this name and offers these protocols.
    fn answer(challenges: &Challenges, name: &'static str, alpn: &[&str]) -> Option<Vec<u8>> {
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        let name = name.try_into().unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        let mut acceptor = Acceptor::default();
        acceptor.read_tls(&mut Cursor::new(hello)).unwrap();
        let accepted = acceptor.accept().unwrap().unwrap();
        let config = challenges.handshake(&accepted.client_hello())?;
        config.alpn_protocols.first().cloned()
    }

    #[test]
    fn only_those_who_check_are_answered_and_only_while_they_do() {
        let challenges = Challenges::default();
        let ending = challenges.until_dropped();
        assert!(!challenges.expects_handshakes());
        challenges.answer_handshakes("Live.Example.com", &[7; 32]).unwrap();
        challenges.answer_requests("token", "token.thumb");
        assert!(challenges.expects_handshakes());
        let found = answer(&challenges, "live.example.com", &["acme-tls/1"]);
        assert_eq!(found.as_deref(), Some(ALPN));
        assert_eq!(answer(&challenges, "live.example.com", &["acme-tls/1", "h2"]), None);
        assert_eq!(answer(&challenges, "live.example.com", &["h2"]), None);
        assert_eq!(answer(&challenges, "live.example.com", &[]), None);
        assert_eq!(answer(&challenges, "other.example.com", &["acme-tls/1"]), None);
        assert_eq!(challenges.request("token").as_deref(), Some("token.thumb"));
        assert_eq!(challenges.request("tok"), None);
        drop(ending);
        assert_eq!(answer(&challenges, "live.example.com", &["acme-tls/1"]), None);
        assert!(challenges.request("token").is_none() && !challenges.expects_handshakes());
    }

    #[test]
    fn digests_of_another_length_are_refused() {
        assert!(Challenges::default().answer_handshakes("a.example", &[7; 31]).is_err());
    }
}
