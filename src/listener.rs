//! Accept loops: they own the sockets and the limits on who may connect.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::{config::ListenerConfig, tls::Handshakes};

/// Connections the kernel may hold for us before we accept them.
const BACKLOG: i32 = 1_024;
/// How long accepting pauses when the process has no descriptor left.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);
/// A peer that acknowledges nothing for this long is gone; it also ends viewers that stop reading.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(30);

/// A bound socket with its limits.
#[derive(Debug)]
pub(crate) struct Listener {
    name: &'static str,
    listener: TcpListener,
    slots: Arc<Slots>,
    tls: Option<Handshakes>,
}

impl Listener {
    /// Binds the address; it accepts from then on.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub(crate) fn bind(name: &'static str, config: &ListenerConfig) -> io::Result<Self> {
        let socket =
            Socket::new(Domain::for_address(config.addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&config.addr.into())?;
        socket.listen(BACKLOG)?;
        let slots = Arc::new(Slots {
            total: config.connections,
            per_ip: config.connections_per_ip,
            taken: Mutex::default(),
        });
        Ok(Self { name, listener: TcpListener::from_std(socket.into())?, slots, tls: None })
    }

    /// What is accepted has to be inside TLS.
    pub(crate) fn with_tls(self, tls: Handshakes) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Hands every accepted connection to `serve`, until `closed`. Connections over a limit are
    /// closed at once; the number of those is logged when it grows tenfold.
    pub(crate) async fn run(self, closed: CancellationToken, mut serve: impl FnMut(Accepted)) {
        let mut refused: u64 = 0;
        loop {
            let accepted = tokio::select! {
                () = closed.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.pause_after(&error).await;
                    continue;
                }
            };
            let Some(slot) = Slots::take(&self.slots, peer.ip()) else {
                refused += 1;
                if refused.ilog10() > (refused - 1).checked_ilog10().unwrap_or(0) || refused == 1 {
                    tracing::warn!(listener = self.name, %peer, refused, "too many connections, closed one");
                }
                continue;
            };
            tune(&stream);
            serve(Accepted { stream, peer, slot, tls: self.tls.clone() });
        }
    }

    /// Errors of one connection don't concern the listener; a lack of descriptors passes.
    async fn pause_after(&self, error: &io::Error) {
        let of_connection = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        );
        if !of_connection {
            tracing::warn!(listener = self.name, %error, "can't accept, pausing");
            tokio::time::sleep(NO_DESCRIPTOR_PAUSE).await;
        }
    }
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket.
    pub stream: TcpStream,
    /// Who connected.
    pub peer: SocketAddr,
    /// Keep it as long as the connection lives.
    pub slot: Slot,
    /// What has to come first.
    pub tls: Option<Handshakes>,
}

fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "can't tune a socket");
    }
}

#[derive(Debug)]
struct Slots {
    total: usize,
    per_ip: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
}

impl Slots {
    fn take(slots: &Arc<Self>, ip: IpAddr) -> Option<Slot> {
        let mut taken = slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_ip = taken.per_ip.get(&ip).copied().unwrap_or(0);
        if taken.total >= slots.total || of_ip >= slots.per_ip {
            return None;
        }
        taken.total += 1;
        taken.per_ip.insert(ip, of_ip + 1);
        Some(Slot { slots: Arc::clone(slots), ip })
    }
}

/// One connection's place among those allowed; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    ip: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(of_ip) = taken.per_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                taken.per_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_bounded_in_all_and_per_address_and_come_back() {
        let slots = Arc::new(Slots { total: 3, per_ip: 2, taken: Mutex::default() });
        let (a, b): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = Slots::take(&slots, a).unwrap();
        let _second = Slots::take(&slots, a).unwrap();
        assert!(Slots::take(&slots, a).is_none());
        let _third = Slots::take(&slots, b).unwrap();
        assert!(Slots::take(&slots, b).is_none());
        drop(first);
        assert!(Slots::take(&slots, b).is_some());
        assert_eq!(slots.taken.lock().unwrap().per_ip.len(), 2);
    }
}
