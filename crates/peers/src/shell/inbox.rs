//! Datagrams and connections that wait for their peer's driver.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::tcp::FramedStream;

/// Datagrams that may wait: 200 ms of a publisher at 30 Mbit/s. Further ones are dropped and counted; the
/// publisher is asked for them again.
const DATAGRAMS_MAX: usize = 512;
/// Connections that may wait, and be open. Further ones are closed.
const STREAMS_MAX: usize = 4;

/// Where the shared ports leave what is a peer's.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    datagrams: Mutex<Datagrams>,
    streams: Mutex<Streams>,
    came: Notify,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Datagrams {
    waiting: VecDeque<(Bytes, SocketAddr)>,
    reader: Option<Waker>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Streams {
    waiting: VecDeque<Arc<FramedStream>>,
    taken: usize,
    closed: bool,
}

impl Inbox {
    /// Datagrams dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Nothing is taken any more, and what waits is let go of: connections keep the inbox that they wait in.
    pub(super) fn close(&self) {
        let mut datagrams = lock(&self.datagrams);
        datagrams.closed = true;
        let waiting = std::mem::take(&mut datagrams.waiting);
        let reader = datagrams.reader.take();
        drop(datagrams);
        let mut streams = lock(&self.streams);
        streams.closed = true;
        let connections = std::mem::take(&mut streams.waiting);
        drop(streams);
        // Without the locks: a connection that ends takes one of them.
        drop((waiting, reader, connections));
    }

    /// False when there was no room, or the peer has gone.
    pub(super) fn push(&self, datagram: &[u8], source: SocketAddr) -> bool {
        let mut datagrams = lock(&self.datagrams);
        if datagrams.closed {
            return false;
        }
        if datagrams.waiting.len() >= DATAGRAMS_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        datagrams.waiting.push_back((Bytes::copy_from_slice(datagram), source));
        let reader = datagrams.reader.take();
        drop(datagrams);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<(Bytes, SocketAddr)> {
        let mut datagrams = lock(&self.datagrams);
        if let Some(first) = datagrams.waiting.pop_front() {
            return Poll::Ready(first);
        }
        datagrams.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// False when the peer has enough connections, or has gone.
    pub(super) fn push_stream(&self, stream: Arc<FramedStream>) -> bool {
        let mut streams = lock(&self.streams);
        // One that is refused ends as well, and is then taken off.
        streams.taken += 1;
        if streams.closed || streams.taken > STREAMS_MAX {
            return false;
        }
        streams.waiting.push_back(stream);
        drop(streams);
        self.came.notify_one();
        true
    }

    pub(super) fn stream_ended(&self) {
        let mut streams = lock(&self.streams);
        streams.taken = streams.taken.saturating_sub(1);
    }

    pub(super) async fn next_stream(&self) -> Arc<FramedStream> {
        loop {
            let waiting = lock(&self.streams).waiting.pop_front();
            if let Some(stream) = waiting {
                return stream;
            }
            self.came.notified().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
