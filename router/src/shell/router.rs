//! The router: orchestrators in, a route for every stream out.

use std::sync::Arc;

use media::StreamName;
use orchestrator::OrchestratorClient;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::{metrics::RouterMetrics, route::StreamRoute, shared::Shared};
use crate::{config::RouterConfig, session::ConfiguredOrchestrator};

/// Routes the segments of every stream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Router {
    shared: Arc<Shared>,
}

impl Router {
    /// A router without orchestrators. `tasks` gets the calls that end sessions: wait for it before
    /// the process exits.
    #[must_use]
    pub fn new(
        config: RouterConfig,
        client: OrchestratorClient,
        tasks: TaskTracker,
        metrics: RouterMetrics,
    ) -> Self {
        let orchestrators = watch::Sender::new(Vec::new());
        let config = Arc::new(config);
        Self { shared: Arc::new(Shared { config, client, tasks, metrics, orchestrators }) }
    }

    /// Sets the orchestrators, in the operator's order, for streams that run and those to come.
    pub fn set_orchestrators(&self, configured: Vec<ConfiguredOrchestrator>) {
        self.shared.orchestrators.send_if_modified(|current| {
            let changed = *current != configured;
            *current = configured;
            changed
        });
    }

    /// Begins a stream. `manifest_id` names it at orchestrators, in their logs and URLs: no secret.
    #[must_use]
    pub fn open(&self, stream: &StreamName, manifest_id: String) -> StreamRoute {
        StreamRoute::new(Arc::clone(&self.shared), stream, manifest_id)
    }
}
