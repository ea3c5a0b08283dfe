//! Orchestrators that the discovery webhooks of the pools name.

use std::{collections::HashMap, future};

use futures_util::future::select_all;
use orchestrator::BodyContainer;
use router::{ConfiguredOrchestrator, PoolName};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{PoolConfig, PoolWebhook},
    pool_feed::PoolFeed,
    webhook::{DiscoveredOrchestrator, DiscoveryWebhook, HookClient, HookClientError},
};

/// Asks the discovery webhook of each pool that has one. The one owner of the tasks that do: they end
/// when it is dropped.
#[derive(Debug)]
pub(crate) struct Discovery {
    feed: PoolFeed,
    asked: HashMap<PoolName, Asked>,
}

/// A webhook that is being asked.
#[derive(Debug)]
struct Asked {
    webhook: PoolWebhook,
    /// What it names; `None` before it has.
    found: watch::Receiver<Option<Vec<DiscoveredOrchestrator>>>,
    /// What it, or the one before it, has named last.
    orchestrators: Vec<DiscoveredOrchestrator>,
    _task: JoinSet<()>,
}

impl Discovery {
    /// Nobody is asked yet.
    pub(crate) fn new(feed: PoolFeed) -> Self {
        Self { feed, asked: HashMap::new() }
    }

    /// Asks the webhooks of these pools, and no other. A pool whose webhook has changed keeps its
    /// orchestrators until the new one answers; without a webhook it keeps none of them.
    pub(crate) fn set_pools(&mut self, pools: &[PoolConfig]) {
        let with_webhook =
            pools.iter().filter_map(|it| Some((&it.pool.name, it.webhook.as_ref()?)));
        let wanted: HashMap<&PoolName, &PoolWebhook> = with_webhook.collect();
        self.asked.retain(|pool, _| {
            let stays = wanted.contains_key(pool);
            if !stays {
                self.feed.set_discovered(pool.clone(), Vec::new());
            }
            stays
        });
        for (pool, webhook) in wanted {
            let before = self.asked.get(pool);
            if before.is_some_and(|before| before.webhook == *webhook) {
                continue;
            }
            let known = before.map(|before| before.orchestrators.clone()).unwrap_or_default();
            match Asked::start(webhook.clone(), known) {
                Ok(asked) => {
                    asked.hand_to(&self.feed, pool);
                    self.asked.insert(pool.clone(), asked);
                }
                Err(error) => {
                    tracing::error!(%pool, hook = %webhook.endpoint, %error, "the discovery webhook can't be asked");
                }
            }
        }
    }

    /// Waits until a webhook names other orchestrators, and hands them to the pool. Never ends when
    /// nobody is asked. May be dropped and called again.
    pub(crate) async fn follow(&mut self) {
        let waiting = self.asked.iter_mut().map(|(pool, asked)| {
            Box::pin(async move {
                asked.changed().await;
                (pool, asked)
            })
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return future::pending().await;
        }
        let ((pool, asked), _, _) = select_all(waiting).await;
        asked.hand_to(&self.feed, pool);
    }
}

impl Asked {
    /// Begins to ask.
    fn start(
        webhook: PoolWebhook,
        orchestrators: Vec<DiscoveredOrchestrator>,
    ) -> Result<Self, HookClientError> {
        let client = HookClient::new([&webhook.endpoint])?;
        let (asking, found) =
            DiscoveryWebhook::new(client, webhook.endpoint.clone(), webhook.interval);
        let mut task = JoinSet::new();
        // It ends with the set.
        task.spawn(asking.run(CancellationToken::new()));
        Ok(Self { webhook, found, orchestrators, _task: task })
    }

    /// Until it names others.
    async fn changed(&mut self) {
        loop {
            if self.found.changed().await.is_err() {
                // Its task has failed, and said so. The last list stays.
                return future::pending().await;
            }
            if let Some(orchestrators) = self.found.borrow_and_update().clone() {
                self.orchestrators = orchestrators;
                return;
            }
        }
    }

    fn hand_to(&self, feed: &PoolFeed, pool: &PoolName) {
        let trusted = self.webhook.allow_private;
        let found = self.orchestrators.iter().map(|found| configured(found, trusted)).collect();
        feed.set_discovered(pool.clone(), found);
    }
}

/// What a list can't say is as usual: MPEG-TS is what every orchestrator of the network reads.
fn configured(found: &DiscoveredOrchestrator, trusted: bool) -> ConfiguredOrchestrator {
    let plain = ConfiguredOrchestrator::new(found.address.clone(), BodyContainer::MpegTs);
    ConfiguredOrchestrator { weight: weight(found.score), trusted, ..plain }
}

/// A score of 0 to 1 as percent, 1 to 100: one that is not trusted is a last resort.
fn weight(score: f64) -> u32 {
    let percent = score * 100.0;
    (1..=100).rev().find(|weight| f64::from(*weight) <= percent + 0.5).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_weight_and_none_of_it_still_one() {
        let weights = [0.0, 0.004, 0.015, 0.25, 0.999, 1.0].map(weight);
        assert_eq!(weights, [1, 1, 2, 25, 100, 100]);
    }

    #[test]
    fn what_a_list_names_is_a_stranger_unless_the_operator_vouches_for_it() {
        let found = DiscoveredOrchestrator { address: "http://o:1".parse().unwrap(), score: 0.5 };
        for vouched in [false, true] {
            let orchestrator = configured(&found, vouched);
            assert_eq!(orchestrator.trusted, vouched);
            assert_eq!(orchestrator.weight, 50);
            assert_eq!(orchestrator.container, BodyContainer::MpegTs);
        }
    }
}
