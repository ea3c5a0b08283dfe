//! Random publishers and orchestrators in virtual time; invariants hold after every step.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use media::RenditionOutcome;
use proptest::prelude::*;

use media::{PresentationSegment, ReadyMade};

use super::*;
use crate::{
    fault::FaultClass,
    pool::Pools,
    test_media::{ladder, orchestrators, origin, renditions, segment},
};

/// What one orchestrator does with a question or a segment.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    /// Answers after so many milliseconds.
    Works(u64),
    /// Fails after so many milliseconds, in this way.
    Fails(u64, Failure),
    /// Never answers.
    Hangs,
}

#[derive(Clone, Copy, Debug)]
enum Failure {
    Other,
    Same,
    Never,
    Capped,
    Busy,
    Short,
    Price,
    Terms,
    Unpaid,
}

#[derive(Clone, Copy, Debug)]
enum Push {
    Media,
    Discontinuity,
    Dependent,
    StandIn,
    /// A rung comes with it.
    WithRung,
    /// The source is paused, a layer is not.
    Layer,
    /// Every rung comes with it.
    Filler,
}

#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    orchestrators: usize,
    pushes: Vec<(Push, u64, u64)>,
    questions: Vec<Behaviour>,
    attempts: Vec<Behaviour>,
    target: Option<u64>,
    reconfigure: Option<(usize, usize)>,
}

fn behaviour(failures: impl Strategy<Value = Failure> + Clone) -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        4 => (0_u64..3_000).prop_map(Behaviour::Works),
        2 => (0_u64..3_000, failures).prop_map(|(ms, failure)| Behaviour::Fails(ms, failure)),
        1 => Just(Behaviour::Hangs),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let attempt = prop_oneof![
        Just(Failure::Other),
        Just(Failure::Same),
        Just(Failure::Never),
        Just(Failure::Capped),
        Just(Failure::Busy),
        Just(Failure::Short),
        Just(Failure::Price),
        Just(Failure::Terms),
        Just(Failure::Unpaid),
    ];
    let question = prop_oneof![Just(Failure::Other), Just(Failure::Capped)];
    let push = prop_oneof![
        8 => Just(Push::Media),
        1 => Just(Push::Discontinuity),
        1 => Just(Push::Dependent),
        1 => Just(Push::StandIn),
        1 => Just(Push::WithRung),
        1 => Just(Push::Layer),
        1 => Just(Push::Filler),
    ];
    let pushes = (push, 1_u64..6_000, prop_oneof![3 => Just(2_000_u64), 1 => 20_u64..6_000]);
    (
        any::<u64>(),
        0_usize..6,
        prop::collection::vec(pushes, 1..40),
        prop::collection::vec(behaviour(question), 1..20),
        prop::collection::vec(behaviour(attempt), 1..40),
        prop::option::of(2_u64..8),
        prop::option::of((0_usize..40, 0_usize..6)),
    )
        .prop_map(|(seed, orchestrators, pushes, questions, attempts, target, reconfigure)| {
            Plan { seed, orchestrators, pushes, questions, attempts, target, reconfigure }
        })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Answer(SessionId, usize),
    Result(AttemptId, usize),
    Push(usize),
    Finish,
}

struct World {
    plan: Plan,
    config: Arc<RouterConfig>,
    dispatcher: Dispatcher,
    fleet: Fleet,
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, Event)>>,
    asked: usize,
    begun: usize,
    /// With what each is asked for.
    in_flight: BTreeMap<AttemptId, Arc<Ladder>>,
    released: Vec<(Instant, PresentationSegment)>,
    trace: Vec<String>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let config: Arc<RouterConfig> = Arc::default();
        let now = origin();
        let mut events = BinaryHeap::new();
        let mut at = now;
        for (index, (_, wait, _)) in plan.pushes.iter().enumerate() {
            at += Duration::from_millis(*wait);
            events.push(Reverse((at, Event::Push(index))));
        }
        events.push(Reverse((at + Duration::from_millis(10), Event::Finish)));
        let mut fleet = Fleet::new(Arc::clone(&config), plan.seed);
        fleet.set_pools(Pools::of(orchestrators(plan.orchestrators)));
        let stream = fleet.admit_stream();
        let policy = StreamPolicy::default();
        let mut dispatcher = Dispatcher::new(Arc::clone(&config), stream, policy, plan.seed);
        dispatcher.set_ladder(now, &mut fleet, Arc::new(ladder()));
        if let Some(seconds) = plan.target {
            dispatcher.set_target_duration(now, &mut fleet, Duration::from_secs(seconds));
        }
        Self {
            plan,
            config,
            dispatcher,
            fleet,
            now,
            events,
            asked: 0,
            begun: 0,
            in_flight: BTreeMap::new(),
            released: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn run(mut self, start: Instant) -> Self {
        self.drain();
        loop {
            let wake = self.dispatcher.poll_timeout(self.now, &self.fleet).map(|(at, _)| at);
            let event = self.events.peek().map(|Reverse((at, _))| *at);
            let Some(next) = wake.into_iter().chain(event).min() else { break };
            assert!(next >= self.now, "a wake in the past");
            self.now = next;
            if wake.is_some_and(|wake| wake <= next) {
                self.dispatcher.handle_timeout(self.now, &mut self.fleet);
                self.drain();
                let again = self.dispatcher.poll_timeout(self.now, &self.fleet);
                assert!(again.is_none_or(|(at, _)| at > self.now), "{again:?} spins");
            } else if let Some(Reverse((_, event))) = self.events.pop() {
                self.happen(event);
                self.drain();
            }
            self.check_bounds();
            assert!(self.now - start < Duration::from_secs(1_000), "ends");
            if self.dispatcher.is_finished() {
                break;
            }
        }
        self
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Push(index) => self.push(index),
            Event::Finish => self.dispatcher.finish(self.now, &mut self.fleet),
            Event::Answer(session, index) => {
                let answer = match self.plan.questions[index % self.plan.questions.len()] {
                    Behaviour::Works(_) => Ok(SessionOffer {
                        refresh: Some(self.now + Duration::from_secs(20)),
                        ..SessionOffer::default()
                    }),
                    Behaviour::Fails(_, Failure::Capped) => Err(DiscoveryFault::Capped),
                    Behaviour::Fails(..) | Behaviour::Hangs => Err(DiscoveryFault::Failed),
                };
                self.dispatcher.handle_discovered(self.now, &mut self.fleet, session, answer);
            }
            Event::Result(id, index) => {
                let Some(asked) = self.in_flight.remove(&id) else { return };
                let result = match self.plan.attempts[index % self.plan.attempts.len()] {
                    Behaviour::Works(_) => {
                        let media = renditions(&asked);
                        Ok(Delivery { media, ..Delivery::default() })
                    }
                    Behaviour::Fails(_, Failure::Short) => Ok(Delivery::default()),
                    Behaviour::Fails(_, failure) => Err(fault(failure)),
                    Behaviour::Hangs => return,
                };
                self.dispatcher.handle_attempt(self.now, &mut self.fleet, id, result);
            }
        }
    }

    fn push(&mut self, index: usize) {
        let (push, _, millis) = self.plan.pushes[index];
        let sequence = u64::try_from(index).unwrap() + 1;
        let mut segment = segment(sequence, self.now, Duration::from_millis(millis));
        match push {
            Push::Media => {}
            Push::Discontinuity => segment.discontinuity = true,
            Push::Dependent => segment.independent = false,
            Push::StandIn => segment.video = None,
            Push::WithRung => segment.ready_made = ready_made(&segment, &["480p"]),
            Push::Layer => {
                segment.ready_made = ready_made(&segment, &["source-540p", "audio-2"]);
                segment.video = None;
            }
            Push::Filler => segment.ready_made = ready_made(&segment, &["720p", "480p", "360p"]),
        }
        if let Some((_, count)) = self.plan.reconfigure.filter(|(at, _)| *at == index) {
            self.fleet.set_pools(Pools::of(orchestrators(count)));
        }
        self.dispatcher.push(self.now, &mut self.fleet, Arc::new(segment));
    }

    fn drain(&mut self) {
        while let Some(output) = self.dispatcher.poll_output() {
            self.trace.push(format!("{:?}", Line(&output)));
            match output {
                Output::Discover { session, .. } => {
                    let behaviour = self.plan.questions[self.asked % self.plan.questions.len()];
                    self.schedule(behaviour, Event::Answer(session, self.asked));
                    self.asked += 1;
                }
                Output::StartAttempt(start) => {
                    assert!(start.number <= self.config.attempts);
                    assert!(!start.budget.is_zero());
                    let behaviour = self.plan.attempts[self.begun % self.plan.attempts.len()];
                    self.schedule(behaviour, Event::Result(start.id, self.begun));
                    self.in_flight.insert(start.id, start.ladder);
                    self.begun += 1;
                }
                Output::CancelAttempt(id) => {
                    self.in_flight.remove(&id);
                }
                Output::Release(segment) => self.check_release(segment),
                Output::CancelDiscovery { .. } | Output::EndSession { .. } | Output::Decided(_) => {
                }
            }
        }
    }

    fn schedule(&mut self, behaviour: Behaviour, event: Event) {
        if let Behaviour::Works(millis) | Behaviour::Fails(millis, _) = behaviour {
            self.events.push(Reverse((self.now + Duration::from_millis(millis), event)));
        }
    }

    fn check_release(&mut self, segment: PresentationSegment) {
        let expected = u64::try_from(self.released.len()).unwrap() + 1;
        assert_eq!(segment.source.sequence.0, expected, "in order, each exactly once");
        let latest = segment.source.closed + self.longest_hold(expected);
        assert!(self.now <= latest, "later than its deadline");
        if let (Some(target), Some((before, _))) = (self.plan.target, self.released.last()) {
            let interval = Duration::from_millis(target * 1_500) - self.config.publication_margin;
            let latest = segment.source.closed.max(*before + interval);
            assert!(self.now <= latest, "too long after the publication before");
        }
        let gaps = |it: &&media::RenditionSegment| matches!(it.outcome, RenditionOutcome::Gap(_));
        let gap_count = segment.renditions.iter().filter(gaps).count();
        assert!(gap_count == 0 || gap_count == segment.renditions.len(), "in step");
        let names = segment.renditions.iter().map(|it| &it.name);
        let come = segment.source.ready_made.iter().map(|it| &it.name);
        let rungs: BTreeSet<_> = names.clone().collect();
        assert!(come.clone().all(|name| !rungs.contains(name)), "no rung comes twice");
        let all: BTreeSet<_> = names.chain(come).map(ToString::to_string).collect();
        let none = segment.renditions.is_empty();
        let whole = ladder().profiles().iter().all(|rung| all.contains(rung.name.as_str()));
        assert!(none || whole, "every rung is transcoded, a gap, or comes along");
        self.released.push((self.now, segment));
    }

    /// The longest hold of a segment and those ahead of it.
    fn longest_hold(&self, sequence: u64) -> Duration {
        let count = usize::try_from(sequence).unwrap();
        let millis = self.plan.pushes.iter().take(count).map(|(_, _, millis)| *millis).max();
        let longest = Duration::from_millis(millis.unwrap_or(0));
        self.config.hold(media::MediaDuration::from_std(longest), self.config.hold_percent)
    }

    fn check_bounds(&self) {
        let roster = &self.dispatcher.roster;
        assert!(self.dispatcher.waiting.len() <= self.config.waiting_segments);
        assert!(self.dispatcher.attempts.len() <= 2 * self.config.waiting_segments + 1);
        assert!(roster.most_in_flight() <= self.config.in_flight_per_session);
        let retiring = self.config.waiting_segments;
        assert!(roster.session_count() <= 2 * self.config.discovery_width + retiring);
    }
}

/// Renditions with these names, whose media is the segment's own.
fn ready_made(segment: &Segment, names: &[&str]) -> Vec<ReadyMade> {
    let rendition = |name: &&str| {
        let media = segment.video.clone();
        ReadyMade { name: RenditionName::parse(name).unwrap(), media }
    };
    names.iter().map(rendition).collect()
}

fn fault(failure: Failure) -> AttemptFault {
    let class = match failure {
        Failure::Other | Failure::Short => FaultClass::Orchestrator,
        Failure::Same => FaultClass::ExpiredSession,
        Failure::Never => FaultClass::Media,
        Failure::Capped => FaultClass::Capacity,
        Failure::Busy => FaultClass::Busy,
        Failure::Price => FaultClass::Price,
        Failure::Terms => FaultClass::Terms,
        Failure::Unpaid => FaultClass::Unpaid,
    };
    AttemptFault::new(class, "simulated")
}

/// An output without its instants, which differ between runs.
struct Line<'a>(&'a Output);

impl std::fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Output::StartAttempt(start) => write!(
                f,
                "start {} of {} on {} for {:?}",
                start.id, start.segment.sequence, start.orchestrator.address, start.budget
            ),
            Output::Release(segment) => {
                write!(f, "release {} {:?}", segment.source.sequence, segment.renditions)
            }
            Output::Decided(decision) => write!(f, "decided {decision:?}"),
            Output::Discover { .. }
            | Output::CancelDiscovery { .. }
            | Output::CancelAttempt(_)
            | Output::EndSession { .. } => write!(f, "{:?}", self.0),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_number_is_released_once_in_order_in_step_and_in_time(plan in plan()) {
        let pushed = plan.pushes.len();
        let world = World::new(plan);
        let start = world.now;
        let world = world.run(start);
        prop_assert_eq!(world.released.len(), pushed);
        prop_assert!(world.dispatcher.is_finished());
        prop_assert!(world.in_flight.is_empty(), "every attempt ended or was cancelled");
        prop_assert_eq!(world.dispatcher.roster.session_count(), 0);
    }

    #[test]
    fn equal_seeds_and_inputs_give_equal_outputs(plan in plan()) {
        let run = |plan| {
            let world = World::new(plan);
            let start = world.now;
            world.run(start).trace
        };
        prop_assert_eq!(run(plan.clone()), run(plan));
    }
}
