//! The orchestrator behind the proxy.

use std::str::FromStr;

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

/// Origin of the orchestrator that does the work, such as `http://127.0.0.1:8935`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream(Authority);

/// An upstream that can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upstream must be a plaintext origin, such as http://127.0.0.1:8935")]
pub struct UpstreamError;

impl Upstream {
    /// The URL of this path on the upstream.
    pub(crate) fn url(&self, path: PathAndQuery) -> Uri {
        let url = Uri::builder().scheme(Scheme::HTTP).authority(self.0.clone());
        url.path_and_query(path).build().unwrap_or_default()
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let url: Uri = text.trim().parse().map_err(|_| UpstreamError)?;
        let bare = url.path() == "/" && url.query().is_none();
        match (url.scheme(), url.authority()) {
            (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP && bare => {
                Ok(Self(authority.clone()))
            }
            _ => Err(UpstreamError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plaintext_origins_are_upstreams() {
        let upstream: Upstream = "http://127.0.0.1:9000/".parse().unwrap();
        let path = PathAndQuery::from_static("/stream/a?b");
        assert_eq!(upstream.url(path).to_string(), "http://127.0.0.1:9000/stream/a?b");
        for text in ["", "127.0.0.1:9000", "https://127.0.0.1:9000", "http://h/base", "/x"] {
            assert_eq!(text.parse::<Upstream>(), Err(UpstreamError), "{text}");
        }
    }
}
