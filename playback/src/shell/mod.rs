//! What viewers connect to: the directory of presentations and the HTTP service over it.

mod conditional;
mod directory;
mod media_body;
mod metrics;
mod publish;
mod range;
mod reply;
mod resource;
mod service;
mod watch;

pub use directory::{Directory, Presentation};
pub use metrics::PlaybackMetrics;
pub use publish::publish_page;
pub use service::service;
