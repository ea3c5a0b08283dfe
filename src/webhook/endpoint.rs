//! Where a hook listens.

use std::fmt;

use base64::Engine as _;
use http::{HeaderValue, Uri};
use media::Redacted;
use percent_encoding::percent_decode_str;
use url::Url;

/// Why a hook's URL can't be used. Never quotes the URL, which can hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No URL.
    #[error("not a URL such as https://host/path")]
    Malformed,
    /// Another scheme.
    #[error("the scheme must be https or http")]
    Scheme,
}

/// The URL of a hook. What identifies the gateway to it (user, password, query) is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HookEndpoint {
    /// As it is asked: without user and password.
    uri: Uri,
    credentials: Option<Redacted<String>>,
    shown: String,
}

impl HookEndpoint {
    /// Takes an `http` or `https` URL. A user and password in it become basic authentication.
    ///
    /// # Errors
    /// When it is no such URL.
    pub fn new(url: &Url) -> Result<Self, EndpointError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme);
        }
        let mut bare = url.clone();
        bare.set_fragment(None);
        bare.set_username("").map_err(|()| EndpointError::Malformed)?;
        bare.set_password(None).map_err(|()| EndpointError::Malformed)?;
        let uri = bare.as_str().parse().map_err(|_| EndpointError::Malformed)?;
        let mut shown = bare;
        if shown.query().is_some() {
            shown.set_query(Some("***"));
        }
        Ok(Self { uri, credentials: credentials(url), shown: shown.into() })
    }

    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether calls need TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// `Basic …`, when the URL names a user.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let text = self.credentials.as_ref()?.expose();
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// `user:password` as the URL means them, decoded.
fn credentials(url: &Url) -> Option<Redacted<String>> {
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    if user.is_empty() && password.is_empty() {
        return None;
    }
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    Some(Redacted::new(format!("{}:{}", decoded(user), decoded(password))))
}

/// Without user, password and the query's content.
impl fmt::Display for HookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for HookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookEndpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str) -> HookEndpoint {
        HookEndpoint::new(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn user_and_password_leave_the_url_and_become_a_header() {
        let hook = endpoint("https://us%20er:pa%3Ass@hook.example/auth?token=t#f");
        assert_eq!(hook.uri(), "https://hook.example/auth?token=t");
        // "us er:pa:ss"
        assert_eq!(hook.authorization().unwrap(), "Basic dXMgZXI6cGE6c3M=");
        assert_eq!(endpoint("http://h/").authorization(), None);
    }

    #[test]
    fn what_is_secret_is_not_printed() {
        let hook = endpoint("https://user:password@hook.example/auth?token=t");
        for printed in [format!("{hook}"), format!("{hook:?}")] {
            assert!(printed.contains("hook.example/auth"), "{printed}");
            for secret in ["user", "password", "token"] {
                assert!(!printed.contains(secret), "{printed}");
            }
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        let refused = |url: &str| HookEndpoint::new(&url.parse().unwrap()).unwrap_err();
        assert_eq!(refused("ftp://h/"), EndpointError::Scheme);
        assert_eq!(refused("file:///etc/passwd"), EndpointError::Scheme);
    }
}
