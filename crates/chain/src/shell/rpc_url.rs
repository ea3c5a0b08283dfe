//! Where a node is.

use std::{fmt, str::FromStr};

use ::http::Uri;
use url::Url;

/// A node's address. Its path and query often hold a secret, so only scheme, host and port are shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RpcUrl {
    uri: Uri,
    shown: String,
}

/// An address that no node is asked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcUrlError {
    /// Neither `http` nor `https`.
    #[error("a node's address begins with https:// or http://")]
    Scheme,
    /// A user's name or a password in it.
    #[error("a node's address can't hold a user name")]
    Credentials,
    /// Anything else.
    #[error("not an address")]
    Malformed,
}

impl RpcUrl {
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether it is asked over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn as_shown(&self) -> &str {
        &self.shown
    }
}

impl FromStr for RpcUrl {
    type Err = RpcUrlError;

    fn from_str(text: &str) -> Result<Self, RpcUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| RpcUrlError::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RpcUrlError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RpcUrlError::Credentials);
        }
        let uri = url.as_str().parse().map_err(|_| RpcUrlError::Malformed)?;
        Ok(Self { uri, shown: url.origin().ascii_serialization() })
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RpcUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let url: RpcUrl = "https://rpc.example:8443/v2/s3cret?key=s3cret".parse().unwrap();
        assert_eq!(url.to_string(), "https://rpc.example:8443");
        assert!(!format!("{url:?}").contains("s3cret"));
        assert_eq!(url.uri().path(), "/v2/s3cret");
    }

    #[test]
    fn other_addresses_are_refused() {
        for (text, error) in [
            ("", RpcUrlError::Malformed),
            ("rpc.example", RpcUrlError::Malformed),
            ("ws://rpc.example", RpcUrlError::Scheme),
            ("https://me:pw@rpc.example", RpcUrlError::Credentials),
        ] {
            assert_eq!(text.parse::<RpcUrl>(), Err(error), "{text}");
        }
    }
}
