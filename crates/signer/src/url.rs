//! Where a signer listens.

use std::{fmt, str::FromStr};

use ::url::Url;
use http::Uri;

/// A text that names no signer. Never quotes the text, which can hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a signer's URL, such as https://signer.example:8935; passwords belong into a header")]
pub struct SignerUrlError;

/// A signer's host. As go-livepeer reads it: without a scheme it is `https`, and a path is replaced by
/// each call's.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerUrl {
    origin: Url,
}

impl SignerUrl {
    /// Whether calls need TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.origin.scheme() == "https"
    }

    /// Whether only this machine can be on the other end.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.origin.host() {
            Some(::url::Host::Domain(name)) => name == "localhost",
            Some(::url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(::url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        }
    }

    /// URL of a call.
    pub(crate) fn call(&self, path: &str) -> Uri {
        let mut url = self.origin.clone();
        url.set_path(path);
        url.as_str().parse().unwrap_or_default()
    }
}

impl FromStr for SignerUrl {
    type Err = SignerUrlError;

    fn from_str(text: &str) -> Result<Self, SignerUrlError> {
        let text = text.trim();
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let mut origin: Url = with_scheme.parse().map_err(|_| SignerUrlError)?;
        let named = origin.username().is_empty() && origin.password().is_none();
        if !matches!(origin.scheme(), "http" | "https") || !origin.has_host() || !named {
            return Err(SignerUrlError);
        }
        origin.set_path("/");
        origin.set_query(None);
        origin.set_fragment(None);
        Ok(Self { origin })
    }
}

impl fmt::Display for SignerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for SignerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_go_livepeer_does() {
        let call = |text: &str| text.parse::<SignerUrl>().unwrap().call("/x").to_string();
        assert_eq!(call("signer.example:8935"), "https://signer.example:8935/x");
        assert_eq!(call("http://127.0.0.1:8935/ignored?too#yes"), "http://127.0.0.1:8935/x");
        assert_eq!(call("https://signer.example"), "https://signer.example/x");
        for text in ["", "ftp://host", "https://", "https://user:secret@host", "http://:80"] {
            assert_eq!(text.parse::<SignerUrl>(), Err(SignerUrlError), "{text}");
        }
    }

    #[test]
    fn loopback_is_known() {
        let loopback = |text: &str| text.parse::<SignerUrl>().unwrap().is_loopback();
        assert!(loopback("http://localhost:1") && loopback("http://127.0.0.2:1"));
        assert!(loopback("http://[::1]:1") && !loopback("http://10.0.0.1:1"));
        assert!(!loopback("http://localhost.example:1"));
    }
}
