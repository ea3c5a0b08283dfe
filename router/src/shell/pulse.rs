//! Whether the orchestrators that streams hold sessions with are there.
//!
//! One that stands still takes connections and segments like any other, because its system does that for
//! it; only an answer shows that it lives. So each is asked with `Ping`, the cheapest question of the
//! wire, whatever the number of streams: often while it works, at once when it gets a segment, and now
//! and then while it only stands by.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use orchestrator::{OrchestratorAddress, OrchestratorInfo, SessionError};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{attempt::now, shared::Shared};

/// How often one that works is asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// How many times less often one that stands by is asked.
const IDLE: u32 = 4;
/// An answer this fresh is good enough when a segment goes out.
const FRESH: Duration = Duration::from_millis(200);
/// How long it may take to answer before it counts as silent, at least: a round trip around the world
/// takes 300 ms.
const PATIENCE: Duration = Duration::from_millis(400);
/// That time in what its answers take as a rule.
const TIMES_USUAL: u32 = 4;
/// And at most.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2);

/// The orchestrators that are watched.
#[derive(Debug, Default)]
pub(super) struct Pulses(Mutex<HashMap<OrchestratorAddress, Weak<Pulse>>>);

/// Keeps one orchestrator watched for as long as anybody has it.
#[derive(Debug)]
pub(super) struct Pulse {
    address: OrchestratorAddress,
    shared: Weak<Shared>,
    sent: Arc<Notify>,
    _watching: DropGuard,
}

impl Pulse {
    /// Watches the orchestrator of a session, which the fleet knows by this address.
    pub(super) fn of(
        shared: &Arc<Shared>,
        address: &OrchestratorAddress,
        info: &OrchestratorInfo,
    ) -> Arc<Self> {
        let mut known = shared.pulses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pulse) = known.get(address).and_then(Weak::upgrade) {
            return pulse;
        }
        let over = CancellationToken::new();
        let sent = Arc::new(Notify::new());
        let pulse = Arc::new(Self {
            address: address.clone(),
            shared: Arc::downgrade(shared),
            sent: Arc::clone(&sent),
            _watching: over.clone().drop_guard(),
        });
        known.insert(address.clone(), Arc::downgrade(&pulse));
        drop(known);
        let watch = watch(Arc::clone(shared), address.clone(), info.clone(), sent);
        shared.tasks.spawn(async move {
            over.run_until_cancelled(watch).await;
        });
        pulse
    }

    /// A segment goes to it.
    pub(super) fn segment_sent(&self) {
        self.sent.notify_one();
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut known = shared.pulses.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may watch it anew already.
        if known.get(&self.address).is_some_and(|it| it.strong_count() == 0) {
            known.remove(&self.address);
        }
    }
}

async fn watch(
    shared: Arc<Shared>,
    address: OrchestratorAddress,
    info: OrchestratorInfo,
    sent: Arc<Notify>,
) {
    let client = shared.client.with_policy(info.policy());
    let mut answered = Instant::now();
    let mut usual = Duration::ZERO;
    let mut idle = 0_u32;
    loop {
        tokio::select! {
            () = sleep(INTERVAL) => {
                idle = if shared.fleet().fleet.is_busy(&address) { 0 } else { idle + 1 };
                if !idle.is_multiple_of(IDLE) {
                    continue;
                }
            }
            () = sent.notified() => {
                if answered.elapsed() < FRESH {
                    continue;
                }
            }
        }
        let asked = Instant::now();
        let patience = (usual * TIMES_USUAL).clamp(PATIENCE, LONGEST_PATIENCE);
        let question = client.ping(info.transcoder(), Bytes::new());
        tokio::pin!(question);
        let answer = match timeout(patience, &mut question).await {
            Ok(answer) => answer,
            Err(_) => {
                found(&shared, &address, false);
                question.await
            }
        };
        let there = match answer {
            // That it won't sign is an answer too.
            Ok(_) | Err(SessionError::Refused(_)) => true,
            Err(SessionError::Unreachable(_) | SessionError::Timeout(_)) => false,
        };
        if there {
            answered = Instant::now();
            usual = (usual * 7 + (answered - asked)) / 8;
        }
        found(&shared, &address, there);
    }
}

fn found(shared: &Shared, address: &OrchestratorAddress, there: bool) {
    if shared.found(now(), address, there) {
        if there {
            tracing::info!(%address, "orchestrator gives signs of life again");
        } else {
            tracing::warn!(%address, "orchestrator gives no sign of life");
        }
    }
}
