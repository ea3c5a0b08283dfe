//! What all streams know about the orchestrators.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use orchestrator::{OrchestratorAddress, PixelPrice};
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    config::RouterConfig,
    fault::FaultClass,
    memory::{MAX_REMEMBERED, RememberedOrchestrator},
    pool::{ConfiguredOrchestrator, Pools},
};

mod breaker;
mod latency;
mod node;
#[cfg(test)]
mod tests;
mod waiting_list;

pub(crate) use breaker::Passage;
pub(crate) use latency::permille;
use node::Node;
pub use node::Standing;
use waiting_list::WaitingList;

/// Latency assumed of an orchestrator that was never used, in thousandths of a segment's duration.
pub(crate) const UNKNOWN_LATENCY: u32 = 400;

/// Names one stream among those that share a fleet. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u64);

/// The orchestrators of a gateway, shared by its streams, without I/O: how fast and how sound each is,
/// what it asks, how much it has in flight, and who may use it next.
///
/// Each [`Dispatcher`](crate::Dispatcher) method gets it together with the time. When
/// [`version`](Self::version) has changed after such a call, other streams may be able to do more than
/// before: wake them with [`Dispatcher::handle_timeout`](crate::Dispatcher::handle_timeout).
#[derive(Debug)]
pub struct Fleet {
    config: Arc<RouterConfig>,
    pools: Arc<Pools>,
    pools_version: u64,
    nodes: BTreeMap<OrchestratorAddress, Node>,
    waiting: WaitingList,
    rng: StdRng,
    version: u64,
    next_stream: u64,
}

/// One orchestrator's state, for people and dashboards.
#[derive(Clone, Debug, serde::Serialize)]
pub struct OrchestratorStatus {
    /// Its address.
    pub address: String,
    /// The pools that have it.
    pub pools: Vec<String>,
    /// Whether and how it is used.
    pub standing: Standing,
    /// State of its circuit breaker.
    pub breaker: &'static str,
    /// Smoothed time of an attempt, in thousandths of the segment's duration.
    pub latency_permille: Option<u32>,
    /// What 19 of 20 attempts stay below, likewise.
    pub latency_p95_permille: Option<u32>,
    /// Smoothed share of attempts that delivered, in thousandths.
    pub success_permille: u32,
    /// Smoothed round trip of a question for a session, in microseconds.
    pub round_trip_micros: Option<u32>,
    /// Segments in flight, of all streams.
    pub in_flight: u32,
    /// Most segments in flight.
    pub limit: u32,
    /// Its last quoted price.
    pub price: Option<String>,
    /// The same as a number.
    #[serde(skip)]
    pub quoted: Option<PixelPrice>,
    /// How often it was caught with false work.
    pub offences: u32,
    /// The last fault, for people.
    pub last_fault: Option<String>,
}

impl Fleet {
    /// A fleet without orchestrators. `seed` decides every choice that is left to chance.
    #[must_use]
    pub fn new(config: Arc<RouterConfig>, seed: u64) -> Self {
        Self {
            config,
            pools: Arc::default(),
            pools_version: 0,
            nodes: BTreeMap::new(),
            waiting: WaitingList::default(),
            rng: StdRng::seed_from_u64(seed),
            version: 0,
            next_stream: 0,
        }
    }

    /// Counts what may matter to other streams than the one that acted.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// A name for a new stream.
    pub fn admit_stream(&mut self) -> StreamId {
        self.next_stream += 1;
        StreamId(self.next_stream)
    }

    /// Takes over the operator's pools. What was learned about an orchestrator stays, even while no
    /// pool has it: one that cheated gains nothing by leaving a list and coming back.
    pub fn set_pools(&mut self, pools: Pools) {
        if *self.pools == pools {
            return;
        }
        self.pools = Arc::new(pools);
        self.pools_version += 1;
        self.version += 1;
        self.forget_beyond(MAX_REMEMBERED);
    }

    /// Forgets orchestrators that no pool has, those heard of longest ago first and those that cheated last,
    /// until so many are left.
    fn forget_beyond(&mut self, most: usize) {
        let excess = self.nodes.len().saturating_sub(most);
        if excess == 0 {
            return;
        }
        let pools = self.pools.pools.iter().flat_map(|pool| &pool.orchestrators);
        let listed: BTreeSet<_> = pools.map(|it| &it.address).collect();
        let idle =
            self.nodes.iter().filter(|(it, node)| node.in_flight == 0 && !listed.contains(it));
        let mut idle: Vec<_> =
            idle.map(|(it, node)| (node.has_cheated(), node.heard(), it.clone())).collect();
        idle.sort();
        for (_, _, address) in idle.into_iter().take(excess) {
            self.nodes.remove(&address);
        }
    }

    /// The pools now.
    #[must_use]
    pub const fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    /// Counts changes of the pools.
    pub(crate) const fn pools_version(&self) -> u64 {
        self.pools_version
    }

    // Memory.

    /// Takes over what an earlier run learned. Call it before the first stream.
    pub fn recall(&mut self, now: Instant, wall: SystemTime, learned: Vec<RememberedOrchestrator>) {
        for one in learned {
            let node = Node::remembered(now, wall, &one);
            self.nodes.entry(one.address).or_insert(node);
        }
    }

    /// What should be remembered.
    #[must_use]
    pub fn learned(&self, now: Instant, wall: SystemTime) -> Vec<RememberedOrchestrator> {
        let known = self.nodes.iter();
        known.filter_map(|(address, node)| node.to_remember(address, now, wall)).collect()
    }

    /// Every orchestrator of every pool.
    #[must_use]
    pub fn status(&self, now: Instant) -> Vec<OrchestratorStatus> {
        let mut found: BTreeMap<&OrchestratorAddress, (Vec<String>, u32)> = BTreeMap::new();
        for pool in &self.pools.pools {
            for orchestrator in &pool.orchestrators {
                let entry = found.entry(&orchestrator.address).or_default();
                entry.0.push(pool.name.to_string());
                entry.1 = entry.1.max(orchestrator.in_flight);
            }
        }
        let unknown = Node::default();
        let one = |(address, (pools, limit)): (&OrchestratorAddress, (Vec<String>, u32))| {
            let node = self.nodes.get(address).unwrap_or(&unknown);
            node.status(now, address.to_string(), pools, limit)
        };
        found.into_iter().map(one).collect()
    }

    // What a stream may do.

    /// Whether a stream may ask an orchestrator for a session, or send it a segment.
    pub(crate) fn passage(
        &self,
        now: Instant,
        address: &OrchestratorAddress,
        urgent: bool,
    ) -> Passage {
        self.node(address).map_or(Passage::Free, |node| node.passage(now, urgent))
    }

    /// How an orchestrator stands, for a choice.
    pub(crate) fn standing(&self, now: Instant, address: &OrchestratorAddress) -> Standing {
        self.node(address).map_or(Standing::Ready, |node| node.standing(now))
    }

    /// Notes that a stream asks it; where its breaker is open, that is the trial.
    pub(crate) fn asks(&mut self, now: Instant, address: &OrchestratorAddress, limit: Duration) {
        let trial = self.entry(address).breaker.try_it(now + limit);
        self.version += u64::from(trial);
    }

    /// It offered a session, after this round trip.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        address: &OrchestratorAddress,
        round_trip: Option<Duration>,
        price: Option<PixelPrice>,
    ) {
        let node = self.entry(address);
        let other = std::mem::replace(&mut node.price, price) != price;
        if let Some(round_trip) = round_trip {
            node.observe_round_trip(round_trip);
        }
        let again = node.breaker.answered();
        let back = node.found(now, true);
        self.version += u64::from(again || other || back);
    }

    /// It takes one more segment of a stream: false when it has no room, or another stream waits
    /// longer for it.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        stream: StreamId,
        orchestrator: &ConfiguredOrchestrator,
    ) -> bool {
        let node = self.nodes.entry(orchestrator.address.clone()).or_default();
        let limit = node.limit(now, orchestrator.in_flight);
        let free = limit.saturating_sub(node.in_flight);
        let ahead = self.waiting.ahead(now, stream, &orchestrator.address);
        let granted = usize::try_from(free).is_ok_and(|free| free > ahead);
        if granted {
            node.in_flight += 1;
            self.waiting.take(stream, &orchestrator.address);
        }
        granted
    }

    /// A stream waits for room at these orchestrators, each until then, and at no other. Where it waited
    /// before it keeps its place, unless it had its turn and waits for the next.
    pub(crate) fn wait_for_room(
        &mut self,
        now: Instant,
        stream: StreamId,
        wanted: &[(OrchestratorAddress, Instant)],
    ) {
        if self.waiting.set(now, stream, wanted) {
            self.version += 1;
        }
    }

    /// Whether it would take one more segment, waiters aside.
    pub(crate) fn has_room(&self, now: Instant, orchestrator: &ConfiguredOrchestrator) -> bool {
        let Some(node) = self.node(&orchestrator.address) else { return true };
        node.in_flight < node.limit(now, orchestrator.in_flight)
    }

    /// Whether so many streams wait for each of these that one more, whose segment has so long, has no
    /// chance.
    pub(crate) fn is_full<'a>(
        &self,
        now: Instant,
        stream: StreamId,
        mut orchestrators: impl Iterator<Item = &'a ConfiguredOrchestrator>,
        duration: Duration,
        hold: Duration,
    ) -> bool {
        orchestrators.all(|it| {
            let ahead = self.waiting.ahead(now, stream, &it.address);
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            let latency = self.view(&it.address).latency.unwrap_or(UNKNOWN_LATENCY);
            let one = duration.saturating_mul(latency) / 1_000;
            // So many have to end first, and as many at once as it takes.
            let wait = one.saturating_mul(ahead.saturating_add(1)) / it.in_flight.max(1);
            ahead > 0 && !self.has_room(now, it) && wait.saturating_add(one) > hold
        })
    }

    /// A stream that is gone waits for nothing.
    pub(crate) fn stop_waiting(&mut self, stream: StreamId) {
        if self.waiting.remove_all(stream) {
            self.version += 1;
        }
    }

    // How attempts end.

    /// An attempt is over, however it went.
    pub(crate) fn ended(&mut self, address: &OrchestratorAddress) {
        let Some(node) = self.nodes.get_mut(address) else { return };
        node.in_flight = node.in_flight.saturating_sub(1);
        if self.waiting.is_awaited(address) {
            self.version += 1;
        }
    }

    /// It delivered.
    pub(crate) fn delivered(
        &mut self,
        now: Instant,
        address: &OrchestratorAddress,
        elapsed: Duration,
        duration: Duration,
    ) {
        let node = self.entry(address);
        let back = node.delivered(now, permille(elapsed, duration));
        let open = node.breaker.delivered();
        self.version += u64::from(back || open);
    }

    /// An attempt was given up after this time, and would have taken longer.
    pub(crate) fn took_longer(
        &mut self,
        now: Instant,
        address: &OrchestratorAddress,
        elapsed: Duration,
        duration: Duration,
    ) {
        self.entry(address).took_longer(now, permille(elapsed, duration));
    }

    /// It was overtaken by one that was asked because it took too long.
    pub(crate) fn suspect(&mut self, address: &OrchestratorAddress) {
        self.entry(address).suspect = true;
    }

    /// Whether it answered the question whether it is there, in the time that takes. Work on a silent one
    /// may still come to its end, so silence alone ends nothing: others are asked besides. True when that
    /// is news.
    pub fn found(&mut self, now: Instant, address: &OrchestratorAddress, there: bool) -> bool {
        // Nothing is remembered of one that is not used, and is there.
        let node = if there { self.nodes.get_mut(address) } else { Some(self.entry(address)) };
        let changed = node.is_some_and(|node| node.found(now, there));
        self.version += u64::from(changed);
        changed
    }

    /// Counts the times it was gone and came back.
    pub(crate) fn returns(&self, address: &OrchestratorAddress) -> u32 {
        self.node(address).map_or(0, |node| node.returns)
    }

    /// Since when it has given no sign of life; `None` when it is there, as far as is known.
    pub(crate) fn silent_since(&self, address: &OrchestratorAddress) -> Option<Instant> {
        self.node(address).and_then(Node::silent_since)
    }

    /// It failed.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        address: &OrchestratorAddress,
        class: FaultClass,
        detail: &str,
    ) {
        let Self { nodes, rng, config, .. } = self;
        let node = nodes.entry(address.clone()).or_default();
        node.failed(now, class, detail);
        let absent = class == FaultClass::Network;
        let mut changed = node.breaker.failed(now, absent, config, rng);
        if class == FaultClass::FalseWork {
            node.demote(now, config.demotion);
            changed = true;
        }
        self.version += u64::from(changed);
    }

    /// Whether it works on a segment of any stream.
    pub(crate) fn is_busy(&self, address: &OrchestratorAddress) -> bool {
        self.node(address).is_some_and(|node| node.in_flight > 0)
    }

    /// Whether the next segment it works on should have its picture compared: the first ones, and then
    /// one in `RouterConfig::picture_check_every`.
    pub(crate) fn takes_picture_check(&mut self, address: &OrchestratorAddress) -> bool {
        let every = self.config.picture_check_every;
        self.entry(address).takes_picture_check(every)
    }

    /// Whether a slow one has not been tried for so long that it may have healed.
    pub(crate) fn wants_probe(&self, now: Instant, address: &OrchestratorAddress) -> bool {
        let node = self.node(address);
        node.is_some_and(|node| node.wants_probe(now, self.config.probe_interval))
    }

    /// What is known about one orchestrator.
    pub(crate) fn view(&self, address: &OrchestratorAddress) -> NodeView {
        self.node(address).map_or_else(|| Node::default().view(), Node::view)
    }

    fn node(&self, address: &OrchestratorAddress) -> Option<&Node> {
        self.nodes.get(address)
    }

    fn entry(&mut self, address: &OrchestratorAddress) -> &mut Node {
        self.nodes.entry(address.clone()).or_default()
    }
}

/// What a choice needs to know about an orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeView {
    pub(crate) latency: Option<u32>,
    pub(crate) p95: Option<u32>,
    pub(crate) success: u32,
    pub(crate) round_trip_micros: Option<u32>,
    pub(crate) in_flight: u32,
    pub(crate) price: Option<PixelPrice>,
}
