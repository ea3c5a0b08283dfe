//! Orchestrators that discovery webhooks and the chain name for the pools.

mod registered;

use std::{collections::HashMap, future};

use futures_util::future::select_all;
use orchestrator::BodyContainer;
use registered::RegisteredOrchestrators;
use router::{ConfiguredOrchestrator, PoolName};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    chain_line::ChainLine,
    config::{PoolConfig, PoolWebhook, Registered},
    pool_feed::PoolFeed,
    webhook::{DiscoveredOrchestrator, DiscoveryWebhook, HookClient, HookClientError},
};

/// Asks the discovery webhook of each pool that has one, and the chain for those that take over who is
/// registered there. The one owner of the tasks that do: they end when it is dropped.
#[derive(Debug)]
pub(crate) struct Discovery {
    feed: PoolFeed,
    asked: HashMap<PoolName, Asked>,
    /// How the chain is reached, where there is one.
    chain: Option<ChainLine>,
    /// There while a pool takes it over.
    registered: Option<RegisteredOrchestrators>,
}

/// A webhook that is being asked.
#[derive(Debug)]
struct Asked {
    webhook: PoolWebhook,
    /// What it names; `None` before it has.
    found: watch::Receiver<Option<Vec<DiscoveredOrchestrator>>>,
    /// What this endpoint has named last; `None` before it has named any.
    orchestrators: Option<Vec<DiscoveredOrchestrator>>,
    _task: JoinSet<()>,
}

impl Discovery {
    /// Nobody is asked yet.
    pub(crate) fn new(feed: PoolFeed, chain: Option<ChainLine>) -> Self {
        Self { feed, asked: HashMap::new(), chain, registered: None }
    }

    /// Asks for these pools, and no other.
    pub(crate) fn set_pools(&mut self, pools: &[PoolConfig]) {
        self.set_webhooks(pools);
        self.set_registered(pools);
    }

    fn set_registered(&mut self, pools: &[PoolConfig]) {
        let wanted = pools.iter().filter_map(|it| Some((it.pool.name.clone(), it.registered?)));
        let wanted: HashMap<PoolName, Registered> = wanted.collect();
        if self.registered.is_none() && !wanted.is_empty() {
            self.registered = self.chain.clone().map(RegisteredOrchestrators::start);
            if self.registered.is_none() {
                tracing::warn!(
                    "registered orchestrators: [payments] needs a restart to reach the chain"
                );
            }
        }
        let over = wanted.is_empty();
        if let Some(registered) = &mut self.registered {
            registered.set_pools(wanted, &self.feed);
        }
        if over {
            self.registered = None;
        }
    }

    /// Asks the webhooks of these pools, and no other. A pool whose webhook is another now keeps its
    /// orchestrators, trusted as they were, until the new one answers: what one list has named is not
    /// vouched for by the settings of the next. Without a webhook it keeps none of them.
    fn set_webhooks(&mut self, pools: &[PoolConfig]) {
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
            let before = before.filter(|before| before.webhook.endpoint == webhook.endpoint);
            let known = before.and_then(|before| before.orchestrators.clone());
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

    /// Waits until other orchestrators are named, and hands them to the pool. Never ends when nobody is
    /// asked. May be dropped and called again.
    pub(crate) async fn follow(&mut self) {
        let Self { feed, asked, registered, .. } = self;
        tokio::select! {
            (pool, asked) = first_changed(asked) => asked.hand_to(feed, pool),
            registered = changed(registered) => registered.hand_to(feed),
        }
    }
}

/// The first webhook that names others.
async fn first_changed(asked: &mut HashMap<PoolName, Asked>) -> (&PoolName, &Asked) {
    let waiting = asked.iter_mut().map(|(pool, asked)| {
        Box::pin(async move {
            asked.changed().await;
            (pool, &*asked)
        })
    });
    let waiting: Vec<_> = waiting.collect();
    if waiting.is_empty() {
        return future::pending().await;
    }
    select_all(waiting).await.0
}

/// Until the chain names others.
async fn changed(registered: &mut Option<RegisteredOrchestrators>) -> &mut RegisteredOrchestrators {
    match registered {
        Some(registered) => {
            registered.changed().await;
            registered
        }
        None => future::pending().await,
    }
}

impl Asked {
    /// Begins to ask.
    fn start(
        webhook: PoolWebhook,
        orchestrators: Option<Vec<DiscoveredOrchestrator>>,
    ) -> Result<Self, HookClientError> {
        let client = HookClient::new([&webhook.endpoint])?;
        let (asking, found) =
            DiscoveryWebhook::new(client, webhook.endpoint.clone(), webhook.interval);
        let mut task = JoinSet::new();
        // It ends with the set.
        task.spawn(asking.run());
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
                self.orchestrators = Some(orchestrators);
                return;
            }
        }
    }

    /// Nothing, before there is a list.
    fn hand_to(&self, feed: &PoolFeed, pool: &PoolName) {
        let Some(orchestrators) = &self.orchestrators else { return };
        let trusted = self.webhook.allow_private;
        let found = orchestrators.iter().map(|found| configured(found, trusted)).collect();
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
    use std::time::Duration;

    use orchestrator::{ClientConfig, OrchestratorClient};
    use prometheus_client::registry::Registry;
    use router::{Router, RouterConfig, RouterMetrics, RouterPorts};
    use tokio_util::{sync::CancellationToken, task::TaskTracker};

    use super::*;
    use crate::{config::Transcoding, webhook::HookEndpoint};

    async fn feed() -> PoolFeed {
        let client = OrchestratorClient::new(ClientConfig::default()).unwrap();
        let metrics = RouterMetrics::register(&mut Registry::default());
        let (tasks, closed) = (TaskTracker::new(), CancellationToken::new());
        let (config, ports) = (RouterConfig::default(), RouterPorts::default());
        let router = Router::start(config, client, tasks, metrics, ports, closed).await;
        PoolFeed::new(router, Transcoding::default(), None)
    }

    fn pool(url: &str, allow_private: bool) -> PoolConfig {
        let endpoint = HookEndpoint::new(&url.parse().unwrap()).unwrap();
        let interval = Duration::from_secs(60);
        let webhook = Some(PoolWebhook { endpoint, interval, allow_private });
        PoolConfig { webhook, ..PoolConfig::default() }
    }

    #[tokio::test]
    async fn only_what_an_endpoint_has_named_itself_gets_its_trust() {
        let feed = feed().await;
        let mut discovery = Discovery::new(feed.clone(), None);
        let configure = |discovery: &mut Discovery, url: &str, allow_private| {
            let pools = [pool(url, allow_private)];
            feed.set_configured(pools.to_vec());
            discovery.set_pools(&pools);
            let known = feed.orchestrators().into_iter();
            known.map(|it| (it.address.host().to_owned(), it.trusted)).collect::<Vec<_>>()
        };
        // Nobody listens there.
        let (first, second) = ("http://127.0.0.1:1/a", "http://127.0.0.1:1/b");
        assert_eq!(configure(&mut discovery, first, false), []);
        let name = PoolName::default();
        let found = DiscoveredOrchestrator { address: "http://o:1".parse().unwrap(), score: 1.0 };
        let asked = discovery.asked.get_mut(&name).unwrap();
        asked.orchestrators = Some(vec![found]);
        asked.hand_to(&discovery.feed, &name);

        let stranger = [("o".to_owned(), false)];
        assert_eq!(configure(&mut discovery, second, true), stranger, "of the list before");
        assert_eq!(configure(&mut discovery, second, false), stranger);
        assert_eq!(configure(&mut discovery, second, true), stranger, "it has named nobody yet");

        let asked = discovery.asked.get_mut(&name).unwrap();
        let found = DiscoveredOrchestrator { address: "http://p:1".parse().unwrap(), score: 1.0 };
        asked.orchestrators = Some(vec![found]);
        asked.hand_to(&discovery.feed, &name);
        let trusted = |trusted| [("p".to_owned(), trusted)];
        assert_eq!(configure(&mut discovery, second, false), trusted(false), "at once");
        assert_eq!(configure(&mut discovery, second, true), trusted(true));
        discovery.set_pools(&[]);
        assert_eq!(feed.orchestrators(), [], "nobody is asked for it");
    }

    #[tokio::test]
    async fn pools_take_over_who_is_registered_and_drop_them_with_the_setting() {
        let feed = feed().await;
        let mut discovery = Discovery::new(feed.clone(), None);
        let (tell, found) = watch::channel(None);
        discovery.registered = Some(RegisteredOrchestrators::told_by(found, JoinSet::new()));
        let known = || {
            let known = feed.orchestrators().into_iter();
            known.map(|it| (it.address.host().to_owned(), it.trusted)).collect::<Vec<_>>()
        };
        let configure = |discovery: &mut Discovery, registered| {
            let pools = [PoolConfig { registered, ..PoolConfig::default() }];
            feed.set_configured(pools.to_vec());
            discovery.set_pools(&pools);
        };
        configure(&mut discovery, Some(Registered { allow_private: false }));
        assert_eq!(known(), [], "the chain has named nobody yet");
        for host in ["o", "p"] {
            tell.send(Some(vec![format!("https://{host}").parse().unwrap()])).unwrap();
            discovery.follow().await;
            assert_eq!(known(), [(host.to_owned(), false)]);
        }
        configure(&mut discovery, Some(Registered { allow_private: true }));
        assert_eq!(known(), [("p".to_owned(), true)], "at once");
        configure(&mut discovery, None);
        assert_eq!(known(), []);
        assert!(discovery.registered.is_none(), "nobody asks any more");
    }

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
