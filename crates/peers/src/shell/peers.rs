//! The shared ports.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use rtc::shared::ifaces::ifaces;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    inbox::Inbox,
    peer::{Peer, PeerError},
    tcp,
};
use crate::{
    routes::{PeerId, Routes},
    sdp::{Answer, HostCandidates, Offer},
};

/// Largest datagram that is read; longer ones are cut, and then fail their integrity check.
const DATAGRAM_MAX: usize = 2_048;
/// What the kernel may hold for us: 60 ms of a hundred publishers at 5 Mbit/s.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How many ports are tried where any will do.
const ANY_PORT_TRIES: usize = 16;
/// Most addresses that are told to clients.
const PUBLIC_MAX: usize = 8;

/// Where peers are taken.
#[derive(Clone, Debug)]
pub struct PeersConfig {
    /// Address of the shared UDP port, and of the TCP port of the same number.
    pub addr: SocketAddr,
    /// Whether peers may come over TCP, where a network lets no UDP through.
    pub tcp: bool,
    /// Addresses that clients are told to come to, in place of the bound one: behind a NAT that maps
    /// them one to one, the public ones. Where there are none, and every address is bound, they are told
    /// those of this machine.
    pub public: Vec<IpAddr>,
    /// Peers at the same time.
    pub peers_max: usize,
}

/// What happened on the shared ports. Counters never go down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeersStats {
    /// Datagrams of nobody's.
    pub unknown: u64,
    /// Datagrams that their peer did not take in time.
    pub dropped: u64,
    /// TCP connections that were closed: they named no peer in time, or were more than there may be.
    pub connections_closed: u64,
    /// Offers that were not answered because there were as many peers as may be.
    pub refused: u64,
    /// Peers there are.
    pub peers: usize,
}

/// All WebRTC peers of the gateway, on one UDP port and one TCP port. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Peers {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
pub(super) struct Shared {
    socket: UdpSocket,
    routes: Mutex<Routes<Arc<Inbox>>>,
    pub(super) candidates: HostCandidates,
    pub(super) addr: SocketAddr,
    peers_max: usize,
    numbers: AtomicU64,
    unknown: AtomicU64,
    dropped: AtomicU64,
    connections_closed: AtomicU64,
    refused: AtomicU64,
}

/// Counts of a [`Peers`], for who watches it without keeping its port open.
#[derive(Clone, Debug)]
pub struct PeersMeter(Weak<Shared>);

impl PeersMeter {
    /// Counts so far; all zero once the port is closed.
    #[must_use]
    pub fn stats(&self) -> PeersStats {
        self.0.upgrade().map(|shared| shared.stats()).unwrap_or_default()
    }
}

impl Peers {
    /// Binds the ports; they are served until `closed`. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When an address is taken or not ours.
    pub fn bind(
        config: &PeersConfig,
        tasks: TaskTracker,
        closed: &CancellationToken,
    ) -> io::Result<Self> {
        let (socket, listener) = bind_both(config)?;
        let addr = socket.local_addr()?;
        let candidates = candidates(config, addr);
        let shared = Arc::new(Shared {
            socket,
            routes: Mutex::default(),
            candidates,
            addr,
            peers_max: config.peers_max,
            numbers: AtomicU64::new(1),
            unknown: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            connections_closed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        tasks.spawn(receive(Arc::clone(&shared), closed.clone()));
        if let Some(listener) = listener {
            let (shared, tasks_of) = (Arc::clone(&shared), tasks.clone());
            tasks.spawn(tcp::accept(listener, shared, tasks_of, closed.clone()));
        }
        Ok(Self { shared, tasks })
    }

    /// Where the shared ports are bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> PeersStats {
        self.shared.stats()
    }

    /// Counts from now on, without keeping the ports open.
    #[must_use]
    pub fn meter(&self) -> PeersMeter {
        PeersMeter(Arc::downgrade(&self.shared))
    }

    /// Makes a peer of an offer, and the answer that its client needs to reach it.
    ///
    /// # Errors
    /// `Full` when there are as many peers as may be, `NoCommonFormat` when the offer can't be answered
    /// after all, `Library` when the library fails.
    pub async fn answer(&self, offer: Offer) -> Result<(Peer, Answer), PeerError> {
        let place = Place::take(&self.shared).ok_or(PeerError::Full)?;
        Peer::answer(place, self.tasks.clone(), offer).await
    }
}

impl Shared {
    fn stats(&self) -> PeersStats {
        let routes = self.routes();
        let waiting: u64 = routes.all().map(|inbox| inbox.dropped()).sum();
        PeersStats {
            unknown: self.unknown.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed) + waiting,
            connections_closed: self.connections_closed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            peers: routes.len(),
        }
    }

    pub(super) fn closed_connection(&self) {
        self.connections_closed.fetch_add(1, Ordering::Relaxed);
    }

    fn routes(&self) -> MutexGuard<'_, Routes<Arc<Inbox>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn inbox_of(&self, ufrag: &str) -> Option<Arc<Inbox>> {
        self.routes().by_ufrag(ufrag).map(Arc::clone)
    }

    pub(super) fn send(&self, datagram: &[u8], to: SocketAddr) {
        if let Err(error) = self.socket.try_send_to(datagram, to) {
            debug!(%to, %error, "a datagram did not leave");
        }
    }
}

/// A peer's place among the routes; dropping it frees them.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Arc<Inbox>,
    /// Cancelled with the place.
    pub(super) gone: CancellationToken,
    id: PeerId,
}

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let mut routes = shared.routes();
        if routes.len() >= shared.peers_max {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let id = PeerId(shared.numbers.fetch_add(1, Ordering::Relaxed));
        let inbox = Arc::new(Inbox::default());
        routes.insert(id, Arc::clone(&inbox));
        drop(routes);
        let gone = CancellationToken::new();
        Some(Self { shared: Arc::clone(shared), inbox, gone, id })
    }

    /// Binding requests for `ufrag` are this peer's from now on.
    pub(super) fn name(&self, ufrag: &str) -> bool {
        self.shared.routes().name(self.id, ufrag)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gone.cancel();
        self.inbox.close();
        let dropped = self.inbox.dropped();
        let mut routes = self.shared.routes();
        routes.remove(self.id);
        // Still under the lock, so that who counts finds them in one place.
        self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        drop(routes);
        if dropped > 0 {
            debug!(dropped, "a peer did not take all of its datagrams in time");
        }
    }
}

async fn receive(shared: Arc<Shared>, closed: CancellationToken) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let received = tokio::select! {
            () = closed.cancelled() => return,
            received = shared.socket.recv_from(&mut buffer) => received,
        };
        // An error is an ICMP answer to something that was sent, to whoever.
        let Ok((length, source)) = received else { continue };
        let datagram = buffer.get(..length).unwrap_or_default();
        let inbox = shared.routes().route(datagram, source).map(Arc::clone);
        match inbox {
            Some(inbox) => {
                inbox.push(datagram, source);
            }
            None => {
                shared.unknown.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Both ports have one number. Where any will do, one is looked for that is free for both.
fn bind_both(config: &PeersConfig) -> io::Result<(UdpSocket, Option<TcpListener>)> {
    let mut tries = if config.addr.port() == 0 { ANY_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let socket = bind_udp(config.addr)?;
        if !config.tcp {
            return Ok((socket, None));
        }
        match bind_tcp(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, Some(listener))),
            Err(error) if tries == 0 => return Err(error),
            Err(_taken) => {}
        }
    }
}

fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    both_families(&socket, addr)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    let socket = UdpSocket::from_std(socket.into())?;
    enlarge_buffer(&SockRef::from(&socket));
    Ok(socket)
}

/// The kernel may give less; then bursts of many publishers are cut.
fn enlarge_buffer(socket: &SockRef<'_>) {
    let set = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    match set.and_then(|()| socket.recv_buffer_size()) {
        Ok(told) => {
            if let Some(given) = smaller_buffer(told) {
                warn!(
                    wanted = RECEIVE_BUFFER,
                    given,
                    "the receive buffer of the WebRTC port is smaller than wanted: raise net.core.rmem_max"
                );
            }
        }
        Err(error) => warn!(%error, "can't enlarge the receive buffer of the WebRTC port"),
    }
}

/// What the kernel gave, in bytes, where that is less than was asked for, by what it tells. Linux says
/// nothing when it gives less, and tells twice what it gives: the other half is for its own books.
const fn smaller_buffer(told: usize) -> Option<usize> {
    let given = if cfg!(target_os = "linux") { told / 2 } else { told };
    if given < RECEIVE_BUFFER { Some(given) } else { None }
}

fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    both_families(&socket, addr)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(256)?;
    TcpListener::from_std(socket.into())
}

/// `[::]` takes IPv4 as well, whatever the system's default is.
fn both_families(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    if addr.is_ipv6() && addr.ip().is_unspecified() { socket.set_only_v6(false) } else { Ok(()) }
}

fn candidates(config: &PeersConfig, addr: SocketAddr) -> HostCandidates {
    let mut addresses = config.public.clone();
    if addresses.is_empty() && !addr.ip().is_unspecified() {
        addresses.push(addr.ip());
    }
    if addresses.is_empty() {
        addresses = own_addresses(addr);
    }
    addresses.truncate(PUBLIC_MAX);
    let udp: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, addr.port())).collect();
    let tcp = if config.tcp { udp.clone() } else { Vec::new() };
    HostCandidates { udp, tcp }
}

/// This machine's addresses at which a port bound to all of `addr` is reached; loopback only where there is
/// no other.
fn own_addresses(addr: SocketAddr) -> Vec<IpAddr> {
    let interfaces = ifaces().unwrap_or_default();
    let addresses = interfaces.iter().filter_map(|it| it.addr).map(|addr| addr.ip());
    let reached = |ip: &IpAddr| ip.is_ipv4() || addr.is_ipv6();
    let addresses = addresses.filter(|ip| reached(ip) && !is_link_local(*ip));
    let (loopback, others): (Vec<_>, Vec<_>) = addresses.partition(IpAddr::is_loopback);
    if others.is_empty() { loopback } else { others }
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_that_is_given_up_takes_nothing_more() {
        let config = PeersConfig {
            addr: ([127, 0, 0, 1], 0).into(),
            tcp: false,
            public: Vec::new(),
            peers_max: 1,
        };
        let closed = CancellationToken::new();
        let peers = Peers::bind(&config, TaskTracker::new(), &closed).unwrap();
        let place = Place::take(&peers.shared).unwrap();
        let inbox = Arc::clone(&place.inbox);
        assert!(inbox.push(&[0], config.addr));
        drop(place);
        assert!(!inbox.push(&[0], config.addr));
        closed.cancel();
    }

    #[test]
    fn a_smaller_buffer_is_told_from_the_one_that_was_asked_for() {
        let told = |given: usize| if cfg!(target_os = "linux") { 2 * given } else { given };
        assert_eq!(smaller_buffer(told(RECEIVE_BUFFER)), None);
        assert_eq!(smaller_buffer(told(212_992)), Some(212_992));
    }
}
