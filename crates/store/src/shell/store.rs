//! The store: bounds, conversions and deadlines around an engine.

use std::{path::Path, sync::Arc, time::Duration};

use media::{SequenceNumber, StreamName};
use orchestrator::OrchestratorAddress;
use payer::PaymentId;
use router::{BoxFuture, Evidence, FleetMemory, MAX_EVIDENCE, MemoryError, RememberedOrchestrator};
use tokio::time::timeout;

use super::{
    appender::Appender,
    engine::Engine,
    error::EngineError,
    ledger::Upkeep,
    memory,
    postgres::{Postgres, ServerAddress},
    sqlite::Sqlite,
};
use crate::{
    error::{RowError, StoreError},
    evidence::{EvidenceRow, StoredEvidence},
    remembered::latest_of_each,
    sequence::{from_column, highest_of_each},
};

/// How long an operation may take, waiting for others included. A write that takes longer is given
/// up, and may or may not have taken effect.
pub const OPERATION_LIMIT: Duration = Duration::from_secs(5);
/// How long a statement waits for another process that writes: short of [`OPERATION_LIMIT`], so that
/// the error names the reason.
const BUSY_LIMIT: Duration = Duration::from_secs(4);

/// How long to wait, and how much to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a whole operation.
    pub(super) operation: Duration,
    /// For another writer of the same file.
    pub(super) busy: Duration,
    /// How much the ledger keeps.
    pub(super) bounds: Upkeep,
}

impl Default for Limits {
    fn default() -> Self {
        Self { operation: OPERATION_LIMIT, busy: BUSY_LIMIT, bounds: Upkeep::default() }
    }
}

/// What outlives the process, in one file or one database. Clones share its connections.
///
/// Writes happen one after another, reads beside them. Dropping the last clone abandons the
/// connections; [`Store::close`] ends them in order and folds a file's write-ahead log into it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) engine: Arc<Engine>,
    pub(super) appender: Arc<Appender>,
    pub(super) bounds: Upkeep,
    limit: Duration,
}

impl Store {
    /// Opens the file, creates it where there is none, and brings its schema up to date. The folder
    /// must exist. Runs on a tokio runtime, and has a task on it.
    ///
    /// # Errors
    /// [`StoreError::Open`] when the file can't be opened, or is no database;
    /// [`StoreError::SchemaTooNew`] when a later version wrote it; [`StoreError::Schema`] when the
    /// schema can't be brought up to date; [`StoreError::Timeout`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_within(path, Limits::default()).await
    }

    /// Connects to a database of Postgres by its URL, and brings its schema up to date. It should be a
    /// database of its own, in UTF-8, and reached without a pooler that shares connections: the ledger's
    /// lock is its connection's. Runs on a tokio runtime, and has a task on it.
    ///
    /// A server that goes away makes operations fail, and comes back without a restart. The same holds for
    /// the ledger, unless another gateway wrote to it in between ([`StoreError::LedgerMoved`]).
    ///
    /// # Errors
    /// [`StoreError::Url`], and as [`Store::open`]. None shows the password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_within(url, Limits::default()).await
    }

    /// Whether a text is a URL for [`Store::connect`]. Nothing is asked of the server.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        ServerAddress::new(url).map(drop)
    }

    /// Opens a file to look at what is there, also while a gateway writes to it. Nothing is created,
    /// brought up to date or settled; whatever would write fails.
    ///
    /// # Errors
    /// As [`Store::open`]; [`StoreError::Schema`] where an earlier version wrote it.
    pub async fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let limits = Limits::default();
        let opened = Sqlite::open_to_read(path, limits);
        Self::over(limits, async { Ok(Engine::Sqlite(Box::new(opened.await?))) }).await
    }

    /// Connects to look at what is there, as [`Store::open_to_read`] does.
    ///
    /// # Errors
    /// As [`Store::connect`]; [`StoreError::Schema`] where an earlier version wrote it.
    pub async fn connect_to_read(url: &str) -> Result<Self, StoreError> {
        let address = ServerAddress::new(url)?;
        let opened = Box::pin(Postgres::open_to_read(address));
        Self::over(Limits::default(), async { Ok(Engine::Postgres(Box::new(opened.await?))) }).await
    }

    /// Like [`Store::open`], with other limits.
    pub(super) async fn open_within(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        Self::over(limits, async {
            Ok(Engine::Sqlite(Box::new(Sqlite::open(path, limits).await?)))
        })
        .await
    }

    /// Like [`Store::connect`], with other limits.
    pub(super) async fn connect_within(url: &str, limits: Limits) -> Result<Self, StoreError> {
        let address = ServerAddress::new(url)?;
        let opened = Box::pin(Postgres::open(address));
        Self::over(limits, async { Ok(Engine::Postgres(Box::new(opened.await?))) }).await
    }

    async fn over(
        limits: Limits,
        engine: impl Future<Output = Result<Engine, StoreError>>,
    ) -> Result<Self, StoreError> {
        let limit = limits.operation;
        let opened = timeout(limit, engine).await;
        let engine = opened.map_err(|_| StoreError::Timeout { operation: "open", limit })??;
        let engine = Arc::new(engine);
        let appender = Arc::new(Appender::start(Arc::clone(&engine), limits));
        Ok(Self { engine, appender, bounds: limits.bounds, limit })
    }

    /// Waits for operations under way, then ends the connections. Later operations fail with
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        let close = async {
            self.appender.flush().await;
            self.engine.close().await;
        };
        if timeout(self.limit, close).await.is_err() {
            tracing::warn!(limit = ?self.limit, "the store was left before it was closed");
        }
    }

    /// The number that the stream's next segment gets at least; `None` for a stream not known.
    ///
    /// # Errors
    /// [`StoreError::Engine`], [`StoreError::Timeout`], [`StoreError::Closed`], or
    /// [`StoreError::Row`] when what was kept is no number.
    pub async fn next_sequence(
        &self,
        stream: &StreamName,
    ) -> Result<Option<SequenceNumber>, StoreError> {
        let work = async {
            let mut transaction = self.engine.read().await?;
            let number = memory::next_sequence(&mut transaction, stream.as_str()).await;
            transaction.end(number).await
        };
        let number = self.within("read a sequence number", work).await?;
        Ok(number.map(from_column).transpose()?)
    }

    /// Keeps the number that each stream's next segment gets at least: all of them or none. A number
    /// never goes back: a lower one than before changes nothing. Of more than
    /// [`MAX_STREAMS`](crate::MAX_STREAMS), those kept longest ago go.
    ///
    /// # Errors
    /// [`StoreError::SequenceTooLarge`], [`StoreError::Engine`], [`StoreError::Timeout`] or
    /// [`StoreError::Closed`].
    pub async fn keep_next_sequences(
        &self,
        next: &[(StreamName, SequenceNumber)],
    ) -> Result<(), StoreError> {
        let rows = highest_of_each(next)?;
        if rows.is_empty() {
            return Ok(());
        }
        let now = media::wall_clock_now();
        let work = async {
            let mut transaction = self.engine.write().await?;
            let kept = memory::keep_next_sequences(&mut transaction, &rows, now).await;
            transaction.end(kept).await
        };
        self.within("keep sequence numbers", work).await
    }

    /// Proofs of wrong work, of one orchestrator or of all, the latest kept first; at most `limit`,
    /// and never more than [`MAX_EVIDENCE`]. All pictures come along: up to 256 KiB for each proof.
    ///
    /// # Errors
    /// [`StoreError::Engine`], [`StoreError::Timeout`] or [`StoreError::Closed`].
    pub async fn evidence(
        &self,
        address: Option<&OrchestratorAddress>,
        limit: usize,
    ) -> Result<Vec<StoredEvidence>, StoreError> {
        let address = address.map(ToString::to_string);
        let work = async {
            let mut transaction = self.engine.read().await?;
            let limit = limit.min(MAX_EVIDENCE);
            let read = memory::evidence(&mut transaction, address, limit).await;
            transaction.end(read).await
        };
        let rows = self.within("read evidence", work).await?;
        Ok(readable(rows.into_iter().map(|(id, row)| row.read(id)), "evidence"))
    }

    async fn recalled(&self) -> Result<Vec<RememberedOrchestrator>, StoreError> {
        let work = async {
            let mut transaction = self.engine.read().await?;
            let read = memory::remembered(&mut transaction).await;
            transaction.end(read).await
        };
        let rows = self.within("recall orchestrators", work).await?;
        Ok(readable(rows.into_iter().map(|row| row.read()), "remembered orchestrators"))
    }

    async fn keep_remembered(
        &self,
        learned: Vec<RememberedOrchestrator>,
    ) -> Result<(), StoreError> {
        let rows = latest_of_each(learned);
        if rows.is_empty() {
            return Ok(());
        }
        let work = async {
            let mut transaction = self.engine.write().await?;
            let kept = memory::remember(&mut transaction, &rows).await;
            transaction.end(kept).await
        };
        self.within("remember orchestrators", work).await
    }

    async fn keep_proof(&self, evidence: Evidence) -> Result<(), StoreError> {
        let row = EvidenceRow::of(evidence)?;
        let work = async {
            let mut transaction = self.engine.write().await?;
            let kept = memory::keep_evidence(&mut transaction, &row).await;
            transaction.end(kept).await
        };
        self.within("keep evidence", work).await
    }

    pub(super) async fn within<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, StoreError> {
        self.within_limit(self.limit, operation, work).await
    }

    pub(super) async fn within_limit<T>(
        &self,
        limit: Duration,
        operation: &'static str,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, StoreError> {
        let late = StoreError::Timeout { operation, limit };
        match timeout(limit, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(EngineError::Late)) | Err(_) => Err(late),
            Ok(Err(EngineError::Closed)) => Err(StoreError::Closed),
            Ok(Err(EngineError::LedgerTaken)) => Err(StoreError::LedgerTaken),
            Ok(Err(EngineError::LedgerMoved)) => Err(StoreError::LedgerMoved),
            Ok(Err(
                fault @ (EngineError::ReadOnly
                | EngineError::InPart
                | EngineError::Conflict
                | EngineError::Anew),
            )) => Err(StoreError::Engine { operation, fault: fault.to_string() }),
            Ok(Err(EngineError::Twice(payment))) => {
                Err(StoreError::PaymentTwice(PaymentId(payment.unsigned_abs())))
            }
            Ok(Err(EngineError::Row(fault))) => Err(StoreError::Row(fault)),
            Ok(Err(EngineError::Other(fault))) => Err(StoreError::Engine { operation, fault }),
        }
    }
}

impl FleetMemory for Store {
    fn recall(&self) -> BoxFuture<'_, Result<Vec<RememberedOrchestrator>, MemoryError>> {
        Box::pin(async { self.recalled().await.map_err(MemoryError::new) })
    }

    fn remember(
        &self,
        learned: Vec<RememberedOrchestrator>,
    ) -> BoxFuture<'_, Result<(), MemoryError>> {
        Box::pin(async { self.keep_remembered(learned).await.map_err(MemoryError::new) })
    }

    fn keep_evidence(&self, evidence: Evidence) -> BoxFuture<'_, Result<(), MemoryError>> {
        Box::pin(async { self.keep_proof(evidence).await.map_err(MemoryError::new) })
    }
}

/// The rows that can be read; how many can't is reported.
fn readable<T>(rows: impl Iterator<Item = Result<T, RowError>>, what: &str) -> Vec<T> {
    let mut first_fault = None;
    let mut left_out = 0_usize;
    let mut keep = |row: Result<T, RowError>| {
        row.map_err(|fault| {
            left_out += 1;
            first_fault.get_or_insert(fault);
        })
        .ok()
    };
    let readable: Vec<_> = rows.filter_map(&mut keep).collect();
    if let Some(fault) = first_fault {
        tracing::warn!(what, left_out, %fault, "rows of the store can't be read");
    }
    readable
}
