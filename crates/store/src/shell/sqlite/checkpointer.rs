//! Folds the write-ahead log into the file, beside whoever writes.

use std::time::Duration;

use sqlx::SqlitePool;
use tokio::task::JoinSet;

/// Time between two checkpoints. A commit beside one waits for the same disk, so they are few; in that time
/// 25 payments a second write some 25 MB.
const EVERY: Duration = Duration::from_secs(30);
/// Checkpoints in a row: what was written during the first one is folded by the next, so that the log
/// begins anew.
const TRIES: u32 = 3;

/// Checkpoints on a connection of its own. By itself, SQLite folds a thousand pages within the commit that
/// fills them: payments would wait for that, tens of milliseconds on a common disk.
#[derive(Debug)]
pub(super) struct Checkpointer {
    connection: SqlitePool,
    _task: JoinSet<()>,
}

impl Checkpointer {
    /// Starts it, on the runtime that this is called on. It ends when this is dropped.
    pub(super) fn start(connection: SqlitePool) -> Self {
        let mut task = JoinSet::new();
        task.spawn(run(connection.clone()));
        Self { connection, _task: task }
    }

    /// Waits for the checkpoint under way.
    pub(super) async fn close(&self) {
        self.connection.close().await;
    }
}

async fn run(connection: SqlitePool) {
    while !connection.is_closed() {
        tokio::time::sleep(EVERY).await;
        for _ in 0..TRIES {
            match checkpoint(&connection).await {
                Ok(Folded::All) | Err(sqlx::Error::PoolClosed) => break,
                Ok(Folded::Part) => {}
                Err(error) => {
                    tracing::warn!(%error, "the store's write-ahead log is not folded");
                    break;
                }
            }
        }
    }
}

enum Folded {
    All,
    Part,
}

/// One that neither waits for anybody nor makes anybody wait.
async fn checkpoint(connection: &SqlitePool) -> Result<Folded, sqlx::Error> {
    let (_busy, written, folded): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?;
    Ok(if folded >= written { Folded::All } else { Folded::Part })
}
