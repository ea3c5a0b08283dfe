//! Sockets, queues and deadlines around the cores.

mod inbox;
mod media_engine;
mod peer;
mod peers;
mod runtime;
mod tcp;

pub use peer::{Peer, PeerError, PeerEvent};
pub use peers::{Peers, PeersConfig, PeersMeter, PeersStats};

/// This moment, on tokio's clock, which tests can pause. Cores are handed it.
pub(crate) fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
