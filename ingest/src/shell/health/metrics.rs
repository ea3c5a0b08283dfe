//! What is counted of the health of all publishers together. No label names a stream.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::health::{HealthWord, WarningKind};

type Labels = Vec<(&'static str, &'static str)>;

/// Warnings by kind, and streams by how they are.
#[derive(Clone, Debug, Default)]
pub struct HealthMetrics {
    warnings: Family<Labels, Gauge>,
    begun: Family<Labels, Counter>,
    streams: Family<Labels, Gauge>,
}

impl HealthMetrics {
    /// Metrics that are all in `registry`.
    #[must_use]
    pub fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("ingest_health");
        let warnings = metrics.warnings.clone();
        registry.register("warnings", "Warnings that stand now, by kind", warnings);
        let begun = metrics.begun.clone();
        registry.register("warnings_begun", "Warnings that have begun, by kind", begun);
        let streams = metrics.streams.clone();
        registry.register("streams", "Live streams by the health of their ingest", streams);
        metrics.set([].into_iter(), [].into_iter());
        metrics
    }

    /// Counts a warning that has begun.
    pub fn begun(&self, kind: WarningKind) {
        self.begun.get_or_create(&vec![("kind", kind.as_str())]).inc();
    }

    /// What stands now, over all streams.
    pub fn set(
        &self,
        warnings: impl Iterator<Item = WarningKind> + Clone,
        streams: impl Iterator<Item = HealthWord> + Clone,
    ) {
        for kind in WarningKind::ALL {
            let count = warnings.clone().filter(|it| *it == kind).count();
            let gauge = self.warnings.get_or_create_owned(&vec![("kind", kind.as_str())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for word in HealthWord::ALL {
            let count = streams.clone().filter(|it| *it == word).count();
            let gauge = self.streams.get_or_create_owned(&vec![("health", word.as_str())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
