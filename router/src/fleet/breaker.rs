//! Whether an orchestrator is asked at all.
//!
//! Closed: all may use it. A connection that fails opens it at once, since nobody is there; other
//! faults open it when three come in a row without a delivery in between, from whatever streams: one
//! stream's odd segments don't close an orchestrator to the others. Open: nobody asks, for a time that
//! doubles with each opening and is forgotten again, step by step, in good times. Half open: one
//! stream tries, with one question or one segment. Probation: a quarter of the usual load, until two
//! segments in a row were delivered.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;

use crate::{back_off::Until, config::RouterConfig};

/// Faults in a row, of whatever streams, that open it.
const FAULTS: u32 = 3;
/// Deliveries in a row that end probation.
const DELIVERIES: u32 = 2;
/// Good time after which one opening is forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(30);

/// A circuit breaker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    /// Openings that are not forgiven yet.
    openings: u32,
    last_opening: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { faults: u32 },
    Open(Until),
    HalfOpen { lease: Instant },
    Probation { delivered: u32 },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { faults: 0 }
    }
}

/// What the breaker lets a stream do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Use it.
    Free,
    /// Use it with little.
    Probation,
    /// Try it once: tell the breaker with [`Breaker::try_it`].
    Trial,
    /// Come back then.
    Closed { until: Instant },
}

impl Breaker {
    /// What a stream may do now; `urgent` when it has no session at all.
    pub(crate) fn passage(&self, now: Instant, urgent: bool) -> Passage {
        match self.state {
            State::Closed { .. } => Passage::Free,
            State::Probation { .. } => Passage::Probation,
            State::Open(until) if urgent => later(now, until.without_session),
            State::Open(until) => later(now, until.otherwise),
            State::HalfOpen { lease } => later(now, lease),
        }
    }

    /// One stream tries it, and has so long to come to a result. True when that changed what others
    /// may do, and when.
    pub(crate) fn try_it(&mut self, lease: Instant) -> bool {
        let trial = matches!(self.state, State::Open(_) | State::HalfOpen { .. });
        if trial {
            self.state = State::HalfOpen { lease };
        }
        trial
    }

    /// It answered a question. True when that changed what others may do.
    pub(crate) fn answered(&mut self) -> bool {
        let trial = matches!(self.state, State::HalfOpen { .. } | State::Open(_));
        if trial {
            self.state = State::Probation { delivered: 0 };
        }
        trial
    }

    /// It delivered a segment. True when that changed what others may do.
    pub(crate) fn delivered(&mut self) -> bool {
        match &mut self.state {
            State::Closed { faults } => {
                *faults = 0;
                false
            }
            State::Probation { delivered } if *delivered + 1 < DELIVERIES => {
                *delivered += 1;
                false
            }
            State::Probation { .. } => {
                self.state = State::default();
                true
            }
            State::Open(_) | State::HalfOpen { .. } => {
                self.state = State::Probation { delivered: 1 };
                true
            }
        }
    }

    /// It failed; `absent` when nobody is there. True when that changed what others may do.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        absent: bool,
        config: &RouterConfig,
        rng: &mut StdRng,
    ) -> bool {
        let opens = match &mut self.state {
            State::Closed { faults } => {
                *faults += 1;
                absent || *faults >= FAULTS
            }
            State::HalfOpen { .. } | State::Probation { .. } => true,
            // Attempts that were under way when it opened.
            State::Open(_) => false,
        };
        if opens {
            self.open(now, config, rng);
        }
        opens
    }

    /// It was gone and is there again: whoever comes first may try it.
    pub(crate) const fn returned(&mut self, now: Instant) {
        if let State::Open(until) = &mut self.state {
            *until = Until { without_session: now, otherwise: now };
        }
    }

    fn open(&mut self, now: Instant, config: &RouterConfig, rng: &mut StdRng) {
        let good_time =
            self.last_opening.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let forgiven = good_time.as_secs().checked_div(FORGIVEN_AFTER.as_secs()).unwrap_or(0);
        self.openings = self.openings.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
        self.state = State::Open(Until::after(self.openings, now, config, rng));
        self.openings = self.openings.saturating_add(1);
        self.last_opening = Some(now);
    }

    /// A bounded label for people.
    pub(crate) const fn label(&self) -> &'static str {
        match self.state {
            State::Closed { .. } => "closed",
            State::Open(_) => "open",
            State::HalfOpen { .. } => "half_open",
            State::Probation { .. } => "probation",
        }
    }
}

fn later(now: Instant, at: Instant) -> Passage {
    if at <= now { Passage::Trial } else { Passage::Closed { until: at } }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::test_media::origin;

    fn opened(times: u32) -> (Breaker, Instant, Vec<Duration>) {
        let (config, mut rng) = (RouterConfig::default(), StdRng::seed_from_u64(3));
        let (mut breaker, mut now) = (Breaker::default(), origin());
        let mut waits = Vec::new();
        for _ in 0..times {
            assert!(breaker.failed(now, true, &config, &mut rng));
            let Passage::Closed { until } = breaker.passage(now, false) else { panic!("not open") };
            waits.push(until - now);
            now = until;
            assert_eq!(breaker.passage(now, false), Passage::Trial);
            breaker.try_it(now + Duration::from_secs(3));
        }
        (breaker, now, waits)
    }

    #[test]
    fn three_faults_in_a_row_open_it_or_one_where_nobody_is() {
        let (config, mut rng, now) = (RouterConfig::default(), StdRng::seed_from_u64(1), origin());
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert!(!breaker.failed(now, false, &config, &mut rng));
            assert!(!breaker.failed(now, false, &config, &mut rng));
            breaker.delivered();
        }
        assert_eq!(breaker.passage(now, false), Passage::Free);
        assert!(Breaker::default().failed(now, true, &config, &mut rng));
        breaker.failed(now, false, &config, &mut rng);
        breaker.failed(now, false, &config, &mut rng);
        assert!(breaker.failed(now, false, &config, &mut rng));
        assert!(matches!(breaker.passage(now, true), Passage::Closed { .. }));
    }

    #[test]
    fn one_stream_tries_then_probation_then_all() {
        let (mut breaker, now, _) = opened(1);
        assert!(matches!(breaker.passage(now, false), Passage::Closed { .. }), "one has the trial");
        assert!(breaker.answered());
        assert_eq!(breaker.passage(now, false), Passage::Probation);
        assert!(!breaker.delivered());
        assert!(breaker.delivered());
        assert_eq!(breaker.passage(now, false), Passage::Free);
    }

    #[test]
    fn a_trial_without_a_result_ends() {
        let (breaker, now, _) = opened(1);
        assert_eq!(breaker.passage(now + Duration::from_secs(3), true), Passage::Trial);
    }

    #[test]
    fn waits_double_up_to_the_limit_and_good_time_forgives() {
        let config = RouterConfig::default();
        let (mut breaker, now, waits) = opened(12);
        assert!(waits[1] > waits[0] && waits[3] > waits[1]);
        assert!(waits.iter().all(|wait| *wait <= config.set_aside_longest));
        assert!(waits[11] >= config.set_aside_longest * 8 / 10);
        breaker.answered();
        breaker.delivered();
        breaker.delivered();
        let later = now + FORGIVEN_AFTER * 20;
        let mut rng = StdRng::seed_from_u64(9);
        breaker.failed(later, true, &config, &mut rng);
        let Passage::Closed { until } = breaker.passage(later, false) else { panic!("not open") };
        assert!(until - later <= config.set_aside);
    }
}
