//! Folds the write-ahead log into the file, beside whoever writes.

use std::{sync::Arc, time::Duration};

use sqlx::SqliteConnection;
use tokio::{sync::Mutex, task::JoinSet};

use crate::shell::{error::EngineError, seat};

/// Time between two checkpoints. A commit beside one waits for the same disk, so they are few; in that time
/// 25 payments a second write some 25 MB.
const EVERY: Duration = Duration::from_secs(30);
/// Checkpoints in a row: what was written during the first one is folded by the next, so that the log
/// begins anew.
const TRIES: u32 = 3;

type Seat = seat::Seat<SqliteConnection>;

/// Checkpoints on a connection of its own. By itself, SQLite folds a thousand pages within the commit that
/// fills them: payments would wait for that, tens of milliseconds on a common disk.
#[derive(Debug)]
pub(super) struct Checkpointer {
    seat: Arc<Mutex<Seat>>,
    _task: JoinSet<()>,
}

impl Checkpointer {
    /// Starts it, on the runtime that this is called on. It ends when this is dropped.
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let seat = Arc::new(Seat::with(connection));
        let mut task = JoinSet::new();
        task.spawn(run(Arc::clone(&seat)));
        Self { seat, _task: task }
    }

    /// Waits for the checkpoint under way.
    pub(super) async fn close(&self) {
        self.seat.lock().await.close().await;
    }
}

async fn run(seat: Arc<Mutex<Seat>>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(EngineError::Closed) = fold(&mut *seat.lock().await).await {
            return;
        }
    }
}

/// Folds all of the log, where nobody is in the way.
async fn fold(seat: &mut Seat) -> Result<(), EngineError> {
    let Some(mut connection) = seat.take()? else { return Err(EngineError::Closed) };
    for _ in 0..TRIES {
        match checkpoint(&mut connection).await {
            Ok(Folded::All) => break,
            Ok(Folded::Part) => {}
            Err(error) => {
                tracing::warn!(%error, "the store's write-ahead log is not folded");
                break;
            }
        }
    }
    seat.put(connection);
    Ok(())
}

enum Folded {
    All,
    Part,
}

/// One that neither waits for anybody nor makes anybody wait.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<Folded, sqlx::Error> {
    let (_busy, written, folded): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?;
    Ok(if folded >= written { Folded::All } else { Folded::Part })
}
