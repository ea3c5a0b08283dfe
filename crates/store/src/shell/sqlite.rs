//! SQLite: one connection that writes, a few that read, one that folds the log into the file.

mod checkpointer;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    SqlitePool,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use checkpointer::Checkpointer;

use super::{error::EngineError, migration, store::Limits, transaction::Transaction};
use crate::{
    error::{StoreError, StorePlace},
    schema,
};

/// Connections that read: one for the router's start, one for whoever looks at evidence.
const READERS: u32 = 2;

/// An open file.
///
/// A future that is dropped rolls its transaction back, unless it was already committing.
#[derive(Debug)]
pub(super) struct Sqlite {
    /// None where the file is only read.
    writer: Option<SqlitePool>,
    /// As well.
    checkpointer: Option<Checkpointer>,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens or creates the file and brings its schema up to date.
    pub(super) async fn open(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let failed = |fault: String| StoreError::Open { place: path.into(), fault };
        let options = connect_options(absolute(path)?, limits.busy);
        let to_write = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", "0");
        let writer = pool(1, limits.operation).connect_with(to_write);
        let writer = writer.await.map_err(|error| failed(error.to_string()))?;
        if let Err(error) = migrate(&writer).await {
            writer.close().await;
            return Err(migration::refused(path.into(), &schema::SQLITE, &error));
        }
        let to_read = options.clone().pragma("query_only", "ON");
        let readers = pool(READERS, limits.operation).connect_with(to_read).await;
        let folding = pool(1, limits.operation).connect_with(options).await;
        match readers.and_then(|readers| Ok((readers, folding?))) {
            Ok((readers, folding)) => {
                let checkpointer = Some(Checkpointer::start(folding));
                Ok(Self { writer: Some(writer), checkpointer, readers })
            }
            Err(error) => {
                writer.close().await;
                Err(failed(error.to_string()))
            }
        }
    }

    /// Opens a file that is there, and writes nothing to it.
    pub(super) async fn open_to_read(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let place = || StorePlace::from(path);
        let options = connect_options(absolute(path)?, limits.busy).read_only(true);
        let readers = pool(1, limits.operation).connect_with(options).await;
        let fault =
            |error: sqlx::Error| StoreError::Open { place: place(), fault: error.to_string() };
        let readers = readers.map_err(fault)?;
        let engine = Self { writer: None, checkpointer: None, readers };
        let versions = match engine.read().await {
            Ok(transaction) => migration::versions(transaction).await,
            Err(fault) => Err(fault),
        };
        let known = versions
            .map_err(|fault| StoreError::Open { place: place(), fault: fault.to_string() })
            .and_then(|found| migration::known(place(), &schema::SQLITE, found));
        if known.is_err() {
            engine.close().await;
        }
        known.map(|()| engine)
    }

    /// Waits for what is under way and closes all connections, the writer last: it folds the
    /// write-ahead log into the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.close().await;
        }
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
    }

    /// A transaction that reads.
    pub(super) async fn read(&self) -> Result<Transaction<'_>, EngineError> {
        Ok(Transaction::Sqlite(self.readers.begin().await?))
    }

    /// A transaction that holds the file's write lock from its start. One that takes the lock only
    /// when it first writes fails at once when another writer was faster, whatever the busy timeout.
    pub(super) async fn write(&self) -> Result<Transaction<'_>, EngineError> {
        let writer = self.writer.as_ref().ok_or(EngineError::ReadOnly)?;
        Ok(Transaction::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?))
    }
}

/// A path from the root on: SQLite gives a meaning of its own to `:memory:` and `file:`.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path)
        .map_err(|error| StoreError::Open { place: path.into(), fault: error.to_string() })
}

fn connect_options(file: PathBuf, busy: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(busy)
        .foreign_keys(true)
        .thread_name(|number| format!("store-{number}"))
}

/// Connections to a file stay good for as long as the process lives. None is tested before each use: that
/// is a way to its thread and back, for which payments wait.
fn pool(connections: u32, acquire: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Runs the missing steps of the schema in one transaction, so that of two processes the second
/// waits, and a failed step leaves nothing behind.
async fn migrate(writer: &SqlitePool) -> Result<(), MigrateError> {
    let migrator = migration::migrator(&schema::SQLITE);
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    migrator.run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
