//! How long the deposit will last.

use std::{fmt, num::NonZeroU64};

use alloy_primitives::U256;

/// What was spent at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// Seconds since 1970.
    pub at: u64,
    /// Wei: what tickets were worth on average, or what winning ones paid.
    pub amount: U256,
}

/// How long a deposit lasts at the rate it has been spent at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runway {
    /// Wei spent in `over`.
    pub spent: U256,
    /// Seconds in which it was.
    pub over: NonZeroU64,
    /// Seconds until the deposit reaches its floor; `None` when nothing is being spent.
    pub left: Option<u64>,
}

impl Runway {
    /// Forecasts from what was spent in the last `window` seconds before `now`, until the deposit is
    /// down at `floor` wei. A history that is shorter than the window counts from its first entry, whose
    /// amount was spent before; `None` when there aren't two entries at different times.
    #[must_use]
    pub fn forecast(
        deposit: U256,
        floor: U256,
        history: &[Spend],
        now: u64,
        window: NonZeroU64,
    ) -> Option<Self> {
        let start = now.saturating_sub(window.get());
        let first = history.iter().map(|spend| spend.at).min()?;
        let start = start.max(first);
        let over = NonZeroU64::new(now.saturating_sub(start))?;
        let spent = history
            .iter()
            .filter(|spend| spend.at > start && spend.at <= now)
            .fold(U256::ZERO, |sum, spend| sum.saturating_add(spend.amount));
        let left = deposit
            .saturating_sub(floor)
            .saturating_mul(U256::from(over.get()))
            .checked_div(spent)
            .map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX));
        Some(Self { spent, over, left })
    }

    /// Whether the deposit ends within so many seconds.
    #[must_use]
    pub fn ends_within(&self, seconds: u64) -> bool {
        self.left.is_some_and(|left| left < seconds)
    }
}

/// `2.3 days at the present rate`
impl fmt::Display for Runway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
        let Some(left) = self.left else { return f.write_str("nothing is being spent") };
        let unit = UNITS.iter().find(|(seconds, _)| left >= *seconds);
        let (seconds, name) = unit.copied().unwrap_or((1, "seconds"));
        let tenths = left % seconds * 10 / seconds;
        write!(f, "{}.{tenths} {name} at the present rate", left / seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: NonZeroU64 = NonZeroU64::new(3_600).unwrap();

    fn steady(from: u64, to: u64, every: usize, amount: u64) -> Vec<Spend> {
        (from..=to).step_by(every).map(|at| Spend { at, amount: U256::from(amount) }).collect()
    }

    fn forecast(deposit: u64, history: &[Spend], now: u64) -> Option<Runway> {
        Runway::forecast(U256::from(deposit), U256::ZERO, history, now, HOUR)
    }

    #[test]
    fn a_steady_rate_is_found() {
        let history = steady(0, 36_000, 10, 50);
        let runway = forecast(1_000_000, &history, 36_000).unwrap();
        assert_eq!((runway.spent, runway.left), (U256::from(18_000), Some(200_000)));
        assert_eq!(runway.to_string(), "2.3 days at the present rate");
        assert!(runway.ends_within(200_001) && !runway.ends_within(200_000));
        let young = forecast(1_000_000, &history[..13], 120).unwrap();
        assert_eq!((young.over.get(), young.left), (120, Some(200_000)));
    }

    #[test]
    fn what_ended_is_not_the_present_rate() {
        let history = steady(0, 3_600, 10, 50);
        let runway = forecast(1_000_000, &history, 10_000).unwrap();
        assert_eq!((runway.left, runway.to_string()), (None, "nothing is being spent".to_owned()));
        assert!(!runway.ends_within(u64::MAX));
    }

    #[test]
    fn a_single_expense_is_no_rate() {
        assert_eq!(forecast(1, &[], 100), None);
        assert_eq!(forecast(1, &steady(100, 100, 1, 5), 100), None);
        assert_eq!(forecast(1, &steady(200, 300, 1, 5), 100), None);
    }

    #[test]
    fn the_floor_ends_it_before() {
        let history = steady(0, 1_000, 1, 1);
        let until = |deposit: u64, floor: u64| {
            let (deposit, floor) = (U256::from(deposit), U256::from(floor));
            Runway::forecast(deposit, floor, &history, 1_000, HOUR).unwrap().left
        };
        assert_eq!((until(500, 100), until(50, 100)), (Some(400), Some(0)));
    }

    proptest! {
        #[test]
        fn nothing_overflows(deposit in any::<[u64; 4]>(), amount in any::<[u64; 4]>(), at in any::<u64>(), now in any::<u64>()) {
            let history = [
                Spend { at, amount: U256::from_limbs(amount) },
                Spend { at: now, amount: U256::from_limbs(amount) },
            ];
            let runway = Runway::forecast(U256::from_limbs(deposit), U256::ZERO, &history, now, HOUR);
            prop_assert!(runway.is_none() || now > at);
        }
    }
}
