//! How long an orchestrator that failed is left alone.

use std::time::{Duration, Instant};

use rand::{RngExt, rngs::StdRng};

use crate::{config::RouterConfig, price::PriceCap, rejection::Rejection};

/// Per stream and orchestrator: set aside for a short time that grows with each fault in a row.
///
/// Two limits apply. While others do the work there is no hurry, and a broken orchestrator costs
/// less the less often it is asked. While a stream has no session at all, the limit is short, so
/// that its renditions are back within three segments of the first orchestrator's return.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BackOff {
    faults: u32,
    until: Option<Until>,
    why: Option<Rejection>,
}

/// The end of a time apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Until {
    /// For a stream without any session.
    pub(crate) without_session: Instant,
    /// For the others.
    pub(crate) otherwise: Instant,
}

impl Until {
    /// After so many times apart before: twice as long each time, up to the limit that applies, less up
    /// to a fifth by chance.
    pub(crate) fn after(
        before: u32,
        now: Instant,
        config: &RouterConfig,
        rng: &mut StdRng,
    ) -> Self {
        let doubled = 1_u32.checked_shl(before).unwrap_or(u32::MAX);
        let delay = config.set_aside.saturating_mul(doubled);
        let percent = rng.random_range(80..=100);
        let after = |limit: Duration| now + delay.min(limit) * percent / 100;
        Self {
            without_session: after(config.set_aside_longest_without_session),
            otherwise: after(config.set_aside_longest),
        }
    }
}

impl BackOff {
    /// Counts a fault.
    pub(crate) fn fault(&mut self, now: Instant, config: &RouterConfig, rng: &mut StdRng) {
        self.until = Some(Until::after(self.faults, now, config, rng));
        self.faults = self.faults.saturating_add(1);
        self.why = Some(Rejection::SetAside);
    }

    /// Leaves an orchestrator at capacity alone for a while, without holding it against it.
    pub(crate) fn capped(&mut self, now: Instant, config: &RouterConfig) {
        self.pause(now + config.capped_pause, Rejection::Capped);
    }

    /// Leaves an orchestrator that asks too much for this cap alone for a while.
    pub(crate) fn priced_out(&mut self, now: Instant, config: &RouterConfig, cap: &PriceCap) {
        self.pause(now + config.price_pause, cap.rejection());
    }

    /// Leaves an orchestrator that can't do what the stream needs alone for a while.
    pub(crate) fn incapable(&mut self, now: Instant, config: &RouterConfig) {
        self.pause(now + config.incapable_pause, Rejection::Incapable);
    }

    /// The stream needs something else now: who could not do the other may be asked.
    pub(crate) fn needs_changed(&mut self) {
        if self.why == Some(Rejection::Incapable) {
            self.until = None;
            self.why = None;
        }
    }

    /// Whether it is left alone at `now` because it can't do what the stream needs.
    pub(crate) fn is_incapable(&self, now: Instant) -> bool {
        self.why == Some(Rejection::Incapable) && !self.is_over(now, true)
    }

    /// The cap is another now: who asked too much for the last one may be asked again.
    pub(crate) fn cap_changed(&mut self) {
        if matches!(self.why, Some(Rejection::Price | Rejection::PriceUnknown)) {
            self.until = None;
            self.why = None;
        }
    }

    fn pause(&mut self, until: Instant, why: Rejection) {
        self.until = Some(Until { without_session: until, otherwise: until });
        self.why = Some(why);
    }

    /// Why it is left alone.
    pub(crate) fn why(&self) -> Rejection {
        self.why.unwrap_or(Rejection::SetAside)
    }

    /// Forgets all faults: the orchestrator delivered.
    pub(crate) const fn clear(&mut self) {
        self.faults = 0;
        self.until = None;
        self.why = None;
    }

    /// Forgets faults, but not that it has no room or asks too much.
    pub(crate) fn forgive(&mut self) {
        if self.why() == Rejection::SetAside {
            self.clear();
        }
    }

    /// When it may be asked again; `None` for at once.
    pub(crate) fn until(&self, without_session: bool) -> Option<Instant> {
        self.until.map(|it| if without_session { it.without_session } else { it.otherwise })
    }

    /// Whether it may be asked now.
    pub(crate) fn is_over(&self, now: Instant, without_session: bool) -> bool {
        self.until(without_session).is_none_or(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn grows_to_the_limit_that_applies() {
        let config = RouterConfig::default();
        let mut rng = StdRng::seed_from_u64(1);
        let now = tests_now();
        let mut back_off = BackOff::default();
        assert!(back_off.is_over(now, true));
        let mut urgent = Vec::new();
        for _ in 0..40 {
            back_off.fault(now, &config, &mut rng);
            urgent.push(back_off.until(true).unwrap() - now);
        }
        assert!(urgent[0] <= config.set_aside);
        assert!(urgent[0] >= config.set_aside * 8 / 10);
        let longest = config.set_aside_longest_without_session;
        assert!(urgent.iter().all(|delay| *delay <= longest));
        assert!(urgent[39] >= longest * 8 / 10);
        assert!(back_off.until(false).unwrap() - now >= config.set_aside_longest * 8 / 10);
        back_off.clear();
        back_off.fault(now, &config, &mut rng);
        assert!(back_off.until(false).unwrap() - now <= config.set_aside);
    }

    #[test]
    fn capacity_is_no_fault() {
        let config = RouterConfig::default();
        let now = tests_now();
        let mut back_off = BackOff::default();
        for _ in 0..5 {
            back_off.capped(now, &config);
        }
        assert_eq!(back_off.until(false), Some(now + config.capped_pause));
        assert_eq!(back_off.faults, 0);
    }

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn tests_now() -> Instant {
        Instant::now()
    }
}
