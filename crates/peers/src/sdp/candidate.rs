//! ICE candidates (RFC 8839 §5.1).

use std::{fmt::Write as _, net::SocketAddr};

use super::is_ice_char;

/// Whether this is the value of a `candidate` attribute. What it says is of no use: peers come to the
/// gateway, which connects to none of theirs.
pub(super) fn is_candidate(value: &str) -> bool {
    let mut parts = value.split(' ');
    let foundation =
        parts.next().is_some_and(|it| (1..=32).contains(&it.len()) && it.bytes().all(is_ice_char));
    let component = parts
        .next()
        .and_then(|it| it.parse::<u16>().ok())
        .is_some_and(|it| (1..=256).contains(&it));
    let transport = parts.next().is_some_and(|it| !it.is_empty());
    let priority = parts.next().is_some_and(|it| it.parse::<u32>().is_ok());
    let address = parts.next().is_some_and(|it| (1..=255).contains(&it.len()));
    let port = parts.next().is_some_and(|it| it.parse::<u16>().is_ok());
    let kind = parts.next() == Some("typ") && parts.next().is_some_and(|it| !it.is_empty());
    foundation && component && transport && priority && address && port && kind
}

/// The gateway's own candidates: host candidates at the addresses of its shared ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostCandidates {
    pub(crate) udp: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
}

impl HostCandidates {
    /// As lines. Preferences are those of RFC 8445 §5.1.2.1 for host candidates, the first address
    /// highest; TCP (RFC 6544 §4.2, passive) is below all of UDP.
    pub(crate) fn write(&self, out: &mut String) {
        let udp = self.udp.iter().map(|address| ("udp", 126_u32, "", address));
        let tcp = self.tcp.iter().map(|address| ("tcp", 90, " tcptype passive", address));
        let mut local_preference = 65_535_u32;
        for (number, (transport, kind, suffix, address)) in udp.chain(tcp).enumerate() {
            let priority = (kind << 24) | (local_preference << 8) | 255;
            local_preference = local_preference.saturating_sub(1);
            let (ip, port) = (address.ip(), address.port());
            let foundation = number + 1;
            // Writing to a string can't fail.
            let _written = write!(
                out,
                "a=candidate:{foundation} 1 {transport} {priority} {ip} {port} typ host{suffix}\r\n"
            );
        }
        out.push_str("a=end-of-candidates\r\n");
    }
}
