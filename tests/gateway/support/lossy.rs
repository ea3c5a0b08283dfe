//! A UDP relay that loses datagrams: the same ones for the same seed and traffic.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

/// A relay in front of a server; its tasks end when it is dropped.
#[derive(Debug)]
pub(crate) struct LossyRelay {
    pub(crate) addr: SocketAddr,
    road: Arc<Road>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Road {
    permille: u64,
    delay: Duration,
    random: Mutex<u64>,
    blocked: AtomicBool,
    /// How often the clients moved.
    moves: AtomicU64,
    carried: AtomicU64,
    lost: AtomicU64,
}

impl LossyRelay {
    /// Carries datagrams to `server` and back, `delay` later, but for so many of a thousand.
    pub(crate) async fn start(
        server: SocketAddr,
        permille: u64,
        delay: Duration,
        seed: u64,
    ) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let addr = front.local_addr().unwrap();
        let road = Arc::new(Road {
            permille,
            delay,
            random: Mutex::new(seed | 1),
            blocked: AtomicBool::new(false),
            moves: AtomicU64::new(0),
            carried: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(relay(front, server, Arc::clone(&road)));
        Self { addr, road, _tasks: tasks }
    }

    /// Loses everything for a while.
    pub(crate) async fn block_for(&self, time: Duration) {
        self.road.blocked.store(true, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        self.road.blocked.store(false, Ordering::Relaxed);
    }

    /// From now on the clients have other addresses, as the server sees them, and what is sent to those
    /// they had is lost.
    fn move_clients(&self) {
        self.road.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// How often they have moved.
    pub(crate) fn moves(&self) -> u64 {
        self.road.moves.load(Ordering::Relaxed)
    }

    /// A URL that moves them when it is asked for, as long as `tasks` run.
    pub(crate) async fn moves_when_asked(self: &Arc<Self>, tasks: &mut JoinSet<()>) -> String {
        let relay = Arc::clone(self);
        let moved = move || {
            relay.move_clients();
            std::future::ready("")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/moved", listener.local_addr().unwrap());
        let service = Router::new().route("/moved", get(moved));
        tasks.spawn(async move { axum::serve(listener, service).await.unwrap() });
        url
    }

    /// How many datagrams it carried, and lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.road.carried.load(Ordering::Relaxed), self.road.lost.load(Ordering::Relaxed))
    }
}

impl Road {
    /// Whether the next datagram arrives.
    fn carries(&self) -> bool {
        // Xorshift: enough for dice, and the same everywhere.
        let mut random = self.random.lock().unwrap();
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let carries = !self.blocked.load(Ordering::Relaxed) && *random % 1_000 >= self.permille;
        let count = if carries { &self.carried } else { &self.lost };
        count.fetch_add(1, Ordering::Relaxed);
        carries
    }
}

async fn relay(front: Arc<UdpSocket>, server: SocketAddr, road: Arc<Road>) {
    let mut tasks = JoinSet::new();
    let mut readers = JoinSet::new();
    let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; 2_048];
    let mut moves = 0;
    loop {
        let Ok((length, client)) = front.recv_from(&mut buffer).await else { continue };
        if std::mem::replace(&mut moves, road.moves.load(Ordering::Relaxed)) != moves {
            readers.abort_all();
            backs.clear();
        }
        let back = match backs.get(&client) {
            Some(back) => Arc::clone(back),
            None => {
                let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                back.connect(server).await.unwrap();
                readers.spawn(carry_back(
                    Arc::clone(&back),
                    Arc::clone(&front),
                    client,
                    Arc::clone(&road),
                ));
                backs.insert(client, Arc::clone(&back));
                back
            }
        };
        if road.carries() {
            let (datagram, delay) = (buffer[..length].to_vec(), road.delay);
            tasks.spawn(async move {
                tokio::time::sleep(delay).await;
                drop(back.send(&datagram).await);
            });
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn carry_back(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    road: Arc<Road>,
) {
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; 2_048];
    loop {
        let Ok(length) = back.recv(&mut buffer).await else { continue };
        if road.carries() {
            let (datagram, front, delay) =
                (buffer[..length].to_vec(), Arc::clone(&front), road.delay);
            tasks.spawn(async move {
                tokio::time::sleep(delay).await;
                drop(front.send_to(&datagram, client).await);
            });
        }
        while tasks.try_join_next().is_some() {}
    }
}
