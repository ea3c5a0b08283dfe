//! What WHIP counts. No label names a stream, a key or a peer.

use peers::Peers;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use rtp::{DropReason, TrackHealth};

use super::port_metrics::PortMetrics;
use crate::whip::WhipRefusal;

type Labels = Vec<(&'static str, &'static str)>;

/// Counters of all WHIP sessions together.
#[derive(Debug, Default)]
pub struct WhipMetrics {
    pub(super) sessions: Gauge,
    answers: Family<Labels, Counter>,
    pub(super) restarts: Counter,
    packets: Family<Labels, Counter>,
    dropped_units: Family<Labels, Counter>,
    pub(super) key_frame_requests: Counter,
    pub(super) sound_dropped: Counter,
    pub(super) sound_lost: Counter,
}

impl WhipMetrics {
    /// Enters every metric into `registry`, those of the port of `peers` among them.
    pub fn register(&self, registry: &mut Registry, peers: &Peers) {
        let registry = registry.sub_registry_with_prefix("whip");
        registry.register_collector(Box::new(PortMetrics(peers.meter())));
        registry.register("sessions", "WHIP sessions open", self.sessions.clone());
        let answers = self.answers.clone();
        registry.register("requests", "WHIP requests by what became of them", answers);
        registry.register("ice_restarts", "ICE restarts", self.restarts.clone());
        let packets = self.packets.clone();
        registry.register("packets", "RTP packets by what became of them", packets);
        let dropped = self.dropped_units.clone();
        registry.register("dropped_units", "Access units dropped, by cause", dropped);
        let asked = self.key_frame_requests.clone();
        registry.register("key_frame_requests", "Key frames asked for", asked);
        let sound = self.sound_dropped.clone();
        registry.register("sound_dropped", "Publishers whose sound was dropped", sound);
        let lost = self.sound_lost.clone();
        registry.register(
            "sound_lost",
            "Packets and frames of sound dropped on the way through an encoder",
            lost,
        );
    }

    pub(super) fn answered(&self, refusal: Option<&WhipRefusal>) {
        let what = refusal.map_or("done", WhipRefusal::kind);
        self.answers.get_or_create(&vec![("outcome", what)]).inc();
    }

    /// Adds a track's figures, when its session is over.
    pub(super) fn track_ended(&self, health: &TrackHealth) {
        let counts = [
            ("received", health.received),
            ("lost", health.lost),
            ("late", health.late),
            ("duplicate", health.duplicate),
        ];
        for (what, count) in counts {
            self.packets.get_or_create(&vec![("what", what)]).inc_by(count);
        }
        for reason in DropReason::ALL {
            let count = health.dropped_for(reason);
            if count > 0 {
                let labels = vec![("cause", reason.as_str())];
                self.dropped_units.get_or_create(&labels).inc_by(count);
            }
        }
    }
}
