//! Pools: which orchestrators a stream may use, in which order, at what price.

use std::{collections::BTreeSet, fmt, sync::Arc};

use orchestrator::{BodyContainer, OrchestratorAddress};
use serde::{Deserialize, Serialize};

use crate::{config::RouterConfig, price::PriceCap};

/// Name of a pool, as the operator wrote it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolName(Arc<str>);

impl PoolName {
    /// The pool of the embedded orchestrator.
    pub const LOCAL: &'static str = "local";
    /// The pool of streams and orchestrators that name none.
    pub const DEFAULT: &'static str = "default";

    /// Checks and wraps a name: 1 to 64 of `[A-Za-z0-9._-]`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=64).contains(&text.len());
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        (fits && text.chars().all(known)).then(|| Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PoolName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One orchestrator as the operator configured it, or as a webhook named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredOrchestrator {
    /// Where it answers.
    pub address: OrchestratorAddress,
    /// What a segment is sent to it as.
    pub container: BodyContainer,
    /// How much it is preferred, in percent: 200 counts its cost half. 1 to 10 000; default 100.
    pub weight: u32,
    /// Where it is, in the operator's words.
    pub region: Option<String>,
    /// Segments in flight on it, of all streams together. Default 32.
    pub in_flight: u32,
    /// Whether it may be reached, and send us, into private networks: the operator named it.
    pub trusted: bool,
    /// Whether its pictures are compared now and then; not those of our own process.
    pub checked: bool,
}

impl ConfiguredOrchestrator {
    /// Segments in flight on an orchestrator where nothing else is said.
    pub const IN_FLIGHT: u32 = 32;

    /// One the operator named, with the usual settings.
    #[must_use]
    pub const fn new(address: OrchestratorAddress, container: BodyContainer) -> Self {
        Self {
            address,
            container,
            weight: 100,
            region: None,
            in_flight: Self::IN_FLIGHT,
            trusted: true,
            checked: true,
        }
    }
}

/// A named set of orchestrators with one policy.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pool {
    /// Its name; unique.
    pub name: PoolName,
    /// Its orchestrators, in the operator's order.
    pub orchestrators: Vec<ConfiguredOrchestrator>,
    /// What they may cost.
    pub price_cap: PriceCap,
    /// Hosts, `host:port`s or whole addresses never used, whatever the source of the list.
    pub deny: BTreeSet<String>,
    /// When not empty: only these are used.
    pub allow: BTreeSet<String>,
    /// Streams use it only when they name it.
    pub only_if_named: bool,
}

impl Pool {
    /// Whether the pool's lists let this orchestrator in.
    #[must_use]
    pub fn lets_in(&self, address: &OrchestratorAddress) -> bool {
        let host_and_port = format!("{}:{}", address.host(), address.port());
        let whole = address.to_string();
        let names = [address.host(), host_and_port.as_str(), whole.as_str()];
        let listed = |list: &BTreeSet<String>| names.iter().any(|name| list.contains(*name));
        !listed(&self.deny) && (self.allow.is_empty() || listed(&self.allow))
    }
}

/// All pools of a gateway, in order, and where the gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Pools {
    /// The pools, in the operator's order: streams that name none use them in this order.
    pub pools: Vec<Pool>,
    /// The gateway's own region.
    pub region: Option<String>,
}

impl Pools {
    /// One pool without limits.
    #[must_use]
    pub fn of(orchestrators: Vec<ConfiguredOrchestrator>) -> Self {
        let pool = Pool { orchestrators, ..Pool::default() };
        Self { pools: vec![pool], region: None }
    }

    /// What a stream may use, in its order: each orchestrator once, in the first pool that has it.
    pub(crate) fn members(&self, policy: &StreamPolicy) -> Vec<Member> {
        let named = policy.pools.iter();
        let named = named.filter_map(|name| self.pools.iter().find(|pool| pool.name == *name));
        let all = self.pools.iter().filter(|pool| !pool.only_if_named);
        let pools: Vec<_> = if policy.pools.is_empty() { all.collect() } else { named.collect() };
        let mut members: Vec<Member> = Vec::new();
        for (rank, pool) in pools.into_iter().enumerate() {
            for orchestrator in pool.orchestrators.iter().filter(|it| pool.lets_in(&it.address)) {
                let known = |it: &Member| it.orchestrator.address == orchestrator.address;
                if !members.iter().any(known) {
                    members.push(Member {
                        orchestrator: Arc::new(orchestrator.clone()),
                        pool: pool.name.clone(),
                        rank,
                        price_cap: pool.price_cap.clone(),
                        away: self.is_away(orchestrator),
                    });
                }
            }
        }
        members
    }

    /// In another region than the gateway, as far as both are known.
    fn is_away(&self, orchestrator: &ConfiguredOrchestrator) -> bool {
        let regions = self.region.as_ref().zip(orchestrator.region.as_ref());
        regions.is_some_and(|(ours, theirs)| !ours.eq_ignore_ascii_case(theirs))
    }
}

/// An orchestrator as one stream may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) orchestrator: Arc<ConfiguredOrchestrator>,
    pub(crate) pool: PoolName,
    /// Place of its pool in the stream's order.
    pub(crate) rank: usize,
    pub(crate) price_cap: PriceCap,
    /// It is in another region than the gateway.
    pub(crate) away: bool,
}

/// What a stream wants from routing.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamPolicy {
    /// The pools it may use, the preferred first; empty: all that are open to it, in their order.
    pub pools: Vec<PoolName>,
    /// What counts most.
    pub class: StreamClass,
    /// Whose stream it is, where the operator says so: who spends what it costs.
    #[serde(default)]
    pub owner: Option<String>,
    /// In place of [`RouterConfig::hold_percent`](crate::RouterConfig::hold_percent).
    pub hold_percent: Option<u32>,
    /// In place of [`RouterConfig::cushion_percent`](crate::RouterConfig::cushion_percent).
    #[serde(default)]
    pub cushion_percent: Option<u32>,
}

impl StreamPolicy {
    /// How long after its closing a segment is listed at the earliest, in percent of its duration: at
    /// once where speed counts.
    pub(crate) fn cushion_percent(&self, config: &RouterConfig) -> u32 {
        match self.class {
            StreamClass::LowLatency => 0,
            StreamClass::Balanced | StreamClass::Cheap => {
                self.cushion_percent.unwrap_or(config.cushion_percent)
            }
        }
    }
}

/// What counts most when an orchestrator is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamClass {
    /// Speed; price decides between equals.
    LowLatency,
    /// Speed and price.
    #[default]
    Balanced,
    /// Price, as long as the work is done in time.
    Cheap,
}

impl StreamClass {
    /// Reads `low-latency`, `balanced` or `cheap`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "low-latency" => Some(Self::LowLatency),
            "balanced" => Some(Self::Balanced),
            "cheap" => Some(Self::Cheap),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::orchestrators;

    fn pool(name: &str, orchestrators: Vec<ConfiguredOrchestrator>) -> Pool {
        Pool { name: PoolName::new(name).unwrap(), orchestrators, ..Pool::default() }
    }

    fn hosts(pools: &Pools, policy: &StreamPolicy) -> Vec<(String, usize)> {
        let members = pools.members(policy).into_iter();
        members.map(|it| (it.orchestrator.address.host().to_owned(), it.rank)).collect()
    }

    #[test]
    fn a_stream_gets_its_pools_in_its_order_and_each_orchestrator_once() {
        let all = orchestrators(4);
        let pools = Pools {
            pools: vec![
                pool("standard", vec![all[0].clone(), all[1].clone()]),
                pool("premium", vec![all[1].clone(), all[2].clone()]),
                Pool { only_if_named: true, ..pool("spill", vec![all[3].clone()]) },
            ],
            region: None,
        };
        let open = StreamPolicy::default();
        let expected = [("o0", 0), ("o1", 0), ("o2", 1)];
        assert_eq!(hosts(&pools, &open), expected.map(|(host, rank)| (host.to_owned(), rank)));
        let names = ["premium", "nowhere", "spill"].map(|name| PoolName::new(name).unwrap());
        let bound = StreamPolicy { pools: names.to_vec(), ..open };
        let expected = [("o1", 0), ("o2", 0), ("o3", 1)];
        assert_eq!(hosts(&pools, &bound), expected.map(|(host, rank)| (host.to_owned(), rank)));
    }

    #[test]
    fn lists_name_hosts_ports_or_whole_addresses() {
        let mut pool = pool("p", orchestrators(3));
        pool.deny.insert("o0".to_owned());
        pool.deny.insert("o1:8935".to_owned());
        let let_in: Vec<_> =
            pool.orchestrators.iter().map(|it| pool.lets_in(&it.address)).collect();
        assert_eq!(let_in, [false, false, true]);
        pool.allow.insert("https://o0:8935".to_owned());
        assert!(!pool.orchestrators.iter().any(|it| pool.lets_in(&it.address)));
        pool.deny.clear();
        assert!(pool.lets_in(&pool.orchestrators[0].address));
    }
}
