//! What ingest counts. No label names a stream, a key or a peer.

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::Transport;
use crate::{demux::DemuxStats, timeline::TimelineStats};

type Labels = Vec<(&'static str, &'static str)>;

/// Counters of all publishers' connections together.
#[derive(Debug, Default)]
pub struct IngestMetrics {
    connections: Family<Labels, Gauge>,
    publishers: Family<Labels, Gauge>,
    connection_ends: Family<Labels, Counter>,
    publish_ends: Family<Labels, Counter>,
    pub(super) received_bytes: Counter,
    dropped_units: Family<Labels, Counter>,
    repaired: Counter,
    audio_resyncs: Counter,
    clock_jumps: Counter,
}

impl IngestMetrics {
    /// Enters every metric into `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("ingest");
        let mut add = |name: &str, help: &str, metric: Counter| {
            registry.register(name, help, metric);
        };
        add("received_bytes", "Bytes received from publishers", self.received_bytes.clone());
        add("timestamps_repaired", "Timestamps put back in line", self.repaired.clone());
        add("audio_resyncs", "Audio clocks set anew after a drift", self.audio_resyncs.clone());
        add("clock_jumps", "Jumps of publishers' clocks", self.clock_jumps.clone());
        for transport in [Transport::Plain, Transport::Tls] {
            self.connections(transport).set(0);
            self.publishers(transport).set(0);
        }
        self.whip_publishers().set(0);
        let connections = self.connections.clone();
        registry.register("connections", "RTMP connections open, plain or in TLS", connections);
        let publishers = self.publishers.clone();
        registry.register("publishers", "Publishers let in, by protocol", publishers);
        let ends = self.connection_ends.clone();
        registry.register("connection_ends", "RTMP connections by how they ended", ends);
        let ends = self.publish_ends.clone();
        registry.register("publish_ends", "Publishes by how they ended", ends);
        let dropped = self.dropped_units.clone();
        registry.register("dropped_units", "Access units dropped, by cause", dropped);
    }

    /// Those open now.
    pub(super) fn connections(&self, transport: Transport) -> Gauge {
        self.connections.get_or_create_owned(&vec![("over", transport.scheme())])
    }

    /// Those let in now over WebRTC.
    pub(super) fn whip_publishers(&self) -> Gauge {
        self.publishers.get_or_create_owned(&vec![("over", "whip")])
    }

    /// Those let in now over RTMP.
    pub(super) fn publishers(&self, transport: Transport) -> Gauge {
        self.publishers.get_or_create_owned(&vec![("over", transport.scheme())])
    }

    pub(super) fn connection_ended(&self, how: &'static str) {
        self.connection_ends.get_or_create(&vec![("how", how)]).inc();
    }

    pub(super) fn publish_ended(&self, how: &'static str) {
        self.publish_ends.get_or_create(&vec![("how", how)]).inc();
    }

    /// Adds what has changed between two looks at one publisher.
    pub(super) fn add(&self, before: &PublisherStats, after: &PublisherStats) {
        let (old, new) = (&before.timeline, &after.timeline);
        self.repaired.inc_by(new.repaired - old.repaired);
        self.audio_resyncs.inc_by(new.audio_resyncs - old.audio_resyncs);
        self.clock_jumps.inc_by(new.jumps - old.jumps);
        let causes = [
            ("queue full", after.queue_dropped - before.queue_dropped),
            ("old timeline", new.stragglers - old.stragglers),
            ("no parameters", new.untracked - old.untracked),
            ("video unreadable", after.demux.video_dropped - before.demux.video_dropped),
            ("audio unreadable", after.demux.audio_dropped - before.demux.audio_dropped),
        ];
        for (cause, count) in causes {
            if count > 0 {
                self.dropped_units.get_or_create(&vec![("cause", cause)]).inc_by(count);
            }
        }
    }
}

/// One publisher's counts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PublisherStats {
    pub(crate) demux: DemuxStats,
    pub(crate) timeline: TimelineStats,
    pub(crate) queue_dropped: u64,
}
