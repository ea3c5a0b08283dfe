//! A forecast that is kept up, and that warns before the deposit ends.

use std::{collections::VecDeque, num::NonZeroU64, time::Duration};

use alloy_primitives::U256;

use crate::{Runway, Spend};

/// Entries that a history is kept in: what is spent in one of so many parts of the window is one entry.
const PARTS: u64 = 288;
/// A warning is forgotten once the forecast is so much above its threshold, in percent, so that one that
/// wavers doesn't warn again and again.
const RELIEF_PERCENT: u64 = 120;

/// When to warn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastConfig {
    /// The present rate is that of so much time; from a minute on.
    pub window: Duration,
    /// Time left at which to warn; each once, the longest first.
    pub warn_at: Vec<Duration>,
    /// Wei of the deposit below which orchestrators' tickets aren't covered any more.
    pub floor: U256,
}

impl Default for ForecastConfig {
    fn default() -> Self {
        let hours = |count: u64| Duration::from_secs(count * 3_600);
        Self { window: hours(24), warn_at: vec![hours(72), hours(24), hours(6)], floor: U256::ZERO }
    }
}

/// A threshold that the forecast fell below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deposit lasts for {runway}")]
pub struct RunwayWarning {
    /// The forecast.
    pub runway: Runway,
    /// The lowest threshold that it is below.
    pub threshold: Duration,
}

/// Keeps what was spent lately. Times are seconds since 1970; memory is bounded by the window's parts.
#[derive(Clone, Debug)]
pub struct FundsForecast {
    window: NonZeroU64,
    floor: U256,
    /// From the longest to the shortest; whether it was warned of.
    thresholds: Vec<(u64, bool)>,
    history: VecDeque<Spend>,
    since: Option<u64>,
}

impl FundsForecast {
    /// A forecast without a history.
    #[must_use]
    pub fn new(config: &ForecastConfig) -> Self {
        let mut thresholds: Vec<_> =
            config.warn_at.iter().map(|left| (left.as_secs(), false)).collect();
        thresholds.sort_unstable_by(|a, b| b.cmp(a));
        let window = NonZeroU64::new(config.window.as_secs().max(60)).unwrap_or(NonZeroU64::MIN);
        Self { window, floor: config.floor, thresholds, history: VecDeque::new(), since: None }
    }

    /// Wei were spent: what tickets were worth on average as they are sent, or what winning ones paid,
    /// but not both. The first call says when counting began; zero wei do for that. What is older than
    /// the entry before counts as that entry's.
    pub fn handle_spend(&mut self, at: u64, amount: U256) {
        let since = *self.since.get_or_insert(at);
        let at = at.max(since);
        let part = (self.window.get() / PARTS).max(1);
        match self.history.back_mut() {
            Some(last) if at < last.at || at / part == last.at / part => {
                last.at = last.at.max(at);
                last.amount = last.amount.saturating_add(amount);
            }
            Some(_) | None => self.history.push_back(Spend { at, amount }),
        }
        let oldest = at.saturating_sub(self.window.get());
        while self.history.front().is_some_and(|first| first.at < oldest) {
            self.history.pop_front();
        }
    }

    /// How long a deposit lasts at the present rate; `None` until there is a rate.
    #[must_use]
    pub fn runway(&self, deposit: U256, now: u64) -> Option<Runway> {
        // Nothing was spent before counting began: the beginning is an entry of its own.
        let beginning = Spend { at: self.since?, amount: U256::ZERO };
        let history: Vec<_> =
            std::iter::once(beginning).chain(self.history.iter().copied()).collect();
        Runway::forecast(deposit, self.floor, &history, now, self.window)
    }

    /// The same, and whether it is time to warn: once for each threshold that the forecast falls below,
    /// and again after it was well above.
    pub fn check(&mut self, deposit: U256, now: u64) -> (Option<Runway>, Option<RunwayWarning>) {
        let Some(runway) = self.runway(deposit, now) else { return (None, None) };
        let mut warning = None;
        for (threshold, warned) in &mut self.thresholds {
            let relief = threshold.saturating_mul(RELIEF_PERCENT) / 100;
            if runway.ends_within(*threshold) {
                if !*warned {
                    let threshold = Duration::from_secs(*threshold);
                    warning = Some(RunwayWarning { runway, threshold });
                }
                *warned = true;
            } else if !runway.ends_within(relief) {
                *warned = false;
            }
        }
        (Some(runway), warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const START: u64 = 1_800_000_000;

    fn wei(number: u64) -> U256 {
        U256::from(number)
    }

    /// One wei a second, told every ten seconds.
    fn steady(until: u64) -> FundsForecast {
        let mut forecast = FundsForecast::new(&ForecastConfig::default());
        forecast.handle_spend(START, U256::ZERO);
        for at in (START + 10..=START + until).step_by(10) {
            forecast.handle_spend(at, wei(10));
        }
        forecast
    }

    #[test]
    fn the_present_rate_is_that_of_the_window() {
        for (spent_for, tolerance) in [(600, 0), (DAY, 0), (DAY * 3, DAY / 100)] {
            let runway = steady(spent_for).runway(wei(DAY * 2), START + spent_for).unwrap();
            assert!(runway.left.unwrap().abs_diff(DAY * 2) <= tolerance, "{runway}");
        }
        let forecast = steady(DAY * 3);
        assert!(forecast.history.len() <= 290, "{} entries", forecast.history.len());
        let idle = forecast.runway(wei(1), START + DAY * 5).unwrap();
        assert_eq!(idle.left, None);
        assert_eq!(FundsForecast::new(&ForecastConfig::default()).runway(wei(1), START), None);
    }

    #[test]
    fn each_threshold_warns_once() {
        let mut forecast = steady(3_600);
        let now = START + 3_600;
        let mut warned = |days_left: u64| {
            let (_, warning) = forecast.check(wei(DAY) * wei(days_left) / wei(4), now);
            warning.map(|warning| warning.threshold.as_secs() / 3_600)
        };
        assert_eq!(warned(13), None);
        assert_eq!(warned(11), Some(72));
        assert_eq!(warned(11), None);
        // Just above the threshold is no relief.
        assert_eq!((warned(13), warned(11)), (None, None));
        assert_eq!((warned(15), warned(11)), (None, Some(72)));
        // Straight to the end: one warning, of the nearest.
        assert_eq!(warned(0), Some(6));
        assert_eq!(warned(0), None);
    }

    #[test]
    fn clocks_that_go_back_change_nothing() {
        let mut forecast = steady(3_600);
        forecast.handle_spend(5, wei(400));
        let runway = forecast.runway(wei(4_000), START + 3_600).unwrap();
        assert_eq!((runway.spent, runway.left), (wei(4_000), Some(3_600)));
    }
}
