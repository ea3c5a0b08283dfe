//! What the service is made with.

use std::{fmt, sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{PushAdmission, PushMetrics};
use crate::push::LedgerLimits;

/// Bounds of the push service.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// Most bytes of one segment; more is 413.
    pub segment_bytes: u64,
    /// Most bytes of all segments that are being received or worked on; more is 503. Out of a
    /// transport stream, media take as much memory again.
    pub bytes_in_flight: u64,
    /// How long a body may take.
    pub body_limit: Duration,
    /// How long [`PushAdmission::admit`] may take.
    pub admit_limit: Duration,
    /// How long a client waits for a segment's result once its body is there; it can stretch this, to
    /// five minutes at most (`timeoutMultiplier`). Work goes on for five minutes, or for this if longer.
    pub result_limit: Duration,
    /// How long a client may take to read its answer.
    pub send_limit: Duration,
    /// What is kept to answer repeated segments.
    pub ledger: LedgerLimits,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            bytes_in_flight: 512 << 20,
            body_limit: Duration::from_secs(30),
            admit_limit: Duration::from_secs(10),
            result_limit: Duration::from_secs(30),
            send_limit: Duration::from_secs(60),
            ledger: LedgerLimits::default(),
        }
    }
}

/// What the push service is made with.
#[derive(Clone)]
pub struct PushContext {
    /// Who may push, and what becomes of it.
    pub admission: Arc<dyn PushAdmission>,
    /// Bounds.
    pub config: PushConfig,
    /// Counts, registered by the root.
    pub metrics: Arc<PushMetrics>,
    /// Where work on segments runs: it goes on when a client hangs up, since the client comes again
    /// for the answer.
    pub tasks: TaskTracker,
    /// Cancelled when the gateway drains: new segments are refused, those under way end in time.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for PushContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushContext").field("config", &self.config).finish_non_exhaustive()
    }
}
