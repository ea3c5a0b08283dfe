//! Where the gateway listens.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::{
    addresses::Addresses,
    config::{Config, ListenerConfig},
    listener::Listener,
};

/// Connections of the admin page at the same time.
const ADMIN_CONNECTIONS: usize = 256;

/// The gateway's sockets, bound.
pub(super) struct Listeners {
    pub(super) rtmp: Listener,
    pub(super) http: Listener,
    pub(super) admin: Listener,
}

impl Listeners {
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |name, listener: &ListenerConfig| {
            Listener::bind(name, listener)
                .with_context(|| format!("can't listen on {} ({name}-addr)", listener.addr))
        };
        let admin = ListenerConfig {
            addr: config.admin_addr,
            connections: ADMIN_CONNECTIONS,
            connections_per_ip: ADMIN_CONNECTIONS,
        };
        Ok(Self {
            rtmp: bind("rtmp", &config.rtmp)?,
            http: bind("http", &config.http)?,
            admin: bind("admin", &admin)?,
        })
    }

    pub(super) fn addresses(&self) -> anyhow::Result<Addresses> {
        let addresses = Addresses {
            rtmp: Some(self.rtmp.local_addr()?),
            http: Some(self.http.local_addr()?),
            admin: Some(self.admin.local_addr()?),
            ..Addresses::default()
        };
        let shown = |addr: Option<SocketAddr>| addr.map(tracing::field::display);
        tracing::info!(
            rtmp = shown(addresses.rtmp),
            http = shown(addresses.http),
            admin = shown(addresses.admin),
            "listening"
        );
        Ok(addresses)
    }
}
