//! The running half of a session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Shared;
use crate::server::{ServerConfig, result_store::ResultStore, sessions::Capped};

/// What a live session holds: places for its segments, and the renditions not fetched yet.
#[derive(Debug)]
pub(super) struct LiveSession {
    /// One for the segment being transcoded and one per segment that may wait.
    pub(super) places: Arc<Semaphore>,
    /// Whose turn it is: one segment at a time, in order of arrival.
    pub(super) turn: Semaphore,
    /// Set when the session has ended.
    pub(super) ended: CancellationToken,
    results: Mutex<ResultStore>,
}

impl LiveSession {
    fn new(config: &ServerConfig) -> Self {
        let results = ResultStore::new(config.results_per_rendition, config.session_result_bytes);
        Self {
            places: Arc::new(Semaphore::new(config.session_queue.saturating_add(1))),
            turn: Semaphore::new(1),
            ended: CancellationToken::new(),
            results: Mutex::new(results),
        }
    }

    /// Whether a segment is being transcoded, or waits for it.
    fn is_working(&self, config: &ServerConfig) -> bool {
        self.places.available_permits() <= config.session_queue
    }

    pub(super) fn results(&self) -> MutexGuard<'_, ResultStore> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The session of a segment that has arrived; begins it where it is not live.
    pub(super) fn enter(self: &Arc<Self>, id: &str) -> Result<Arc<LiveSession>, Capped> {
        let now = tokio::time::Instant::now().into_std();
        let (session, begun) = self.sessions().enter(now, id, || LiveSession::new(&self.config))?;
        if begun {
            info!(session = id, "transcoding session began");
            let watcher = Arc::clone(self).end_when_idle(id.to_owned(), Arc::clone(&session));
            self.watchers.spawn(watcher);
        }
        Ok(session)
    }

    /// Ends a session; its renditions go with it.
    pub(super) fn end(&self, id: &str, reason: &'static str) {
        let ended = self.sessions().end(id);
        if let Some(session) = ended {
            session.ended.cancel();
            info!(session = id, reason, "transcoding session ended");
        }
    }

    async fn end_when_idle(self: Arc<Self>, id: String, session: Arc<LiveSession>) {
        loop {
            let Some(expiry) = self.sessions().expiry(&id) else { return };
            let expiry = tokio::time::Instant::from_std(expiry);
            let now = tokio::time::Instant::now();
            if expiry <= now {
                if !session.is_working(&self.config) {
                    return self.end(&id, "idle");
                }
                self.sessions().touch(now.into_std(), &id);
                continue;
            }
            tokio::select! {
                () = self.stopped.cancelled() => return self.end(&id, "shutdown"),
                () = session.ended.cancelled() => return,
                () = tokio::time::sleep_until(expiry) => {}
            }
        }
    }
}
