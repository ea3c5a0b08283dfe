//! Each stream's next sequence number, over restarts (rule D-8).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use media::{SequenceNumber, StreamName, wall_clock_now};
use store::Store;
use tokio_util::sync::CancellationToken;

/// How often numbers are kept.
const EVERY: Duration = Duration::from_secs(1);
/// Numbers kept ahead of a live stream: a process that is killed has listed at most as many since it
/// last kept them, for a segment lasts half a second at least and the disk may be slow.
const AHEAD: u64 = 16;
/// 2026 began so long after the Unix epoch.
const NUMBERING_BEGINS: Duration = Duration::from_secs(1_767_225_600);

/// Knows where every stream goes on. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sequences(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    /// Streams that are about to start, run, or have just ended.
    streams: Mutex<HashMap<StreamName, Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    next: SequenceNumber,
    live: bool,
    changed: bool,
}

impl Sequences {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(Shared { store, streams: Mutex::default() }))
    }

    /// Looks up where a stream goes on. Call it before the stream starts.
    pub(crate) async fn look_up(&self, stream: &StreamName) {
        if self.streams().contains_key(stream) {
            return;
        }
        match self.0.store.next_sequence(stream).await {
            Ok(Some(next)) => {
                let entry = Entry { next, live: false, changed: false };
                self.streams().entry(stream.clone()).or_insert(entry);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%stream, %error, "the stream's last number is not known"),
        }
    }

    /// The first number of a stream that starts now: where it went on, or for a new one twice the
    /// seconds since 2026 began. Segments last half a second at least, so even a stream whose record is
    /// lost goes on above every number that it has used.
    pub(crate) fn begin(&self, stream: &StreamName) -> SequenceNumber {
        let mut streams = self.streams();
        let known = streams.get(stream).map(|entry| entry.next);
        let first = known.unwrap_or_else(|| by_the_clock(wall_clock_now()));
        streams.insert(stream.clone(), Entry { next: first, live: true, changed: true });
        first
    }

    /// A number was listed.
    pub(crate) fn listed(&self, stream: &StreamName, sequence: SequenceNumber) {
        if let Some(entry) = self.streams().get_mut(stream) {
            entry.next = sequence.next();
            entry.changed = true;
        }
    }

    /// The stream lists no more.
    pub(crate) fn ended(&self, stream: &StreamName) {
        if let Some(entry) = self.streams().get_mut(stream) {
            entry.live = false;
            entry.changed = true;
        }
    }

    /// Keeps numbers until `closed`, then once more.
    pub(crate) async fn keep(self, closed: CancellationToken) {
        loop {
            let last = tokio::select! {
                () = closed.cancelled() => true,
                () = tokio::time::sleep(EVERY) => false,
            };
            self.keep_once().await;
            if last {
                return;
            }
        }
    }

    async fn keep_once(&self) {
        let changed: Vec<_> = {
            let mut streams = self.streams();
            let changed = streams.iter_mut().filter(|(_, entry)| entry.changed);
            let kept = changed.map(|(name, entry)| {
                entry.changed = false;
                let ahead = if entry.live { AHEAD } else { 0 };
                (name.clone(), SequenceNumber(entry.next.0.saturating_add(ahead)))
            });
            kept.collect()
        };
        if changed.is_empty() {
            return;
        }
        let kept = self.0.store.keep_next_sequences(&changed).await;
        let mut streams = self.streams();
        match kept {
            // From here on the store knows; a stream that returns is looked up again.
            Ok(()) => streams.retain(|name, entry| {
                entry.live || entry.changed || !changed.iter().any(|(kept, _)| kept == name)
            }),
            Err(error) => {
                tracing::warn!(%error, "sequence numbers can't be kept");
                for (name, _) in &changed {
                    if let Some(entry) = streams.get_mut(name) {
                        entry.changed = true;
                    }
                }
            }
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<StreamName, Entry>> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_the_clock(wall: SystemTime) -> SequenceNumber {
    let since = wall.duration_since(UNIX_EPOCH + NUMBERING_BEGINS).unwrap_or_default();
    SequenceNumber(SequenceNumber::FIRST.0 + since.as_secs() * 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_gives_numbers_that_fit_31_bits_for_decades() {
        let at =
            |seconds| by_the_clock(UNIX_EPOCH + NUMBERING_BEGINS + Duration::from_secs(seconds)).0;
        assert_eq!(at(0), 1);
        assert_eq!(at(60) - at(0), 120);
        assert!(at(30 * 365 * 86_400) < i32::MAX.unsigned_abs().into());
        assert_eq!(by_the_clock(UNIX_EPOCH), SequenceNumber::FIRST);
    }

    #[tokio::test]
    async fn a_stream_goes_on_counting_after_an_end_and_jumps_a_little_after_a_kill() {
        let directory = std::env::temp_dir().join(format!("sequences-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("store.db");
        let cam = StreamName::new("cam").unwrap();
        let first = {
            let sequences = Sequences::new(Store::open(&file).await.unwrap());
            sequences.look_up(&cam).await;
            let first = sequences.begin(&cam);
            sequences.listed(&cam, SequenceNumber(first.0 + 4));
            sequences.ended(&cam);
            sequences.keep_once().await;
            assert!(sequences.streams().is_empty(), "what has ended is the store's alone");
            sequences.0.store.close().await;
            first
        };
        let again = {
            let sequences = Sequences::new(Store::open(&file).await.unwrap());
            sequences.look_up(&cam).await;
            let again = sequences.begin(&cam);
            sequences.listed(&cam, again);
            sequences.keep_once().await;
            sequences.0.store.close().await;
            again
        };
        assert_eq!(again.0, first.0 + 5, "exactly where it ended");
        let sequences = Sequences::new(Store::open(&file).await.unwrap());
        sequences.look_up(&cam).await;
        assert_eq!(sequences.begin(&cam).0, again.0 + 1 + AHEAD);
        sequences.0.store.close().await;
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
