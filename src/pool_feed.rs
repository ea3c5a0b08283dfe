//! Where the router's pools come from: the configuration, the embedded orchestrator, webhooks, and what
//! an ether costs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chain::EtherPrice;
use orchestrator::PixelPrice;
use router::{ConfiguredOrchestrator, Pool, PoolName, Pools, PriceCap, Router};

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
    /// What the operator has said while the gateway runs, in place of the pools' own caps; `Some(None)`:
    /// any price.
    max_price: Option<Option<PixelPrice>>,
    /// What turns dollars into wei; none is known before the price feed was read.
    ether_price: Option<EtherPrice>,
}

/// There is no pool whose price a cap could limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no pool of orchestrators is configured that a price cap could limit")]
pub(crate) struct NoPool;

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
            if state.max_price.take().is_some() {
                tracing::info!("the price caps of the configuration hold again");
            }
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

    /// What an ether costs now, for the pools whose caps are in dollars; `None`: that isn't known, and
    /// they pay nothing.
    pub(crate) fn set_ether_price(&self, price: Option<EtherPrice>) {
        self.change(|state| state.ether_price = price);
    }

    /// Every configured pool pays so much at most, until the configuration changes; `None`: any price.
    ///
    /// # Errors
    /// [`NoPool`].
    pub(crate) fn set_max_price(&self, price: Option<PixelPrice>) -> Result<(), NoPool> {
        if self.lock().transcoding.pools.is_empty() {
            return Err(NoPool);
        }
        self.change(|state| state.max_price = Some(price));
        Ok(())
    }

    /// The most that any configured pool pays; `None`: any price.
    pub(crate) fn max_price(&self) -> Option<PixelPrice> {
        self.lock().max_price()
    }

    /// All orchestrators of all pools, each once, in the pools' order.
    pub(crate) fn orchestrators(&self) -> Vec<ConfiguredOrchestrator> {
        let mut all: Vec<ConfiguredOrchestrator> = Vec::new();
        for orchestrator in self.lock().compose().pools.into_iter().flat_map(|it| it.orchestrators)
        {
            if !all.iter().any(|it| it.address == orchestrator.address) {
                all.push(orchestrator);
            }
        }
        all
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
    fn max_price(&self) -> Option<PixelPrice> {
        self.max_price.unwrap_or_else(|| {
            let caps = self.transcoding.pools.iter().map(|it| self.price_cap(it).most);
            caps.collect::<Option<Vec<_>>>()?.into_iter().max()
        })
    }

    /// What a pool pays now.
    fn price_cap(&self, config: &PoolConfig) -> PriceCap {
        let cap = config.pool.price_cap.clone();
        if let Some(most) = self.max_price {
            return PriceCap { most, ..cap };
        }
        let Some(usd) = &config.usd_cap else { return cap };
        let in_wei = self.ether_price.and_then(|price| price.cap_in_wei(usd));
        let Some(in_wei) = in_wei.map(PixelPrice::from) else { return cap.while_unknown() };
        PriceCap { most: Some(cap.most.map_or(in_wei, |most| most.min(in_wei))), ..cap }
    }

    fn compose(&self) -> Pools {
        let configured = self.transcoding.pools.iter().map(|config| {
            let mut pool = Pool { price_cap: self.price_cap(config), ..config.pool.clone() };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_set_while_running_takes_the_place_of_every_configured_cap() {
        let price = |text: &str| text.parse::<PixelPrice>().unwrap();
        let pool = |name: &str, cap: Option<PixelPrice>| {
            let price_cap = PriceCap { most: cap, ..PriceCap::default() };
            let name = PoolName::new(name).unwrap();
            let pool = Pool { name, price_cap, ..Pool::default() };
            PoolConfig { pool, ..PoolConfig::default() }
        };
        let pools = vec![pool("a", Some(price("5"))), pool("b", None)];
        let transcoding = Transcoding { pools, embedded: false };
        let mut state = State { transcoding, ..State::default() };
        let caps = |state: &State| -> Vec<_> {
            state.compose().pools.iter().map(|pool| pool.price_cap.most).collect()
        };
        assert_eq!((caps(&state), state.max_price()), (vec![Some(price("5")), None], None));
        state.max_price = Some(Some(price("3/2")));
        assert_eq!(caps(&state), [Some(price("3/2")); 2]);
        assert_eq!(state.max_price(), Some(price("3/2")));
        state.max_price = Some(None);
        assert_eq!((caps(&state), state.max_price()), (vec![None, None], None));
        state.max_price = None;
        state.transcoding.pools.pop();
        assert_eq!(state.max_price(), Some(price("5")), "what the configuration says");
    }

    /// A feed that was read just now.
    fn ether_price(dollars: u64) -> EtherPrice {
        let mut feed = chain::PriceFeed::new(chain::PriceFeedConfig::default());
        let answer = Some(tickets::U256::from(dollars));
        let reading = chain::PriceReading { answer, decimals: 0, updated_at: 1_000 };
        feed.handle_reading(1_000, &reading).unwrap();
        feed.price(1_000).unwrap()
    }

    #[test]
    fn caps_in_dollars_follow_the_price_of_an_ether() {
        let price = |text: &str| text.parse::<PixelPrice>().unwrap();
        // Half a dollar for 10^12 pixels.
        let usd_cap = chain::UsdPerPixel::new("0.5", 1_000_000_000_000);
        let most = Some(price("300"));
        let price_cap = PriceCap { most, allows_absent: false, ..PriceCap::default() };
        let capped = Pool { price_cap: price_cap.clone(), ..Pool::default() };
        let pools = vec![
            PoolConfig { usd_cap, ..PoolConfig::default() },
            PoolConfig { usd_cap, pool: capped, ..PoolConfig::default() },
            PoolConfig::default(),
        ];
        let transcoding = Transcoding { pools, embedded: false };
        let mut state = State { transcoding, ..State::default() };
        let caps = |state: &State| -> Vec<_> {
            state.compose().pools.iter().map(|pool| pool.price_cap.clone()).collect()
        };
        let open = PriceCap::default;
        let unknown = [open().while_unknown(), price_cap.clone().while_unknown(), open()];
        assert_eq!(caps(&state), unknown, "nothing is paid before the feed was read");

        for (dollars, wei, lower) in [(2_500, "200", "200"), (1_250, "400", "300")] {
            state.ether_price = Some(ether_price(dollars));
            let most = |wei: &str| Some(price(wei));
            let expected = [
                PriceCap { most: most(wei), ..open() },
                PriceCap { most: most(lower), ..price_cap.clone() },
                open(),
            ];
            assert_eq!(caps(&state), expected, "the lower one holds");
        }
        state.transcoding.pools.pop();
        assert_eq!(state.max_price(), Some(price("400")));
        state.ether_price = None;
        assert_eq!(caps(&state), unknown[..2], "what was known is not gone by");
        state.max_price = Some(Some(price("7")));
        let said = [open(), price_cap].map(|cap| PriceCap { most: Some(price("7")), ..cap });
        assert_eq!(caps(&state), said, "the operator has spoken in wei");
    }
}
