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
        let write = async {
            loop {
                self.append_all(&*record).await;
                if closed.is_cancelled() {
                    return;
                }
                tokio::select! {
                    () = self.0.changed.notified() => {}
                    () = closed.cancelled() => {}
                }
            }
        };
        let too_late = async {
            closed.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = write => {}
            () = too_late => {
                let lost = self.lock().entries.len();
                tracing::error!(lost, "the ledger's last entries were not written in time");
            }
        }
    }

    async fn append_all(&self, record: &dyn PaymentRecord) {
        loop {
            let batch: Vec<Entry> = self.lock().entries.iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return;
            }
            self.append(record, &batch).await;
            self.lock().appended(batch.len());
        }
    }

    /// Appends these until they are on record. A failed try may have worked, which the record notices
    /// where the very same entries come again.
    async fn append(&self, record: &dyn PaymentRecord, batch: &[Entry]) {
        while let Err(error) = record.append(batch.to_vec()).await {
            if self.lock().fail() {
                tracing::error!(%error, "the ledger can't be written: nothing is paid");
            }
            tokio::time::sleep(RETRY).await;
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

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicU32, sync::atomic::Ordering, time::SystemTime};

    use payer::{BoxFuture, RecordError, ReportLine, Restored};
    use tickets::Wei;

    use super::*;

    /// Fails so many times, as a disk does; keeps what it was given.
    #[derive(Debug, Default)]
    struct Failing {
        failures: AtomicU32,
        tries: Mutex<Vec<Vec<Entry>>>,
    }

    impl Failing {
        fn times(failures: u32) -> Arc<Self> {
            Arc::new(Self { failures: AtomicU32::new(failures), ..Self::default() })
        }

        fn tries(&self) -> Vec<Vec<Entry>> {
            self.tries.lock().unwrap().clone()
        }
    }

    impl PaymentRecord for Failing {
        fn restore(&self, _: SystemTime) -> BoxFuture<'_, Result<Restored, RecordError>> {
            Box::pin(async { Ok(Restored::default()) })
        }

        fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), RecordError>> {
            Box::pin(async move {
                // As long as a disk takes that is slow.
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.tries.lock().unwrap().push(entries);
                let left = self.failures.load(Ordering::Relaxed);
                self.failures.store(left.saturating_sub(1), Ordering::Relaxed);
                if left > 0 { Err(RecordError::new("the disk is full")) } else { Ok(()) }
            })
        }

        fn report(&self, _: SystemTime) -> BoxFuture<'_, Result<Vec<ReportLine>, RecordError>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    fn entry(number: u8) -> Entry {
        Entry::Closed {
            at: SystemTime::UNIX_EPOCH,
            recipient: [number; 20],
            session_id: "s".to_owned(),
            left: Wei::zero(),
        }
    }

    struct Bench {
        ledger: Ledger,
        closed: CancellationToken,
        writing: tokio::task::JoinSet<()>,
    }

    fn bench(record: &Arc<Failing>) -> Bench {
        let (ledger, closed) = (Ledger::new(), CancellationToken::new());
        let mut writing = tokio::task::JoinSet::new();
        writing.spawn(ledger.clone().keep(Arc::clone(record) as _, closed.clone()));
        Bench { ledger, closed, writing }
    }

    #[tokio::test]
    async fn a_failed_batch_comes_again_as_it_was_and_nothing_is_paid_meanwhile() {
        let record = Failing::times(1);
        let Bench { ledger, closed, mut writing } = bench(&record);
        let told = ledger.push_and_tell([entry(1), entry(2)]);
        assert!(told.await.is_err(), "whoever waits is let go");
        assert!(!ledger.is_open());
        ledger.push([entry(3)]);
        let told = ledger.push_and_tell([entry(4)]);
        // It waited for the record, which works again.
        told.await.unwrap();
        assert!(ledger.is_open());
        let first = vec![entry(1), entry(2)];
        assert_eq!(record.tries(), [first.clone(), first, vec![entry(3), entry(4)]]);
        closed.cancel();
        writing.join_next().await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_end_waits_for_the_append_under_way_and_the_last_entries() {
        let record = Failing::times(0);
        let Bench { ledger, closed, mut writing } = bench(&record);
        ledger.push([entry(1)]);
        tokio::time::sleep(Duration::from_millis(5)).await;
        ledger.push([entry(2)]);
        closed.cancel();
        writing.join_next().await.unwrap().unwrap();
        assert_eq!(record.tries(), [vec![entry(1)], vec![entry(2)]]);
    }

    #[tokio::test]
    async fn a_record_that_never_works_holds_up_no_end() {
        let record = Failing::times(u32::MAX);
        let Bench { ledger, closed, mut writing } = bench(&record);
        ledger.push([entry(1)]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        closed.cancel();
        let ended = tokio::time::timeout(LAST_WORDS * 2, writing.join_next()).await;
        assert!(ended.is_ok());
    }
}
