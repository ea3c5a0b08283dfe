//! The ledger, in SQLite.

use std::time::SystemTime;

use payer::ReportLine;

use super::{EngineError, Sqlite};
use crate::{
    payment::{LedgerRow, StoredPayment},
    shell::ledger::{self, Kept, Upkeep},
};

impl Sqlite {
    /// Writes rows in their order, all or none.
    pub(in crate::shell) async fn append(&self, rows: &[LedgerRow]) -> Result<(), EngineError> {
        let mut transaction = self.begin_write().await?;
        ledger::append(&mut *transaction, rows).await?;
        Ok(transaction.commit().await?)
    }

    /// Keeps the ledger's tables within their bounds.
    pub(in crate::shell) async fn upkeep(
        &self,
        bounds: Upkeep,
        now: i64,
    ) -> Result<(), EngineError> {
        let mut transaction = self.begin_write().await?;
        ledger::upkeep(&mut *transaction, bounds, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Ends whatever is in flight, as in doubt, and reads what a start needs.
    pub(in crate::shell) async fn settle_in_doubt(
        &self,
        at: SystemTime,
    ) -> Result<Kept, EngineError> {
        let mut transaction = self.begin_write().await?;
        let kept = ledger::settle_in_doubt(&mut *transaction, at).await?;
        transaction.commit().await?;
        Ok(kept)
    }

    /// The lines of the report from a day on.
    pub(in crate::shell) async fn report(
        &self,
        first_day: i64,
    ) -> Result<Vec<ReportLine>, EngineError> {
        let mut connection = self.readers.acquire().await?;
        ledger::report(&mut *connection, first_day).await
    }

    /// Payments after one, in their order.
    pub(in crate::shell) async fn payments(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<StoredPayment>, EngineError> {
        let mut connection = self.readers.acquire().await?;
        ledger::payments(&mut *connection, after, limit).await
    }
}
