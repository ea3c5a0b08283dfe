//! Whether the orchestrators that streams hold sessions with are there.
//!
//! One that stands still takes connections and segments like any other, because its system does that for
//! it; only an answer shows that it lives. So each is asked with `Ping`, the cheapest question of the
//! wire, whatever the number of streams: often while it works, at once when it gets a segment, and now
//! and then while it only stands by.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use orchestrator::{OrchestratorAddress, OrchestratorInfo, SessionError};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

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

/// How long one that nobody has a session with any more is watched for its return.
const ORPHANED: Duration = Duration::from_secs(10 * 60);

/// The orchestrators that are watched.
#[derive(Debug)]
pub(super) struct Pulses {
    shared: Arc<Shared>,
    watched: Mutex<HashMap<OrchestratorAddress, Watched>>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Watched {
    pulse: Weak<Pulse>,
    sent: Arc<Notify>,
    /// Where it takes segments, and how one may connect to it, as the latest session says.
    info: Arc<OrchestratorInfo>,
}

/// Keeps one orchestrator watched for as long as anybody has it; then until it is there, where it is
/// silent.
#[derive(Debug)]
pub(super) struct Pulse {
    sent: Arc<Notify>,
}

impl Pulses {
    pub(super) fn new(shared: Arc<Shared>, closed: CancellationToken) -> Self {
        Self { shared, watched: Mutex::default(), closed }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<OrchestratorAddress, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the orchestrator of a session, which the fleet knows by this address.
    pub(super) fn feel(
        self: &Arc<Self>,
        address: &OrchestratorAddress,
        info: &Arc<OrchestratorInfo>,
    ) -> Arc<Pulse> {
        let mut watched = self.watched();
        if let Some(found) = watched.get_mut(address) {
            found.info = Arc::clone(info);
            return found.pulse.upgrade().unwrap_or_else(|| {
                let pulse = Arc::new(Pulse { sent: Arc::clone(&found.sent) });
                found.pulse = Arc::downgrade(&pulse);
                pulse
            });
        }
        let sent = Arc::new(Notify::new());
        let pulse = Arc::new(Pulse { sent: Arc::clone(&sent) });
        let (weak, info) = (Arc::downgrade(&pulse), Arc::clone(info));
        watched.insert(address.clone(), Watched { pulse: weak, sent: Arc::clone(&sent), info });
        drop(watched);
        let (pulses, address) = (Arc::clone(self), address.clone());
        self.shared.tasks.spawn(async move {
            let closed = pulses.closed.clone();
            closed.run_until_cancelled(watch(pulses, address, sent)).await;
        });
        pulse
    }

    /// Whom to ask, and whether anybody has a session with it. `None`, and it is not watched any more,
    /// when nobody has and its return is not awaited.
    fn next(
        &self,
        address: &OrchestratorAddress,
        awaited: bool,
    ) -> Option<(Arc<OrchestratorInfo>, bool)> {
        let mut watched = self.watched();
        let found = watched.get(address)?;
        let in_session = found.pulse.strong_count() > 0;
        if in_session || awaited {
            return Some((Arc::clone(&found.info), in_session));
        }
        watched.remove(address);
        None
    }
}

impl Pulse {
    /// A segment goes to it.
    pub(super) fn segment_sent(&self) {
        self.sent.notify_one();
    }
}

async fn watch(pulses: Arc<Pulses>, address: OrchestratorAddress, sent: Arc<Notify>) {
    let shared = &*pulses.shared;
    let mut answered = Instant::now();
    let mut usual: Option<Duration> = None;
    let (mut idle, mut there, mut in_session) = (0_u32, true, true);
    loop {
        tokio::select! {
            () = sleep(INTERVAL) => {
                let hurry = !there || shared.fleet().fleet.is_busy(&address);
                idle = if hurry { 0 } else { idle.wrapping_add(1) };
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
        // A session that just ended may have ended because nobody is there: that is asked once more.
        let awaited = (in_session || !there) && answered.elapsed() < ORPHANED;
        let Some((info, still)) = pulses.next(&address, awaited) else { return };
        in_session = still;
        let asked = Instant::now();
        // Before the first answer there may be a connection to make.
        let patience = usual.map_or(LONGEST_PATIENCE, |usual| usual * TIMES_USUAL);
        let patience = patience.clamp(PATIENCE, LONGEST_PATIENCE);
        let client = shared.client.with_policy(info.policy());
        let question = client.ping(info.transcoder(), Bytes::new());
        tokio::pin!(question);
        let answer = match timeout(patience, &mut question).await {
            Ok(answer) => answer,
            Err(_) => {
                found(shared, &address, false);
                question.await
            }
        };
        there = match answer {
            // That it won't sign is an answer too.
            Ok(_) | Err(SessionError::Refused(_)) => true,
            Err(SessionError::Unreachable(_) | SessionError::Timeout(_)) => false,
        };
        if there {
            answered = Instant::now();
            let took = answered - asked;
            usual = Some(usual.map_or(took, |usual| (usual * 7 + took) / 8));
        }
        found(shared, &address, there);
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
