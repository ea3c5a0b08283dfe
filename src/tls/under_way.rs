//! Which handshakes are under way, and which one makes room for another.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

use tokio_util::sync::CancellationToken;

/// Handshakes under way. When there is no room for another, the oldest is ended in its favour: an honest
/// handshake is over within a few round trips, while a stranger's half-open one would block its place until
/// the deadline.
#[derive(Debug)]
pub(super) struct UnderWay {
    total: usize,
    per_ip: usize,
    next: u64,
    all: BTreeMap<u64, Entry>,
    of_ip: HashMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Entry {
    ip: IpAddr,
    displaced: CancellationToken,
}

impl UnderWay {
    /// Room for `total`, and for `per_ip` of one address; at least one each.
    pub(super) fn new(total: usize, per_ip: usize) -> Self {
        let (all, of_ip) = (BTreeMap::new(), HashMap::new());
        Self { total: total.max(1), per_ip: per_ip.max(1), next: 0, all, of_ip }
    }

    /// Begins a handshake: its number, and what tells it that it has to make room.
    pub(super) fn enter(&mut self, ip: IpAddr) -> (u64, CancellationToken) {
        let of_ip = self.of_ip.get(&ip).filter(|numbers| numbers.len() >= self.per_ip);
        let oldest = of_ip.and_then(BTreeSet::first).or_else(|| {
            let full = self.all.len() >= self.total;
            self.all.keys().next().filter(|_| full)
        });
        if let Some(displaced) = oldest.copied().and_then(|oldest| self.leave(oldest)) {
            displaced.cancel();
        }
        let number = self.next;
        self.next += 1;
        let displaced = CancellationToken::new();
        self.all.insert(number, Entry { ip, displaced: displaced.clone() });
        self.of_ip.entry(ip).or_default().insert(number);
        (number, displaced)
    }

    /// The handshake is over. One that made room has left already.
    pub(super) fn leave(&mut self, number: u64) -> Option<CancellationToken> {
        let Entry { ip, displaced } = self.all.remove(&number)?;
        if let Some(numbers) = self.of_ip.get_mut(&ip) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.of_ip.remove(&ip);
            }
        }
        Some(displaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn an_addresss_own_oldest_makes_room_for_its_next() {
        let mut under_way = UnderWay::new(4, 2);
        let (_, stranger) = under_way.enter(B);
        let (first, first_out) = under_way.enter(A);
        let (_, second_out) = under_way.enter(A);
        let (third, third_out) = under_way.enter(A);
        assert!(first_out.is_cancelled() && !second_out.is_cancelled());
        assert!(!third_out.is_cancelled() && !stranger.is_cancelled());
        assert!(under_way.leave(first).is_none(), "it has left already");
        assert!(under_way.leave(third).is_some());
        under_way.enter(A);
        assert!(!second_out.is_cancelled(), "there was room again");
    }

    #[test]
    fn the_oldest_of_all_makes_room_when_many_come() {
        let mut under_way = UnderWay::new(2, 2);
        let (_, oldest) = under_way.enter(A);
        let (_, newer) = under_way.enter(B);
        let (_, newest) = under_way.enter(B);
        assert!(oldest.is_cancelled() && !newer.is_cancelled() && !newest.is_cancelled());
        assert!(!under_way.of_ip.contains_key(&A), "nothing is kept of those that left");
    }
}
