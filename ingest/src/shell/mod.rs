//! Sockets, queues and deadlines around the cores.

mod activity;
mod admission;
mod connection;
mod departure;
mod event_queue;
mod health;
mod metrics;
mod publisher;
mod push;
mod track_log;
mod whip;

pub use activity::Activity;
pub use admission::{Admission, BoxFuture, PublisherSeat};
pub use connection::{
    ConnectionContext, ConnectionEnd, ConnectionError, ConnectionFault, ConnectionOutcome,
    RtmpConfig, Transport, serve_rtmp_connection,
};
pub use departure::Departure;
pub use health::{
    HealthContext, HealthMetrics, IngestHealth, OwnedStream, StreamOwners, health_service,
};
pub use metrics::IngestMetrics;
pub use push::{PushAdmission, PushConfig, PushContext, PushMetrics, push_service};
pub use whip::{
    Sound, SoundEncoding, SoundLine, WhipConfig, WhipContext, WhipMetrics, whip_service,
};

/// This moment, on tokio's clock, which tests can pause. Cores are handed it.
pub(crate) fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
