//! Follows what changes pools while the gateway runs: the configuration file, and the webhooks in it.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, discovery::Discovery, pool_feed::PoolFeed};

/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(400);

/// Until `closed`, from the configuration the gateway has started with: when the file changes, its pools are taken over, and their webhooks are asked. A file
/// with faults changes nothing, and its faults are logged.
pub(crate) async fn follow(
    started: Config,
    feed: PoolFeed,
    mut discovery: Discovery,
    closed: CancellationToken,
) {
    let Config { args, payments, .. } = started;
    let mut known = fingerprint(args.config.as_deref()).await;
    let mut looks = tokio::time::interval(POLL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closed.cancelled() => return,
            () = discovery.follow() => continue,
            _ = looks.tick() => {}
        }
        let found = fingerprint(args.config.as_deref()).await;
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
                if config.payments != payments {
                    tracing::warn!("how payments are made has changed: that needs a restart");
                }
                feed.set_configured(pools.clone());
                discovery.set_pools(&pools);
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
async fn fingerprint(path: Option<&Path>) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path?).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
