//! The library's runtime of one peer: the shared ports in place of sockets of its own.

use std::{
    io::{self, IoSliceMut},
    net::{SocketAddr, TcpListener, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    Transmit,
};

use super::{inbox::Inbox, peers::Shared};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the library gets for one peer. It binds a loopback port, and has it wrapped: the port is let go and
/// its address kept, as the peer's private name for the shared port.
#[derive(Debug)]
pub(super) struct PeerRuntime {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) tasks: TaskTracker,
    /// Cancelled when the peer has gone.
    pub(super) gone: CancellationToken,
}

impl Runtime for PeerRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        // The library's own tasks outlive a connection that is dropped.
        let gone = self.gone.clone();
        Box::new(Task(self.tasks.spawn(async move {
            tokio::select! {
                () = gone.cancelled() => {}
                () = future => {}
            }
        })))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let (shared, inbox) = (Arc::clone(&self.shared), Arc::clone(&self.inbox));
        Ok(Arc::new(SharedSocket { shared, inbox, local: socket.local_addr()? }))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        let inbox = Arc::clone(&self.inbox);
        Ok(Arc::new(SharedListener { inbox, local: listener.local_addr()? }))
    }

    /// Never: clients come to the gateway.
    fn connect_tcp(
        &self,
        _remote: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async { Err(io::ErrorKind::PermissionDenied.into()) })
    }

    /// Never: names in offers are the client's choice.
    fn resolve_host<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::ErrorKind::PermissionDenied.into()) })
    }

    fn now(&self) -> Instant {
        super::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        Box::new(Ticks(tokio::time::interval(period)))
    }

    /// Not called by a connection; it would block a worker.
    fn block_on(&self, _future: Pin<Box<dyn Future<Output = ()> + '_>>) {}

    fn name(&self) -> &'static str {
        "headgate"
    }
}

struct Task(tokio::task::JoinHandle<()>);

impl JoinHandle for Task {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

struct Ticks(tokio::time::Interval);

impl AsyncInterval for Ticks {
    fn tick(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.tick().await;
        })
    }
}

#[derive(Debug)]
struct SharedSocket {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    local: SocketAddr,
}

impl AsyncUdpSocket for SharedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// A full socket drops the datagram: what is sent is feedback, of which there will be more, and
    /// handshakes, which are repeated.
    fn poll_send(
        &self,
        _context: &mut Context<'_>,
        transmit: &Transmit<'_>,
    ) -> Poll<io::Result<usize>> {
        self.shared.send(transmit.contents, transmit.destination);
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), metas.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        let (datagram, source) = ready!(self.inbox.poll(context));
        let length = datagram.len().min(buffer.len());
        let parts = buffer.get_mut(..length).zip(datagram.get(..length));
        if let Some((place, bytes)) = parts {
            place.copy_from_slice(bytes);
        }
        *meta = RecvMeta::default();
        meta.addr = source;
        meta.len = length;
        meta.stride = length.max(1);
        Poll::Ready(Ok(1))
    }
}

#[derive(Debug)]
struct SharedListener {
    inbox: Arc<Inbox>,
    local: SocketAddr,
}

impl AsyncTcpListener for SharedListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Arc<dyn AsyncTcpStream>, SocketAddr)>> {
        Box::pin(async {
            let stream = self.inbox.next_stream().await;
            let peer = stream.peer;
            Ok((stream as Arc<dyn AsyncTcpStream>, peer))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}
