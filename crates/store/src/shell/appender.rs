//! Appends that come at the same time share one transaction, and so one sync of the disk.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use super::{
    engine::Engine,
    error::EngineError,
    ledger::{self, Known, Steady, Upkeep},
    store::Limits,
};
use crate::payment::LedgerRow;

/// Appends that wait for the one under way. Further ones wait for a place, within their own limit.
pub const APPEND_QUEUE: usize = 1_024;
/// Appends that share a transaction.
const MAX_GROUP: usize = 256;
/// Rows after which tables are brought within their bounds.
const UPKEEP_ROWS: usize = 2_048;

enum Command {
    Append { rows: Vec<LedgerRow>, done: oneshot::Sender<Result<(), EngineError>> },
    Flush(oneshot::Sender<()>),
}

/// The one task that appends. It ends with the appender.
#[derive(Debug)]
pub(super) struct Appender {
    queue: mpsc::Sender<Command>,
    _task: JoinSet<()>,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Append { .. } => "Append",
            Self::Flush(_) => "Flush",
        })
    }
}

impl Appender {
    /// Starts the task, on the runtime that this is called on.
    pub(super) fn start(engine: Arc<Engine>, limits: Limits) -> Self {
        let (queue, commands) = mpsc::channel(APPEND_QUEUE);
        let mut task = JoinSet::new();
        let Limits { operation: limit, bounds, .. } = limits;
        let writer =
            Writer { engine, limit, bounds, known: None, since_upkeep: 0, earliest: i64::MAX };
        task.spawn(writer.run(commands));
        Self { queue, _task: task }
    }

    /// Writes these rows, all or none, after those of appends that were called before.
    pub(super) async fn append(&self, rows: Vec<LedgerRow>) -> Result<(), EngineError> {
        let (done, outcome) = oneshot::channel();
        let sent = self.queue.send(Command::Append { rows, done }).await;
        sent.map_err(|_| EngineError::Closed)?;
        outcome.await.map_err(|_| EngineError::Closed)?
    }

    /// Waits for all appends that were called before. Until the next one, others may change the tables.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.queue.send(Command::Flush(done)).await.is_ok() {
            // An error is an end as well.
            drop(flushed.await);
        }
    }
}

/// What waits for the end of a transaction.
type Waiting = oneshot::Sender<Result<(), EngineError>>;

#[derive(Debug)]
struct Writer {
    engine: Arc<Engine>,
    /// For each transaction: one that takes longer is given up, with its connection.
    limit: Duration,
    bounds: Upkeep,
    /// None until an append went well, and again whenever one did not.
    known: Option<Known>,
    since_upkeep: usize,
    /// The earliest time of any row since then: of a clock that is ahead for a while nothing may go.
    earliest: i64,
}

impl Writer {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while commands.recv_many(&mut group, MAX_GROUP).await > 0 {
            let mut batches = Vec::new();
            let mut waiting = Vec::new();
            let mut flushed = Vec::new();
            for command in group.drain(..) {
                match command {
                    Command::Append { rows, done } => {
                        waiting.push(done);
                        batches.push(rows);
                    }
                    Command::Flush(done) => flushed.push(done),
                }
            }
            if !waiting.is_empty() {
                self.write(batches, waiting).await;
            }
            if !flushed.is_empty() {
                self.known = None;
            }
            for done in flushed {
                // Nobody waits any longer: nothing to tell.
                done.send(()).unwrap_or_default();
            }
        }
    }

    async fn write(&mut self, batches: Vec<Vec<LedgerRow>>, waiting: Vec<Waiting>) {
        let outcome = self.append(&batches).await;
        let at_fault = matches!(outcome, Err(EngineError::Twice(_) | EngineError::InPart));
        if waiting.len() > 1 && at_fault {
            self.write_apart(&batches, waiting).await;
        } else {
            for done in waiting {
                drop(done.send(outcome.clone()));
            }
        }
        self.since_upkeep += batches.iter().map(Vec::len).sum::<usize>();
        self.earliest = batches.iter().flatten().map(LedgerRow::at).fold(self.earliest, i64::min);
        if self.since_upkeep >= UPKEEP_ROWS {
            self.since_upkeep = 0;
            if let Err(fault) = self.keep_bounds().await {
                tracing::warn!(?fault, "the ledger's tables were not brought within their bounds");
            }
            self.earliest = i64::MAX;
        }
    }

    /// Writes batches in their order, all or none.
    async fn append(&mut self, batches: &[Vec<LedgerRow>]) -> Result<(), EngineError> {
        let known = self.known.take();
        let written = timeout(self.limit, write(&self.engine, known, batches)).await;
        self.known = Some(written.map_err(|_| EngineError::Late)??);
        Ok(())
    }

    async fn keep_bounds(&mut self) -> Result<(), EngineError> {
        let known = self.known.take();
        let work = async {
            let mut transaction = self.engine.write_ledger().await?;
            let kept = ledger::upkeep(&mut transaction, self.bounds, self.earliest).await;
            transaction.end(kept).await
        };
        let moved = timeout(self.limit, work).await.map_err(|_| EngineError::Late)??;
        self.known = known;
        if let Some(known) = &mut self.known {
            known.forget(moved);
        }
        Ok(())
    }

    /// One of them is at fault: each by itself, so that the others are written.
    async fn write_apart(&mut self, batches: &[Vec<LedgerRow>], waiting: Vec<Waiting>) {
        for (batch, done) in batches.iter().zip(waiting) {
            drop(done.send(self.append(std::slice::from_ref(batch)).await));
        }
    }
}

/// Writes batches, and gives what is known afterwards.
async fn write(
    engine: &Engine,
    known: Option<Known>,
    batches: &[Vec<LedgerRow>],
) -> Result<Known, EngineError> {
    let known = match known {
        None => None,
        Some(mut known) => match ledger::append_steadily(engine, &mut known, batches).await {
            Ok(Steady::Written) => return Ok(known),
            Ok(Steady::NotKnown) => Some(known),
            // The same again with all checks: it may be on record, or the tables may be others now.
            Err(EngineError::Conflict | EngineError::Anew) => None,
            Err(fault) => return Err(fault),
        },
    };
    let mut transaction = engine.write_ledger().await?;
    let batches = batches.iter().map(Vec::as_slice);
    let written = ledger::append(&mut transaction, known, batches).await;
    transaction.end(written).await
}
