//! When an orchestrator that failed may be used again, worked out from what happened to it.

use std::time::Duration;

use router::{AttemptId, RouterConfig, SessionId};

use crate::violation::{Checked, ensure};

/// Faults in a row after which nobody uses it.
const FAULTS: u32 = 3;
/// Deliveries in a row after which all use it again.
const DELIVERIES: u32 = 2;
/// After so long one opening is forgotten.
const FORGIVEN_AFTER: u64 = 30;
/// Returns closer together are of one that keeps dying.
const SETTLED: Duration = Duration::from_secs(10);
/// A time set aside is so much shorter than it could be, in percent, at most.
const SHORTEST_PERCENT: u32 = 80;

/// What a stream uses an orchestrator for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum User {
    Question(usize, SessionId),
    Attempt(usize, AttemptId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All may use it.
    Closed { faults: u32 },
    /// Nobody may before this.
    Open { earliest: Duration },
    /// One tries it; nobody else may until that has ended, or its time is over.
    Trial { by: Option<User>, until: Duration },
    /// A quarter of its load.
    Probation { delivered: u32 },
}

/// One orchestrator's breaker as it should be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circuit {
    state: State,
    openings: u32,
    last_opening: Option<Duration>,
    /// It gave no sign of life when it was asked last.
    silent: bool,
    last_return: Option<Duration>,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            state: State::Closed { faults: 0 },
            openings: 0,
            last_opening: None,
            silent: false,
            last_return: None,
        }
    }
}

impl Circuit {
    /// Somebody uses it: whether that was allowed.
    pub(super) fn used(&mut self, at: Duration, by: User, until: Duration, what: &str) -> Checked {
        match self.state {
            State::Closed { .. } | State::Probation { .. } => return Ok(()),
            State::Open { earliest } => {
                ensure!(at, at >= earliest, "{what}, which failed, {:?} too early", earliest - at);
            }
            State::Trial { by: other, until } => {
                let over = other.is_none() || at >= until;
                ensure!(at, over, "{what}, which {other:?} is trying");
            }
        }
        self.state = State::Trial { by: Some(by), until };
        Ok(())
    }

    /// Most segments in flight, of a limit.
    pub(super) fn limit(&self, limit: u32) -> u32 {
        match self.state {
            State::Closed { .. } => limit,
            State::Probation { .. } => (limit / 4).max(1),
            State::Open { .. } | State::Trial { .. } => 1,
        }
    }

    /// What somebody used it for has ended.
    pub(super) fn is_over(&mut self, user: User) {
        if let State::Trial { by, .. } = &mut self.state
            && *by == Some(user)
        {
            *by = None;
        }
    }

    /// It was found to be there, or not. One that returns may be used at once, unless it returned a
    /// moment ago.
    pub(super) fn found(&mut self, at: Duration, there: bool) {
        if there && self.silent {
            let last = self.last_return.replace(at);
            let settled = last.is_none_or(|last| at - last >= SETTLED);
            if let State::Open { earliest } = &mut self.state
                && settled
            {
                *earliest = at;
            }
        }
        self.silent = !there;
    }

    /// It answered a question.
    pub(super) fn answered(&mut self, at: Duration) {
        self.found(at, true);
        if matches!(self.state, State::Open { .. } | State::Trial { .. }) {
            self.state = State::Probation { delivered: 0 };
        }
    }

    /// It delivered a segment.
    pub(super) fn delivered(&mut self, at: Duration) {
        self.found(at, true);
        self.state = match self.state {
            State::Probation { delivered } if delivered + 1 < DELIVERIES => {
                State::Probation { delivered: delivered + 1 }
            }
            State::Open { .. } | State::Trial { .. } => State::Probation { delivered: 1 },
            State::Closed { .. } | State::Probation { .. } => State::Closed { faults: 0 },
        };
    }

    /// It failed; `absent` when nobody is there.
    pub(super) fn failed(&mut self, at: Duration, absent: bool, config: &RouterConfig) {
        match self.state {
            State::Open { .. } => return,
            State::Closed { faults } if !absent && faults + 1 < FAULTS => {
                self.state = State::Closed { faults: faults + 1 };
                return;
            }
            State::Closed { .. } | State::Trial { .. } | State::Probation { .. } => {}
        }
        let good = self.last_opening.map_or(0, |last| (at - last).as_secs() / FORGIVEN_AFTER);
        let openings = self.openings.saturating_sub(u32::try_from(good).unwrap_or(u32::MAX));
        let doubled = 1_u32.checked_shl(openings).unwrap_or(u32::MAX);
        let wait = config.set_aside.saturating_mul(doubled);
        // A stream without any session waits less.
        let wait = wait.min(config.set_aside_longest_without_session) * SHORTEST_PERCENT / 100;
        self.openings = openings + 1;
        self.last_opening = Some(at);
        self.state = State::Open { earliest: at + wait };
    }
}
