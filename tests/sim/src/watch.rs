//! What must hold, kept in books that share no code with the cores.

use std::time::Duration;

use router::{AttemptId, AttemptKind, FaultClass, OrchestratorStatus, RouterConfig, SessionId};

use crate::{
    orchestrator::{Script, Token},
    scenario::{PoolScript, Scenario},
    summary::Summary,
    violation::{Checked, ensure},
};

mod circuit;
mod decision;
mod liveness;
mod membership;
pub(crate) mod playlist;
mod release;
mod start;
mod stream;

use circuit::{Circuit, User};
use membership::Member;
use release::Pushed;
use stream::StreamBook;

/// Longest demotion.
const LONGEST_DEMOTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Comparisons of a cheat's pictures that may come to nothing, because its results were not needed.
const CHECKS_LOST: u32 = 3;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Its renditions were handed to the dispatcher while it waited for them.
    Delivered,
    Failed(FaultClass),
    Cancelled,
}

/// One attempt.
#[derive(Debug)]
struct AttemptBook {
    id: AttemptId,
    /// Its renditions start at this.
    tag: u64,
    session: SessionId,
    orchestrator: usize,
    sequence: u64,
    kind: AttemptKind,
    started: Duration,
    budget: Duration,
    duration: Duration,
    ended: Option<(Duration, Ended)>,
    /// Whom the stream could use then.
    members: Vec<Member>,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    Asked(Duration),
    Live,
    Over,
}

/// One session of a stream.
#[derive(Debug)]
struct SessionBook {
    orchestrator: usize,
    state: SessionState,
    in_flight: usize,
    /// Encoding epoch of the last segment sent.
    epoch: Option<u64>,
    token: Token,
}

/// What all streams together should know about an orchestrator.
#[derive(Debug, Default)]
struct NodeBook {
    in_flight: u32,
    circuit: Circuit,
    demoted_until: Option<Duration>,
    offences: u32,
    /// What it last asked.
    quote: Option<Option<u64>>,
    /// Segments since its picture was last compared.
    unchecked: u32,
    /// Black ones it delivered since it was last caught.
    black: u32,
}

/// All books.
#[derive(Debug)]
pub(crate) struct Watch {
    config: RouterConfig,
    names: Vec<String>,
    scripts: Vec<Script>,
    /// How late a wake may be.
    timer_lag: Duration,
    pools: Vec<PoolScript>,
    nodes: Vec<NodeBook>,
    streams: Vec<StreamBook>,
    next_tag: u64,
    pub(crate) summary: Summary,
}

impl Watch {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut nodes: Vec<NodeBook> =
            scenario.orchestrators.iter().map(|_| NodeBook::default()).collect();
        for (index, left) in &scenario.caught {
            if let Some(node) = nodes.get_mut(*index) {
                (node.demoted_until, node.offences) = (Some(*left), 1);
            }
        }
        Self {
            config: scenario.config.clone(),
            names: scenario.addresses.iter().map(ToString::to_string).collect(),
            timer_lag: scenario.timer_lag,
            scripts: scenario.orchestrators.clone(),
            pools: Vec::new(),
            nodes,
            streams: scenario.streams.iter().map(StreamBook::new).collect(),
            next_tag: 1,
            summary: Summary::default(),
        }
    }

    fn stream(&mut self, index: usize) -> Checked<&mut StreamBook> {
        let none = || crate::Violation::new(Duration::ZERO, format!("there is no stream {index}"));
        self.streams.get_mut(index).ok_or_else(none)
    }

    fn node(&mut self, index: usize) -> Checked<&mut NodeBook> {
        let none =
            || crate::Violation::new(Duration::ZERO, format!("there is no orchestrator {index}"));
        self.nodes.get_mut(index).ok_or_else(none)
    }

    /// An orchestrator is found to be there, or not.
    pub(crate) fn found(&mut self, at: Duration, orchestrator: usize, there: bool) -> Checked {
        self.node(orchestrator)?.circuit.found(at, there);
        Ok(())
    }

    /// Which orchestrator has this address.
    pub(crate) fn named(&self, at: Duration, address: &str) -> Checked<usize> {
        let found = self.names.iter().position(|name| name == address);
        found.ok_or_else(|| crate::Violation::new(at, format!("{address} is nobody's address")))
    }

    // Questions and sessions.

    /// A stream asks an orchestrator for a session.
    pub(crate) fn asked(
        &mut self,
        at: Duration,
        stream: usize,
        session: SessionId,
        orchestrator: usize,
    ) -> Checked {
        let what = format!("stream {stream} asks o{orchestrator}");
        let member = self.members(stream).iter().any(|it| it.orchestrator == orchestrator);
        ensure!(at, member, "{what}, which is in none of its pools");
        let until = at + self.config.discovery_timeout;
        let node = self.node(orchestrator)?;
        node.not_demoted(at, &what)?;
        node.circuit.used(at, User::Question(stream, session), until, &what)?;
        let book = self.stream(stream)?;
        let asked = SessionBook {
            orchestrator,
            state: SessionState::Asked(at),
            in_flight: 0,
            epoch: None,
            token: Token { given: at },
        };
        ensure!(at, book.sessions.insert(session, asked).is_none(), "session {session} used twice");
        book.count_question(at, orchestrator)
    }

    /// An answer to a question is handed in, and was taken or not.
    pub(crate) fn replied(
        &mut self,
        at: Duration,
        stream: usize,
        session: SessionId,
        reply: Result<Option<u64>, router::DiscoveryFault>,
        accepted: bool,
    ) -> Checked {
        let book = self.stream(stream)?;
        let Some(found) = book.sessions.get_mut(&session) else {
            ensure!(at, !accepted, "session {session} is taken, and was not asked for");
            return Ok(());
        };
        if !matches!(found.state, SessionState::Asked(_)) {
            ensure!(at, !accepted, "session {session} is taken after it was given up");
            return Ok(());
        }
        let orchestrator = found.orchestrator;
        found.token = Token { given: at };
        found.state = if accepted { SessionState::Live } else { SessionState::Over };
        let config = self.config.clone();
        let pool = self.members(stream).into_iter().find(|it| it.orchestrator == orchestrator);
        let node = self.node(orchestrator)?;
        node.circuit.is_over(User::Question(stream, session));
        match reply {
            Ok(price) => {
                node.quote = Some(price);
                node.circuit.answered(at);
                let pays = pool.is_some_and(|it| it.pays(price));
                ensure!(at, accepted == pays, "an offer for {price:?} was taken: {accepted}");
            }
            Err(fault) => {
                ensure!(at, !accepted, "a refusal was taken for a session");
                match fault {
                    router::DiscoveryFault::Capped | router::DiscoveryFault::Incapable => {
                        node.circuit.answered(at)
                    }
                    router::DiscoveryFault::Failed => node.circuit.failed(at, true, &config),
                }
            }
        }
        Ok(())
    }

    /// A question is given up.
    pub(crate) fn gave_up_question(
        &mut self,
        at: Duration,
        stream: usize,
        session: SessionId,
    ) -> Checked {
        let timeout = self.config.discovery_timeout;
        let config = self.config.clone();
        let book = self.stream(stream)?;
        let Some(found) = book.sessions.get_mut(&session) else {
            ensure!(at, false, "session {session} is cancelled, and was not asked for");
            return Ok(());
        };
        let SessionState::Asked(asked) = found.state else {
            ensure!(at, false, "the question for session {session} is cancelled after its answer");
            return Ok(());
        };
        found.state = SessionState::Over;
        let orchestrator = found.orchestrator;
        let node = self.node(orchestrator)?;
        node.circuit.is_over(User::Question(stream, session));
        if at >= asked + timeout {
            node.circuit.failed(at, true, &config);
        }
        Ok(())
    }

    /// A session is ended.
    pub(crate) fn ended_session(
        &mut self,
        at: Duration,
        stream: usize,
        session: SessionId,
    ) -> Checked {
        let book = self.stream(stream)?;
        let Some(found) = book.sessions.get_mut(&session) else {
            ensure!(at, false, "session {session} is ended, and was not asked for");
            return Ok(());
        };
        ensure!(
            at,
            found.state == SessionState::Live,
            "session {session} is ended as {:?}",
            found.state
        );
        ensure!(at, found.in_flight == 0, "session {session} is ended with attempts in flight");
        found.state = SessionState::Over;
        Ok(())
    }

    /// Sessions an orchestrator has given, of all streams.
    pub(crate) fn sessions_of(&self, orchestrator: usize) -> usize {
        let all = self.streams.iter().flat_map(|book| book.sessions.values());
        all.filter(|it| it.orchestrator == orchestrator && it.state == SessionState::Live).count()
    }

    /// Segments an orchestrator works on, of all streams.
    pub(crate) fn in_flight_on(&self, orchestrator: usize) -> u32 {
        self.nodes.get(orchestrator).map_or(0, |node| node.in_flight)
    }

    /// When a question was asked whose answer is awaited.
    pub(crate) fn asked_at(&self, stream: usize, session: SessionId) -> Option<Duration> {
        match self.streams.get(stream)?.sessions.get(&session)?.state {
            SessionState::Asked(at) => Some(at),
            SessionState::Live | SessionState::Over => None,
        }
    }

    /// Whether a segment that waits can't be transcoded by anybody.
    pub(crate) fn is_poison(&self, stream: usize, sequence: u64) -> bool {
        let book = self.streams.get(stream);
        let mut waiting = book.iter().flat_map(|it| &it.waiting);
        waiting.any(|it| it.sequence == sequence && it.poison)
    }

    /// A stream's target duration, in seconds.
    pub(crate) fn target(&self, stream: usize) -> u8 {
        self.streams.get(stream).map_or(1, |it| it.target)
    }

    /// What a dispatcher holds is bounded, and what it should hold.
    pub(crate) fn check_bounds(
        &self,
        at: Duration,
        stream: usize,
        waiting: usize,
        attempts: usize,
    ) -> Checked {
        let Some(book) = self.streams.get(stream) else { return Ok(()) };
        let most = self.config.waiting_segments;
        ensure!(at, waiting <= most, "stream {stream}: {waiting} segments wait of {most}");
        let expected = book.waiting.len();
        ensure!(at, waiting == expected, "stream {stream}: {waiting} wait of {expected}");
        let open = || book.attempts.values().filter(|it| it.ended.is_none());
        let probes = open().filter(|it| it.kind == AttemptKind::Probe).count();
        ensure!(at, attempts <= 2 * most + probes, "stream {stream}: {attempts} attempts");
        let expected = open().count();
        ensure!(at, attempts == expected, "stream {stream}: {attempts} attempts of {expected}");
        Ok(())
    }

    /// The fleet counts what is in flight like the books.
    pub(crate) fn check_status(&self, at: Duration, status: &OrchestratorStatus) -> Checked {
        let index = self.named(at, &status.address)?;
        let (counted, says) = (self.in_flight_on(index), status.in_flight);
        ensure!(at, counted == says, "{says} are said to be in flight on o{index}, not {counted}");
        Ok(())
    }

    /// The token of a session.
    pub(crate) fn token(&self, stream: usize, session: SessionId) -> Option<Token> {
        Some(self.streams.get(stream)?.sessions.get(&session)?.token)
    }

    // How attempts end.

    /// The end of an attempt is about to be handed in; `black` when it brings black pictures. False when nobody waits for it any more.
    pub(crate) fn ending(
        &mut self,
        at: Duration,
        stream: usize,
        id: AttemptId,
        result: Result<Option<u64>, FaultClass>,
        black: bool,
    ) -> Checked<bool> {
        let ended = match result {
            Ok(_) => Ended::Delivered,
            Err(class) => Ended::Failed(class),
        };
        let Some((sequence, orchestrator)) = self.close(at, stream, id, ended)? else {
            return Ok(false);
        };
        let config = self.config.clone();
        let book = self.stream(stream)?;
        match result {
            Ok(price) => {
                let slanderers = book.exonerated(sequence);
                book.note_delivery(id, sequence);
                let most = self.config.picture_check_every.saturating_mul(CHECKS_LOST);
                let node = self.node(orchestrator)?;
                node.black += u32::from(black);
                let black = node.black;
                ensure!(at, black <= most, "o{orchestrator} delivers {black} black segments");
                node.circuit.delivered(at);
                if price.is_some() {
                    node.quote = Some(price);
                }
                for other in slanderers {
                    self.node(other)?.circuit.failed(at, false, &config);
                }
            }
            Err(class) => {
                if class == FaultClass::Media {
                    book.note_blame(at, sequence, orchestrator)?;
                }
                let node = self.node(orchestrator)?;
                if class.is_fault() {
                    node.circuit.failed(at, class == FaultClass::Network, &config);
                }
                if class == FaultClass::FalseWork {
                    node.demote(at, config.demotion);
                }
            }
        }
        Ok(true)
    }

    /// An attempt is cancelled, or has used up its time.
    pub(crate) fn cancelled(&mut self, at: Duration, stream: usize, id: AttemptId) -> Checked {
        let config = self.config.clone();
        let closed = self.close(at, stream, id, Ended::Cancelled)?;
        ensure!(
            at,
            closed.is_some(),
            "attempt {id} of stream {stream} is cancelled, and is not in flight"
        );
        let book = self.stream(stream)?;
        let late = book.attempts.get(&id).is_some_and(|it| at - it.started >= it.duration * 3 / 4);
        if let Some((_, orchestrator)) = closed.filter(|_| late) {
            self.node(orchestrator)?.circuit.failed(at, false, &config);
        }
        Ok(())
    }

    /// Notes the end of an attempt, if it is in flight: its segment's number and its orchestrator.
    fn close(
        &mut self,
        at: Duration,
        stream: usize,
        id: AttemptId,
        ended: Ended,
    ) -> Checked<Option<(u64, usize)>> {
        let book = self.stream(stream)?;
        let Some(attempt) = book.attempts.get_mut(&id).filter(|it| it.ended.is_none()) else {
            return Ok(None);
        };
        attempt.ended = Some((at, ended));
        let (session, orchestrator, sequence) =
            (attempt.session, attempt.orchestrator, attempt.sequence);
        if let Some(session) = book.sessions.get_mut(&session) {
            session.in_flight = session.in_flight.saturating_sub(1);
        }
        let node = self.node(orchestrator)?;
        ensure!(at, node.in_flight > 0, "more attempts end on o{orchestrator} than began");
        node.in_flight -= 1;
        node.circuit.is_over(User::Attempt(stream, id));
        Ok(Some((sequence, orchestrator)))
    }

    /// The stream's task is dropped.
    pub(crate) fn abandoned(&mut self, at: Duration, stream: usize) -> Checked {
        let in_flight: Vec<_> = {
            let book = self.stream(stream)?;
            book.over = true;
            let open = book.attempts.values().filter(|it| it.ended.is_none());
            open.map(|it| it.id).collect()
        };
        for id in in_flight {
            self.close(at, stream, id, Ended::Cancelled)?;
        }
        let questions: Vec<_> = self.stream(stream)?.close_sessions();
        for (session, orchestrator) in questions {
            self.node(orchestrator)?.circuit.is_over(User::Question(stream, session));
        }
        Ok(())
    }

    /// Whether every stream has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.streams.iter().all(|book| book.over)
    }

    /// At the end of the run nothing may be left.
    pub(crate) fn at_the_end(&self, at: Duration) -> Checked {
        for (index, book) in self.streams.iter().enumerate() {
            ensure!(at, book.over, "stream {index} does not end");
            ensure!(
                at,
                book.waiting.is_empty() || book.abandoned(),
                "stream {index} lost segments"
            );
            let open = book.attempts.values().find(|it| it.ended.is_none());
            ensure!(at, open.is_none(), "stream {index} never ends {open:?}");
            let live = book.sessions.iter().find(|(_, it)| it.state != SessionState::Over);
            ensure!(at, live.is_none(), "stream {index} never ends its session {live:?}");
        }
        for (index, node) in self.nodes.iter().enumerate() {
            ensure!(at, node.in_flight == 0, "o{index} is left with {} in flight", node.in_flight);
        }
        Ok(())
    }
}

impl NodeBook {
    fn demote(&mut self, at: Duration, shortest: Duration) {
        let doubled = 1_u32.checked_shl(self.offences).unwrap_or(u32::MAX);
        self.demoted_until = Some(at + shortest.saturating_mul(doubled).min(LONGEST_DEMOTION));
        self.offences += 1;
        self.black = 0;
    }

    fn not_demoted(&self, at: Duration, what: &str) -> Checked {
        let demoted = self.demoted_until.is_some_and(|until| until > at);
        ensure!(at, !demoted, "{what}, which returned false work");
        Ok(())
    }
}
