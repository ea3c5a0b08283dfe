//! Where an orchestrator listens.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use crate::error::clip;

/// Port of an orchestrator whose address names none.
const DEFAULT_PORT: u16 = 8935;

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL, nor `host` or `host:port`.
    #[error("{0:?} is not an orchestrator address, such as https://host:8935")]
    Malformed(String),
    /// Only `https` and `http` (plaintext) exist on this wire.
    #[error("{0:?}: the scheme must be https or http")]
    Scheme(String),
    /// Credentials have no meaning here and would end up in logs.
    #[error("an orchestrator address must hold no user name or password")]
    UserInfo,
    /// Query and fragment have no meaning here.
    #[error("{0:?}: an orchestrator address has no query")]
    Query(String),
}

/// Scheme, host and port of an orchestrator, as one writes them in a list. Cheap to clone.
///
/// A missing scheme means `https`, a missing port 8935. A path is kept: it belongs to the base of
/// `/segment`, and is no part of the origin. Equal when scheme, host, port and path are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrchestratorAddress {
    plaintext: bool,
    host: Arc<str>,
    port: u16,
    path: Arc<str>,
}

impl OrchestratorAddress {
    /// Whether it is `http://`: no TLS.
    #[must_use]
    pub const fn is_plaintext(&self) -> bool {
        self.plaintext
    }

    /// Host name or IP literal; an IPv6 literal keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The same host and port without the path: what a connection depends on.
    pub(crate) fn origin(&self) -> Self {
        Self { path: "".into(), ..self.clone() }
    }

    /// Parses the service URI an orchestrator announces: a missing port means the scheme's own.
    ///
    /// # Errors
    /// When it is no URI of a host, or holds more than scheme, host, port and path.
    pub fn from_service_uri(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, |plaintext| if plaintext { 80 } else { 443 })
    }

    fn parse(text: &str, default_port: fn(bool) -> u16) -> Result<Self, AddressError> {
        // What is quoted in errors may come from a peer, at any length.
        let malformed = || AddressError::Malformed(clip(text));
        let trimmed = text.trim();
        let complete =
            if trimmed.contains("://") { trimmed.to_owned() } else { format!("https://{trimmed}") };
        if complete.len() > 1024 || complete.contains('#') {
            return Err(malformed());
        }
        let uri: Uri = complete.parse().map_err(|_| malformed())?;
        let plaintext = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => false,
            Some(scheme) if *scheme == Scheme::HTTP => true,
            _ => return Err(AddressError::Scheme(clip(text))),
        };
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::UserInfo);
        }
        if uri.query().is_some() {
            return Err(AddressError::Query(clip(text)));
        }
        if authority.host().is_empty() {
            return Err(malformed());
        }
        let port = explicit_port(authority)
            .ok_or_else(malformed)?
            .unwrap_or_else(|| default_port(plaintext));
        let host = authority.host().to_ascii_lowercase().into();
        Ok(Self { plaintext, host, port, path: uri.path().trim_end_matches('/').into() })
    }
}

impl FromStr for OrchestratorAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, |_| DEFAULT_PORT)
    }
}

/// `https://host:port`, with the path where there is one.
impl fmt::Display for OrchestratorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.plaintext { "http" } else { "https" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

impl fmt::Debug for OrchestratorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrchestratorAddress({self})")
    }
}

/// The port written after the host: `None` when what is written is no port.
fn explicit_port(authority: &Authority) -> Option<Option<u16>> {
    match authority.as_str().strip_prefix(authority.host())? {
        "" => Some(None),
        written => match written.strip_prefix(':')?.parse() {
            Ok(0) | Err(_) => None,
            Ok(port) => Some(Some(port)),
        },
    }
}

/// The address a URL's host is, unless it is a name.
pub(crate) fn ip_literal(host: &str) -> Option<IpAddr> {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bracketed.unwrap_or(host).parse().ok()
}

/// Resolves a rendition's URL to the origin it is on. `None` when it is no absolute http(s) URL.
///
/// Unlike a list entry, a URL without a port means the scheme's own.
pub(crate) fn origin_of(uri: &Uri) -> Option<OrchestratorAddress> {
    let plaintext = match uri.scheme()? {
        scheme if *scheme == Scheme::HTTPS => false,
        scheme if *scheme == Scheme::HTTP => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let port = explicit_port(authority)?.unwrap_or(if plaintext { 80 } else { 443 });
    let host = authority.host().to_ascii_lowercase().into();
    Some(OrchestratorAddress { plaintext, host, port, path: "".into() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<OrchestratorAddress>().unwrap().to_string()
    }

    #[test]
    fn list_forms_are_completed() {
        assert_eq!(shown("orch.example"), "https://orch.example:8935");
        assert_eq!(shown(" Orch.Example:443 "), "https://orch.example:443");
        assert_eq!(shown("http://127.0.0.1:9000/"), "http://127.0.0.1:9000");
        assert_eq!(shown("https://[::1]"), "https://[::1]:8935");
        assert_eq!(shown("https://a:1/base/"), "https://a:1/base");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", ":", "https://", "a b", "https://h:99999", "h:", "https://h/#x"] {
            assert!(text.parse::<OrchestratorAddress>().is_err(), "{text:?}");
        }
        let refused = |text: &str| text.parse::<OrchestratorAddress>().unwrap_err();
        assert!(matches!(refused("ftp://h"), AddressError::Scheme(_)));
        assert_eq!(refused("https://user:secret@h"), AddressError::UserInfo);
        assert!(matches!(refused("https://h?x=1"), AddressError::Query(_)));
    }

    #[test]
    fn errors_quote_no_more_than_a_line() {
        let long = format!("https://h/{}", "x".repeat(100_000));
        assert!(long.parse::<OrchestratorAddress>().unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn origins_compare_without_path_and_case() {
        let base = "https://Orch:8935/base".parse::<OrchestratorAddress>().unwrap();
        let same: Uri = "https://orch:8935/stream/a/b/0.ts".parse().unwrap();
        assert_eq!(origin_of(&same), Some(base.origin()));
        for other in ["https://orch/stream", "http://orch:8935/x", "https://orch2:8935/x"] {
            assert_ne!(origin_of(&other.parse().unwrap()), Some(base.origin()), "{other}");
        }
        assert_eq!(origin_of(&"https://u@orch:8935/x".parse().unwrap()), None);
        assert_eq!(origin_of(&"/stream/x".parse().unwrap()), None);
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_shows_itself(text in ".{0,40}") {
            if let Ok(address) = text.parse::<OrchestratorAddress>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
