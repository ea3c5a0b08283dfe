//! The HTTP service that takes pushed segments.

mod admission;
mod answer_body;
mod context;
mod metrics;
mod receive;
mod service;
mod work;

pub use admission::PushAdmission;
pub use context::{PushConfig, PushContext};
pub use metrics::PushMetrics;
pub use service::push_service;

#[cfg(test)]
mod tests;
