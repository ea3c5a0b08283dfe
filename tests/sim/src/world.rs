//! How time passes: the cores, the scripts and the books in one loop.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use media::{Ladder, PresentationSegment};
use playback::{RenditionId, Window};
use router::{AttemptId, Dispatcher, Fleet, Output, RememberedOrchestrator, SessionId};

use crate::{
    agenda::Agenda,
    dice::Dice,
    orchestrator::{Answer, Reply},
    scenario::{self, Scenario},
    summary::Summary,
    tiny_media::Source,
    trace::{Detail, Trace},
    violation::{Checked, Violation, ensure},
    watch::{Watch, playlist::PlaylistBook},
};

mod outputs;
mod streams;

/// Steps at one instant, of all streams together; more is a loop.
const MOST_STEPS: u32 = 1_000;
/// The fleet's own account is compared every so many steps.
const STATUS_EVERY: u64 = 16;
/// After every so many instants it is seen whether anybody was left waiting.
const REST_EVERY: u64 = 4;
/// Longest a run may take.
const LONGEST: Duration = Duration::from_secs(400);
/// Answers to what was cancelled that come all the same, in percent.
const LATE_ANSWERS: u64 = 10;

/// Something that happens at its time.
#[derive(Debug)]
enum Event {
    /// The operator changes the pools.
    Pools(usize),
    /// A publisher is admitted.
    Begin(usize),
    /// A stream gets another ladder.
    Ladder(usize),
    /// A segment closes.
    Push(usize, usize),
    /// A publisher is gone for good, or the stream's task.
    End(usize),
    /// What others did may let a stream do more.
    Nudge(usize),
    /// An orchestrator answers a question.
    Reply(usize, SessionId, Reply, usize),
    /// An orchestrator is found to be there, or not.
    Life(usize, bool),
    /// An orchestrator answers a segment.
    Answer(usize, AttemptId, Answer, Work),
}

/// A segment at an orchestrator.
#[derive(Clone, Debug)]
struct Work {
    orchestrator: usize,
    segment: Arc<media::Segment>,
    ladder: Arc<Ladder>,
    tag: u64,
    /// Its pictures are black.
    black: bool,
}

/// A stream that was begun.
#[derive(Debug)]
struct LiveStream {
    dispatcher: Dispatcher,
    window: Window,
    playlists: PlaylistBook,
    /// Its playlists.
    names: Vec<RenditionId>,
    source: Source,
    ladder: Arc<Ladder>,
    /// Released and not listed yet.
    released: VecDeque<PresentationSegment>,
    /// When its dispatcher wants to wake, as it said after its last call.
    wake: Option<Duration>,
    /// A nudge is under way.
    nudged: bool,
}

struct World<'a> {
    scenario: Arc<Scenario>,
    origin: Instant,
    now: Duration,
    fleet: Fleet,
    streams: BTreeMap<usize, LiveStream>,
    agenda: Agenda<Event>,
    dice: Dice,
    watch: Watch,
    trace: Trace<'a>,
    /// Steps at this instant.
    steps: u32,
    instants: u64,
    /// The latest instant after which nobody was left waiting.
    rested: Option<Duration>,
}

/// Runs one seed to its end.
///
/// # Errors
/// The first invariant that does not hold.
pub fn run(
    seed: u64,
    detail: Detail,
    out: Option<&mut dyn io::Write>,
) -> Result<Summary, Violation> {
    let run = AssertUnwindSafe(|| World::new(seed, Trace::new(detail, out)).run());
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Violation::panicked(text.unwrap_or("without a message")))
    })
}

/// The first instant of virtual time.
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time: no value depends on it")]
fn origin() -> Instant {
    Instant::now()
}

impl<'a> World<'a> {
    fn new(seed: u64, trace: Trace<'a>) -> Self {
        let scenario = Arc::new(Scenario::new(seed));
        let mut dice = Dice::new(seed ^ 0x9e37_79b9_7f4a_7c15);
        let origin = origin();
        let config = Arc::new(scenario.config.clone());
        let mut fleet = Fleet::new(config, dice.seed());
        let caught = scenario.caught.iter().filter_map(|(index, left)| {
            Some(RememberedOrchestrator {
                address: scenario.addresses.get(*index)?.clone(),
                latency_permille: 300,
                success_permille: 900,
                round_trip_micros: 0,
                demoted_until: Some(SystemTime::UNIX_EPOCH + *left),
                offences: 1,
                learned: SystemTime::UNIX_EPOCH,
            })
        });
        fleet.recall(origin, SystemTime::UNIX_EPOCH, caught.collect());
        let mut agenda = Agenda::new();
        for (index, (at, _)) in scenario.pools.iter().enumerate() {
            let chance = if index == 0 { 0 } else { dice.seed() };
            agenda.add(*at, chance, Event::Pools(index));
        }
        for (index, stream) in scenario.streams.iter().enumerate() {
            agenda.add(stream.start, dice.seed(), Event::Begin(index));
        }
        for (index, script) in scenario.orchestrators.iter().enumerate() {
            for (at, there) in script.signs_of_life(&mut dice) {
                agenda.add(at, dice.seed(), Event::Life(index, there));
            }
        }
        let watch = Watch::new(&scenario);
        let (now, streams) = (Duration::ZERO, BTreeMap::new());
        Self {
            scenario,
            origin,
            now,
            fleet,
            streams,
            agenda,
            dice,
            watch,
            trace,
            steps: 0,
            instants: 0,
            rested: None,
        }
    }

    fn run(mut self) -> Result<Summary, Violation> {
        for step in 0_u64.. {
            if !self.step()? {
                break;
            }
            if step % STATUS_EVERY == 0 {
                self.check_fleet()?;
            }
        }
        self.watch.at_the_end(self.now)?;
        self.check_fleet()?;
        self.watch.summary.trace = self.trace.hash();
        self.watch.summary.simulated = self.now;
        self.watch.summary.streams = u64::try_from(self.scenario.streams.len()).unwrap_or(0);
        Ok(self.watch.summary)
    }

    /// When nothing more happens at an instant, nobody is left who could do more if only it was woken.
    fn check_rest(&mut self) -> Checked {
        self.instants += 1;
        if !self.instants.is_multiple_of(REST_EVERY) || !self.scenario.timer_lag.is_zero() {
            return Ok(());
        }
        let streams: Vec<usize> = self.streams.keys().copied().collect();
        for stream in streams {
            self.call(stream, Dispatcher::handle_timeout)?;
            let live = self.streams.get_mut(&stream);
            let Some(output) = live.and_then(|it| it.dispatcher.poll_output()) else { continue };
            // What has become hopeless may go out before its deadline, and need not.
            let hopeless = matches!(output, Output::Release(_));
            ensure!(
                self.now,
                hopeless,
                "stream {stream} was not woken to {}",
                outputs::label(&output)
            );
            self.act(stream, output)?;
            self.settle(stream)?;
        }
        Ok(())
    }

    fn check_fleet(&self) -> Checked {
        let status = self.fleet.status(self.instant());
        status.iter().try_for_each(|it| self.watch.check_status(self.now, it))
    }

    fn instant(&self) -> Instant {
        self.origin + self.now
    }

    /// The next thing that happens; false when nothing is left.
    fn step(&mut self) -> Checked<bool> {
        if self.streams.is_empty() && self.watch.is_over() {
            return Ok(false);
        }
        let wake = self.streams.values().filter_map(|stream| stream.wake).min();
        let event = self.agenda.next_at();
        let Some(next) = wake.into_iter().chain(event).min() else { return Ok(false) };
        ensure!(self.now, next >= self.now, "a wake in the past, at {next:?}");
        ensure!(next, next < LONGEST, "the run does not end");
        if next > self.now && self.rested != Some(self.now) {
            self.rested = Some(self.now);
            self.check_rest()?;
            return Ok(true);
        }
        self.steps = if next == self.now { self.steps + 1 } else { 0 };
        self.now = next;
        ensure!(self.now, self.steps < MOST_STEPS, "{} steps at one instant", self.steps);
        let due: Vec<usize> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.wake == Some(next))
            .map(|(index, _)| *index)
            .collect();
        // At one instant chance decides what comes first.
        let choices = due.len() + usize::from(event == Some(next));
        match due.get(self.dice.index(choices)) {
            Some(stream) => self.wake(*stream)?,
            None => {
                if let Some((_, event)) = self.agenda.pop() {
                    self.happen(event)?;
                }
            }
        }
        Ok(true)
    }

    fn wake(&mut self, stream: usize) -> Checked {
        self.trace.line(self.now, Some(stream), format_args!("wakes"));
        self.call(stream, Dispatcher::handle_timeout)?;
        self.settle(stream)?;
        let wake = self.streams.get(&stream).and_then(|it| it.wake);
        ensure!(self.now, wake != Some(self.now), "stream {stream} wakes again and again");
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Checked {
        match event {
            Event::Pools(index) => self.change_pools(index),
            Event::Begin(stream) => self.begin(stream),
            Event::Ladder(stream) => self.change_ladder(stream),
            Event::Push(stream, index) => self.push(stream, index),
            Event::End(stream) => self.end(stream),
            Event::Nudge(stream) => {
                if let Some(live) = self.streams.get_mut(&stream) {
                    live.nudged = false;
                    self.call(stream, Dispatcher::handle_timeout)?;
                }
                self.settle(stream)
            }
            Event::Reply(stream, session, reply, orchestrator) => {
                self.reply(stream, session, reply, orchestrator)
            }
            Event::Life(orchestrator, there) => self.life(orchestrator, there),
            Event::Answer(stream, id, answer, work) => self.answer(stream, id, answer, &work),
        }
    }

    /// One call of a stream's dispatcher, and everything that follows from it.
    fn call<T>(
        &mut self,
        stream: usize,
        call: impl FnOnce(&mut Dispatcher, Instant, &mut Fleet) -> T,
    ) -> Checked<Option<T>> {
        let version = self.fleet.version();
        let now = self.instant();
        let Some(live) = self.streams.get_mut(&stream) else { return Ok(None) };
        let result = call(&mut live.dispatcher, now, &mut self.fleet);
        self.nudge_others(version, Some(stream));
        Ok(Some(result))
    }

    /// Wakes the other streams when the fleet has changed, as the shell's watch channel does.
    fn nudge_others(&mut self, before: u64, but: Option<usize>) {
        if self.fleet.version() == before {
            return;
        }
        for (index, live) in self.streams.iter_mut().filter(|(index, _)| Some(**index) != but) {
            if !std::mem::replace(&mut live.nudged, true) {
                self.agenda.add(self.now, self.dice.seed(), Event::Nudge(*index));
            }
        }
    }

    fn life(&mut self, orchestrator: usize, there: bool) -> Checked {
        let (version, now) = (self.fleet.version(), self.instant());
        let Some(address) = self.scenario.addresses.get(orchestrator) else { return Ok(()) };
        self.trace.line(self.now, None, format_args!("orchestrator {orchestrator} lives: {there}"));
        self.fleet.found(now, address, there);
        self.watch.found(self.now, orchestrator, there)?;
        self.nudge_others(version, None);
        Ok(())
    }

    fn change_pools(&mut self, index: usize) -> Checked {
        let scenario = Arc::clone(&self.scenario);
        let Some((_, pools)) = scenario.pools.get(index) else { return Ok(()) };
        self.trace.line(self.now, None, format_args!("pools {pools:?}"));
        let version = self.fleet.version();
        self.watch.set_pools(self.now, pools);
        self.fleet.set_pools(scenario::router_pools(pools, &scenario.addresses));
        self.nudge_others(version, None);
        Ok(())
    }
}
