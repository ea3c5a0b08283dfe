//! What playback counts. No label names a stream or a viewer.

use http::StatusCode;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

type Labels = Vec<(&'static str, &'static str)>;

/// Counters of all viewers' requests together.
#[derive(Debug, Default)]
pub struct PlaybackMetrics {
    requests: Family<Labels, Counter>,
    sent_bytes: Family<Labels, Counter>,
    pub(super) presentations: Gauge,
}

impl PlaybackMetrics {
    /// Enters every metric into `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("playback");
        let requests = self.requests.clone();
        registry.register("requests", "Requests by what was asked for and status class", requests);
        let sent = self.sent_bytes.clone();
        registry.register("sent_bytes", "Bytes of response bodies, by what was asked for", sent);
        let presentations = self.presentations.clone();
        registry.register("presentations", "Presentations open", presentations);
    }

    pub(super) fn count_request(&self, kind: ResourceKind, status: StatusCode) {
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&vec![("kind", kind.as_str()), ("class", class)]).inc();
    }

    /// The counter of a kind's bytes.
    pub(super) fn sent_bytes(&self, kind: ResourceKind) -> Counter {
        self.sent_bytes.get_or_create(&vec![("kind", kind.as_str())]).clone()
    }
}

/// What a request asks for, as far as metrics tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceKind {
    Multivariant,
    MediaPlaylist,
    Segment,
    Init,
    Watch,
    Other,
}

impl ResourceKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Multivariant => "multivariant",
            Self::MediaPlaylist => "media_playlist",
            Self::Segment => "segment",
            Self::Init => "init",
            Self::Watch => "watch",
            Self::Other => "other",
        }
    }
}
