//! The network's contracts on a local chain, wallets on it, and orchestrators that are paid on it.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tickets::{Address, PrivateKey, U256};
use tokio::process::Command;

use super::{
    evm::{Layer, World, anvil::CHAIN_ID, ether_of, key},
    node::Node,
};

/// Longest wait for something that goes by polls of the chain.
const SOON: Duration = Duration::from_secs(60);

/// A chain of a test's own, with files in a directory of its own.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) directory: PathBuf,
}

impl Lab {
    /// Contracts deployed, and the first round initialized.
    pub(crate) async fn start(name: &str, layer: Layer) -> Self {
        Self::on(World::start(layer).await, name)
    }

    /// A lab on this chain.
    pub(crate) fn on(world: World, name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("lab-{name}-{}", std::process::id()));
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        std::fs::create_dir_all(&directory).unwrap();
        Self { world, directory }
    }

    /// Flags of every command that reaches this chain.
    pub(crate) fn flags(&self) -> Vec<String> {
        let url = format!("http://{}", self.world.proxy.address);
        let controller = self.world.controller.to_string();
        let chain_id = CHAIN_ID.to_string();
        ["--eth-url", &url, "--network", "lab", "--eth-controller", &controller]
            .into_iter()
            .chain(["--eth-chain-id", &chain_id])
            .map(str::to_owned)
            .collect()
    }

    /// An account with ten ether, and the file of its key.
    pub(crate) async fn account(&self, number: u8) -> (PrivateKey, PathBuf) {
        let key = key(number);
        self.world.give(key.address(), ether_of("10")).await;
        let path = self.directory.join(format!("key-{number}"));
        std::fs::write(&path, hex::encode([number; 32])).unwrap();
        (key, path)
    }

    /// Runs `headgate wallet` with a key, nobody at the terminal.
    pub(crate) async fn wallet(&self, keyfile: &Path, line: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
        command.arg("wallet").args(line).args(self.flags());
        command.arg("--eth-keystore-path").arg(keyfile);
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap()
    }

    /// The same, which must go well; gives what it prints.
    pub(crate) async fn wallet_done(&self, keyfile: &Path, line: &[&str]) -> String {
        let output = self.wallet(keyfile, line).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{line:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// An orchestrator that checks tickets by this chain and redeems them, with its files in a folder of
    /// that name, where it goes on with what it left there.
    pub(crate) async fn orchestrator(&self, name: &str, keyfile: &Path, more: &[&str]) -> Node {
        let mut flags = self.flags();
        flags.extend(["--ticket-check", "chain", "--eth-keystore-path"].map(str::to_owned));
        flags.push(keyfile.to_str().unwrap().to_owned());
        let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        Node::start_with(&self.directory.join(name), &flags).await
    }

    /// What a sender has in the TicketBroker: deposit, reserve.
    pub(crate) async fn funds(&self, sender: Address) -> (U256, U256) {
        let (funds, _claimed) = self.world.client.sender_funds(sender).await.unwrap();
        (funds.deposit, funds.reserve)
    }

    /// The lines of a file that an orchestrator keeps in its folder.
    pub(crate) fn lines(&self, name: &str, file: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.directory.join(name).join(file));
        let text = text.unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until lines of such a file are as they should be, and gives them.
    pub(crate) async fn wait_for_lines(
        &self,
        (name, file): (&str, &str),
        good: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let lines = self.lines(name, file);
            if good(&lines) {
                return lines;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name}/{file}: {lines:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
