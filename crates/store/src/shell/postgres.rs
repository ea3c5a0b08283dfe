//! Postgres: connections that are opened when they are needed, one of which is the ledger's.

mod address;
mod session;

use std::{fmt, time::Duration};

use sqlx::{Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use super::{
    error::EngineError,
    migration,
    seat::{self, Lent},
    statement::Statement,
    transaction::Transaction,
};
use crate::{error::StoreError, schema};

pub(super) use address::ServerAddress;

/// How long to wait for a server that does not answer: short of an operation's limit, so that the error
/// names the reason.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

const BEGIN: &str = "BEGIN";
/// What one transaction reads is of one moment.
const BEGIN_TO_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

type Seat = seat::Seat<PgConnection>;

/// A server.
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
    /// The ledger's term; `None` before its first.
    term: Mutex<Option<i64>>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
    Ledger,
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
        let writers = Some(Writers { memory: Seat::with(connection), ..Writers::default() });
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
        self.begin(seat::free(&self.readers).await, Purpose::Read).await
    }

    pub(super) async fn write(&self) -> Result<Transaction<'_>, EngineError> {
        self.begin(self.writers()?.memory.lock().await, Purpose::Write).await
    }

    pub(super) async fn write_ledger(&self) -> Result<Transaction<'_>, EngineError> {
        self.begin(self.writers()?.ledger.lock().await, Purpose::Ledger).await
    }

    /// See [`Engine::write_ledger_at_once`](super::engine::Engine::write_ledger_at_once). The protocol takes
    /// parameters with one statement only.
    pub(super) async fn write_ledger_at_once(
        &self,
        statements: Vec<Statement>,
    ) -> Result<(), EngineError> {
        let mut seat = self.writers()?.ledger.lock().await;
        let Some(mut connection) = seat.take()? else { return Err(EngineError::Anew) };
        connection.execute(BEGIN).await.map_err(|_| EngineError::Anew)?;
        let mut transaction = Transaction::Postgres(Lent::new(seat, connection));
        let written = transaction.change_all(statements).await;
        transaction.end(written).await
    }

    /// See [`Engine::claim_ledger`](super::engine::Engine::claim_ledger).
    pub(super) async fn claim_ledger(&self) -> Result<(), EngineError> {
        let writers = self.writers()?;
        let mut seat = writers.ledger.lock().await;
        if let Some(mut connection) = seat.take()?
            && connection.ping().await.is_ok()
        {
            seat.put(connection);
            return Ok(());
        }
        *writers.term.lock().await = None;
        seat.put(self.connect(Purpose::Ledger).await?);
        Ok(())
    }

    async fn begin<'e>(
        &'e self,
        mut seat: MutexGuard<'e, Seat>,
        purpose: Purpose,
    ) -> Result<Transaction<'e>, EngineError> {
        let begin = if purpose == Purpose::Read { BEGIN_TO_READ } else { BEGIN };
        if let Some(mut connection) = seat.take()?
            && connection.execute(begin).await.is_ok()
        {
            return Ok(Transaction::Postgres(Lent::new(seat, connection)));
        }
        // It was lost while nobody used it, or is the first one: nothing was written on it.
        let mut connection = self.connect(purpose).await?;
        connection.execute(begin).await?;
        Ok(Transaction::Postgres(Lent::new(seat, connection)))
    }

    async fn connect(&self, purpose: Purpose) -> Result<PgConnection, EngineError> {
        let mut connection = connect(self.address.options()).await?;
        session::check(&mut connection).await?;
        if purpose == Purpose::Ledger {
            session::lock_ledger(&mut connection).await?;
            let mut term = self.writers()?.term.lock().await;
            *term = Some(session::enter_term(&mut connection, *term).await?);
        }
        Ok(connection)
    }

    pub(super) async fn close(&self) {
        let writers = self.writers.iter().flat_map(|it| [&it.memory, &it.ledger]);
        for seat in self.readers.iter().chain(writers) {
            seat.lock().await.close().await;
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.address).finish()
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
