//! Orchestrators that are registered on the chain.

use std::{collections::HashMap, future, time::Duration};

use chain::RegisteredPool;
use orchestrator::{BodyContainer, OrchestratorAddress};
use router::{ConfiguredOrchestrator, PoolName};
use tokio::{sync::watch, task::JoinSet};

use crate::{chain_line::ChainLine, config::Registered, pool_feed::PoolFeed};

/// How often the chain is asked.
const ASK_EVERY: Duration = Duration::from_secs(600);
/// How long after a question that came to nothing.
const RETRY: Duration = Duration::from_secs(15);
/// How long an answer may take: one question for each orchestrator, many at a time.
const DEADLINE: Duration = Duration::from_secs(120);

/// The network's active pool, for the pools that take it over. The task that asks ends when it is dropped.
#[derive(Debug)]
pub(super) struct RegisteredOrchestrators {
    /// Who is in it; `None` before the chain has said so.
    found: watch::Receiver<Option<Vec<OrchestratorAddress>>>,
    pools: HashMap<PoolName, Registered>,
    _task: JoinSet<()>,
}

impl RegisteredOrchestrators {
    /// Begins to ask.
    pub(super) fn start(line: ChainLine) -> Self {
        let (tell, found) = watch::channel(None);
        let mut task = JoinSet::new();
        // It ends with the set.
        task.spawn(ask(line, tell));
        Self::told_by(found, task)
    }

    /// What this channel tells, for as long as that task runs.
    pub(super) fn told_by(
        found: watch::Receiver<Option<Vec<OrchestratorAddress>>>,
        task: JoinSet<()>,
    ) -> Self {
        Self { found, pools: HashMap::new(), _task: task }
    }

    /// These pools take it over from now on; those that no longer do keep none of it.
    pub(super) fn set_pools(&mut self, pools: HashMap<PoolName, Registered>, feed: &PoolFeed) {
        for pool in self.pools.keys().filter(|pool| !pools.contains_key(*pool)) {
            feed.set_discovered(pool.clone(), Vec::new());
        }
        self.pools = pools;
        self.hand_to(feed);
    }

    /// Until the chain names others.
    pub(super) async fn changed(&mut self) {
        if self.found.changed().await.is_err() {
            // Its task has failed. The last list stays.
            future::pending::<()>().await;
        }
    }

    /// Nothing, before there is a list.
    pub(super) fn hand_to(&mut self, feed: &PoolFeed) {
        let found = self.found.borrow_and_update();
        let Some(found) = found.as_ref() else { return };
        for (pool, registered) in &self.pools {
            let configured = |address| configured(address, *registered);
            feed.set_discovered(pool.clone(), found.iter().map(configured).collect());
        }
    }
}

/// Whoever registers says where it is: nobody vouches for it.
fn configured(address: &OrchestratorAddress, registered: Registered) -> ConfiguredOrchestrator {
    let plain = ConfiguredOrchestrator::new(address.clone(), BodyContainer::MpegTs);
    ConfiguredOrchestrator { trusted: registered.allow_private, ..plain }
}

/// Asks until it is dropped. While nothing can be had, the last list stays.
async fn ask(line: ChainLine, tell: watch::Sender<Option<Vec<OrchestratorAddress>>>) {
    let mut failed = false;
    loop {
        let answer = tokio::time::timeout(DEADLINE, read(&line)).await;
        let pause = match answer.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(pool) => {
                failed = false;
                let found = addresses(&pool);
                let (usable, all) =
                    (found.len(), pool.orchestrators.len() + pool.without_uri.len());
                let changed = tell.send_if_modified(|known| {
                    let changed = known.as_ref() != Some(&found);
                    *known = Some(found);
                    changed
                });
                if changed {
                    tracing::info!(usable, all, "the chain's orchestrators are known");
                }
                ASK_EVERY
            }
            Err(error) => {
                if !std::mem::replace(&mut failed, true) {
                    tracing::warn!(
                        "the chain's orchestrators can't be read, the last stay: {error}"
                    );
                }
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn read(line: &ChainLine) -> Result<RegisteredPool, String> {
    line.client().await?.registered_pool().await.map_err(|error| error.to_string())
}

/// Where they say they are, each place once; in the chain's order, which is by stake.
fn addresses(pool: &RegisteredPool) -> Vec<OrchestratorAddress> {
    let mut found: Vec<OrchestratorAddress> = Vec::new();
    for registered in &pool.orchestrators {
        match OrchestratorAddress::from_service_uri(&registered.uri) {
            Ok(address) if found.contains(&address) => {}
            Ok(address) => found.push(address),
            Err(error) => {
                tracing::debug!(orchestrator = %registered.address, %error, "can't be used");
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use chain::RegisteredOrchestrator;
    use tickets::Address;

    use super::*;

    #[test]
    fn a_place_is_used_once_with_its_schemes_own_port_and_trusted_only_where_the_operator_says_so()
    {
        let uris = [
            "https://one.example:8935",
            "https://two.example",
            "https://one.example:8935",
            "https://three.example?query",
        ];
        let registered = |uri: &&str| {
            let address = Address::repeat_byte(1);
            RegisteredOrchestrator { address, uri: (*uri).to_owned() }
        };
        let orchestrators = uris.iter().map(registered).collect();
        let pool = RegisteredPool { orchestrators, without_uri: vec![Address::ZERO] };
        let found = addresses(&pool);
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["https://one.example:8935", "https://two.example:443"]);
        for allow_private in [false, true] {
            let trusted = configured(&found[0], Registered { allow_private }).trusted;
            assert_eq!(trusted, allow_private);
        }
    }
}
