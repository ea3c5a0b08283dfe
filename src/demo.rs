//! `headgate demo`: two streams ready to use, one of them showing the built-in test picture.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use media::{PlaybackId, StreamName};
use rand::RngExt as _;
use router::StreamPolicy;
use serde::{Deserialize, Serialize};

use crate::{
    addresses::Addresses,
    config::{KeyDigest, PublisherPolicy, StreamConfig},
};

/// Where the demo's keys are kept, so that OBS need not be set up again at the next start.
const KEYS_FILE: &str = "demo-keys.json";
/// Playback id of the stream that shows the test picture.
const TEST_PICTURE: &str = "test-picture";
/// Playback id of the stream that waits for an encoder.
const OWN_STREAM: &str = "my-stream";

/// The demo's stream keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct DemoKeys {
    test_picture: String,
    own_stream: String,
}

impl DemoKeys {
    /// The keys of an earlier start, or new ones.
    ///
    /// # Errors
    /// When the data directory can't be read or written.
    pub(crate) fn load_or_create(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(KEYS_FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self { test_picture: random_key(), own_stream: random_key() };
                std::fs::create_dir_all(data_dir)?;
                write_private(&path, &serde_json::to_vec_pretty(&keys).map_err(io::Error::other)?)?;
                Ok(keys)
            }
            Err(error) => Err(error),
        }
    }

    /// The demo's streams.
    #[must_use]
    pub(crate) fn streams(&self, policy: &PublisherPolicy) -> Vec<StreamConfig> {
        [(TEST_PICTURE, &self.test_picture), (OWN_STREAM, &self.own_stream)]
            .into_iter()
            .filter_map(|(id, key)| {
                Some(StreamConfig {
                    name: StreamName::new(id).ok()?,
                    key: KeyDigest::of(key),
                    playback_id: PlaybackId::new(id).ok()?,
                    ladder: None,
                    routing: StreamPolicy::default(),
                    policy: policy.clone(),
                })
            })
            .collect()
    }

    /// Where the test picture is published.
    #[must_use]
    pub(crate) fn test_picture_url(&self, rtmp: SocketAddr) -> String {
        format!("rtmp://{}/live/{}", reachable(rtmp), self.test_picture)
    }

    /// How to watch the test picture and how to publish something else.
    #[must_use]
    pub(crate) fn instructions(&self, addresses: &Addresses, with_picture: bool) -> Option<String> {
        let (rtmp, http) = (reachable(addresses.rtmp?), reachable(addresses.http?));
        let key = &self.own_stream;
        let mut text = String::from("\n");
        if with_picture {
            text.push_str(&format!(
                "  Watch the test picture   http://{http}/watch/{TEST_PICTURE}\n\n"
            ));
        }
        text.push_str(&format!(
            "  Publish your own from a browser on this machine\n\
             \x20                          http://{http}/publish#key={key}\n\
             \x20 or from OBS: Settings > Stream > Service \"Custom\"\n\
             \x20   Server       rtmp://{rtmp}/live\n\
             \x20   Stream key   {key}\n\
             \x20 or with ffmpeg:\n\
             \x20   ffmpeg -re -i FILE -c:v libx264 -preset veryfast -g 60 -c:a aac -f flv rtmp://{rtmp}/live/{key}\n\
             \x20 Watch it                 http://{http}/watch/{OWN_STREAM}\n\
             \x20 For any HLS player       http://{http}/{OWN_STREAM}.m3u8\n"
        ));
        if let Some((rtmps, https)) = addresses.rtmps.zip(addresses.https) {
            let (rtmps, https) = (reachable(rtmps), reachable(https));
            text.push_str(&format!(
                "\n\
                 \x20 Over TLS (clients want a name or address that is in the certificate):\n\
                 \x20   Server       rtmps://{rtmps}/live\n\
                 \x20   Watch        https://{https}/watch/{OWN_STREAM}\n"
            ));
        }
        Some(text)
    }
}

/// An address a person on this machine can type.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = if addr.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { addr.ip() };
    SocketAddr::new(ip, addr.port())
}

/// 120 random bits, without letters that are easily mistaken for each other.
fn random_key() -> String {
    const ALPHABET: &[u8] = b"23456789abcdefghijkmnpqrstuvwxyz";
    let mut random = rand::rng();
    (0..24)
        .filter_map(|_| ALPHABET.get(random.random_range(0..ALPHABET.len())))
        .map(|c| char::from(*c))
        .collect()
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_random_long_and_not_the_playback_id() {
        let (a, b) = (random_key(), random_key());
        assert_eq!(a.len(), 24);
        assert_ne!(a, b);
    }

    #[test]
    fn instructions_name_addresses_one_can_type() {
        let keys = DemoKeys { test_picture: "aaaa".into(), own_stream: "bbbb".into() };
        let addresses = Addresses {
            rtmp: "0.0.0.0:1935".parse().ok(),
            http: "[::]:8080".parse().ok(),
            ..Addresses::default()
        };
        let text = keys.instructions(&addresses, true).unwrap();
        assert!(text.contains("rtmp://127.0.0.1:1935/live\n"), "{text}");
        assert!(text.contains("http://127.0.0.1:8080/watch/test-picture"), "{text}");
        assert!(text.contains("http://127.0.0.1:8080/publish#key=bbbb\n"), "{text}");
        assert!(!text.contains("aaaa"), "the picture's own key is nobody's business: {text}");
        assert!(!text.contains("TLS"), "{text}");
        let addresses = Addresses {
            rtmps: "0.0.0.0:1936".parse().ok(),
            https: "0.0.0.0:8443".parse().ok(),
            ..addresses
        };
        let text = keys.instructions(&addresses, true).unwrap();
        assert!(text.contains(" rtmps://127.0.0.1:1936/live\n"), "{text}");
        assert!(text.contains(" https://127.0.0.1:8443/watch/my-stream\n"), "{text}");
    }
}
