//! Postgres: connections that are opened when they are needed, one of which is the ledger's.

mod address;
mod session;

use std::{fmt, time::Duration};

use sqlx::{Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use super::{error::EngineError, migration, transaction::Transaction};
use crate::{error::StoreError, schema};

pub(super) use address::ServerAddress;

/// How long to wait for a server that does not answer: short of an operation's limit, so that the error
/// names the reason.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

const BEGIN: &str = "BEGIN";
/// What one transaction reads is of one moment.
const BEGIN_TO_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A server. A connection that is lost, or in the middle of something when it is given up, is ended, and
/// opened anew for the next operation.
///
/// The ledger is written on a connection of its own, which holds an advisory lock from its start to its
/// end: where the lock is gone, so is the connection, and nothing can be written without it. Each writer
/// counts the ledger's term up; one that lost its connection goes on only in the term it knows.
pub(super) struct Postgres {
    address: ServerAddress,
    readers: [Mutex<Seat>; 2],
    /// None where it is only read.
    writers: Option<Writers>,
}

#[derive(Debug, Default)]
struct Writers {
    memory: Mutex<Seat>,
    ledger: Mutex<Seat>,
}

/// A place for a connection.
#[derive(Debug, Default)]
struct Seat {
    connection: Option<PgConnection>,
    /// The ledger's term; `None` before its first.
    term: Option<i64>,
    closed: bool,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
    Ledger,
}

/// A connection in a transaction. It returns to its place when that ends; dropped, it ends itself, and
/// the server undoes what was not committed.
#[derive(Debug)]
pub(in crate::shell) struct Borrowed<'e> {
    seat: MutexGuard<'e, Seat>,
    /// None once a statement was given up.
    connection: Option<PgConnection>,
}

impl Postgres {
    /// Connects, and brings the schema up to date.
    pub(super) async fn open(address: ServerAddress) -> Result<Self, StoreError> {
        let failed = |fault: String| StoreError::Open { place: address.place().clone(), fault };
        let mut connection =
            connect(address.options()).await.map_err(|fault| failed(fault.to_string()))?;
        session::check(&mut connection).await.map_err(|fault| failed(fault.to_string()))?;
        let migrated = migration::migrator(&schema::POSTGRES).run(&mut connection).await;
        migrated.map_err(|error| {
            migration::refused(address.place().clone(), &schema::POSTGRES, &error)
        })?;
        let memory = Mutex::new(Seat { connection: Some(connection), ..Seat::default() });
        let writers = Some(Writers { memory, ..Writers::default() });
        Ok(Self { address, readers: Default::default(), writers })
    }

    /// Connects to read what is there.
    pub(super) async fn open_to_read(address: ServerAddress) -> Result<Self, StoreError> {
        let place = address.place().clone();
        let engine = Self { address, readers: Default::default(), writers: None };
        let versions = match engine.read().await {
            Ok(transaction) => migration::versions(transaction).await,
            Err(fault) => Err(fault),
        };
        let found = versions
            .map_err(|fault| StoreError::Open { place: place.clone(), fault: fault.to_string() })?;
        migration::known(place, &schema::POSTGRES, found)?;
        Ok(engine)
    }

    fn writers(&self) -> Result<&Writers, EngineError> {
        self.writers.as_ref().ok_or(EngineError::ReadOnly)
    }

    pub(super) async fn read(&self) -> Result<Transaction<'_>, EngineError> {
        let [first, second] = &self.readers;
        let seat = match first.try_lock() {
            Ok(seat) => seat,
            Err(_) => second.lock().await,
        };
        self.begin(seat, Purpose::Read).await
    }

    pub(super) async fn write(&self) -> Result<Transaction<'_>, EngineError> {
        self.begin(self.writers()?.memory.lock().await, Purpose::Write).await
    }

    pub(super) async fn write_ledger(&self) -> Result<Transaction<'_>, EngineError> {
        self.begin(self.writers()?.ledger.lock().await, Purpose::Ledger).await
    }

    /// See [`Engine::claim_ledger`](super::engine::Engine::claim_ledger).
    pub(super) async fn claim_ledger(&self) -> Result<(), EngineError> {
        let mut seat = self.writers()?.ledger.lock().await;
        if seat.closed {
            return Err(EngineError::Closed);
        }
        if let Some(mut connection) = seat.connection.take()
            && connection.ping().await.is_ok()
        {
            seat.connection = Some(connection);
            return Ok(());
        }
        seat.term = None;
        let connection = self.connect(&mut seat, Purpose::Ledger).await?;
        seat.connection = Some(connection);
        Ok(())
    }

    async fn begin<'e>(
        &'e self,
        mut seat: MutexGuard<'e, Seat>,
        purpose: Purpose,
    ) -> Result<Transaction<'e>, EngineError> {
        if seat.closed {
            return Err(EngineError::Closed);
        }
        let begin = if purpose == Purpose::Read { BEGIN_TO_READ } else { BEGIN };
        if let Some(mut connection) = seat.connection.take()
            && connection.execute(begin).await.is_ok()
        {
            return Ok(Transaction::Postgres(Borrowed { seat, connection: Some(connection) }));
        }
        // It was lost while nobody used it, or is the first one: nothing was written on it.
        let mut connection = self.connect(&mut seat, purpose).await?;
        connection.execute(begin).await?;
        Ok(Transaction::Postgres(Borrowed { seat, connection: Some(connection) }))
    }

    async fn connect(
        &self,
        seat: &mut Seat,
        purpose: Purpose,
    ) -> Result<PgConnection, EngineError> {
        let mut connection = connect(self.address.options()).await?;
        session::check(&mut connection).await?;
        if purpose == Purpose::Ledger {
            session::lock_ledger(&mut connection).await?;
            seat.term = Some(session::enter_term(&mut connection, seat.term).await?);
        }
        Ok(connection)
    }

    pub(super) async fn close(&self) {
        let writers = self.writers.iter().flat_map(|it| [&it.memory, &it.ledger]);
        for seat in self.readers.iter().chain(writers) {
            let mut seat = seat.lock().await;
            seat.closed = true;
            if let Some(connection) = seat.connection.take() {
                // The server notices in any case.
                drop(connection.close().await);
            }
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.address).finish()
    }
}

impl Borrowed<'_> {
    /// The connection.
    pub(in crate::shell) fn connection(&mut self) -> Result<&mut PgConnection, EngineError> {
        self.connection.as_mut().ok_or(EngineError::Closed)
    }

    /// Commits where all went well, and rolls back where not. A connection that fails at that is ended.
    pub(in crate::shell) async fn end<T>(
        mut self,
        outcome: Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let Some(mut connection) = self.connection.take() else { return outcome };
        let ending = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        match connection.execute(ending).await {
            Ok(_) => self.seat.connection = Some(connection),
            Err(error) if outcome.is_ok() => return Err(error.into()),
            Err(_) => {}
        }
        outcome
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, EngineError> {
    let connected = timeout(CONNECT_LIMIT, PgConnection::connect_with(options)).await;
    let silent =
        || EngineError::Other(format!("no answer from the server within {CONNECT_LIMIT:?}"));
    let mut connection = connected.map_err(|_| silent())??;
    session::set_up(&mut connection).await?;
    Ok(connection)
}
