//! ICE over TCP (RFC 6544): one listener for all peers.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, trace, warn};
use webrtc::runtime::AsyncTcpStream;

use super::{inbox::Inbox, peers::Shared};
use crate::stun;

/// Connections that may be on the way to their peer.
const ARRIVING_MAX: usize = 256;
/// How long a connection may take to say whose it is. Browsers open one to each candidate and say nothing
/// on it when another is better.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(5);
/// Longest first frame, which is a binding request.
const FIRST_FRAME_MAX: usize = 1_500;
/// How long a client may take to read what is sent to it: its driver waits meanwhile.
const WRITE_LIMIT: Duration = Duration::from_millis(500);
/// How long accepting pauses when the process has no descriptor left.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes connections until `closed`, and hands each to the peer that its first frame names.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    closed: CancellationToken,
) {
    let arriving = Arc::new(Semaphore::new(ARRIVING_MAX));
    loop {
        let accepted = tokio::select! {
            () = closed.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "can't accept a WebRTC connection, pausing");
                sleep(NO_DESCRIPTOR_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&arriving).try_acquire_owned() else {
            shared.closed_connection();
            continue;
        };
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _permit = permit;
            match timeout(FIRST_FRAME_LIMIT, arrive(stream, peer, &shared)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => debug!(%peer, %error, "closed a WebRTC connection"),
                Err(_late) => trace!(%peer, "closed a WebRTC connection that said nothing"),
            }
            shared.closed_connection();
        });
    }
}

async fn arrive(stream: TcpStream, peer: SocketAddr, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, writer) = stream.into_split();
    let length = reader.read_u16().await?;
    let mut first = length.to_be_bytes().to_vec();
    if usize::from(length) > FIRST_FRAME_MAX {
        return Err(io::Error::other("the first frame is too long"));
    }
    first.resize(2 + usize::from(length), 0);
    reader.read_exact(first.get_mut(2..).unwrap_or_default()).await?;
    let frame = first.get(2..).unwrap_or_default();
    let inbox = stun::local_ufrag(frame).and_then(|ufrag| shared.inbox_of(ufrag));
    let inbox = inbox.ok_or_else(|| io::Error::other("the first frame names no peer"))?;
    let stream = FramedStream {
        first: std::sync::Mutex::new(Some(first)),
        reader: Mutex::new(reader),
        writer: Mutex::new(writer),
        broken: CancellationToken::new(),
        peer,
        inbox: Arc::clone(&inbox),
    };
    let taken = inbox.push_stream(Arc::new(stream));
    if taken { Ok(()) } else { Err(io::Error::other("the peer has enough connections")) }
}

/// A connection of a peer, read from its first frame on.
#[derive(Debug)]
pub(super) struct FramedStream {
    first: std::sync::Mutex<Option<Vec<u8>>>,
    reader: Mutex<OwnedReadHalf>,
    writer: Mutex<OwnedWriteHalf>,
    broken: CancellationToken,
    pub(super) peer: SocketAddr,
    inbox: Arc<Inbox>,
}

impl Drop for FramedStream {
    fn drop(&mut self) {
        self.inbox.stream_ended();
    }
}

impl AsyncTcpStream for FramedStream {
    fn read<'a, 'b>(&'a self, buffer: &'b mut [u8]) -> BoxFuture<'b, io::Result<usize>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            let first = self.first.lock().ok().and_then(|mut first| first.take());
            if let Some(first) = first {
                let place = buffer.get_mut(..first.len()).ok_or(io::ErrorKind::InvalidInput)?;
                place.copy_from_slice(&first);
                return Ok(first.len());
            }
            let mut reader = self.reader.lock().await;
            tokio::select! {
                // The driver lets go of a connection that ends.
                () = self.broken.cancelled() => Ok(0),
                read = reader.read(buffer) => read,
            }
        })
    }

    fn write_all<'a, 'b>(&'a self, bytes: &'b [u8]) -> BoxFuture<'b, io::Result<()>>
    where
        'a: 'b,
    {
        Box::pin(async move {
            let mut writer = self.writer.lock().await;
            let written = timeout(WRITE_LIMIT, writer.write_all(bytes)).await;
            let written = written.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()));
            if written.is_err() {
                // Half a frame may have left: nothing can follow it.
                self.broken.cancel();
            }
            written
        })
    }

    /// Not told: the driver then takes the address that its own listener had, which is the one that it
    /// knows as a candidate.
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that has arrived, with its client's end.
    async fn connection(inbox: &Arc<Inbox>) -> (Arc<FramedStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let (reader, writer) = stream.into_split();
        let stream = FramedStream {
            first: std::sync::Mutex::new(None),
            reader: Mutex::new(reader),
            writer: Mutex::new(writer),
            broken: CancellationToken::new(),
            peer,
            inbox: Arc::clone(inbox),
        };
        (Arc::new(stream), client)
    }

    #[tokio::test]
    async fn connections_that_wait_end_with_their_inbox() {
        let inbox = Arc::new(Inbox::default());
        let (stream, mut client) = connection(&inbox).await;
        assert!(inbox.push_stream(stream));
        inbox.close();
        let read = timeout(Duration::from_secs(10), client.read(&mut [0])).await;
        assert_eq!(read.unwrap().unwrap(), 0);
        let (late, _client) = connection(&inbox).await;
        assert!(!inbox.push_stream(late));
        assert_eq!(Arc::strong_count(&inbox), 1);
    }

    #[tokio::test]
    async fn a_refused_connection_makes_no_room() {
        let inbox = Arc::new(Inbox::default());
        let mut taken = 0;
        for _ in 0..10 {
            let (stream, _client) = connection(&inbox).await;
            taken += usize::from(inbox.push_stream(stream));
        }
        assert_eq!(taken, 4);
        inbox.close();
    }
}
