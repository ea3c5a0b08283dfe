//! What an operator sees of routing, over all streams.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Bounds of short waits, in seconds.
const SHORT: [f64; 18] = [
    0.000_25, 0.000_5, 0.001, 0.001_5, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007_5, 0.01, 0.015,
    0.02, 0.05, 0.1, 0.5, 1.0, 2.0,
];
/// Bounds of waits as long as a segment, in seconds.
const LONG: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0];

/// A bounded label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Counters and histograms of every stream together: no label names a stream or an orchestrator.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct RouterMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    discoveries: Family<Outcome, Counter>,
    attempts: Family<Outcome, Counter>,
    in_flight: Gauge,
    releases: Family<Outcome, Counter>,
    request_delay: Histogram,
    attempt_time: Histogram,
    check_time: Histogram,
    release_delay: Histogram,
    listing_delay: Histogram,
}

impl RouterMetrics {
    /// Registers everything below the prefix `router`.
    pub fn register(registry: &mut Registry) -> Self {
        let inner = Inner {
            discoveries: Family::default(),
            attempts: Family::default(),
            in_flight: Gauge::default(),
            releases: Family::default(),
            request_delay: Histogram::new(SHORT),
            attempt_time: Histogram::new(LONG),
            check_time: Histogram::new(SHORT),
            release_delay: Histogram::new(LONG),
            listing_delay: Histogram::new(SHORT),
        };
        let registry = registry.sub_registry_with_prefix("router");
        let discoveries = inner.discoveries.clone();
        registry.register("discoveries", "Answers to GetOrchestrator, by outcome", discoveries);
        registry.register("attempts", "Ended attempts, by outcome", inner.attempts.clone());
        registry.register("attempts_in_flight", "Attempts in flight", inner.in_flight.clone());
        let releases = inner.releases.clone();
        registry.register("releases", "Released sequence numbers, by outcome", releases);
        registry.register(
            "request_delay_seconds",
            "From a segment's last byte received to the first byte of its first request",
            inner.request_delay.clone(),
        );
        registry.register(
            "attempt_seconds",
            "From an attempt's start to its checked renditions",
            inner.attempt_time.clone(),
        );
        registry.register(
            "check_seconds",
            "Checking and re-timing the renditions of one attempt",
            inner.check_time.clone(),
        );
        registry.register(
            "release_delay_seconds",
            "From a segment's last byte received to its release",
            inner.release_delay.clone(),
        );
        registry.register(
            "listing_delay_seconds",
            "From the last byte of a segment's last rendition received to every playlist listing it, \
             once there are playlists; checks, waits for the numbers before it and the cushion included",
            inner.listing_delay.clone(),
        );
        Self(Arc::new(inner))
    }

    pub(super) fn discovered(&self, outcome: &'static str) {
        self.0.discoveries.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts an attempt in flight until the answer is dropped.
    pub(super) fn begin_attempt(&self) -> InFlight {
        self.0.in_flight.inc();
        InFlight(self.clone())
    }

    pub(super) fn attempted(&self, outcome: &'static str) {
        self.0.attempts.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn delivered(&self, total: Duration, check: Duration) {
        self.attempted("delivered");
        self.0.attempt_time.observe(total.as_secs_f64());
        self.0.check_time.observe(check.as_secs_f64());
    }

    pub(super) fn request_delay(&self, delay: Duration) {
        self.0.request_delay.observe(delay.as_secs_f64());
    }

    pub(super) fn listed(&self, delay: Duration) {
        self.0.listing_delay.observe(delay.as_secs_f64());
    }

    pub(super) fn released(&self, outcome: &'static str, delay: Duration) {
        self.0.releases.get_or_create(&Outcome { outcome }).inc();
        self.0.release_delay.observe(delay.as_secs_f64());
    }
}

/// One attempt in flight.
#[derive(Debug)]
pub(super) struct InFlight(RouterMetrics);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.dec();
    }
}
