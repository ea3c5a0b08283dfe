//! Where the gateway listens.

use std::net::SocketAddr;

use anyhow::Context as _;
use peers::Peers;

use super::{doors::Doors, securing::Securing, stages::Stages};
use crate::{
    addresses::Addresses,
    config::{Config, ListenerConfig},
    listener::Listener,
    tls::{Certificates, Handshakes, Protocol},
};

/// Connections of the admin page at the same time.
const ADMIN_CONNECTIONS: usize = 256;

/// The gateway's sockets, bound.
pub(super) struct Listeners {
    pub(super) doors: Doors,
    pub(super) admin: Listener,
}

impl Listeners {
    pub(super) fn bind(
        config: &Config,
        securing: Option<&Securing>,
        stages: &Stages,
    ) -> anyhow::Result<Self> {
        let bind = |name, listener: &ListenerConfig| {
            Listener::bind(name, listener)
                .with_context(|| format!("can't listen on {} ({name}-addr)", listener.addr))
        };
        let admin = ListenerConfig {
            addr: config.admin_addr,
            connections: ADMIN_CONNECTIONS,
            connections_per_ip: ADMIN_CONNECTIONS,
        };
        let bind_tls = |name, protocol, limits: &ListenerConfig, certificates: &Certificates| {
            let tls = Handshakes::new(name, protocol, certificates.clone(), limits);
            anyhow::Ok(bind(name, limits)?.with_tls(tls))
        };
        let certificates = securing.map(|it| &it.certificates);
        let (rtmps, https) = match (&config.tls, certificates) {
            (Some(tls), Some(certificates)) => (
                Some(bind_tls("rtmps", Protocol::Rtmp, &tls.rtmps, certificates)?),
                Some(bind_tls("https", Protocol::Http, &tls.https, certificates)?),
            ),
            _ => (None, None),
        };
        // Behind a proxy HTTP may stay on this machine; WebRTC passes no proxy.
        if let Some(whip) = &config.whip
            && whip.peers.addr.ip().is_loopback()
            && whip.peers.public.is_empty()
            && !config.rtmp.addr.ip().is_loopback()
        {
            let addr = whip.peers.addr;
            tracing::warn!(
                %addr,
                "browsers elsewhere can't publish: only this machine reaches the WebRTC port; set whip.udp_addr, and whip.public_addresses behind a NAT"
            );
        }
        let webrtc = config.whip.as_ref().map(|whip| {
            // Peers say goodbye after their sessions have ended: their port outlives these.
            let (tasks, closed) = (stages.viewers.tasks.clone(), &stages.viewers.closed);
            Peers::bind(&whip.peers, tasks, closed)
                .with_context(|| format!("can't listen on {} (whip.udp_addr)", whip.peers.addr))
        });
        let doors = Doors {
            rtmp: bind("rtmp", &config.rtmp)?,
            rtmps,
            http: bind("http", &config.http)?,
            https,
            webrtc: webrtc.transpose()?,
            checks: securing.map(Securing::checks).unwrap_or_default(),
        };
        Ok(Self { doors, admin: bind("admin", &admin)? })
    }

    pub(super) fn addresses(&self) -> anyhow::Result<Addresses> {
        let doors = &self.doors;
        let of =
            |listener: &Option<Listener>| listener.as_ref().map(Listener::local_addr).transpose();
        let addresses = Addresses {
            rtmp: Some(doors.rtmp.local_addr()?),
            rtmps: of(&doors.rtmps)?,
            http: Some(doors.http.local_addr()?),
            https: of(&doors.https)?,
            admin: Some(self.admin.local_addr()?),
            webrtc: doors.webrtc.as_ref().map(Peers::local_addr),
            ..Addresses::default()
        };
        let shown = |addr: Option<SocketAddr>| addr.map(tracing::field::display);
        tracing::info!(
            rtmp = shown(addresses.rtmp),
            rtmps = shown(addresses.rtmps),
            http = shown(addresses.http),
            https = shown(addresses.https),
            webrtc = shown(addresses.webrtc),
            admin = shown(addresses.admin),
            "listening"
        );
        Ok(addresses)
    }
}
