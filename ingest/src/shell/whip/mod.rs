//! WHIP over HTTP, and one task per session.

mod context;
mod feed;
mod metrics;
mod port_metrics;
mod reply;
mod service;
mod session;
mod sessions;
mod sound;
mod sources;

pub use context::{WhipConfig, WhipContext};
pub use metrics::WhipMetrics;
pub use service::whip_service;
pub use sound::{Sound, SoundEncoding, SoundLine};
