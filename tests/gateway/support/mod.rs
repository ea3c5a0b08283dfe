//! A whole gateway in this process, real encoders around it.

pub(crate) mod authority;
pub(crate) mod encoder;
#[path = "../../../crates/chain/tests/evm/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::wildcard_enum_match_arm,
    reason = "the tests of the chain use the rest"
)]
pub(crate) mod evm;
pub(crate) mod hook;
pub(crate) mod http;
pub(crate) mod lab;
pub(crate) mod lossy;
pub(crate) mod node;
pub(crate) mod paid;
pub(crate) mod pebble;
pub(crate) mod playlist;
pub(crate) mod pushing;
pub(crate) mod watcher;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use headgate::{App, cli::ServeArgs, config::Config};

use http::HttpClient;
use watcher::Watcher;

/// A running gateway with a data directory of its own.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) app: App,
    pub(crate) data_dir: PathBuf,
}

impl Gateway {
    /// Starts one on free loopback ports, with this configuration file laid over the tests' defaults.
    pub(crate) fn start(file: &str, change: impl FnOnce(&mut ServeArgs)) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let data_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("gateway-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&data_dir).expect("a data directory");
        let path = data_dir.join("headgate.toml");
        std::fs::write(&path, file).expect("a configuration file");
        let free = || Some("127.0.0.1:0".to_owned());
        let mut args = ServeArgs {
            config: Some(path),
            rtmp_addr: free(),
            http_addr: free(),
            admin_addr: free(),
            data_dir: Some(data_dir.clone()),
            open: Some(true),
            ..ServeArgs::default()
        };
        change(&mut args);
        let config = Config::load(&args).expect("a good configuration");
        let start = App::start(config, env!("CARGO_BIN_EXE_headgate").into());
        let here = tokio::runtime::Handle::current();
        let app = tokio::task::block_in_place(|| here.block_on(start)).expect("the gateway starts");
        Self { app, data_dir }
    }

    /// Source only.
    pub(crate) fn without_transcoding(file: &str) -> Self {
        Self::start(file, |args| args.no_transcode = Some(true))
    }

    pub(crate) fn rtmp(&self) -> SocketAddr {
        self.app.addresses().rtmp.expect("an RTMP address")
    }

    /// Where to publish with this key.
    pub(crate) fn publish_url(&self, key: &str) -> String {
        format!("rtmp://{}/live/{key}", self.rtmp())
    }

    pub(crate) fn viewer(&self) -> HttpClient {
        HttpClient::new(self.app.addresses().http.expect("an HTTP address"))
    }

    pub(crate) fn admin(&self) -> HttpClient {
        HttpClient::new(self.app.addresses().admin.expect("an admin address"))
    }

    /// A rule watcher on this playback id.
    pub(crate) fn watch(&self, id: &str) -> Watcher {
        Watcher::start(self.viewer(), id)
    }

    /// Until `/readyz` answers 200.
    pub(crate) async fn ready(&self) {
        self.admin().wait_for("/readyz", Duration::from_secs(20), |_| true).await;
    }

    /// Ends the gateway and removes its files.
    pub(crate) async fn shut_down(self) {
        let started = tokio::time::Instant::now();
        self.app.shut_down().await;
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "shutdown took {:?}",
            started.elapsed()
        );
        std::fs::remove_dir_all(&self.data_dir).expect("the data directory goes");
    }
}

/// Configuration that ends streams and shutdowns soon, and lists nothing of its own making.
pub(crate) const QUICK: &str =
    "shutdown_grace = \"0s\"\n[publisher]\nreconnect_window = \"2s\"\nfiller = \"off\"\n";
