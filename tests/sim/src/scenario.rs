//! What can happen in one run: drawn from the seed before time starts.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ::orchestrator::{BodyContainer, OrchestratorAddress, PixelPrice};
use media::{Ladder, RenditionProfile};
use router::{
    ConfiguredOrchestrator, Pool, PoolName, Pools, PriceCap, RouterConfig, StreamClass,
    StreamPolicy,
};

use crate::{
    dice::Dice,
    orchestrator::Script,
    publisher::{self, Push},
};

mod scripts;

/// Names of the pools, in the operator's order.
const POOLS: [&str; 3] = ["premium", "standard", "spill"];
/// The last event of any script comes before this.
pub(crate) const HORIZON: Duration = Duration::from_secs(90);

/// One run's plan.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) config: RouterConfig,
    pub(crate) addresses: Vec<OrchestratorAddress>,
    pub(crate) orchestrators: Vec<Script>,
    /// The pools, each from a time on; the first from the start.
    pub(crate) pools: Vec<(Duration, Vec<PoolScript>)>,
    pub(crate) streams: Vec<StreamScript>,
    /// How late a wake may be.
    pub(crate) timer_lag: Duration,
    /// Orchestrators that an earlier run caught, and how much longer they get no work.
    pub(crate) caught: Vec<(usize, Duration)>,
}

/// A pool as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolScript {
    pub(crate) name: &'static str,
    /// Orchestrators, each with the most segments in flight.
    pub(crate) members: Vec<(usize, u32)>,
    /// Most wei per pixel.
    pub(crate) cap: Option<u64>,
    pub(crate) allows_absent: bool,
    pub(crate) only_if_named: bool,
    pub(crate) denied: BTreeSet<usize>,
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Finish,
    /// Its task is dropped.
    Abandon,
}

/// One stream's whole script.
#[derive(Debug)]
pub(crate) struct StreamScript {
    pub(crate) start: Duration,
    pub(crate) policy: StreamPolicy,
    pub(crate) ladder: Arc<Ladder>,
    pub(crate) later_ladder: Option<(Duration, Arc<Ladder>)>,
    /// First sequence number.
    pub(crate) first: u64,
    pub(crate) pushes: Vec<Push>,
    pub(crate) end: (Duration, End),
}

impl Scenario {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.index(10) + 1;
        let named = |index| format!("https://o{index}:8935").parse::<OrchestratorAddress>();
        let addresses: Vec<_> = (0..count).filter_map(|index| named(index).ok()).collect();
        let config = config(&mut dice);
        let pools = pools(&mut dice, count);
        let mut orchestrators: Vec<_> =
            (0..count).map(|_| scripts::orchestrator(&mut dice)).collect();
        if dice.percent(20) {
            scripts::outage(&mut dice, &mut orchestrators);
        }
        if dice.percent(10) {
            scripts::unpaid(&mut dice, &mut orchestrators);
        }
        let pools = changes(&mut dice, pools, count);
        let mut caught = Vec::new();
        if dice.percent(15) {
            caught.push((dice.index(count), Duration::from_secs(dice.range(5..=80))));
        }
        let timer_lag = dice.pick(Duration::ZERO, &[Duration::ZERO, Duration::from_millis(4)]);
        let streams = (0..=dice.index(6)).map(|_| stream(&mut dice)).collect();
        Self { config, addresses, orchestrators, pools, streams, timer_lag, caught }
    }
}

impl PoolScript {
    /// The pool as the router takes it.
    fn pool(&self, addresses: &[OrchestratorAddress]) -> Pool {
        let address = |index: usize| addresses.get(index).cloned();
        let one = |(index, limit): &(usize, u32)| {
            let configured = ConfiguredOrchestrator::new(address(*index)?, BodyContainer::Cmaf);
            Some(ConfiguredOrchestrator { in_flight: *limit, ..configured })
        };
        Pool {
            name: PoolName::new(self.name).unwrap_or_default(),
            orchestrators: self.members.iter().filter_map(one).collect(),
            price_cap: PriceCap {
                most: self.cap.and_then(|wei| PixelPrice::new(wei, 1)),
                allows_absent: self.allows_absent,
                ..PriceCap::default()
            },
            deny: self
                .denied
                .iter()
                .filter_map(|it| Some(address(*it)?.host().to_owned()))
                .collect(),
            allow: BTreeSet::new(),
            only_if_named: self.only_if_named,
        }
    }
}

/// All pools as the router takes them.
pub(crate) fn router_pools(scripts: &[PoolScript], addresses: &[OrchestratorAddress]) -> Pools {
    Pools { pools: scripts.iter().map(|it| it.pool(addresses)).collect(), region: None }
}

fn config(dice: &mut Dice) -> RouterConfig {
    let usual = RouterConfig::default();
    if dice.percent(40) {
        return usual;
    }
    let seconds = Duration::from_secs;
    RouterConfig {
        hold_percent: dice.pick(150, &[100, 150, 200, 300]),
        cushion_percent: dice.pick(75, &[0, 50, 100]),
        minimum_hold: dice.pick(seconds(1), &[Duration::from_millis(600), seconds(2)]),
        attempts: dice.pick(4, &[2, 3, 5]),
        extra_work_percent: dice.pick(20, &[0, 10, 50, 100]),
        probe_interval: dice.pick(seconds(5), &[seconds(2)]),
        demotion: dice.pick(usual.demotion, &[seconds(12), seconds(30)]),
        picture_check_every: dice.pick(5, &[1, 3]),
        price_pause: dice.pick(usual.price_pause, &[seconds(4)]),
        in_flight_per_session: dice.pick(3, &[1, 2, 4]),
        sessions: dice.pick(4, &[2, 3]),
        discovery_width: dice.pick(8, &[4, 10]),
        waiting_segments: dice.pick(16, &[3, 6]),
        ..usual
    }
}

/// The operator's pools at the start: every orchestrator in one, some in two.
fn pools(dice: &mut Dice, count: usize) -> Vec<PoolScript> {
    let used = dice.index(POOLS.len()) + 1;
    let capped = dice.percent(50);
    let mut pools: Vec<PoolScript> = POOLS
        .into_iter()
        .take(used)
        .map(|name| PoolScript {
            name,
            members: Vec::new(),
            cap: if capped {
                Some(dice.pick(scripts::CHEAP * 2, &[scripts::CHEAP * 4]))
            } else {
                None
            },
            allows_absent: !capped || dice.percent(30),
            only_if_named: name == "spill" && dice.percent(50),
            denied: BTreeSet::new(),
        })
        .collect();
    for index in 0..count {
        let limit = u32::try_from(dice.pick(32, &[1, 2, 4, 8, 1_000, 1_000])).unwrap_or(32);
        let home = dice.index(used);
        let second = if dice.percent(15) { dice.index(used) } else { home };
        for (place, pool) in pools.iter_mut().enumerate() {
            if place == home || place == second {
                pool.members.push((index, limit));
            }
        }
    }
    pools
}

/// The pools over time: some orchestrators go, return, or are worth another price.
fn changes(
    dice: &mut Dice,
    first: Vec<PoolScript>,
    count: usize,
) -> Vec<(Duration, Vec<PoolScript>)> {
    let mut all = vec![(Duration::ZERO, first.clone())];
    for _ in 0..dice.pick(0, &[0, 1, 3]) {
        let at = dice.millis(2_000..=70_000);
        let mut pools = first.clone();
        for pool in &mut pools {
            match dice.index(6) {
                0 => pool.members.clear(),
                1 => {
                    let gone = dice.index(count);
                    pool.members.retain(|(index, _)| *index != gone);
                }
                2 => {
                    pool.denied.insert(dice.index(count));
                }
                3 => pool.cap = Some(dice.pick(scripts::CHEAP, &[scripts::CHEAP * 3])),
                4 => pool.members.iter_mut().for_each(|(_, limit)| *limit = (*limit / 2).max(1)),
                _ => pool.members.reverse(),
            }
        }
        all.push((at, pools));
        if dice.percent(60) {
            all.push((at + dice.millis(300..=15_000), first.clone()));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

fn ladder(dice: &mut Dice) -> Arc<Ladder> {
    let profiles = Ladder::for_source(1_920, 1_080, None).profiles().to_vec();
    let kept: Vec<RenditionProfile> = match dice.index(8) {
        0 => Vec::new(),
        1 => profiles.into_iter().take(1).collect(),
        2 | 3 => profiles.into_iter().skip(1).collect(),
        _ => profiles,
    };
    Arc::new(Ladder::new(kept).unwrap_or_default())
}

fn stream(dice: &mut Dice) -> StreamScript {
    let start = dice.millis(0..=10_000);
    let mut named: Vec<&str> = POOLS.to_vec();
    dice.shuffle(&mut named);
    named.truncate(dice.pick(0, &[0, 1, 2, 3]));
    let policy = StreamPolicy {
        pools: named.into_iter().filter_map(PoolName::new).collect(),
        class: dice.pick(StreamClass::Balanced, &[StreamClass::LowLatency, StreamClass::Cheap]),
        owner: None,
        hold_percent: dice.pick(None, &[None, None, Some(120), Some(250)]),
        cushion_percent: None,
    };
    let mut pushes = publisher::pushes(dice, start);
    let last = pushes.last().map_or(start, |push| push.at);
    let end = if dice.percent(10) {
        (start + (last - start) * 2 / 3 + dice.millis(0..=900), End::Abandon)
    } else {
        (last + dice.millis(0..=400), End::Finish)
    };
    let later_ladder = dice.percent(10).then(|| (start + (last - start) / 2, ladder(dice)));
    let first = dice.pick(1, &[1_000_000]);
    let ladder = ladder(dice);
    publisher::add_layers(&mut Dice::new(dice.seed()), &mut pushes);
    StreamScript { start, policy, ladder, later_ladder, first, pushes, end }
}
