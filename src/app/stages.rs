//! What shutdown ends, in order.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What shutdown ends, in this order, and the tasks that hang on each.
#[derive(Debug, Default)]
pub(super) struct Stages {
    /// Publishers: the RTMP listener and its connections.
    pub(super) publishers: Stage,
    /// Viewers: the HTTP listener and its connections.
    pub(super) viewers: Stage,
    /// Calls that end sessions at orchestrators, and what keeps what was learned.
    pub(super) sessions: Stage,
    /// The embedded orchestrator and the admin page.
    pub(super) support: Stage,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) closed: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Stage {
    pub(super) async fn end(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
