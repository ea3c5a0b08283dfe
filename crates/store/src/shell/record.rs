//! The ledger's port.

use std::time::{Duration, SystemTime};

use payer::{BoxFuture, Entry, PaymentId, PaymentRecord, RecordError, ReportLine, Restored};

use super::{
    Store,
    ledger::{self, column_of},
    value::bounded,
};
use crate::{
    error::StoreError,
    micros::of_time,
    payment::{LedgerRow, StoredPayment},
    sums::{day_of, spent_so_far},
};

/// How long a start of the ledger may take: it reads two days of spending by the minute.
pub const RESTORE_LIMIT: Duration = Duration::from_secs(60);
/// Most payments that are read at once.
const MAX_PAGE: usize = 10_000;

impl Store {
    /// Payments named after `after` that are kept one by one, in the order of their names; at most
    /// `limit`, and never more than 10 000.
    ///
    /// # Errors
    /// [`StoreError::Engine`], [`StoreError::Timeout`], [`StoreError::Closed`], or [`StoreError::Row`]
    /// when one of them can't be understood.
    pub async fn payments(
        &self,
        after: PaymentId,
        limit: usize,
    ) -> Result<Vec<StoredPayment>, StoreError> {
        let limit = bounded(limit.min(MAX_PAGE));
        let work = async {
            let mut transaction = self.engine.read().await?;
            let read = ledger::payments(&mut transaction, column_of(after), limit).await;
            transaction.end(read).await
        };
        self.within("read payments", work).await
    }

    async fn restored(&self, at: SystemTime) -> Result<Restored, StoreError> {
        let now = of_time(at);
        let work = async {
            self.appender.flush().await;
            self.engine.claim_ledger().await?;
            let mut transaction = self.engine.write_ledger().await?;
            let kept = ledger::upkeep(&mut transaction, self.bounds, now).await;
            transaction.end(kept).await?;
            let mut transaction = self.engine.write_ledger().await?;
            let kept = ledger::settle_in_doubt(&mut transaction, at).await;
            transaction.end(kept).await
        };
        let kept = self.within_limit(RESTORE_LIMIT, "restore payments", work).await?;
        let marks = kept.marks.into_iter().map(|mark| mark.read()).collect::<Result<_, _>>()?;
        Ok(Restored {
            next_payment: kept.next_payment.unsigned_abs(),
            marks,
            spent: spent_so_far(kept.before, kept.minutes)?,
        })
    }

    async fn appended(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let rows = entries.into_iter().map(LedgerRow::of).collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        self.within("append payments", self.appender.append(rows)).await
    }

    async fn reported(&self, since: SystemTime) -> Result<Vec<ReportLine>, StoreError> {
        let work = async {
            let mut transaction = self.engine.read().await?;
            let lines = ledger::report(&mut transaction, day_of(of_time(since))).await;
            transaction.end(lines).await
        };
        self.within("report payments", work).await
    }
}

/// A report's first day is reported whole, whenever on it `since` is. A line comes in several parts where
/// an orchestrator's units fit no sum: each part adds up.
///
/// Entries are to be appended in the order in which the payer gave them. The end of a payment that is
/// not in flight changes nothing. A batch that came before changes nothing either, also where an append of it
/// was given up and still waits: of the two, the first is written.
impl PaymentRecord for Store {
    fn restore(&self, at: SystemTime) -> BoxFuture<'_, Result<Restored, RecordError>> {
        Box::pin(async move { self.restored(at).await.map_err(RecordError::new) })
    }

    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), RecordError>> {
        Box::pin(async { self.appended(entries).await.map_err(RecordError::new) })
    }

    fn report(&self, since: SystemTime) -> BoxFuture<'_, Result<Vec<ReportLine>, RecordError>> {
        Box::pin(async move { self.reported(since).await.map_err(RecordError::new) })
    }
}
