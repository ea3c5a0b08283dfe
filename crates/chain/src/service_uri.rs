//! Where registered orchestrators say they are.

use alloy_primitives::Address;
use url::Url;

/// Longest service URI that is looked at, in bytes.
const LENGTH_MAX: usize = 2_048;

/// An orchestrator of the active pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredOrchestrator {
    /// Its registered address, which is paid.
    pub address: Address,
    /// Where it says it is, as `scheme://host[:port][/path]`: the port as registered, or none.
    pub uri: String,
}

/// A pool as the contracts have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisteredPool {
    /// Orchestrators with a usable URI, in the pool's order.
    pub orchestrators: Vec<RegisteredOrchestrator>,
    /// Orchestrators that can't be reached: no URI, or none of a host.
    pub without_uri: Vec<Address>,
}

/// Reads a registered URI: without a scheme it is `https`, without a host nothing (livepeer-wire §2.2).
/// A port that is written stays written, as an orchestrator's usual port isn't its scheme's. What the
/// registry holds was written by strangers: whoever connects must still check where to.
#[must_use]
pub fn read_service_uri(text: &str) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > LENGTH_MAX {
        return None;
    }
    let with_scheme =
        if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let uri = Url::parse(&with_scheme).ok()?;
    if !matches!(uri.scheme(), "http" | "https")
        || !uri.username().is_empty()
        || uri.password().is_some()
    {
        return None;
    }
    let (scheme, host) = (uri.scheme(), uri.host_str()?);
    // `Url` drops the port that is usual for the scheme, and gives it here.
    let port = if names_port(&with_scheme) { uri.port_or_known_default() } else { None };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = uri.path().trim_end_matches('/');
    Some(format!("{scheme}://{host}{port}{path}"))
}

/// Whether a URI that could be read names a port.
fn names_port(uri: &str) -> bool {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let (_, port) = authority.rsplit_once(':').unwrap_or_default();
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_completed_or_skipped() {
        for (text, expected) in [
            ("https://o.example:8935", "https://o.example:8935"),
            ("o.example:8935", "https://o.example:8935"),
            (" 203.0.113.9:8935 ", "https://203.0.113.9:8935"),
            ("http://o.example", "http://o.example"),
            ("https://o.example:443/", "https://o.example:443"),
            ("http://o.example:80", "http://o.example:80"),
            ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]"),
            ("https://o.example/a/b/", "https://o.example/a/b"),
        ] {
            assert_eq!(read_service_uri(text).unwrap(), expected);
        }
        let long = format!("https://{}.example", "a".repeat(3_000));
        for text in ["", "  ", "https://", "ftp://o.example", "https://u:p@o.example", &long] {
            assert_eq!(read_service_uri(text), None, "{text}");
        }
    }
}
