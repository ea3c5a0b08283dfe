//! A signer's process, and what a gateway asks of it.

use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use bytes::Bytes;
use headgate::addresses::Addresses;
use media::{Chain, Redacted, RenditionProfile};
use orchestrator::{BodyContainer, BodyHash, OutputFormat, SegmentJob, SegmentPayment};
use signer::{PayRequest, SignerClient, SignerClientConfig, SignerError};
use tickets::{
    Address, B256, ExpirationParams, Price, PrivateKey, TicketParams, U256, UnsignedBatch,
};
use tokio::process::{Child, Command};

pub(crate) const KEY: [u8; 32] = [0x46; 32];
pub(crate) const TOKEN: &str = "a-long-secret-of-the-gateway";

pub(crate) fn key() -> PrivateKey {
    PrivateKey::from_bytes(&KEY).unwrap()
}

/// An empty directory with a key file and a file of tokens.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("signer-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&path));
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("key"), hex::encode(KEY)).unwrap();
    std::fs::write(path.join("tokens"), format!("gateway {TOKEN}\n")).unwrap();
    path
}

/// A running signer. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) url: String,
    process: Child,
}

pub(crate) fn command(directory: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    command.arg("signer").arg("--data-dir").arg(directory);
    command.arg("--eth-keystore-path").arg(directory.join("key"));
    if !flags.contains(&"--addr") {
        command.args(["--addr", "127.0.0.1:0"]);
    }
    command.args(flags).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Signer {
    pub(crate) async fn start(directory: &Path, flags: &[&str]) -> Self {
        Addresses::clear(directory).unwrap();
        let scheme = if flags.contains(&"--tls-cert") { "https" } else { "http" };
        let process = command(directory, flags).spawn().unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(Addresses { signer: Some(addr), .. }) = Addresses::read(directory) {
                return Self { url: format!("{scheme}://localhost:{}", addr.port()), process };
            }
            assert!(tokio::time::Instant::now() < deadline, "the signer does not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    /// As `kill -9`.
    pub(crate) async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

pub(crate) fn config(url: &str) -> SignerClientConfig {
    let config = SignerClientConfig::new(url.parse().unwrap());
    SignerClientConfig { token: Some(Redacted::new(TOKEN.to_owned())), ..config }
}

pub(crate) fn client(url: &str) -> SignerClient {
    SignerClient::new(&config(url)).unwrap()
}

/// Tickets of a thousand wei.
pub(crate) fn batch(rand: u8, first_nonce: u32, count: u32) -> UnsignedBatch {
    let params = TicketParams {
        recipient: Address::repeat_byte(1),
        face_value: U256::from(51_000),
        win_prob: U256::MAX / U256::from(51),
        recipient_rand_hash: B256::repeat_byte(rand),
        seed: U256::from(7),
        expiration_block: 100,
        expiration: ExpirationParams::default(),
    };
    let round =
        ExpirationParams { creation_round: 5, creation_round_block_hash: B256::repeat_byte(3) };
    let count = NonZeroU32::new(count).unwrap();
    UnsignedBatch::new(key().address(), params, round, first_nonce, count).unwrap()
}

pub(crate) fn job() -> SegmentJob {
    let duration = Duration::from_secs(1);
    SegmentJob {
        manifest_id: "job".into(),
        sequence: 7,
        duration,
        source: media::VideoCodec::H264,
        profiles: vec![RenditionProfile::preset("P144p30fps16x9").unwrap()],
        output: OutputFormat::MpegTs,
        body: Chain::from(Bytes::from_static(b"segment")),
        hashed: BodyHash::default(),
        container: BodyContainer::MpegTs,
        force_session_reinit: false,
        upload_timeout: duration,
        timeout: duration,
    }
}

pub(crate) async fn pay(
    client: &SignerClient,
    id: &str,
    batch: Option<&UnsignedBatch>,
) -> Result<SegmentPayment, SignerError> {
    let job = job();
    let request = PayRequest {
        payment_id: id,
        sender: key().address(),
        batch,
        price: Price::new(1_200, 1).unwrap(),
        job: &job,
        hash: job.hash(),
        stream: "studio",
        session_id: "deadbeef",
        orchestrator: "https://orch:8935",
    };
    client.pay(request).await
}
