//! What all streams share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use orchestrator::{OrchestratorAddress, OrchestratorClient};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::{
    decision_log::DecisionLog, metrics::RouterMetrics, payments::Payments,
    picture_check::MaybePictureCheck, tape::Tape,
};
use crate::{
    call::Call,
    config::RouterConfig,
    dispatcher::Dispatcher,
    fleet::{Fleet, StreamId},
    memory::{Evidence, RememberedOrchestrator},
    pool::{Pools, StreamPolicy},
    recording::Recorder,
};

/// What a [`Router`](super::Router) and all of its routes hold.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<RouterConfig>,
    pub(super) client: OrchestratorClient,
    /// Owns the calls that end sessions, which outlive their stream.
    pub(super) tasks: TaskTracker,
    pub(super) metrics: RouterMetrics,
    /// Locked for one call of a core at a time: microseconds.
    fleet: Mutex<Recorded>,
    /// The fleet's version: wakes the streams that may be able to do more.
    pub(super) fleet_version: watch::Sender<u64>,
    pub(super) decisions: DecisionLog,
    pub(super) helpers: Helpers,
}

/// What the rest of the gateway does for the router.
#[derive(Debug)]
pub(super) struct Helpers {
    pub(super) picture_check: MaybePictureCheck,
    /// Pays for what costs something; without it, it is sent unpaid.
    pub(super) payments: Option<Arc<dyn Payments>>,
    /// To the memory; when full, evidence is dropped with a warning: an orchestrator that is caught
    /// gets no more work, so it can't fill the queue.
    pub(super) evidence: Option<mpsc::Sender<Evidence>>,
}

impl Shared {
    pub(super) fn new(
        config: Arc<RouterConfig>,
        client: OrchestratorClient,
        tasks: TaskTracker,
        metrics: RouterMetrics,
        recorded: Recorded,
        helpers: Helpers,
    ) -> Self {
        Self {
            config,
            client,
            tasks,
            metrics,
            fleet_version: watch::Sender::new(recorded.fleet.version()),
            fleet: Mutex::new(recorded),
            decisions: DecisionLog::new(),
            helpers,
        }
    }

    pub(super) fn fleet(&self) -> MutexGuard<'_, Recorded> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names a new stream.
    pub(super) fn admit(&self, seed: u64, policy: &StreamPolicy) -> StreamId {
        let mut fleet = self.fleet();
        let stream = fleet.fleet.admit_stream();
        fleet.note(|_| Recorder::stream(stream.0, seed, policy));
        stream
    }

    /// Sets the pools. Wakes every stream.
    pub(super) fn set_pools(&self, pools: Pools) {
        self.with_fleet(|recorded| {
            recorded.note(|_| Recorder::pools(&pools));
            recorded.fleet.set_pools(pools);
        });
    }

    /// Takes over what an earlier run has learned.
    pub(super) fn recall(
        &self,
        now: Instant,
        wall: SystemTime,
        learned: Vec<RememberedOrchestrator>,
    ) {
        let mut fleet = self.fleet();
        fleet.note(|recorder| recorder.recall(now, wall, &learned));
        fleet.fleet.recall(now, wall, learned);
    }

    /// An orchestrator was found there, or not. Wakes every stream when that is news; true then.
    pub(super) fn found(&self, now: Instant, address: &OrchestratorAddress, there: bool) -> bool {
        self.with_fleet(|recorded| {
            let changed = recorded.fleet.found(now, address, there);
            if changed {
                recorded.note(|recorder| recorder.life(now, address, there));
            }
            changed
        })
    }

    /// One call of a stream's routing. Wakes the other streams when it changed what they may do.
    pub(super) fn call(
        &self,
        now: Instant,
        stream: StreamId,
        dispatcher: &mut Dispatcher,
        call: Call,
    ) -> bool {
        self.with_fleet(|Recorded { fleet, tape }| {
            let mut make = |dispatcher: &mut Dispatcher, call| dispatcher.apply(now, fleet, call);
            match tape {
                Some(tape) if tape.is_running() => tape.made(now, stream.0, call, dispatcher, make),
                Some(_) | None => make(dispatcher, call),
            }
        })
    }

    fn with_fleet<T>(&self, call: impl FnOnce(&mut Recorded) -> T) -> T {
        let mut recorded = self.fleet();
        let result = call(&mut recorded);
        let version = recorded.fleet.version();
        drop(recorded);
        self.fleet_version.send_if_modified(|known| {
            let newer = version > *known;
            *known = version.max(*known);
            newer
        });
        result
    }
}

/// The fleet, and the recording of what happens to it: in one order.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) fleet: Fleet,
    pub(super) tape: Option<Tape>,
}

impl Recorded {
    fn note(&mut self, line: impl FnOnce(&Recorder) -> String) {
        if let Some(tape) = self.tape.as_mut().filter(|tape| tape.is_running()) {
            let line = line(tape.recorder());
            tape.write(line);
        }
    }
}
