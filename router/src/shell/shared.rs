//! What all streams share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orchestrator::OrchestratorClient;
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::{decision_log::DecisionLog, metrics::RouterMetrics, picture_check::MaybePictureCheck};
use crate::{config::RouterConfig, fleet::Fleet, memory::Evidence};

/// What a [`Router`](super::Router) and all of its routes hold.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<RouterConfig>,
    pub(super) client: OrchestratorClient,
    /// Owns the calls that end sessions, which outlive their stream.
    pub(super) tasks: TaskTracker,
    pub(super) metrics: RouterMetrics,
    /// Locked for one call of a core at a time: microseconds.
    fleet: Mutex<Fleet>,
    /// The fleet's version: wakes the streams that may be able to do more.
    pub(super) fleet_version: watch::Sender<u64>,
    pub(super) decisions: DecisionLog,
    pub(super) picture_check: MaybePictureCheck,
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
        fleet: Fleet,
        picture_check: MaybePictureCheck,
        evidence: Option<mpsc::Sender<Evidence>>,
    ) -> Self {
        Self {
            config,
            client,
            tasks,
            metrics,
            fleet_version: watch::Sender::new(fleet.version()),
            fleet: Mutex::new(fleet),
            decisions: DecisionLog::new(),
            picture_check,
            evidence,
        }
    }

    pub(super) fn fleet(&self) -> MutexGuard<'_, Fleet> {
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of a core with the fleet. Wakes the other streams when it changed what they may do.
    pub(super) fn with_fleet<T>(&self, call: impl FnOnce(&mut Fleet) -> T) -> T {
        let mut fleet = self.fleet();
        let result = call(&mut fleet);
        let version = fleet.version();
        drop(fleet);
        self.fleet_version.send_if_modified(|known| {
            let newer = version > *known;
            *known = version.max(*known);
            newer
        });
        result
    }
}
