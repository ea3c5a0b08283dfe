//! SQLite: one connection that writes, a few that read, one that folds the log into the file.

mod checkpointer;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, SqliteConnection,
    migrate::MigrateError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};

use checkpointer::Checkpointer;

use super::{
    error::EngineError,
    migration,
    seat::{self, Lent},
    statement::Statement,
    store::Limits,
    transaction::{Transaction, execute_in_a_row},
};
use crate::{
    error::{StoreError, StorePlace},
    schema,
};

type Seat = seat::Seat<SqliteConnection>;

/// An open file. Connections to it stay good for as long as the process lives.
#[derive(Debug)]
pub(super) struct Sqlite {
    /// None where the file is only read.
    writing: Option<Writing>,
    /// One for the router's start, one for whoever looks at evidence.
    readers: [Mutex<Seat>; 2],
    to_read: SqliteConnectOptions,
}

#[derive(Debug)]
struct Writing {
    seat: Mutex<Seat>,
    options: SqliteConnectOptions,
    checkpointer: Checkpointer,
}

impl Sqlite {
    /// Opens or creates the file and brings its schema up to date.
    pub(super) async fn open(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let failed =
            |fault: sqlx::Error| StoreError::Open { place: path.into(), fault: fault.to_string() };
        let common = connect_options(absolute(path)?, limits.busy);
        let options = common
            .clone()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", "0");
        let create = options.clone().create_if_missing(true);
        let mut writer = SqliteConnection::connect_with(&create).await.map_err(failed)?;
        if let Err(error) = migrate(&mut writer).await {
            drop(writer.close().await);
            return Err(migration::refused(path.into(), &schema::SQLITE, &error));
        }
        match SqliteConnection::connect_with(&common).await {
            Ok(folding) => {
                let checkpointer = Checkpointer::start(folding);
                let writing = Writing { seat: Seat::with(writer), options, checkpointer };
                let to_read = common.pragma("query_only", "ON");
                Ok(Self { writing: Some(writing), readers: Default::default(), to_read })
            }
            Err(error) => {
                drop(writer.close().await);
                Err(failed(error))
            }
        }
    }

    /// Opens a file that is there, and writes nothing to it.
    pub(super) async fn open_to_read(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        let place = || StorePlace::from(path);
        let to_read = connect_options(absolute(path)?, limits.busy).read_only(true);
        let engine = Self { writing: None, readers: Default::default(), to_read };
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
        for reader in &self.readers {
            reader.lock().await.close().await;
        }
        if let Some(writing) = &self.writing {
            writing.checkpointer.close().await;
            writing.seat.lock().await.close().await;
        }
    }

    /// A transaction that reads.
    pub(super) async fn read(&self) -> Result<Transaction<'_>, EngineError> {
        begin(seat::free(&self.readers).await, &self.to_read, "BEGIN").await
    }

    fn writing(&self) -> Result<&Writing, EngineError> {
        self.writing.as_ref().ok_or(EngineError::ReadOnly)
    }

    /// A transaction that holds the file's write lock from its start. One that takes the lock only
    /// when it first writes fails at once when another writer was faster, whatever the busy timeout.
    pub(super) async fn write(&self) -> Result<Transaction<'_>, EngineError> {
        let Writing { seat, options, .. } = self.writing()?;
        begin(seat.lock().await, options, BEGIN_TO_WRITE).await
    }

    /// See [`Engine::write_ledger_at_once`](super::engine::Engine::write_ledger_at_once). Where one of them
    /// fails the connection ends, and with it what the others did.
    pub(super) async fn write_at_once(
        &self,
        statements: Vec<Statement>,
    ) -> Result<(), EngineError> {
        let mut seat = self.writing()?.seat.lock().await;
        let Some(mut connection) = seat.take()? else { return Err(EngineError::Anew) };
        let begin = Statement::new(BEGIN_TO_WRITE, Vec::new());
        let commit = Statement::new("COMMIT", Vec::new());
        let all = std::iter::once(begin).chain(statements).chain([commit]);
        execute_in_a_row(&mut connection, all.collect()).await?;
        seat.put(connection);
        Ok(())
    }
}

const BEGIN_TO_WRITE: &str = "BEGIN IMMEDIATE";

async fn connection_of(
    seat: &mut Seat,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, EngineError> {
    match seat.take()? {
        Some(connection) => Ok(connection),
        None => Ok(SqliteConnection::connect_with(options).await?),
    }
}

async fn begin<'e>(
    mut seat: MutexGuard<'e, Seat>,
    options: &SqliteConnectOptions,
    begin: &'static str,
) -> Result<Transaction<'e>, EngineError> {
    let mut connection = connection_of(&mut seat, options).await?;
    match connection.execute(begin).await {
        Ok(_) => Ok(Transaction::Sqlite(Lent::new(seat, connection))),
        Err(error) => {
            // Another process has the file. Whatever else it is, the next one begins anew.
            if error.as_database_error().is_some() {
                seat.put(connection);
            }
            Err(error.into())
        }
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
        .disable_statement_logging()
        .busy_timeout(busy)
        .foreign_keys(true)
        .thread_name(|number| format!("store-{number}"))
}

/// Runs the missing steps of the schema in one transaction, so that of two processes the second
/// waits, and a failed step leaves nothing behind.
async fn migrate(writer: &mut SqliteConnection) -> Result<(), MigrateError> {
    let migrator = migration::migrator(&schema::SQLITE);
    let mut transaction = writer.begin_with(BEGIN_TO_WRITE).await?;
    migrator.run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
