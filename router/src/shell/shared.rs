//! What all streams share.

use std::sync::Arc;

use orchestrator::OrchestratorClient;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::metrics::RouterMetrics;
use crate::{config::RouterConfig, session::ConfiguredOrchestrator};

/// What a [`Router`](super::Router) and all of its routes hold.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Arc<RouterConfig>,
    pub(super) client: OrchestratorClient,
    /// Owns the calls that end sessions, which outlive their stream.
    pub(super) tasks: TaskTracker,
    pub(super) metrics: RouterMetrics,
    pub(super) orchestrators: watch::Sender<Vec<ConfiguredOrchestrator>>,
}
