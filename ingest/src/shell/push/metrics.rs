//! What the push service counts. No label names a stream, a key or a peer.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::push::PushRefusal;

type Labels = Vec<(&'static str, &'static str)>;

/// Counters of all pushed segments together.
#[derive(Debug, Default)]
pub struct PushMetrics {
    answers: Family<Labels, Counter>,
    pub(super) received_bytes: Counter,
    pub(super) repeated: Counter,
    pub(super) out_of_order: Counter,
    pub(super) durations_off: Counter,
    pub(super) under_way: Gauge,
}

impl PushMetrics {
    /// Enters every metric into `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("push");
        let mut add = |name: &str, help: &str, metric: &Counter| {
            registry.register(name, help, metric.clone());
        };
        add("received_bytes", "Bytes of pushed segments", &self.received_bytes);
        add("repeated", "Segments answered from the first result", &self.repeated);
        add("out_of_order", "Segments whose number went back", &self.out_of_order);
        add("durations_off", "Segments whose client is wrong about them", &self.durations_off);
        let answers = self.answers.clone();
        registry.register("answers", "Pushed segments by how they were answered", answers);
        registry.register("under_way", "Segments being worked on", self.under_way.clone());
    }

    pub(super) fn answered(&self, refusal: Option<&PushRefusal>) {
        let how = refusal.map_or("ok", PushRefusal::as_str);
        self.answers.get_or_create(&vec![("how", how)]).inc();
    }

    #[cfg(test)]
    pub(super) fn answers(&self, how: &'static str) -> u64 {
        self.answers.get_or_create(&vec![("how", how)]).get()
    }
}
