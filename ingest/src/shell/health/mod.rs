//! The health of publishers, shared between those who feed it and those who look.

mod metrics;
mod owners;
mod service;
mod share;

pub use metrics::HealthMetrics;
pub use owners::{OwnedStream, StreamOwners};
pub use service::{HealthContext, health_service};
pub use share::IngestHealth;
