//! `[whip]`: publishing from browsers.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ingest::{WhipConfig, whip::IceServer};
use media::Redacted;
use peers::PeersConfig;

use super::reader::{Faults, Section};

/// The UDP port, and the TCP port, of WebRTC.
const PORT: u16 = 8_189;
const SESSIONS: usize = 1_000;

/// Where and how publishers over WebRTC are taken.
#[derive(Clone, Debug)]
pub struct WhipSettings {
    /// The shared ports.
    pub peers: PeersConfig,
    /// Deadlines, limits, and what clients are told.
    pub sessions: WhipConfig,
}

/// `None` when it is switched off. Where no address is given, it is that of `http` with WebRTC's port, or any
/// port where `http` has any.
pub(super) fn whip(
    mut section: Section,
    http: SocketAddr,
    idle_timeout: Duration,
    key_frame_target: Duration,
    faults: &mut Faults,
) -> Option<WhipSettings> {
    let enabled = section.boolean("enabled", faults).unwrap_or(true);
    let addr = section.address("udp_addr", faults);
    let tcp = section.boolean("tcp", faults).unwrap_or(true);
    let path = section.path_of("public_addresses");
    let public = section.texts("public_addresses", "IP addresses", faults).unwrap_or_default();
    let public = public.iter().filter_map(|text| public_address(text, &path, faults)).collect();
    let number = |value: Option<u32>| value.and_then(|value| usize::try_from(value).ok());
    let sessions = number(section.integer("sessions", 1..=100_000, faults)).unwrap_or(SESSIONS);
    let per_ip = number(section.integer("sessions_per_ip", 1..=100_000, faults));
    let range = Duration::from_secs(1)..=Duration::from_secs(120);
    let connect = section.duration("connect_timeout", range, faults);
    let servers = section.sections("ice_server", faults).into_iter();
    let ice_servers = servers.filter_map(|server| ice_server(server, faults)).collect();
    section.finish(faults);
    let default = WhipConfig::default();
    let any = if http.port() == 0 { 0 } else { PORT };
    enabled.then(|| WhipSettings {
        peers: PeersConfig {
            addr: addr.unwrap_or_else(|| SocketAddr::new(http.ip(), any)),
            tcp,
            public,
            peers_max: sessions,
        },
        sessions: WhipConfig {
            connect_timeout: connect.unwrap_or(default.connect_timeout),
            idle_timeout,
            sessions_per_ip: per_ip.unwrap_or(sessions / 2).max(1),
            key_frame_target,
            ice_servers,
            ..default
        },
    })
}

fn public_address(text: &str, path: &str, faults: &mut Faults) -> Option<IpAddr> {
    let address = text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified());
    if address.is_none() {
        faults.add(path, format!("{text:?} is not an IP address"));
    }
    address
}

fn ice_server(mut section: Section, faults: &mut Faults) -> Option<IceServer> {
    let path = section.path_of("url");
    let url = section.string("url", faults);
    let username = section.string("username", faults);
    let password = section.string("password", faults).map(Redacted::new);
    section.finish(faults);
    let known = |url: &String| ["stun:", "turn:", "turns:"].iter().any(|it| url.starts_with(it));
    let Some(url) = url.filter(known) else {
        faults.add(path, "expected a stun:, turn: or turns: URL");
        return None;
    };
    let server = IceServer { url, credential: username.zip(password) };
    if server.link().is_none() {
        faults.add(path, "holds characters that can't be told to clients");
    }
    Some(server)
}
