//! What the service is made with.

use std::{fmt, sync::Arc, time::Duration};

use peers::Peers;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{super::Admission, SoundEncoding, WhipMetrics};
use crate::{IngestMetrics, whip::IceServer};

/// Deadlines and limits of WHIP sessions.
#[derive(Clone, Debug)]
pub struct WhipConfig {
    /// How long Admission may take.
    pub admission_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long a client may take to connect once it has its answer.
    pub connect_timeout: Duration,
    /// How long a connected publisher may send nothing.
    pub idle_timeout: Duration,
    /// Sessions of one IP address at the same time; how many in all is `peers`' to say.
    pub sessions_per_ip: usize,
    /// Longest group of pictures: browsers send key frames only when asked.
    pub key_frame_target: Duration,
    /// Servers that clients are told of.
    pub ice_servers: Vec<IceServer>,
}

impl Default for WhipConfig {
    fn default() -> Self {
        Self {
            admission_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(15),
            sessions_per_ip: 64,
            key_frame_target: Duration::from_secs(2),
            ice_servers: Vec::new(),
        }
    }
}

/// What the WHIP service is made with.
#[derive(Clone)]
pub struct WhipContext {
    /// Who may publish.
    pub admission: Arc<dyn Admission>,
    /// Where clients connect.
    pub peers: Peers,
    /// What makes AAC of their Opus. Without it their sound is dropped, and the log says so.
    pub sound: Option<Arc<dyn SoundEncoding>>,
    /// Deadlines and limits.
    pub config: WhipConfig,
    /// Counts of publishers, those over RTMP among them.
    pub ingest: Arc<IngestMetrics>,
    /// Counts of this service, registered by the root.
    pub metrics: Arc<WhipMetrics>,
    /// Where sessions run.
    pub tasks: TaskTracker,
    /// Cancelled when the gateway ends: sessions end, and new ones are refused.
    pub shutdown: CancellationToken,
}

impl fmt::Debug for WhipContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhipContext").field("config", &self.config).finish_non_exhaustive()
    }
}
