//! `addresses.json`: which ports the listeners really got.

use std::{io, net::SocketAddr, path::Path};

use serde::{Deserialize, Serialize};

/// Name of the file in the data directory.
pub const ADDRESSES_FILE: &str = "addresses.json";

/// Where each listener is bound; written once all are, so that port 0 can be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Publishers (RTMP).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rtmp: Option<SocketAddr>,
    /// Publishers (RTMP in TLS), where there is a certificate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rtmps: Option<SocketAddr>,
    /// Viewers (HTTP).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub http: Option<SocketAddr>,
    /// Viewers (HTTP in TLS), where there is a certificate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub https: Option<SocketAddr>,
    /// Publishers (WebRTC: UDP, and TCP unless that is off).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webrtc: Option<SocketAddr>,
    /// Health and metrics (HTTP).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub admin: Option<SocketAddr>,
    /// Gateways (the Livepeer wire).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub orchestrator: Option<SocketAddr>,
    /// Gateways without a key (the signer's calls).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signer: Option<SocketAddr>,
}

impl Addresses {
    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// When the directory can't be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let unfinished = data_dir.join("addresses.json.new");
        std::fs::write(&unfinished, text + "\n")?;
        std::fs::rename(unfinished, data_dir.join(ADDRESSES_FILE))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is not there, or not one of ours.
    pub fn read(data_dir: &Path) -> io::Result<Self> {
        let text = std::fs::read(data_dir.join(ADDRESSES_FILE))?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }

    /// Removes the file of an earlier run.
    ///
    /// # Errors
    /// When it is there and can't be removed.
    pub fn clear(data_dir: &Path) -> io::Result<()> {
        match std::fs::remove_file(data_dir.join(ADDRESSES_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }
}
