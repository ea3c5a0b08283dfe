//! How often an address may come with a key that is none.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Different wrong keys of one address in a [`WINDOW`]. The same one is no second guess: pages ask again
/// while their stream is off air.
const GUESSES_MAX: usize = 20;
/// What they are counted over.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses counted at the same time: more make all begin anew, which costs an attacker as many addresses.
const ADDRESSES_MAX: usize = 4_096;

/// Wrong keys by address.
#[derive(Debug, Default)]
pub struct Guesses {
    wrong: HashMap<IpAddr, Wrong>,
    hasher: RandomState,
}

/// What one address has tried.
#[derive(Debug)]
struct Wrong {
    began: Instant,
    /// Hashes of the keys, at most [`GUESSES_MAX`].
    keys: Vec<u64>,
}

impl Guesses {
    /// Whether an address may try a key; if not, when it may again.
    ///
    /// # Errors
    /// The time to wait.
    pub fn may_try(&self, now: Instant, address: IpAddr) -> Result<(), Duration> {
        let Some(wrong) = self.wrong.get(&network(address)) else { return Ok(()) };
        let left = WINDOW.saturating_sub(now.saturating_duration_since(wrong.began));
        if wrong.keys.len() < GUESSES_MAX || left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Counts a wrong key.
    pub fn wrong(&mut self, now: Instant, address: IpAddr, key: &str) {
        let is_over = |wrong: &Wrong| now.saturating_duration_since(wrong.began) >= WINDOW;
        if self.wrong.len() >= ADDRESSES_MAX {
            self.wrong.retain(|_, wrong| !is_over(wrong));
            if self.wrong.len() >= ADDRESSES_MAX {
                self.wrong.clear();
            }
        }
        let anew = || Wrong { began: now, keys: Vec::new() };
        let key = self.hasher.hash_one(key);
        let wrong = self.wrong.entry(network(address)).or_insert_with(anew);
        if is_over(wrong) {
            *wrong = anew();
        }
        if wrong.keys.len() < GUESSES_MAX && !wrong.keys.contains(&key) {
            wrong.keys.push(key);
        }
    }
}

/// Whoever has one address of IPv6 has all of its /64; those of IPv4 come mapped on sockets of both.
const fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
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
        for key in 0..GUESSES_MAX {
            assert_eq!(guesses.may_try(start, one), Ok(()));
            guesses.wrong(start, one, &key.to_string());
        }
        let later = start + Duration::from_secs(20);
        assert_eq!(guesses.may_try(later, one), Err(Duration::from_secs(40)));
        assert_eq!(guesses.may_try(later, other), Ok(()));
        let past = start + WINDOW;
        assert_eq!(guesses.may_try(past, one), Ok(()));
        guesses.wrong(past, one, "key");
        assert_eq!(guesses.may_try(past, one), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_count_together_and_memory_is_bounded() {
        let now = crate::shell::now();
        let mut guesses = Guesses::default();
        for last in 0..GUESSES_MAX {
            let address = 0x2001_0db8_u128 << 96 | u128::try_from(last).unwrap();
            let address = std::net::Ipv6Addr::from_bits(address);
            guesses.wrong(now, address.into(), &last.to_string());
        }
        let next = std::net::Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | 0xFFFF);
        assert!(guesses.may_try(now, next.into()).is_err());
        for number in 0..10_000_u32 {
            guesses.wrong(now, std::net::Ipv4Addr::from_bits(number).into(), "key");
        }
        assert!(guesses.wrong.len() <= ADDRESSES_MAX);
    }

    #[test]
    fn a_page_that_asks_again_with_its_key_makes_one_guess() {
        let now = crate::shell::now();
        let mut guesses = Guesses::default();
        let mapped = |last| IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped());
        for _ in 0..10 * GUESSES_MAX {
            guesses.wrong(now, mapped(1), "off air");
        }
        assert_eq!(guesses.may_try(now, mapped(1)), Ok(()));
        for key in 0..GUESSES_MAX {
            guesses.wrong(now, mapped(1), &key.to_string());
        }
        assert!(guesses.may_try(now, mapped(1)).is_err());
        assert_eq!(
            guesses.may_try(now, mapped(2)),
            Ok(()),
            "mapped addresses are addresses of IPv4"
        );
    }
}
