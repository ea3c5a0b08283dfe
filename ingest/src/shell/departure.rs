//! Publishers asked to go elsewhere before the gateway ends.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// The way out for publishers that can reconnect on request (Enhanced RTMP v2, "Reconnect Request"): they
/// go on to their next key frame, connect anew, and leave. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Departure {
    asked: CancellationToken,
    able: TaskTracker,
}

impl Departure {
    /// Asks every publisher that said it can. Returns when all of them have left, or `limit` has passed;
    /// at once where there is none.
    pub async fn ask(&self, limit: Duration) {
        self.asked.cancel();
        self.able.close();
        if timeout(limit, self.able.wait()).await.is_err() {
            let left = self.able.len();
            tracing::info!(left, "publishers stay that were asked to connect anew");
        }
    }

    /// Cancelled once they are asked: from then on nobody new should be let in.
    #[must_use]
    pub const fn asked(&self) -> &CancellationToken {
        &self.asked
    }

    /// Counts a publisher that can be asked, for as long as the token lives.
    pub(super) fn count(&self) -> TaskTrackerToken {
        self.able.token()
    }
}
