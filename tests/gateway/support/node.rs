//! An orchestrator in a process of its own.

use std::{path::Path, process::Stdio, time::Duration};

use headgate::addresses::Addresses;
use tokio::process::{Child, Command};

/// A running orchestrator, without TLS. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) url: String,
    process: Child,
}

impl Node {
    /// Starts one on a free port, with its files below `directory`.
    pub(crate) async fn start(directory: &Path) -> Self {
        Self::launch(&directory.join("node"), 0, &[]).await
    }

    /// Starts one on a free port, with its files in `directory` and these flags besides.
    pub(crate) async fn start_with(directory: &Path, flags: &[&str]) -> Self {
        Self::launch(directory, 0, flags).await
    }

    async fn launch(directory: &Path, port: u16, flags: &[&str]) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        // What an earlier one has left there is not this one's address.
        Addresses::clear(directory).unwrap();
        let addr = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.args(["orchestrator", "--plaintext", "--addr", &addr, "--data-dir"]);
        command.arg(directory).args(flags).stdin(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(Addresses { orchestrator: Some(addr), .. }) = Addresses::read(directory) {
                return Self { url: format!("http://{addr}"), process };
            }
            assert!(tokio::time::Instant::now() < deadline, "the orchestrator does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Node {
    /// Starts one on this port again, with its files below `directory`.
    pub(crate) async fn start_at(directory: &Path, name: &str, port: u16) -> Self {
        let directory = directory.join(name);
        Self::launch(&directory, port, &[]).await
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// Sends it a signal, and waits until it is gone.
    pub(crate) async fn end(mut self, signal: &str) {
        self.signal(signal);
        let ended = tokio::time::timeout(Duration::from_secs(20), self.process.wait()).await;
        ended.expect("it ends").expect("it can be waited for");
    }

    /// Sends it a signal, such as `KILL` or `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.id().expect("still there").to_string();
        let sent = std::process::Command::new("kill").arg(format!("-{signal}")).arg(&id).status();
        assert!(sent.expect("kill runs").success(), "kill -{signal} {id}");
    }
}
