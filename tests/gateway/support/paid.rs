//! Orchestrators that are paid, gateways that pay, and their books.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use headgate::addresses::Addresses;
use http::StatusCode;
use payer::{PaymentRecord, ReportLine, ReportTotals};
use store::Store;
use tickets::Wei;
use tokio::process::{Child, Command};

use super::{
    Gateway,
    http::HttpClient,
    pushing::{parts, push_with},
};

/// Wei of one ticket: some three for a second of the ladder at 1200 wei per pixel.
pub(crate) const TICKET_EV: &str = "400000000";

pub(crate) fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("payments-{name}-{}", std::process::id()));
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap();
    }
    std::fs::create_dir_all(&path).unwrap();
    path
}

pub(crate) fn key_file(directory: &Path, number: u8) -> PathBuf {
    let path = directory.join(format!("key-{number}"));
    std::fs::write(&path, hex::encode([number; 32])).unwrap();
    path
}

/// An orchestrator that is paid, and writes its log to a file.
pub(crate) struct PaidNode {
    pub(crate) url: String,
    pub(crate) process: Child,
    log: PathBuf,
}

impl PaidNode {
    pub(crate) async fn start(directory: &Path, name: &str, price: &str, port: u16) -> Self {
        Self::with_tickets_of(TICKET_EV, directory, name, price, port).await
    }

    /// One whose tickets are worth so much on average.
    pub(crate) async fn with_tickets_of(
        ticket_ev: &str,
        directory: &Path,
        name: &str,
        price: &str,
        port: u16,
    ) -> Self {
        let data_dir = directory.join(name);
        std::fs::create_dir_all(&data_dir).unwrap();
        Addresses::clear(&data_dir).unwrap();
        let log = data_dir.join("log");
        let file = File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        let (wei, pixels) = price.split_once('/').unwrap_or((price, "1"));
        command.args(["orchestrator", "--plaintext", "--addr", &format!("127.0.0.1:{port}")]);
        command.args(["--price-per-unit", wei, "--pixels-per-unit", pixels]);
        command.args(["--ticket-ev", ticket_ev, "--ticket-check", "offline"]);
        command.arg("--eth-keystore-path").arg(key_file(directory, 7));
        command.arg("--data-dir").arg(&data_dir).stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let process = command.spawn().unwrap();
        let url = format!("http://{}", orchestrator_address(&data_dir).await);
        Self { url, process, log }
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Ends it, and reads what it was paid: credited and debited wei, rounded down, and how many payments
    /// it refused.
    pub(crate) async fn totals(mut self) -> (Wei, Wei, u64) {
        let id = self.process.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").arg(id).status().unwrap();
        assert!(sent.success());
        let ended = tokio::time::timeout(Duration::from_secs(20), self.process.wait()).await;
        assert!(ended.unwrap().unwrap().success());
        let log = std::fs::read_to_string(&self.log).unwrap();
        let line = log.lines().rfind(|line| line.contains("payments, in wei")).expect("totals");
        let field = |name: &str| {
            let from = line.find(&format!("{name}=")).unwrap_or_else(|| panic!("{name}: {line}"));
            let text = &line[from + name.len() + 1..];
            text.split_whitespace().next().unwrap().to_owned()
        };
        let wei = |name: &str| field(name).parse().unwrap();
        (wei("credited"), wei("debited"), field("refused").parse().unwrap())
    }
}

pub(crate) async fn orchestrator_address(data_dir: &Path) -> std::net::SocketAddr {
    wait_for(data_dir, |it| it.orchestrator).await
}

pub(crate) async fn wait_for<T>(data_dir: &Path, wanted: impl Fn(&Addresses) -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = Addresses::read(data_dir).ok().as_ref().and_then(&wanted) {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{} does not start", data_dir.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A configuration that pays with a key, for one stream with two small renditions.
pub(crate) fn config(directory: &Path, pools: &str, more: &str) -> String {
    let key = key_file(directory, 0x46);
    format!(
        "shutdown_grace = \"0s\"\n{pools}\n\
         [payments]\nmode = \"onchain\"\nticket_check = \"offline\"\n\
         eth_keystore_path = {key:?}\nmax_ticket_ev = \"1000000000000000\"\n\
         max_total_ev = \"100000000000000000\"\n{more}\n{}{}",
        stream("cam", "me"),
        stream("other", "you"),
    )
}

pub(crate) fn stream(name: &str, owner: &str) -> String {
    format!(
        "[[stream]]\nname = \"{name}\"\nowner = \"{owner}\"\nstream_key = \"{name}-key-{name}\"\n\
         playback_id = \"{name}\"\n\
         ladder = [{{ name = \"large\", width = 160, height = 90, bitrate = 100000, fps = 30 }},\
         {{ name = \"small\", width = 128, height = 72, bitrate = 60000, fps = 30 }}]\n"
    )
}

pub(crate) fn pool(urls: &[&str]) -> String {
    let mut text = "[[pool]]\n".to_owned();
    for url in urls {
        text.push_str(&format!("[[pool.orchestrator]]\nurl = \"{url}\"\n"));
    }
    text
}

/// The names of the renditions that a pushed segment was answered with; none where it was not.
pub(crate) async fn pushed(
    client: &HttpClient,
    key: &str,
    number: u64,
    body: Bytes,
) -> Vec<String> {
    let answer = push_with(client, &format!("/live/{key}/{number}.ts"), &[], body).await;
    match answer.status {
        StatusCode::OK => parts(&answer).into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
}

/// The sums of everything on record in a data directory, which nobody uses any more.
pub(crate) async fn ledger(data_dir: &Path) -> Vec<ReportLine> {
    let store = Store::open_to_read(&data_dir.join("headgate.db")).await.unwrap();
    let lines = store.report(std::time::SystemTime::UNIX_EPOCH).await.unwrap();
    store.close().await;
    assert!(lines.iter().all(|line| line.totals.adds_up()), "{lines:#?}");
    lines
}

pub(crate) fn sum(lines: &[ReportLine], part: impl Fn(&ReportTotals) -> &Wei) -> Wei {
    lines.iter().map(|line| part(&line.totals).clone()).sum()
}

/// Ends the gateway and keeps its files.
pub(crate) async fn end(gateway: Gateway) -> PathBuf {
    gateway.app.shut_down().await;
    gateway.data_dir
}

/// A gateway in a process of its own, that can be killed.
pub(crate) struct Process {
    pub(crate) process: Child,
    pub(crate) client: HttpClient,
}

impl Process {
    pub(crate) async fn start(file: &Path, data_dir: &Path) -> Self {
        std::fs::create_dir_all(data_dir).unwrap();
        Addresses::clear(data_dir).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.args(["serve", "--rtmp-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
        command.args(["--admin-addr", "127.0.0.1:0", "--config"]).arg(file);
        command.arg("--data-dir").arg(data_dir).stdin(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().unwrap();
        let http = wait_for(data_dir, |it| it.http).await;
        Self { process, client: HttpClient::new(http) }
    }
}
