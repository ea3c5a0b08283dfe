//! Which of several nodes to ask.
//!
//! Nodes fail, lag, and say what isn't so. Each is judged by what it answered itself and by what the
//! others say of the chain; the operator's order decides among those that are well. A node of another
//! chain is refused; one that fails rests for a while; one whose blocks are old, go back, or run ahead is
//! demoted: asked only when no other is left.

use std::time::{Duration, Instant};

use crate::Block;

/// First rest after a fault; doubles with each further one.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest rest after a fault.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Longest rest that a node can ask for.
const LONGEST_ASKED_REST: Duration = Duration::from_secs(300);
/// How long the chain's number, once told, is believed.
const CHAIN_ID_FOR: Duration = Duration::from_secs(600);
/// How long what a node said of its latest block counts.
const REPORT_FOR: Duration = Duration::from_secs(60);
/// How long a node whose blocks went back is demoted.
const DEMOTED_FOR: Duration = Duration::from_secs(60);
/// L1 blocks that a node may be away from the others: two minutes.
const L1_TOLERANCE: u64 = 10;
/// Seconds that a block may go back: load balancers ask nodes that differ a little.
const BACK_TOLERANCE: u64 = 30;
/// Seconds that a block may be from the future: clocks differ.
const FUTURE_TOLERANCE: u64 = 120;
/// Reports from which on a single node can't say how far the chain is.
const MAJORITY_FROM: usize = 3;

/// What went wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No complete answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It asks to slow down, perhaps for so long.
    #[error("too many requests")]
    RateLimited(Option<Duration>),
    /// An HTTP status that isn't success.
    #[error("HTTP status {0}")]
    Status(u16),
    /// More bytes than are read.
    #[error("the answer has more than {0} bytes")]
    Oversized(usize),
    /// No JSON-RPC answer to the call.
    #[error("{0}")]
    Malformed(String),
    /// It says that it can't answer.
    #[error("{0}")]
    Failing(String),
}

/// How a node is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// Asked for its chain before anything else.
    Unchecked,
    /// Asked in the operator's order.
    Well,
    /// Asked when no other is left.
    Demoted(Demotion),
    /// Not asked for a while.
    Resting(EndpointFault),
    /// Not asked: a node of another chain.
    WrongChain {
        /// The chain it is of.
        found: u64,
        /// The chain it should be of.
        wanted: u64,
    },
}

/// Why a node is only asked when no other is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Demotion {
    /// Its latest block is older than that of others.
    #[error("its latest block is {0} s behind")]
    Behind(u64),
    /// The L1 block it tells is lower than that of others.
    #[error("its L1 block is {0} behind")]
    L1Behind(u64),
    /// The L1 block it tells is higher than that of all others.
    #[error("its L1 block is {0} ahead of the others")]
    L1Ahead(u64),
    /// Its latest block is from the future.
    #[error("its latest block is {0} s in the future")]
    Future(u64),
    /// Its latest block was newer before.
    #[error("its latest block went back by {0} s")]
    WentBack(u64),
}

/// How nodes are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointRules {
    /// The chain that all must be of.
    pub chain_id: u64,
    /// How far a node's latest block may be behind that of others, by the blocks' own times.
    pub max_lag: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    block: Block,
    at: Instant,
    wall_seconds: u64,
}

#[derive(Clone, Debug, Default)]
struct Node {
    chain_id: Option<(u64, Instant)>,
    rest: Option<(EndpointFault, Instant)>,
    faults_in_a_row: u32,
    report: Option<Report>,
    went_back: Option<(u64, Instant)>,
}

/// All nodes, by their place in the operator's list.
#[derive(Clone, Debug)]
pub struct Endpoints {
    rules: EndpointRules,
    nodes: Vec<Node>,
}

impl Endpoints {
    /// So many nodes, none of them asked yet.
    #[must_use]
    pub fn new(rules: EndpointRules, count: usize) -> Self {
        Self { rules, nodes: vec![Node::default(); count] }
    }

    /// Nodes to ask now, best first.
    #[must_use]
    pub fn order(&self, now: Instant) -> Vec<usize> {
        let states: Vec<_> = self.states(now).into_iter().enumerate().collect();
        let places = |wanted: fn(&EndpointState) -> bool| {
            states.iter().filter(move |(_, state)| wanted(state)).map(|(place, _)| *place)
        };
        let well = places(|state| matches!(state, EndpointState::Well | EndpointState::Unchecked));
        well.chain(places(|state| matches!(state, EndpointState::Demoted(_)))).collect()
    }

    /// When the next node is to be asked again, where none is now; later than `now`.
    #[must_use]
    pub fn next_rest_end(&self, now: Instant) -> Option<Instant> {
        let rests = |node: &&Node| matches!(self.state(node, now), EndpointState::Resting(_));
        let resting = self.nodes.iter().filter(rests).filter_map(|node| node.rest.as_ref());
        resting.map(|(_, until)| *until).min()
    }

    /// Whether the node must be asked for its chain first.
    #[must_use]
    pub fn needs_chain_id(&self, place: usize, now: Instant) -> bool {
        self.nodes.get(place).is_some_and(|node| node.known_chain(now).is_none())
    }

    /// How each is seen.
    #[must_use]
    pub fn states(&self, now: Instant) -> Vec<EndpointState> {
        self.nodes.iter().map(|node| self.state(node, now)).collect()
    }

    /// What each said of its latest block, if it did lately.
    #[must_use]
    pub fn blocks(&self, now: Instant) -> Vec<Option<Block>> {
        let recent = |node: &Node| node.recent(now).map(|report| report.block);
        self.nodes.iter().map(recent).collect()
    }

    /// The node told its chain.
    pub fn handle_chain_id(&mut self, place: usize, now: Instant, chain_id: u64) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.chain_id = Some((chain_id, now));
        }
    }

    /// The node answered as it should.
    pub fn handle_success(&mut self, place: usize) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.rest = None;
            node.faults_in_a_row = 0;
        }
    }

    /// The node failed.
    pub fn handle_fault(&mut self, place: usize, now: Instant, fault: EndpointFault) {
        let Some(node) = self.nodes.get_mut(place) else { return };
        let doubled = 2_u32.saturating_pow(node.faults_in_a_row.min(16));
        let mut rest = FIRST_REST.saturating_mul(doubled).min(LONGEST_REST);
        if let EndpointFault::RateLimited(Some(asked)) = fault {
            rest = rest.max(asked.min(LONGEST_ASKED_REST));
        }
        node.faults_in_a_row = node.faults_in_a_row.saturating_add(1);
        node.rest = Some((fault, now + rest));
        // Another server may be behind the address when it is back.
        node.chain_id = None;
    }

    /// The node told its latest block. `wall_seconds` are those since 1970, by our clock.
    pub fn handle_block(&mut self, place: usize, now: Instant, wall_seconds: u64, block: Block) {
        let Some(node) = self.nodes.get_mut(place) else { return };
        if let Some(before) = node.report {
            let back = before.block.timestamp.saturating_sub(block.timestamp);
            if back > BACK_TOLERANCE {
                node.went_back = Some((back, now + DEMOTED_FOR));
            }
        }
        node.report = Some(Report { block, at: now, wall_seconds });
    }

    fn state(&self, node: &Node, now: Instant) -> EndpointState {
        match node.known_chain(now) {
            Some(found) if found != self.rules.chain_id => {
                return EndpointState::WrongChain { found, wanted: self.rules.chain_id };
            }
            Some(_) | None => {}
        }
        if let Some((fault, _)) = node.rest.as_ref().filter(|(_, until)| *until > now) {
            return EndpointState::Resting(fault.clone());
        }
        match (self.demotion(node, now), node.known_chain(now)) {
            (Some(demotion), _) => EndpointState::Demoted(demotion),
            (None, Some(_)) => EndpointState::Well,
            (None, None) => EndpointState::Unchecked,
        }
    }

    fn demotion(&self, node: &Node, now: Instant) -> Option<Demotion> {
        if let Some((back, _)) = node.went_back.filter(|(_, until)| *until > now) {
            return Some(Demotion::WentBack(back));
        }
        let report = node.recent(now)?;
        let future = report.block.timestamp.saturating_sub(report.wall_seconds);
        if future > FUTURE_TOLERANCE {
            return Some(Demotion::Future(future));
        }
        let behind =
            self.agreed(now, |block| block.timestamp)?.saturating_sub(report.block.timestamp);
        if behind > self.rules.max_lag.as_secs() {
            return Some(Demotion::Behind(behind));
        }
        let (l1, own) = (self.agreed(now, |block| block.l1_number)?, report.block.l1_number);
        if l1.saturating_sub(own) > L1_TOLERANCE {
            return Some(Demotion::L1Behind(l1.saturating_sub(own)));
        }
        let ahead = own.saturating_sub(l1);
        (ahead > L1_TOLERANCE).then_some(Demotion::L1Ahead(ahead))
    }

    /// The highest number told; from three on the second highest, so that one node alone can't make all
    /// others look late. Numbers from the future don't count.
    fn agreed(&self, now: Instant, number: impl Fn(&Block) -> u64) -> Option<u64> {
        let present = |report: &Report| {
            report.block.timestamp.saturating_sub(report.wall_seconds) <= FUTURE_TOLERANCE
        };
        let reports = self.nodes.iter().filter_map(|node| node.recent(now)).filter(present);
        let mut numbers: Vec<_> = reports.map(|report| number(&report.block)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.get(usize::from(numbers.len() >= MAJORITY_FROM)).copied()
    }
}

impl Node {
    fn known_chain(&self, now: Instant) -> Option<u64> {
        let fresh = |at: Instant| now.saturating_duration_since(at) < CHAIN_ID_FOR;
        self.chain_id.filter(|(_, at)| fresh(*at)).map(|(chain_id, _)| chain_id)
    }

    fn recent(&self, now: Instant) -> Option<Report> {
        self.report.filter(|report| now.saturating_duration_since(report.at) < REPORT_FOR)
    }
}

#[cfg(test)]
mod tests;
