//! How much was spent, by whom and when.

use std::{
    collections::{BTreeMap, HashMap},
    time::{SystemTime, UNIX_EPOCH},
};

use tickets::Wei;

use crate::budget::{Budget, BudgetScope, BudgetWindow};

const MINUTES_OF_AN_HOUR: u64 = 60;
const MINUTES_OF_A_DAY: u64 = 24 * 60;
/// Minutes kept of an account: two days of steady spending. They are counted, not compared with the newest
/// one, so that a clock that jumps ahead makes no spending of today forgotten.
const MINUTES_KEPT: usize = 2 * 24 * 60;

/// What one stream had spent in one minute, as a store adds it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpentMinute {
    /// Any time within the minute.
    pub at: SystemTime,
    /// The stream's name.
    pub stream: String,
    /// Whose stream it is.
    pub owner: Option<String>,
    /// What its tickets were worth.
    pub spent: Wei,
}

/// Streams and owners whose sums are kept, each. Where there are more, those that spent nothing for a day
/// are forgotten, and begin anew.
const MAX_ACCOUNTS: usize = 16_384;

/// Sums of what left the house. Minutes older than two days are only in the totals.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    fleet: Account,
    owners: HashMap<String, Account>,
    streams: HashMap<String, Account>,
}

#[derive(Debug, Default)]
struct Account {
    total: Wei,
    /// By minutes since 1970; at most [`MINUTES_KEPT`].
    minutes: BTreeMap<u64, Wei>,
}

impl Account {
    fn add(&mut self, minute: u64, amount: &Wei) {
        self.total += amount;
        *self.minutes.entry(minute).or_default() += amount;
        while self.minutes.len() > MINUTES_KEPT {
            self.minutes.pop_first();
        }
    }

    fn within(&self, minute: u64, window: BudgetWindow) -> Wei {
        let first = match window {
            BudgetWindow::Total => return self.total.clone(),
            BudgetWindow::Day => minute - minute % MINUTES_OF_A_DAY,
            BudgetWindow::Hour => (minute + 1).saturating_sub(MINUTES_OF_AN_HOUR),
        };
        // A clock that was set back must not let money be spent twice: later minutes count too.
        self.minutes.range(first..).map(|(_, amount)| amount.clone()).sum()
    }
}

impl Spending {
    /// Counts what leaves the house; negative where it did not after all.
    pub(crate) fn add(&mut self, at: SystemTime, stream: &str, owner: Option<&str>, amount: &Wei) {
        let minute = minute(at);
        forget_quiet(&mut self.streams, minute);
        forget_quiet(&mut self.owners, minute);
        self.fleet.add(minute, amount);
        self.streams.entry(stream.to_owned()).or_default().add(minute, amount);
        if let Some(owner) = owner {
            self.owners.entry(owner.to_owned()).or_default().add(minute, amount);
        }
    }

    /// What all streams have spent.
    pub(crate) const fn total(&self) -> &Wei {
        &self.fleet.total
    }

    /// What was spent that counts against a budget of a stream.
    pub(crate) fn spent(&self, at: SystemTime, budget: &Budget, stream: &str) -> Wei {
        let account = match &budget.scope {
            BudgetScope::Fleet => Some(&self.fleet),
            BudgetScope::Owner(name) => self.owners.get(name),
            BudgetScope::Stream(name) => self.streams.get(name),
            BudgetScope::EachStream => self.streams.get(stream),
        };
        account.map(|it| it.within(minute(at), budget.window)).unwrap_or_default()
    }
}

fn forget_quiet(accounts: &mut HashMap<String, Account>, minute: u64) {
    if accounts.len() < MAX_ACCOUNTS {
        return;
    }
    let oldest = minute.saturating_sub(MINUTES_OF_A_DAY);
    accounts.retain(|_, it| it.minutes.last_key_value().is_some_and(|(at, _)| *at >= oldest));
}

fn minute(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(minutes * 60)
    }

    fn left(spending: &Spending, minutes: u64, window: BudgetWindow) -> String {
        let limit = "100".parse().unwrap();
        let budget = Budget::new(BudgetScope::EachStream, window, limit);
        (&budget.limit - &spending.spent(at(minutes), &budget, "cam")).to_string()
    }

    #[test]
    fn each_window_counts_its_own_time() {
        let mut spending = Spending::default();
        let noon = 10 * MINUTES_OF_A_DAY + 720;
        for (minutes, amount) in
            [(noon - 800, "1"), (noon - 60, "2"), (noon - 59, "4"), (noon, "8")]
        {
            spending.add(at(minutes), "cam", None, &amount.parse().unwrap());
        }
        assert_eq!(left(&spending, noon, BudgetWindow::Hour), "88");
        assert_eq!(left(&spending, noon, BudgetWindow::Day), "86");
        assert_eq!(left(&spending, noon, BudgetWindow::Total), "85");
        assert_eq!(left(&spending, noon + 720, BudgetWindow::Day), "100", "a new day");
        assert_eq!(left(&spending, noon - 600, BudgetWindow::Hour), "86", "a clock set back");
    }

    #[test]
    fn a_clock_that_jumps_ahead_and_back_forgets_nothing() {
        let mut spending = Spending::default();
        let noon = 10 * MINUTES_OF_A_DAY + 720;
        spending.add(at(noon), "cam", None, &"40".parse().unwrap());
        spending.add(at(noon + 9 * MINUTES_OF_A_DAY), "cam", None, &"1".parse().unwrap());
        assert_eq!(left(&spending, noon + 1, BudgetWindow::Day), "59");
    }

    #[test]
    fn minutes_are_forgotten_after_two_days_but_not_the_sum() {
        let mut spending = Spending::default();
        for minute in 0..4_000 {
            spending.add(at(minute), "cam", Some("me"), &"1".parse().unwrap());
        }
        let cam = &spending.streams["cam"];
        assert_eq!(cam.minutes.len(), MINUTES_KEPT);
        assert_eq!(cam.total.to_string(), "4000");
    }
}
