//! The embedded orchestrator: a child process on loopback, spoken to over the same wire as any other.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use orchestrator::{BodyContainer, OrchestratorAddress};
use router::ConfiguredOrchestrator;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    addresses::Addresses, admin::Readiness, child::ChildSpec, config::LogConfig,
    pool_feed::PoolFeed,
};

/// How often the child's `addresses.json` is looked for while it starts.
const POLL: Duration = Duration::from_millis(20);
/// Sessions the embedded orchestrator takes; its queue and the machine's cores are the real limit.
const SESSIONS: &str = "64";

/// Runs the embedded orchestrator until `closed`, and says where it is each time it starts.
pub(crate) async fn run(
    program: PathBuf,
    data_dir: &Path,
    log: &LogConfig,
    feed: PoolFeed,
    readiness: Readiness,
    closed: CancellationToken,
) -> io::Result<()> {
    let data_dir = data_dir.join("orchestrator");
    std::fs::create_dir_all(&data_dir)?;
    let mut arguments: Vec<std::ffi::OsString> =
        ["orchestrator", "--addr", "127.0.0.1:0", "--plaintext"].map(Into::into).into();
    arguments
        .extend(["--exit-with-parent", "--max-sessions", SESSIONS, "--data-dir"].map(Into::into));
    arguments.push(data_dir.clone().into_os_string());
    arguments.extend(["--log-format", log.format.as_str()].map(Into::into));
    arguments.extend(log.filter.iter().flat_map(|filter| ["--log".into(), filter.into()]));
    let spec = ChildSpec { name: "orchestrator", program, arguments, input: Vec::new() };
    let (starts, mut started) = watch::channel(());
    let supervise = spec.supervise(closed, || {
        if let Err(error) = Addresses::clear(&data_dir) {
            tracing::warn!(%error, "can't remove the embedded orchestrator's old address");
        }
        starts.send_replace(());
    });
    let announce = async {
        while started.changed().await.is_ok() {
            let addr = until_announced(&data_dir).await;
            announce(&feed, addr);
            readiness.set(None);
        }
    };
    tokio::select! {
        () = supervise => {}
        () = announce => {}
    }
    Ok(())
}

/// Waits for the child to write where it listens. Each start removes the file first.
async fn until_announced(data_dir: &Path) -> SocketAddr {
    loop {
        if let Some(addr) =
            Addresses::read(data_dir).ok().and_then(|addresses| addresses.orchestrator)
        {
            return addr;
        }
        tokio::time::sleep(POLL).await;
    }
}

fn announce(feed: &PoolFeed, addr: SocketAddr) {
    match format!("http://{addr}").parse::<OrchestratorAddress>() {
        Ok(address) => {
            tracing::info!(%addr, "embedded orchestrator ready");
            let plain = ConfiguredOrchestrator::new(address, BodyContainer::Cmaf);
            feed.set_embedded(ConfiguredOrchestrator { checked: false, ..plain });
        }
        Err(error) => {
            tracing::error!(%addr, %error, "the embedded orchestrator's address can't be used")
        }
    }
}
