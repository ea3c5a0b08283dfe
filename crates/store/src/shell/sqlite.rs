//! SQLite: one connection that writes, a few that read.

mod evidence;
mod ledger;
mod remembered;
mod sequence;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Sqlite as Driver, SqlitePool, Transaction,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{error::EngineError, store::Limits};
use crate::{error::StoreError, schema};

/// Connections that read: one for the router's start, one for whoever looks at evidence.
const READERS: u32 = 2;
/// Rows of one `INSERT`: seven columns of each stay far below SQLite's 32 766 parameters.
const ROWS_PER_INSERT: usize = 500;

/// An open file. Every method is one statement or one transaction, and speaks rows.
///
/// A future that is dropped rolls its transaction back, unless it was already committing.
#[derive(Debug)]
pub(super) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens or creates the file and brings its schema up to date.
    pub(super) async fn open(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let failed = |fault: String| StoreError::Open { path: path.to_owned(), fault };
        // A path from the root on: SQLite gives a meaning of its own to `:memory:` and `file:`.
        let file = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
        let options = connect_options(file, limits.busy);
        let to_write = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = pool(1, limits.operation).connect_with(to_write);
        let writer = writer.await.map_err(|error| failed(error.to_string()))?;
        if let Err(error) = migrate(&writer).await {
            writer.close().await;
            return Err(schema_error(path, &error));
        }
        let to_read = options.pragma("query_only", "ON");
        match pool(READERS, limits.operation).connect_with(to_read).await {
            Ok(readers) => Ok(Self { writer, readers }),
            Err(error) => {
                writer.close().await;
                Err(failed(error.to_string()))
            }
        }
    }

    /// Waits for what is under way and closes all connections, the writer last: it folds the
    /// write-ahead log into the file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the file's write lock from its start. One that takes the lock only
    /// when it first writes fails at once when another writer was faster, whatever the busy timeout.
    async fn begin_write(&self) -> Result<Transaction<'_, Driver>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }
}

fn connect_options(file: PathBuf, busy: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(busy)
        .foreign_keys(true)
        .thread_name(|number| format!("store-{number}"))
}

/// Connections to a file stay good for as long as the process lives.
fn pool(connections: u32, acquire: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Runs the missing steps of the schema in one transaction, so that of two processes the second
/// waits, and a failed step leaves nothing behind.
async fn migrate(writer: &SqlitePool) -> Result<(), MigrateError> {
    let steps = schema::SQLITE.iter().map(|step| {
        let description = step.description.into();
        let sql = sqlx::SqlSafeStr::into_sql_str(step.sql);
        Migration::new(step.version, description, MigrationType::Simple, sql, false)
    });
    let migrator = Migrator::with_migrations(steps.collect());
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    migrator.run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

fn schema_error(path: &Path, error: &MigrateError) -> StoreError {
    let path = path.to_owned();
    let known = schema::SQLITE.last().map_or(0, |step| step.version);
    if let MigrateError::VersionMissing(found) = *error
        && found > known
    {
        return StoreError::SchemaTooNew { path, found, known };
    }
    StoreError::Schema { path, fault: error.to_string() }
}
