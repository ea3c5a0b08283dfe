//! One orchestrator, as all streams together know it.

use std::time::{Duration, Instant, SystemTime};

use orchestrator::{OrchestratorAddress, PixelPrice};
use serde::{Deserialize, Serialize};

use super::{
    NodeView, OrchestratorStatus,
    breaker::{Breaker, Passage},
    latency::Latency,
};
use crate::{fault::FaultClass, memory::RememberedOrchestrator};

/// Success before anything is known, in thousandths.
const INNOCENT: u32 = 1_000;
/// Longest demotion.
const LONGEST_DEMOTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Segments of a new or returned orchestrator whose pictures are all compared.
const FIRST_CHECKS: u32 = 2;
/// One that comes back sooner than this after it came back before has not come to stay.
const SETTLED: Duration = Duration::from_secs(10);

/// Whether and how an orchestrator is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Like any other.
    Ready,
    /// Back after failures: with a quarter of its load.
    Probation,
    /// Much slower than usual: when no other will do, and now and then to see whether it has healed.
    Slow,
    /// It gives no sign of life: when there is nobody else.
    Silent,
    /// Not at all for now: it failed.
    Open,
    /// Not at all for minutes: it returned false work.
    Demoted,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) breaker: Breaker,
    latency: Latency,
    /// In thousandths.
    success: u32,
    round_trip_micros: Option<u32>,
    pub(super) in_flight: u32,
    pub(super) price: Option<PixelPrice>,
    demoted_until: Option<Instant>,
    offences: u32,
    /// When an attempt last ended.
    heard: Option<Instant>,
    /// Segments since its picture was last compared.
    unchecked: u32,
    /// Comparisons so far since it was new, or returned.
    checks: u32,
    last_fault: Option<String>,
    /// Its last attempt ran out of time, or was overtaken: it may have stopped.
    pub(super) suspect: bool,
    /// Since when it has given no sign of life.
    silent_since: Option<Instant>,
    /// How often it was silent and then there again, short silences of one that keeps dying aside.
    pub(super) returns: u32,
    last_return: Option<Instant>,
    /// When an earlier run heard of it last.
    remembered: Option<SystemTime>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            breaker: Breaker::default(),
            latency: Latency::default(),
            success: INNOCENT,
            round_trip_micros: None,
            in_flight: 0,
            price: None,
            demoted_until: None,
            offences: 0,
            heard: None,
            unchecked: 0,
            checks: 0,
            last_fault: None,
            suspect: false,
            silent_since: None,
            returns: 0,
            last_return: None,
            remembered: None,
        }
    }
}

impl Node {
    pub(super) fn remembered(now: Instant, wall: SystemTime, it: &RememberedOrchestrator) -> Self {
        let demoted = it.demoted_until.and_then(|until| until.duration_since(wall).ok());
        let latency = match it.latency_permille {
            0 => Latency::default(),
            known => Latency::remembered(known),
        };
        Self {
            latency,
            success: it.success_permille.min(INNOCENT),
            round_trip_micros: Some(it.round_trip_micros).filter(|micros| *micros > 0),
            demoted_until: demoted.map(|left| now + left.min(LONGEST_DEMOTION)),
            offences: it.offences,
            remembered: Some(it.learned),
            ..Self::default()
        }
    }

    /// `None` when nothing was learned.
    pub(super) fn to_remember(
        &self,
        address: &OrchestratorAddress,
        now: Instant,
        wall: SystemTime,
    ) -> Option<RememberedOrchestrator> {
        let nothing = self.latency.smoothed().is_none()
            && self.round_trip_micros.is_none()
            && self.offences == 0
            && self.success == INNOCENT;
        let left = self.demoted_until.and_then(|until| until.checked_duration_since(now));
        let heard = self.heard.map(|at| wall - now.saturating_duration_since(at));
        (!nothing).then(|| RememberedOrchestrator {
            address: address.clone(),
            latency_permille: self.latency.smoothed().unwrap_or(0),
            success_permille: self.success,
            round_trip_micros: self.round_trip_micros.unwrap_or(0),
            demoted_until: left.map(|left| wall + left),
            offences: self.offences,
            learned: heard.or(self.remembered).unwrap_or(wall),
        })
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        if self.demoted_until.is_some_and(|until| until > now) {
            return Standing::Demoted;
        }
        match self.breaker.passage(now, true) {
            Passage::Closed { .. } => Standing::Open,
            Passage::Trial | Passage::Probation | Passage::Free if self.silent_since.is_some() => {
                Standing::Silent
            }
            Passage::Trial | Passage::Probation => Standing::Probation,
            Passage::Free if self.suspect || self.latency.is_slow() => Standing::Slow,
            Passage::Free => Standing::Ready,
        }
    }

    pub(super) fn passage(&self, now: Instant, urgent: bool) -> Passage {
        match self.demoted_until {
            Some(until) if until > now => Passage::Closed { until },
            Some(_) | None => self.breaker.passage(now, urgent),
        }
    }

    /// Most segments in flight on it.
    pub(super) fn limit(&self, now: Instant, configured: u32) -> u32 {
        match self.breaker.passage(now, true) {
            Passage::Free => configured,
            Passage::Probation => (configured / 4).max(1),
            Passage::Trial => 1,
            Passage::Closed { .. } => 0,
        }
    }

    pub(super) fn observe_round_trip(&mut self, round_trip: Duration) {
        let micros = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX);
        self.round_trip_micros =
            Some(self.round_trip_micros.map_or(micros, |before| before / 4 * 3 + micros / 4));
    }

    /// True when that ends a silence.
    pub(super) fn delivered(&mut self, now: Instant, permille: u32) -> bool {
        self.suspect = false;
        self.heard = Some(now);
        self.success = self.success + (INNOCENT - self.success.min(INNOCENT)) / 5;
        self.latency.observe(permille);
        self.found(now, true)
    }

    /// Whether it gave a sign of life when it was asked. True when that is news.
    pub(super) fn found(&mut self, now: Instant, there: bool) -> bool {
        let before = self.silent_since;
        self.silent_since = if there { None } else { before.or(Some(now)) };
        if there && before.is_some() {
            let last = self.last_return.replace(now);
            let settled = last.is_none_or(|at| now.saturating_duration_since(at) >= SETTLED);
            if settled {
                self.returns = self.returns.wrapping_add(1);
                self.breaker.returned(now);
            }
        }
        before.is_none() != there
    }

    /// Since when it has given no sign of life.
    pub(super) const fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    pub(super) fn took_longer(&mut self, now: Instant, permille: u32) {
        self.heard = Some(now);
        self.latency.observe_at_least(permille);
    }

    pub(super) fn failed(&mut self, now: Instant, class: FaultClass, detail: &str) {
        self.suspect |= class == FaultClass::Timeout;
        self.heard = Some(now);
        self.success = self.success / 5 * 4;
        self.last_fault = Some(format!("{}: {detail}", class.as_str()));
    }

    pub(super) fn demote(&mut self, now: Instant, shortest: Duration) {
        let doubled = 1_u32.checked_shl(self.offences).unwrap_or(u32::MAX);
        let time = shortest.saturating_mul(doubled).min(LONGEST_DEMOTION);
        self.demoted_until = Some(now + time);
        self.offences = self.offences.saturating_add(1);
        self.checks = 0;
    }

    pub(super) const fn takes_picture_check(&mut self, every: u32) -> bool {
        self.unchecked += 1;
        if every == 0 || (self.checks >= FIRST_CHECKS && self.unchecked < every) {
            return false;
        }
        self.unchecked = 0;
        self.checks = self.checks.saturating_add(1);
        true
    }

    pub(super) fn wants_probe(&self, now: Instant, interval: Duration) -> bool {
        let quiet = self.heard.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        quiet && self.in_flight == 0 && self.standing(now) == Standing::Slow
    }

    /// Whether it was ever caught.
    pub(super) const fn has_cheated(&self) -> bool {
        self.offences > 0
    }

    /// When an attempt last ended.
    pub(super) const fn heard(&self) -> Option<Instant> {
        self.heard
    }

    pub(super) fn view(&self) -> NodeView {
        NodeView {
            latency: self.latency.smoothed(),
            p95: self.latency.p95(),
            success: self.success,
            round_trip_micros: self.round_trip_micros,
            in_flight: self.in_flight,
            price: self.price,
        }
    }

    pub(super) fn status(
        &self,
        now: Instant,
        address: String,
        pools: Vec<String>,
        limit: u32,
    ) -> OrchestratorStatus {
        OrchestratorStatus {
            address,
            pools,
            standing: self.standing(now),
            breaker: self.breaker.label(),
            latency_permille: self.latency.smoothed(),
            latency_p95_permille: self.latency.p95(),
            success_permille: self.success,
            round_trip_micros: self.round_trip_micros,
            in_flight: self.in_flight,
            limit: self.limit(now, limit),
            price: self.price.map(|price| price.to_string()),
            quoted: self.price,
            offences: self.offences,
            last_fault: self.last_fault.clone(),
        }
    }
}
