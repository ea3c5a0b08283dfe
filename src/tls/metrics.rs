//! What is counted of certificates and handshakes.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

type Labels = Vec<(&'static str, &'static str)>;

/// Counters of all listeners with TLS. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsMetrics {
    certificate_expires: Gauge,
    certificate_refused: Gauge,
    certificates_taken: Counter,
    handshakes: Family<Labels, Counter>,
    orders: Family<Labels, Counter>,
    orders_failed_in_a_row: Gauge,
}

impl TlsMetrics {
    /// Metrics that are all in `registry`.
    pub(crate) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("tls");
        let gauge = metrics.certificate_expires.clone();
        let help = "When the certificate in use expires, in seconds since the Unix epoch";
        registry.register("certificate_expires", help, gauge);
        let gauge = metrics.certificate_refused.clone();
        let help = "1 while the files hold a pair that can't be used and an older one goes on";
        registry.register("certificate_refused", help, gauge);
        let counter = metrics.certificates_taken.clone();
        registry.register("certificates_taken", "Certificates taken into use", counter);
        let family = metrics.handshakes.clone();
        registry.register("handshakes", "Handshakes, by listener and how they ended", family);
        let family = metrics.orders.clone();
        let help = "Attempts to get a certificate from the ACME server, by how they ended";
        registry.register("orders", help, family);
        let gauge = metrics.orders_failed_in_a_row.clone();
        let help = "Attempts to get a certificate that failed since one did not";
        registry.register("orders_failed_in_a_row", help, gauge);
        metrics
    }

    /// A pair is in use from now on, and expires then.
    pub(super) fn taken(&self, expires: u64) {
        self.certificate_expires.set(i64::try_from(expires).unwrap_or(i64::MAX));
        self.certificate_refused.set(0);
        self.certificates_taken.inc();
    }

    /// What the files hold now can't be used.
    pub(super) fn refused(&self) {
        self.certificate_refused.set(1);
    }

    pub(super) fn ordered(&self, how: &'static str) {
        self.orders.get_or_create(&vec![("how", how)]).inc();
    }

    pub(super) fn failed_in_a_row(&self, failures: u32) {
        self.orders_failed_in_a_row.set(failures.into());
    }

    pub(super) fn shaken(&self, listener: &'static str, how: &'static str) {
        self.handshakes.get_or_create(&vec![("listener", listener), ("how", how)]).inc();
    }
}
