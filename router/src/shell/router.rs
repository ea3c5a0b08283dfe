//! The router: orchestrators in, a route for every stream out.

use std::{path::PathBuf, sync::Arc};

use media::StreamName;
use orchestrator::OrchestratorClient;
use tokio::sync::{broadcast, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    attempt::now,
    decision_log::DecisionRecord,
    memory_keeper,
    metrics::RouterMetrics,
    payments::Payments,
    picture_check::PictureCheck,
    pulse::Pulses,
    route::StreamRoute,
    shared::{Helpers, Recorded, Shared},
    tape::Tape,
};
use crate::{
    config::RouterConfig,
    fleet::{Fleet, OrchestratorStatus},
    memory::FleetMemory,
    pool::{Pools, StreamPolicy},
    recording::Recorder,
};

/// Evidence that may wait for the memory.
const EVIDENCE_QUEUED: usize = 64;

/// What a router uses of the rest of the gateway.
#[derive(Clone, Debug, Default)]
pub struct RouterPorts {
    /// Keeps what was learned; without it, a restart forgets.
    pub memory: Option<Arc<dyn FleetMemory>>,
    /// Compares pictures; without it, false work is not noticed.
    pub picture_check: Option<Arc<dyn PictureCheck>>,
    /// Pays for what costs something; without it, everything is sent unpaid.
    pub payments: Option<Arc<dyn Payments>>,
    /// Where the run is recorded, for [`replay`](crate::replay).
    pub recording: Option<PathBuf>,
}

/// Routes the segments of every stream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    shared: Arc<Shared>,
    pulses: Arc<Pulses>,
}

impl Router {
    /// A router without orchestrators, which has recalled what was learned before. `tasks` gets the
    /// calls that end sessions, and the memory's keeper: close the router with `closed`, then wait for
    /// them before the process exits.
    pub async fn start(
        config: RouterConfig,
        client: OrchestratorClient,
        tasks: TaskTracker,
        metrics: RouterMetrics,
        ports: RouterPorts,
        closed: CancellationToken,
    ) -> Self {
        let pays = ports.payments.is_some();
        let config = Arc::new(RouterConfig { pays, ..config });
        let seed = rand::random();
        let fleet = Fleet::new(Arc::clone(&config), seed);
        let tape = ports.recording.map(|path| {
            let (recorder, first) = Recorder::start(now(), &config, seed);
            let (tape, write) = Tape::new(recorder, first, path, closed.clone());
            tasks.spawn(write);
            tape
        });
        let recorded = Recorded { fleet, tape };
        let (evidence, found) = mpsc::channel(EVIDENCE_QUEUED);
        let evidence = ports.memory.is_some().then_some(evidence);
        let RouterPorts { memory, picture_check, payments, .. } = ports;
        let helpers = Helpers { picture_check, payments, evidence };
        let shared = Shared::new(config, client, tasks, metrics, recorded, helpers);
        let shared = Arc::new(shared);
        let pulses = Pulses::new(Arc::clone(&shared), closed.clone());
        if let Some(memory) = memory {
            memory_keeper::recall(&shared, &*memory).await;
            let keeper = memory_keeper::keep(Arc::clone(&shared), memory, found, closed);
            shared.tasks.spawn(keeper);
        }
        Self { shared, pulses: Arc::new(pulses) }
    }

    /// Sets the pools, for streams that run and those to come; they follow at once.
    pub fn set_pools(&self, pools: Pools) {
        self.shared.set_pools(pools);
    }

    /// Every orchestrator, as it stands.
    #[must_use]
    pub fn status(&self) -> Vec<OrchestratorStatus> {
        self.shared.fleet().fleet.status(now())
    }

    /// Why a segment went where it went, while that is kept.
    #[must_use]
    pub fn decision(&self, stream: &StreamName, sequence: u64) -> Option<Arc<DecisionRecord>> {
        self.shared.decisions.find(stream, sequence)
    }

    /// The latest records of a stream, oldest first.
    #[must_use]
    pub fn decisions(&self, stream: &StreamName, most: usize) -> Vec<Arc<DecisionRecord>> {
        self.shared.decisions.latest(stream, most)
    }

    /// Every record from now on. One that falls behind misses some, and is told how many.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Arc<DecisionRecord>> {
        self.shared.decisions.listen()
    }

    /// Begins a stream. `manifest_id` names it at orchestrators, in their logs and URLs: no secret.
    #[must_use]
    pub fn open(
        &self,
        stream: &StreamName,
        manifest_id: String,
        policy: StreamPolicy,
    ) -> StreamRoute {
        StreamRoute::new(
            Arc::clone(&self.shared),
            Arc::clone(&self.pulses),
            stream,
            manifest_id,
            policy,
        )
    }
}
