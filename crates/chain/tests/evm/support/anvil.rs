//! A local chain as a child process.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
};

/// The chain's number.
pub(crate) const CHAIN_ID: u64 = 31_337;
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where the contracts, their compiler and the chain's program are.
pub(crate) fn folder() -> PathBuf {
    // The tests of several packages share this.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = here.ancestors().map(|folder| folder.join("tests/evm"));
    let folder = folders.find(|folder| folder.join("compile.mjs").exists()).unwrap();
    assert!(folder.join("node_modules").exists(), "no local chain: run `make evm` first");
    folder
}

/// The chain; ends with this value.
pub(crate) struct Anvil {
    pub(crate) address: SocketAddr,
    _process: Child,
    /// Reads its output, which would hold it up.
    _reading: JoinSet<()>,
}

impl Anvil {
    /// A chain that makes a block for each transaction. Its first block is an hour old, so that blocks
    /// made in advance aren't from the future.
    pub(crate) async fn start() -> Self {
        let scope = folder().join("node_modules/@foundry-rs");
        let program = fs::read_dir(scope)
            .unwrap()
            .map(|entry| entry.unwrap().path().join("bin/anvil"))
            .find(|path| path.exists())
            .expect("anvil has no program for this machine");
        let now = super::wall_clock().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", "0", "--accounts", "1"])
            .args(["--chain-id", &CHAIN_ID.to_string()])
            .args(["--timestamp", &(now - 3_600).to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("anvil ended");
                if let Some(address) = line.strip_prefix("Listening on ") {
                    return address.trim().parse().unwrap();
                }
            }
        };
        let address = tokio::time::timeout(START_LIMIT, listening).await.expect("anvil starts");
        let mut reading = JoinSet::new();
        reading.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _process: process, _reading: reading }
    }

    /// One call that must succeed.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer: Value =
            serde_json::from_slice(&post(self.address, request.to_string().as_bytes()).await)
                .unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }
}

/// Posts a body and gives the answer's.
pub(crate) async fn post(address: SocketAddr, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("an HTTP answer");
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(head.contains("content-length:"), "{head}");
    answer.split_off(end + 4)
}
