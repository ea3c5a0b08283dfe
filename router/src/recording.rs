//! A run as a file: every call of every stream's routing in its order, and what was chosen.
//!
//! One JSON object a line. The first line holds the seeds and settings; the media itself is not
//! recorded, only what choices depend on. [`replay`] makes the same calls on new cores and compares.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use media::VideoCodec;
use orchestrator::OrchestratorAddress;
use serde::{Deserialize, Serialize};

use crate::{
    call::Call,
    config::RouterConfig,
    dispatcher::Dispatcher,
    fleet::Fleet,
    output::Output,
    pool::{Pools, StreamPolicy},
};

mod placeholder;
mod recorded;
#[cfg(test)]
mod tests;

use recorded::{RecordedCall, RecordedMemory, RecordedPools};

/// What a line of a recording says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first line.
    Start { config: Box<RouterConfig>, seed: u64 },
    /// What an earlier run had learned; times are nanoseconds from the start.
    Recall { at: u64, learned: Vec<RecordedMemory> },
    /// The pools from here on.
    Pools { pools: RecordedPools },
    /// An orchestrator was found there, or not.
    Life { at: u64, address: String, there: bool },
    /// A stream begins.
    Stream { stream: u64, seed: u64, policy: StreamPolicy },
    /// A call, and what the stream wanted done after it.
    Call { at: u64, stream: u64, call: Box<RecordedCall>, chose: Vec<String> },
    /// Lines are missing from here on.
    Lost,
}

/// Turns a run into lines. Its times count from the moment it was made.
#[derive(Debug)]
pub(crate) struct Recorder {
    origin: Instant,
}

impl Recorder {
    /// The recorder, and the first line.
    pub(crate) fn start(now: Instant, config: &RouterConfig, seed: u64) -> (Self, String) {
        let config = Box::new(config.clone());
        (Self { origin: now }, text(&Line::Start { config, seed }))
    }

    pub(crate) fn pools(pools: &Pools) -> String {
        text(&Line::Pools { pools: RecordedPools::from(pools) })
    }

    pub(crate) fn recall(
        &self,
        now: Instant,
        wall: std::time::SystemTime,
        learned: &[crate::memory::RememberedOrchestrator],
    ) -> String {
        let learned = learned.iter().map(|it| RecordedMemory::new(it, wall)).collect();
        text(&Line::Recall { at: self.nanos(now), learned })
    }

    pub(crate) fn life(&self, now: Instant, address: &OrchestratorAddress, there: bool) -> String {
        text(&Line::Life { at: self.nanos(now), address: address.to_string(), there })
    }

    pub(crate) fn stream(stream: u64, seed: u64, policy: &StreamPolicy) -> String {
        text(&Line::Stream { stream, seed, policy: policy.clone() })
    }

    /// A call in the form that is kept; make the call, then finish it with [`Self::made`].
    pub(crate) fn call(&self, call: &Call) -> RecordedCall {
        RecordedCall::new(call, |at| self.nanos(at))
    }

    pub(crate) fn made(
        &self,
        now: Instant,
        stream: u64,
        call: RecordedCall,
        dispatcher: &Dispatcher,
    ) -> String {
        let chose = dispatcher.pending_outputs().map(choice).collect();
        text(&Line::Call { at: self.nanos(now), stream, call: Box::new(call), chose })
    }

    pub(crate) fn lost() -> String {
        text(&Line::Lost)
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

fn text(line: &Line) -> String {
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

/// An output as far as it is a choice.
fn choice(output: &Output) -> String {
    match output {
        Output::Discover { session, orchestrator, source } => {
            let asked = format!("ask {} (session {session})", orchestrator.address);
            if *source == VideoCodec::H264 {
                return asked;
            }
            format!("{asked} for {}", source.as_str())
        }
        Output::CancelDiscovery { session } => format!("stop asking (session {session})"),
        Output::StartAttempt(start) => format!(
            "{} attempt {} of {} with {} (session {}) for {:?}",
            start.kind.as_str(),
            start.id,
            start.segment.sequence,
            start.orchestrator.address,
            start.session,
            start.budget
        ),
        Output::CancelAttempt(id) => format!("cancel attempt {id}"),
        Output::EndSession { session, notify } => format!("end session {session} ({notify})"),
        Output::Release(segment) => format!("release {}", segment.source.sequence),
        Output::Decided(decision) => format!("{}: {}", decision.sequence, decision.outcome),
    }
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Calls made.
    pub calls: u64,
    /// Choices compared.
    pub choices: u64,
    /// Attempts among them.
    pub attempts: u64,
    /// Streams.
    pub streams: u64,
}

/// Why a recording was not replayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Not a line of a recording.
    #[error("line {line}: {problem}")]
    Malformed {
        /// Which, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Lines are missing: the disk was slower than the gateway.
    #[error("line {0}: the recording has a gap; it can't be replayed further")]
    Incomplete(usize),
    /// Another choice than the recorded one.
    #[error("line {line}: chose {found:?} where the recording has {recorded:?}")]
    Differs {
        /// Which, from 1.
        line: usize,
        /// The replay's choices.
        found: Vec<String>,
        /// The recording's.
        recorded: Vec<String>,
    },
}

/// Makes the calls of a recording again, from any instant on, and compares every choice.
///
/// # Errors
/// At the first line that is no line of a recording, or after which another choice is made.
pub fn replay<'a>(
    origin: Instant,
    lines: impl Iterator<Item = &'a str>,
) -> Result<Replay, ReplayError> {
    let mut run =
        Run { origin, cores: None, done: Replay { calls: 0, choices: 0, attempts: 0, streams: 0 } };
    for (index, text) in lines.enumerate() {
        let line = index + 1;
        let malformed = |problem: String| ReplayError::Malformed { line, problem };
        let read = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        run.take(line, read)?;
    }
    Ok(run.done)
}

struct Run {
    origin: Instant,
    cores: Option<Cores>,
    done: Replay,
}

struct Cores {
    config: Arc<RouterConfig>,
    fleet: Fleet,
    streams: BTreeMap<u64, Dispatcher>,
}

impl Run {
    fn take(&mut self, line: usize, read: Line) -> Result<(), ReplayError> {
        let malformed =
            |problem: &str| ReplayError::Malformed { line, problem: problem.to_owned() };
        if let Line::Start { config, seed } = read {
            let config: Arc<RouterConfig> = Arc::new(*config);
            let fleet = Fleet::new(Arc::clone(&config), seed);
            self.cores = Some(Cores { config, fleet, streams: BTreeMap::new() });
            return Ok(());
        }
        let origin = self.origin;
        let cores = self.cores.as_mut().ok_or_else(|| malformed("not the start of a recording"))?;
        match read {
            Line::Start { .. } => {}
            Line::Recall { at, learned } => {
                let wall = std::time::UNIX_EPOCH;
                let learned = learned.iter().filter_map(|it| it.restore(wall)).collect();
                cores.fleet.recall(origin + Duration::from_nanos(at), wall, learned);
            }
            Line::Pools { pools } => {
                let pools = pools.restore().ok_or_else(|| malformed("pools that can't be read"))?;
                cores.fleet.set_pools(pools);
            }
            Line::Life { at, address, there } => {
                let address = address.parse();
                let address = address.map_err(|_| malformed("an address that can't be read"))?;
                cores.fleet.found(origin + Duration::from_nanos(at), &address, there);
            }
            Line::Stream { stream, seed, policy } => {
                let id = cores.fleet.admit_stream();
                if id.0 != stream {
                    return Err(malformed("streams out of order"));
                }
                let config = Arc::clone(&cores.config);
                cores.streams.insert(stream, Dispatcher::new(config, id, policy, seed));
                self.done.streams += 1;
            }
            Line::Call { at, stream, call, chose } => {
                let call =
                    call.restore(origin).ok_or_else(|| malformed("a call that can't be made"))?;
                let Cores { fleet, streams, .. } = cores;
                let unknown = || malformed("a stream that did not begin");
                let dispatcher = streams.get_mut(&stream).ok_or_else(unknown)?;
                dispatcher.apply(origin + Duration::from_nanos(at), fleet, call);
                let mut found = Vec::new();
                while let Some(output) = dispatcher.poll_output() {
                    self.done.attempts += u64::from(matches!(output, Output::StartAttempt(_)));
                    found.push(choice(&output));
                }
                self.done.calls += 1;
                self.done.choices += u64::try_from(found.len()).unwrap_or(u64::MAX);
                if found != chose {
                    return Err(ReplayError::Differs { line, found, recorded: chose });
                }
            }
            Line::Lost => return Err(ReplayError::Incomplete(line)),
        }
        Ok(())
    }
}
