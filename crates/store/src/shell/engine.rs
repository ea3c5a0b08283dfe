//! Whichever engine keeps the tables.

use super::{
    error::EngineError, postgres::Postgres, sqlite::Sqlite, statement::Statement,
    transaction::Transaction,
};

/// An open store. It gives transactions, and knows no table but those of its own upkeep.
#[derive(Debug)]
pub(super) enum Engine {
    /// A file.
    Sqlite(Box<Sqlite>),
    /// A server.
    Postgres(Box<Postgres>),
}

impl Engine {
    /// A transaction that reads, all of the same moment.
    pub(super) async fn read(&self) -> Result<Transaction<'_>, EngineError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read().await,
            Self::Postgres(postgres) => postgres.read().await,
        }
    }

    /// A transaction that writes to the fleet's memory.
    pub(super) async fn write(&self) -> Result<Transaction<'_>, EngineError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write().await,
            Self::Postgres(postgres) => postgres.write().await,
        }
    }

    /// A transaction that writes to the ledger, of which this store is the writer.
    pub(super) async fn write_ledger(&self) -> Result<Transaction<'_>, EngineError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write().await,
            Self::Postgres(postgres) => postgres.write_ledger().await,
        }
    }

    /// A transaction of statements of which each changes a row at least. To a file's engine they go all at
    /// once: each way to its thread and back costs more than what it does there.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] and [`EngineError::Anew`]: nothing was written.
    pub(super) async fn write_ledger_at_once(
        &self,
        statements: Vec<Statement>,
    ) -> Result<(), EngineError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write_at_once(statements).await,
            Self::Postgres(postgres) => postgres.write_ledger_at_once(statements).await,
        }
    }

    /// Makes this store the ledger's writer, whoever it was before: what is read afterwards is what
    /// this one goes on from. A file has the lock of the data directory around it.
    pub(super) async fn claim_ledger(&self) -> Result<(), EngineError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(postgres) => postgres.claim_ledger().await,
        }
    }

    /// Waits for what is under way, and ends all connections.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}
