//! Carries what the fleet learned to and from its memory.

use std::{sync::Arc, time::Duration};

use media::wall_clock_now;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{attempt::now, shared::Shared};
use crate::memory::{Evidence, FleetMemory};

/// How often what was learned is kept.
const EVERY: Duration = Duration::from_secs(30);
/// Longest a memory may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Keeps what is learned and found, until the router closes; then once more.
pub(super) async fn keep(
    shared: Arc<Shared>,
    memory: Arc<dyn FleetMemory>,
    mut evidence: mpsc::Receiver<Evidence>,
    closed: CancellationToken,
) {
    let mut due = tokio::time::interval_at(tokio::time::Instant::now() + EVERY, EVERY);
    loop {
        tokio::select! {
            () = closed.cancelled() => break,
            _ = due.tick() => remember(&shared, &*memory).await,
            Some(evidence) = evidence.recv() => keep_evidence(&*memory, evidence).await,
        }
    }
    while let Ok(evidence) = evidence.try_recv() {
        keep_evidence(&*memory, evidence).await;
    }
    remember(&shared, &*memory).await;
}

/// Takes over what an earlier run has learned.
pub(super) async fn recall(shared: &Shared, memory: &dyn FleetMemory) {
    match tokio::time::timeout(LIMIT, memory.recall()).await {
        Ok(Ok(learned)) => {
            let count = learned.len();
            shared.recall(now(), wall_clock_now(), learned);
            tracing::debug!(count, "orchestrators remembered");
        }
        Ok(Err(error)) => tracing::warn!(%error, "what was learned before can't be read"),
        Err(_late) => tracing::warn!("what was learned before can't be read in time"),
    }
}

async fn remember(shared: &Shared, memory: &dyn FleetMemory) {
    let learned = shared.fleet().fleet.learned(now(), wall_clock_now());
    if learned.is_empty() {
        return;
    }
    match tokio::time::timeout(LIMIT, memory.remember(learned)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "what was learned can't be kept"),
        Err(_late) => tracing::warn!("what was learned can't be kept in time"),
    }
}

async fn keep_evidence(memory: &dyn FleetMemory, evidence: Evidence) {
    match tokio::time::timeout(LIMIT, memory.keep_evidence(evidence)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "evidence can't be kept"),
        Err(_late) => tracing::warn!("evidence can't be kept in time"),
    }
}
