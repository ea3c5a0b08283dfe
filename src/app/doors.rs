//! What faces publishers and viewers.

use std::path::Path;

use ingest::Departure;
use peers::Peers;
use playback::Directory;
use prometheus_client::registry::Registry;

use super::{parts, serve_http, stages::Stages};
use crate::{config::Config, listener::Listener, streams::Streams};

/// The sockets of publishers and viewers, bound.
pub(super) struct Doors {
    pub(super) rtmp: Listener,
    /// Where there is a certificate.
    pub(super) rtmps: Option<Listener>,
    pub(super) http: Listener,
    /// Where there is a certificate.
    pub(super) https: Option<Listener>,
    /// None where that is switched off.
    pub(super) webrtc: Option<Peers>,
    /// What answers those who check that our domains are ours.
    pub(super) checks: axum::Router,
}

impl Doors {
    /// Serves at each of them. Gives how publishers are asked to leave.
    pub(super) fn open(
        self,
        config: &Config,
        program: &Path,
        streams: &Streams,
        directory: Directory,
        stages: &Stages,
        registry: &mut Registry,
    ) -> Departure {
        let publishers = &stages.publishers;
        let ingest = parts::ingest_metrics(registry);
        let whip = parts::whip_routes(
            config,
            self.webrtc,
            program,
            streams,
            publishers,
            &ingest,
            registry,
        );
        let rtmp = std::iter::once(self.rtmp).chain(self.rtmps);
        let departure = parts::serve_publishers(rtmp, config, streams, publishers, ingest);
        let push = parts::push_routes(config, streams, publishers, registry);
        let health = parts::health_routes(streams, publishers, registry);
        let viewers =
            parts::viewers_service(directory, push, whip).merge(health).merge(self.checks);
        for listener in std::iter::once(self.http).chain(self.https) {
            serve_http(listener, viewers.clone(), &stages.viewers);
        }
        departure
    }
}
