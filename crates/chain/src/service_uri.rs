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
    /// Where it says it is.
    pub uri: Url,
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
/// What the registry holds was written by strangers: whoever connects must still check where to.
#[must_use]
pub fn read_service_uri(text: &str) -> Option<Url> {
    let text = text.trim();
    if text.is_empty() || text.len() > LENGTH_MAX {
        return None;
    }
    let with_scheme =
        if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let uri = Url::parse(&with_scheme).ok()?;
    let usable = matches!(uri.scheme(), "http" | "https")
        && uri.has_host()
        && uri.username().is_empty()
        && uri.password().is_none();
    usable.then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_completed_or_skipped() {
        for (text, expected) in [
            ("https://o.example:8935", "https://o.example:8935/"),
            ("o.example:8935", "https://o.example:8935/"),
            (" 203.0.113.9:8935 ", "https://203.0.113.9:8935/"),
            ("http://o.example", "http://o.example/"),
        ] {
            assert_eq!(read_service_uri(text).unwrap().as_str(), expected);
        }
        let long = format!("https://{}.example", "a".repeat(3_000));
        for text in ["", "  ", "https://", "ftp://o.example", "https://u:p@o.example", &long] {
            assert_eq!(read_service_uri(text), None, "{text}");
        }
    }
}
