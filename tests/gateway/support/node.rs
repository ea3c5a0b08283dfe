//! An orchestrator in a process of its own.

use std::{path::Path, process::Stdio, time::Duration};

use headgate::addresses::Addresses;
use tokio::process::{Child, Command};

/// A running orchestrator, without TLS. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) url: String,
    _process: Child,
}

impl Node {
    /// Starts one on a free port, with its files below `directory`.
    pub(crate) async fn start(directory: &Path) -> Self {
        let directory = directory.join("node");
        std::fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.args(["orchestrator", "--plaintext", "--addr", "127.0.0.1:0", "--data-dir"]);
        command.arg(&directory).stdin(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(Addresses { orchestrator: Some(addr), .. }) = Addresses::read(&directory) {
                return Self { url: format!("http://{addr}"), _process: process };
            }
            assert!(tokio::time::Instant::now() < deadline, "the orchestrator does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
