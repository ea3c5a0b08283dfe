//! Sockets, queues and deadlines around the cores.

mod activity;
mod admission;
mod connection;
mod event_queue;
mod metrics;
mod publisher;

pub use activity::Activity;
pub use admission::{Admission, BoxFuture, PublisherSeat};
pub use connection::{
    ConnectionContext, ConnectionEnd, ConnectionError, ConnectionFault, ConnectionOutcome,
    RtmpConfig, serve_rtmp_connection,
};
pub use metrics::IngestMetrics;
