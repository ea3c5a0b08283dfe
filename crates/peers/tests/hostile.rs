//! What strangers send to the shared ports concerns nobody.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use std::{net::SocketAddr, time::Duration};

use peers::{Answer, Offer, Peer, PeerError, PeerEvent, Peers, PeersConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const OFFER: &str = include_str!("../../../fixtures/chromium-156/offer.sdp");
const LIMIT: Duration = Duration::from_secs(10);

struct Rig {
    peers: Peers,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Rig {
    fn new(peers_max: usize) -> Self {
        let config = PeersConfig {
            addr: ([127, 0, 0, 1], 0).into(),
            tcp: true,
            public: Vec::new(),
            peers_max,
        };
        let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
        let peers = Peers::bind(&config, tasks.clone(), &closed).unwrap();
        Self { peers, tasks, closed }
    }

    fn addr(&self) -> SocketAddr {
        self.peers.local_addr()
    }

    async fn answer(&self) -> Result<(Peer, Answer), PeerError> {
        self.peers.answer(Offer::parse(OFFER).unwrap()).await
    }

    async fn end(self) {
        self.closed.cancel();
        self.tasks.close();
        timeout(LIMIT, self.tasks.wait()).await.expect("every task of a dropped peer ends");
    }
}

/// A binding request for `ufrag`, without the integrity that only its peer's client can make.
fn request(ufrag: &str) -> Vec<u8> {
    let username = format!("{ufrag}:abcd");
    let mut body = vec![0, 6];
    body.extend(u16::try_from(username.len()).unwrap().to_be_bytes());
    body.extend(username.as_bytes());
    body.resize(body.len().next_multiple_of(4), 0);
    let mut datagram = vec![0, 1];
    datagram.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    datagram.extend([0x21, 0x12, 0xA4, 0x42]);
    datagram.extend([7; 12]);
    datagram.extend(body);
    datagram
}

fn ufrag(answer: &Answer) -> &str {
    answer.text().lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap()
}

/// The next event within this time, if there is one.
async fn within(peer: &mut Peer, time: Duration) -> Option<PeerEvent> {
    timeout(time, peer.next()).await.ok()
}

#[tokio::test]
async fn strangers_datagrams_are_counted_and_dropped() {
    let rig = Rig::new(8);
    let (mut peer, answer) = rig.answer().await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.connect(rig.addr()).await.unwrap();
    let wrong = request("nobody");
    let media = [0x80; 100];
    for datagram in [wrong.as_slice(), &media, &[], &[0; 20], &[22, 254, 253]] {
        for _ in 0..200 {
            stranger.send(datagram).await.unwrap();
            tokio::task::yield_now().await;
        }
    }
    // The right name is no secret; without its password it opens nothing, and gets no answer.
    stranger.send(&request(ufrag(&answer))).await.unwrap();
    stranger.send(&media).await.unwrap();
    assert!(within(&mut peer, Duration::from_millis(300)).await.is_none());
    let mut buffer = [0; 100];
    let answered = timeout(Duration::from_millis(100), stranger.recv(&mut buffer)).await;
    assert!(answered.is_err(), "{answered:?}");
    assert_eq!(rig.peers.stats().unknown, 1_000);
    peer.close().await;
    assert_eq!(rig.peers.stats().peers, 0);
    rig.end().await;
}

#[tokio::test]
async fn a_connection_that_names_no_peer_is_closed() {
    let rig = Rig::new(8);
    let (peer, _answer) = rig.answer().await.unwrap();
    for first in [request("nobody"), vec![0; 40]] {
        let mut stream = TcpStream::connect(rig.addr()).await.unwrap();
        stream.write_u16(u16::try_from(first.len()).unwrap()).await.unwrap();
        stream.write_all(&first).await.unwrap();
        let read = timeout(LIMIT, stream.read(&mut [0; 10])).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    }
    let mut stream = TcpStream::connect(rig.addr()).await.unwrap();
    stream.write_u16(60_000).await.unwrap();
    let read = timeout(LIMIT, stream.read(&mut [0; 10])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    // Each is counted once it is closed.
    let counted = async {
        while rig.peers.stats().connections_closed < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, counted).await.unwrap();
    drop(peer);
    rig.end().await;
}

#[tokio::test]
async fn peers_are_bounded_and_a_dropped_one_makes_room() {
    let rig = Rig::new(2);
    let first = rig.answer().await.unwrap();
    let second = rig.answer().await.unwrap();
    assert_ne!(ufrag(&first.1), ufrag(&second.1));
    let meter = rig.peers.meter();
    assert!(matches!(rig.answer().await, Err(PeerError::Full)));
    assert_eq!((meter.stats().peers, meter.stats().refused), (2, 1));
    drop(first);
    assert!(rig.answer().await.is_ok());
    drop(second);
    rig.end().await;
}
