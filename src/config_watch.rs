//! Follows the configuration file: pools change without a restart.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use tokio_util::sync::CancellationToken;

use crate::{cli::ServeArgs, config::Config, pool_feed::PoolFeed};

/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(400);

/// Until `closed`: when the file changes, its pools are taken over. A file with faults changes nothing,
/// and its faults are logged.
pub(crate) async fn follow(args: ServeArgs, feed: PoolFeed, closed: CancellationToken) {
    let Some(path) = args.config.clone() else { return };
    let mut known = fingerprint(&path).await;
    loop {
        tokio::select! {
            () = closed.cancelled() => return,
            () = tokio::time::sleep(POLL) => {}
        }
        let found = fingerprint(&path).await;
        if found == known || found.is_none() {
            continue;
        }
        known = found;
        match Config::load(&args) {
            Ok(config) => {
                let pools = config.transcoding.pools;
                tracing::info!(
                    pools = pools.len(),
                    "configuration read again: pools taken over; other settings need a restart"
                );
                feed.set_configured(pools);
            }
            Err(faults) => {
                for fault in faults {
                    tracing::warn!(%fault, "the changed configuration is not used");
                }
            }
        }
    }
}

/// Changes whenever the file is written or replaced.
async fn fingerprint(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
