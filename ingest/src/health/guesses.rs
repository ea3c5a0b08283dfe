//! How often an address may come with a key that is none.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Wrong keys of one address in a [`WINDOW`].
const GUESSES_MAX: u32 = 20;
/// What they are counted over.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses counted at the same time: more make all begin anew, which costs an attacker as many addresses.
const ADDRESSES_MAX: usize = 4_096;

/// Wrong keys by address.
#[derive(Debug, Default)]
pub struct Guesses {
    wrong: HashMap<IpAddr, (Instant, u32)>,
}

impl Guesses {
    /// Whether an address may try a key; if not, when it may again.
    ///
    /// # Errors
    /// The time to wait.
    pub fn may_try(&self, now: Instant, address: IpAddr) -> Result<(), Duration> {
        let Some((began, count)) = self.wrong.get(&network(address)) else { return Ok(()) };
        let left = WINDOW.saturating_sub(now.saturating_duration_since(*began));
        if *count < GUESSES_MAX || left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Counts a wrong key.
    pub fn wrong(&mut self, now: Instant, address: IpAddr) {
        if self.wrong.len() >= ADDRESSES_MAX {
            self.wrong.retain(|_, (began, _)| now.saturating_duration_since(*began) < WINDOW);
            if self.wrong.len() >= ADDRESSES_MAX {
                self.wrong.clear();
            }
        }
        let entry = self.wrong.entry(network(address)).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

/// Whoever has one address of IPv6 has all of its /64.
const fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let network = (v6.to_bits() >> 64) << 64;
            IpAddr::V6(std::net::Ipv6Addr::from_bits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_waits_and_others_do_not() {
        let start = crate::shell::now();
        let (one, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut guesses = Guesses::default();
        for _ in 0..GUESSES_MAX {
            assert_eq!(guesses.may_try(start, one), Ok(()));
            guesses.wrong(start, one);
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(guesses.may_try(later, one), Err(Duration::from_secs(40)));
        assert_eq!(guesses.may_try(later, other), Ok(()));
        let past = start + WINDOW;
        assert_eq!(guesses.may_try(past, one), Ok(()));
        guesses.wrong(past, one);
        assert_eq!(guesses.may_try(past, one), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_count_together_and_memory_is_bounded() {
        let now = crate::shell::now();
        let mut guesses = Guesses::default();
        for last in 0..GUESSES_MAX {
            let address = std::net::Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | u128::from(last));
            guesses.wrong(now, address.into());
        }
        let next = std::net::Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | 0xFFFF);
        assert!(guesses.may_try(now, next.into()).is_err());
        for number in 0..10_000_u32 {
            guesses.wrong(now, std::net::Ipv4Addr::from_bits(number).into());
        }
        assert!(guesses.wrong.len() <= ADDRESSES_MAX);
    }
}
