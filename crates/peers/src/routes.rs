//! Whose a datagram is. No I/O.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
};

use crate::stun;

/// Most addresses that one peer is remembered by. A client checks from each of its own, and from new ones
/// after an ICE restart; the oldest is forgotten.
const ADDRESSES_MAX: usize = 16;
/// Most user name fragments that one peer answers to: those of its last ICE restarts.
const UFRAGS_MAX: usize = 4;

/// A peer's number, unique within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId(pub(crate) u64);

/// The peers of a shared port, and by what their datagrams are known.
#[derive(Debug)]
pub(crate) struct Routes<T> {
    peers: HashMap<PeerId, Route<T>>,
    ufrags: HashMap<String, PeerId>,
    addresses: HashMap<SocketAddr, PeerId>,
}

#[derive(Debug)]
struct Route<T> {
    to: T,
    ufrags: VecDeque<String>,
    addresses: VecDeque<SocketAddr>,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { peers: HashMap::new(), ufrags: HashMap::new(), addresses: HashMap::new() }
    }
}

impl<T> Routes<T> {
    /// Peers there are.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// Where each of them is.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.peers.values().map(|route| &route.to)
    }

    pub(crate) fn insert(&mut self, id: PeerId, to: T) {
        self.remove(id);
        self.peers.insert(id, Route { to, ufrags: VecDeque::new(), addresses: VecDeque::new() });
    }

    /// From now on, binding requests for `ufrag` are this peer's. Those of before stay, a few of them: a
    /// restart can fail, and checks of the old session go on until the new one holds. False when it is
    /// another's, or there is no such peer.
    pub(crate) fn name(&mut self, id: PeerId, ufrag: &str) -> bool {
        let Some(route) = self.peers.get_mut(&id) else { return false };
        if let Some(owner) = self.ufrags.get(ufrag) {
            return *owner == id;
        }
        route.ufrags.push_back(ufrag.to_owned());
        self.ufrags.insert(ufrag.to_owned(), id);
        if route.ufrags.len() > UFRAGS_MAX
            && let Some(oldest) = route.ufrags.pop_front()
        {
            self.ufrags.remove(&oldest);
        }
        true
    }

    pub(crate) fn remove(&mut self, id: PeerId) {
        let Some(route) = self.peers.remove(&id) else { return };
        for ufrag in route.ufrags {
            self.ufrags.remove(&ufrag);
        }
        for address in route.addresses {
            self.addresses.remove(&address);
        }
    }

    /// The peer of a user name fragment.
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<&T> {
        let id = self.ufrags.get(ufrag)?;
        self.peers.get(id).map(|route| &route.to)
    }

    /// Whose `datagram` from `source` is. A binding request moves its source to the peer it names: the
    /// peer checks the request's integrity, and sends to no address that failed it.
    pub(crate) fn route(&mut self, datagram: &[u8], source: SocketAddr) -> Option<&T> {
        let id = match stun::local_ufrag(datagram) {
            Some(ufrag) => {
                let id = *self.ufrags.get(ufrag)?;
                self.remember(source, id);
                id
            }
            None => *self.addresses.get(&source)?,
        };
        self.peers.get(&id).map(|route| &route.to)
    }

    fn remember(&mut self, source: SocketAddr, id: PeerId) {
        let before = self.addresses.insert(source, id);
        if before == Some(id) {
            return;
        }
        if let Some(route) = before.and_then(|before| self.peers.get_mut(&before)) {
            route.addresses.retain(|address| *address != source);
        }
        let Some(route) = self.peers.get_mut(&id) else { return };
        route.addresses.push_back(source);
        if route.addresses.len() > ADDRESSES_MAX
            && let Some(oldest) = route.addresses.pop_front()
        {
            self.addresses.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::tests::request;

    const MEDIA: [u8; 12] = [0x80; 12];

    fn from(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn two() -> Routes<char> {
        let mut routes = Routes::default();
        for (id, ufrag, to) in [(1, "aaaa", 'a'), (2, "bbbb", 'b')] {
            routes.insert(PeerId(id), to);
            assert!(routes.name(PeerId(id), ufrag));
        }
        routes
    }

    #[test]
    fn media_follow_the_binding_request_of_their_address() {
        let mut routes = two();
        assert_eq!(routes.route(&MEDIA, from(1)), None);
        assert_eq!(routes.route(&request("bbbb:x"), from(1)), Some(&'b'));
        assert_eq!(routes.route(&MEDIA, from(1)), Some(&'b'));
        assert_eq!(routes.route(&request("cccc:x"), from(1)), None);
        // The address now belongs to another client: a port is used again.
        assert_eq!(routes.route(&request("aaaa:x"), from(1)), Some(&'a'));
        assert_eq!(routes.route(&MEDIA, from(1)), Some(&'a'));
        routes.remove(PeerId(2));
        assert_eq!(routes.route(&MEDIA, from(1)), Some(&'a'));
        routes.remove(PeerId(1));
        assert_eq!(routes.route(&MEDIA, from(1)), None);
        assert!(routes.addresses.is_empty() && routes.ufrags.is_empty());
    }

    #[test]
    fn a_restarted_peer_answers_to_both_names() {
        let mut routes = two();
        assert!(routes.name(PeerId(1), "a2a2"));
        assert!(!routes.name(PeerId(2), "a2a2"));
        assert_eq!(routes.route(&request("aaaa:x"), from(1)), Some(&'a'));
        assert_eq!(routes.route(&request("a2a2:x"), from(2)), Some(&'a'));
        for round in 0..20 {
            assert!(routes.name(PeerId(1), &format!("new{round}")));
        }
        assert_eq!(routes.ufrags.len(), UFRAGS_MAX + 1);
        assert_eq!(routes.route(&request("aaaa:x"), from(1)), None);
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_concerns_its_peer_only() {
        let mut routes = two();
        routes.route(&request("bbbb:x"), from(1));
        for port in 2..2_000 {
            routes.route(&request("aaaa:x"), from(port));
            routes.route(&request("zzzz:x"), from(port));
        }
        assert_eq!(routes.addresses.len(), ADDRESSES_MAX + 1);
        assert_eq!(routes.route(&MEDIA, from(1)), Some(&'b'));
        assert_eq!(routes.route(&MEDIA, from(1_999)), Some(&'a'));
    }
}
