//! Which networks an orchestrator may be in.
//!
//! An orchestrator is a stranger: a list of others may name an address inside the gateway's own
//! network, and so may an orchestrator that says where it takes segments.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are connected to on behalf of an orchestrator. Names are resolved first; what is
/// checked is the address that is then connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkPolicy {
    /// Public addresses only: for orchestrators that a list of others named.
    PublicOnly,
    /// The address itself may be anywhere, for the operator wrote it. Met at a public address, an
    /// orchestrator leads to public addresses only; met in a private network, to any.
    #[default]
    AsConfigured,
    /// Anywhere.
    Anywhere,
}

/// An address, or a name that stands for it, is in no public network, and only those are allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is in no public network")]
pub struct ForbiddenAddress(pub IpAddr);

impl NetworkPolicy {
    /// Whether only public addresses are connected to.
    #[must_use]
    pub const fn is_public_only(self) -> bool {
        matches!(self, Self::PublicOnly)
    }

    /// # Errors
    /// When the address must not be connected to.
    pub(crate) const fn check(self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        if self.is_public_only() && !is_public(address) {
            Err(ForbiddenAddress(address))
        } else {
            Ok(())
        }
    }

    /// The policy for wherever an orchestrator leads that was met at this address.
    pub(crate) const fn beyond(self, met: IpAddr) -> Self {
        match self {
            Self::AsConfigured if is_public(met) => Self::PublicOnly,
            Self::AsConfigured | Self::Anywhere => Self::Anywhere,
            Self::PublicOnly => Self::PublicOnly,
        }
    }
}

/// Whether an address is one of the public internet's hosts.
const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// All but the special-purpose blocks of IANA's registry.
const fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        // This network, private, loopback, shared with the carrier (CGNAT), link-local.
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            // Protocol assignments, documentation, retired 6to4 relays, benchmarks.
            | [192, 0, 0 | 2, _]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            // Multicast, reserved, broadcast.
            | [224..=255, ..]
    )
}

/// Global unicast without its special-purpose blocks, and IPv4 behind a NAT64. IPv4-mapped addresses
/// are refused: no resolver gives one for a public host.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = address.octets();
            is_public_v4(Ipv4Addr::new(a, b, c, d))
        }
        // Protocol assignments with Teredo, documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first >> 13 == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn special_purpose_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "4000::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let refused = NetworkPolicy::PublicOnly.check(ip(text));
            assert_eq!(refused, Err(ForbiddenAddress(ip(text))), "{text}");
            assert_eq!(NetworkPolicy::AsConfigured.check(ip(text)), Ok(()), "{text}");
            assert_eq!(NetworkPolicy::Anywhere.check(ip(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn hosts_of_the_internet_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a01:4f8::1",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(NetworkPolicy::PublicOnly.check(ip(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_configured_orchestrator_on_the_internet_leads_to_the_internet_only() {
        let beyond = |policy: NetworkPolicy, met| policy.beyond(ip(met));
        let (public, private) = ("1.1.1.1", "10.0.0.1");
        let [only, configured, anywhere] =
            [NetworkPolicy::PublicOnly, NetworkPolicy::AsConfigured, NetworkPolicy::Anywhere];
        assert_eq!(beyond(configured, public), only);
        assert_eq!(beyond(configured, private), anywhere);
        assert_eq!(beyond(anywhere, public), anywhere);
        assert_eq!(beyond(only, private), only);
    }
}
