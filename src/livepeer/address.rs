//! Listening addresses as go-livepeer writes them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Reads an address. go-livepeer fills in what is missing: the loopback host, and the listener's own
/// port. IPv6 hosts may stand in brackets.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn listening_address(text: &str, port: u16) -> Result<SocketAddr, String> {
    let text = text.trim();
    let local =
        text.strip_prefix("localhost").filter(|rest| rest.is_empty() || rest.starts_with(':'));
    let rest = local.unwrap_or(text);
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if rest.is_empty() {
        return Ok((loopback, port).into());
    }
    if let Some(port) = rest.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
        return Ok((loopback, port).into());
    }
    let host = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(rest);
    if let Ok(host) = host.parse::<IpAddr>() {
        return Ok((host, port).into());
    }
    rest.parse().map_err(|_| "expected an IP address and a port, such as 0.0.0.0:1935".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_filled_in() {
        for (text, expected) in [
            ("", "127.0.0.1:9"),
            (":8935", "127.0.0.1:8935"),
            ("0.0.0.0", "0.0.0.0:9"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("localhost", "127.0.0.1:9"),
            ("localhost:1", "127.0.0.1:1"),
            ("::1", "[::1]:9"),
            ("[::]", "[::]:9"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(listening_address(text, 9), Ok(expected.parse().unwrap()), "{text}");
        }
        for text in ["host", "host:1", "localhostess", ":", ":70000", "1.2.3.4:", "1:2:3"] {
            assert!(listening_address(text, 9).is_err(), "{text}");
        }
    }
}
