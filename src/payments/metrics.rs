//! What an operator sees of payments, over all streams.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// Bounds of the time a payment takes, in seconds; finest around the 2 ms it is meant to stay within.
const BOUNDS: [f64; 20] = [
    0.000_25, 0.000_5, 0.000_75, 0.001, 0.001_25, 0.001_5, 0.001_75, 0.002, 0.002_5, 0.003, 0.004,
    0.005, 0.007_5, 0.01, 0.015, 0.02, 0.05, 0.1, 0.5, 2.0,
];

/// A bounded label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Counters of payments. No label names a stream, an orchestrator or an amount.
#[derive(Debug)]
pub(super) struct PaymentMetrics {
    payments: Family<Outcome, Counter>,
    endings: Family<Outcome, Counter>,
    tickets: Counter,
    overhead: Histogram,
    recording: Histogram,
    signing: Histogram,
}

impl PaymentMetrics {
    /// Registers everything below the prefix `payments`.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            payments: Family::default(),
            endings: Family::default(),
            tickets: Counter::default(),
            overhead: Histogram::new(BOUNDS),
            recording: Histogram::new(BOUNDS),
            signing: Histogram::new(BOUNDS),
        };
        let registry = registry.sub_registry_with_prefix("payments");
        let payments = metrics.payments.clone();
        registry.register("made", "Payments, by what became of the wish to pay", payments);
        registry.register("endings", "Payments, by how they ended", metrics.endings.clone());
        registry.register("tickets", "Tickets signed", metrics.tickets.clone());
        registry.register(
            "overhead_seconds",
            "From an attempt's start to its payment on record and signed",
            metrics.overhead.clone(),
        );
        registry.register(
            "recording_seconds",
            "From a payment's entry to it being on record",
            metrics.recording.clone(),
        );
        registry.register(
            "signing_seconds",
            "Signing of a payment, here or by the signer",
            metrics.signing.clone(),
        );
        metrics
    }

    pub(super) fn made(&self, outcome: &'static str) {
        self.payments.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn ended(&self, outcome: &'static str) {
        self.endings.get_or_create(&Outcome { outcome }).inc();
    }

    /// A payment is on record.
    pub(super) fn recorded(&self, took: Duration) {
        self.recording.observe(took.as_secs_f64());
    }

    /// A payment's tickets are signed, which took so long by itself.
    pub(super) fn signing(&self, took: Duration) {
        self.signing.observe(took.as_secs_f64());
    }

    /// A payment is on record and signed, so long after the attempt began.
    pub(super) fn signed(&self, tickets: u32, took: Duration) {
        self.made("paid");
        self.tickets.inc_by(u64::from(tickets));
        self.overhead.observe(took.as_secs_f64());
    }
}
