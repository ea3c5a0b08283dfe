//! The way of entries to the record.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use payer::{Entry, PaymentRecord};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// Entries that may wait for the record before nothing more is paid. Those of payments under way come on
/// top: they are never refused.
const WAITING_MAX: usize = 4_096;
/// Entries appended at once.
const BATCH: usize = 256;
/// How long after a failure the record is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How long the last entries may take when the gateway ends; payments whose endings are lost count as in
/// doubt after the next start.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Takes entries in order, and appends them in that order: none is ever dropped.
#[derive(Clone, Debug)]
pub(super) struct Ledger(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// Told once so many entries have been appended since the start.
    listeners: VecDeque<(u64, oneshot::Sender<()>)>,
    taken: u64,
    /// The record takes none now.
    failing: bool,
}

/// The record takes no more entries now.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the ledger can't be written, and nothing is spent that is not on record")]
pub(super) struct NotRecorded;

impl Ledger {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// Whether payments may be put on record: it works, and is not far behind.
    pub(super) fn is_open(&self) -> bool {
        let waiting = self.lock();
        !waiting.failing && waiting.entries.len() < WAITING_MAX
    }

    /// Queues what happened. Call it in the order in which it happened.
    pub(super) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        self.lock().entries.extend(entries);
        self.0.changed.notify_one();
    }

    /// The same, and tells once all of it is on record; nothing comes where the record fails first.
    pub(super) fn push_and_tell(
        &self,
        entries: impl IntoIterator<Item = Entry>,
    ) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.lock();
        waiting.entries.extend(entries);
        let upto = waiting.taken + u64::try_from(waiting.entries.len()).unwrap_or(u64::MAX);
        waiting.listeners.push_back((upto, tell));
        drop(waiting);
        self.0.changed.notify_one();
        told
    }

    /// Appends what is queued until `closed`, and then what is left.
    pub(super) async fn keep(self, record: Arc<dyn PaymentRecord>, closed: CancellationToken) {
        let written = closed.run_until_cancelled(async {
            loop {
                self.append_all(&*record).await;
                self.0.changed.notified().await;
            }
        });
        written.await;
        let last = tokio::time::timeout(LAST_WORDS, self.append_all(&*record)).await;
        if last.is_err() {
            let lost = self.lock().entries.len();
            tracing::error!(lost, "the ledger's last entries were not written in time");
        }
    }

    async fn append_all(&self, record: &dyn PaymentRecord) {
        loop {
            // They stay queued until they are on record, also should this future be dropped.
            let batch: Vec<Entry> = self.lock().entries.iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return;
            }
            let count = batch.len();
            match record.append(batch).await {
                Ok(()) => self.lock().appended(count),
                Err(error) => {
                    let first = self.lock().fail();
                    if first {
                        tracing::error!(%error, "the ledger can't be written: nothing is paid");
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn appended(&mut self, count: usize) {
        self.entries.drain(..count.min(self.entries.len()));
        self.taken += u64::try_from(count).unwrap_or(u64::MAX);
        if std::mem::take(&mut self.failing) {
            tracing::info!("the ledger is written again");
        }
        while self.listeners.front().is_some_and(|(upto, _)| *upto <= self.taken) {
            if self.listeners.pop_front().is_some_and(|(_, tell)| tell.send(()).is_err()) {
                tracing::debug!("a payment that took too long to record was withdrawn");
            }
        }
    }

    /// Whoever waits is let go; true when it worked until now.
    fn fail(&mut self) -> bool {
        self.listeners.clear();
        !std::mem::replace(&mut self.failing, true)
    }
}
