//! What the gateway counts over all streams, and the registry everything registers in.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// Counts of streams. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StreamMetrics {
    /// Streams with a publisher, or waiting for one to return.
    pub live: Gauge,
    /// Streams ended by a failure of their task.
    pub task_failures: Counter,
    /// Segments cut, stand-ins included.
    pub segments: Counter,
    /// Of these, filler while publishers were away.
    pub filler_segments: Counter,
}

impl StreamMetrics {
    /// Metrics that are all in `registry`.
    #[must_use]
    pub fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("streams");
        registry.register("live", "Streams live or waiting for their publisher", self.live.clone());
        registry.register(
            "task_failures",
            "Streams ended by a fault of ours",
            self.task_failures.clone(),
        );
        registry.register("segments", "Segments cut, stand-ins included", self.segments.clone());
        registry.register(
            "filler_segments",
            "Segments that filled the time while publishers were away",
            self.filler_segments.clone(),
        );
    }
}

/// Every metric of the process, as `/metrics` shows them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MetricsPage(Arc<Mutex<Registry>>);

impl MetricsPage {
    /// Shows what is in `registry`.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self(Arc::new(Mutex::new(registry)))
    }

    /// The page in the OpenMetrics text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = encode(&mut text, &registry) {
            tracing::warn!(%error, "metrics can't be rendered");
        }
        text
    }
}
