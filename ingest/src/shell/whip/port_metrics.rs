//! What the shared WebRTC port counts, read when somebody asks.

use std::fmt;

use peers::PeersMeter;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Shows the counts of a port as metrics.
#[derive(Debug)]
pub(super) struct PortMetrics(pub(super) PeersMeter);

impl Collector for PortMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let stats = self.0.stats();
        let peers = ConstGauge::new(i64::try_from(stats.peers).unwrap_or(i64::MAX));
        let mut encode = |name, help, metric: &dyn EncodeMetric| {
            let place = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.encode(place)
        };
        encode("port_peers", "WebRTC peers on the shared port", &peers)?;
        for (name, help, count) in [
            ("port_unknown_datagrams", "Datagrams of nobody's, dropped", stats.unknown),
            ("port_dropped_datagrams", "Datagrams that their peer had no room for", stats.dropped),
            (
                "port_closed_connections",
                "TCP connections that named no peer, or were too many",
                stats.connections_closed,
            ),
            ("port_refused_peers", "Offers refused because of the limit of peers", stats.refused),
        ] {
            encode(name, help, &ConstCounter::new(count))?;
        }
        Ok(())
    }
}
