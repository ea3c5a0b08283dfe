//! Where the router's pools come from: the configuration, the embedded orchestrator, webhooks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use router::{ConfiguredOrchestrator, Pool, PoolName, Pools, Router};

use crate::config::{PoolConfig, Transcoding};

/// The one place that composes pools; every change goes to the router at once. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PoolFeed {
    router: Router,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    transcoding: Transcoding,
    region: Option<String>,
    embedded: Option<ConfiguredOrchestrator>,
    discovered: HashMap<PoolName, Vec<ConfiguredOrchestrator>>,
}

impl PoolFeed {
    pub(crate) fn new(router: Router, transcoding: Transcoding, region: Option<String>) -> Self {
        let state = State { transcoding, region, ..State::default() };
        let feed = Self { router, state: Arc::new(Mutex::new(state)) };
        feed.change(|_| {});
        feed
    }

    /// Takes over what the operator has changed. Whether there is an embedded orchestrator is decided
    /// at the start.
    pub(crate) fn set_configured(&self, pools: Vec<PoolConfig>) {
        self.change(|state| {
            state.discovered.retain(|name, _| pools.iter().any(|it| it.pool.name == *name));
            state.transcoding.pools = pools;
        });
    }

    /// The embedded orchestrator has started, and is there.
    pub(crate) fn set_embedded(&self, orchestrator: ConfiguredOrchestrator) {
        self.change(|state| state.embedded = Some(orchestrator));
    }

    /// A webhook has named these.
    pub(crate) fn set_discovered(&self, pool: PoolName, found: Vec<ConfiguredOrchestrator>) {
        self.change(|state| {
            state.discovered.insert(pool, found);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        // Under the lock: changes reach the router in their order.
        self.router.set_pools(state.compose());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn compose(&self) -> Pools {
        let configured = self.transcoding.pools.iter().map(|config| {
            let mut pool = config.pool.clone();
            for found in self.discovered.get(&pool.name).into_iter().flatten() {
                if !pool.orchestrators.iter().any(|it| it.address == found.address) {
                    pool.orchestrators.push(found.clone());
                }
            }
            pool
        });
        let mut pools: Vec<Pool> = configured.collect();
        if let Some(embedded) = self.embedded.clone().filter(|_| self.transcoding.embedded) {
            let name = PoolName::new(PoolName::LOCAL).unwrap_or_default();
            let orchestrators = vec![embedded];
            match pools.iter_mut().find(|pool| pool.name == name) {
                Some(pool) => pool.orchestrators.extend(orchestrators),
                None => pools.push(Pool { name, orchestrators, ..Pool::default() }),
            }
        }
        Pools { pools, region: self.region.clone() }
    }
}
