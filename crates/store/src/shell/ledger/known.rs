//! What the ledger's one writer knows of its tables without reading them.

use std::collections::{BTreeMap, HashMap};

use tickets::Wei;

use super::{Moved, steady::Sums};
use crate::sums::{DayKey, DaySum, Paid, SpentKey};

/// Rows of each table that are known, at most: beyond that those of the earliest times go.
const MAX_ROWS: usize = 16_384;

/// What the tables say about payments in flight and the latest sums.
#[derive(Debug)]
pub(in crate::shell) struct Known {
    pub(super) in_flight: HashMap<i64, Paid>,
    /// The last part of each line; `None` for a line that is not there.
    pub(super) days: Recent<DayKey, Option<(i64, DaySum)>>,
    pub(super) minutes: Recent<SpentKey, Wei>,
}

impl Known {
    /// All payments in flight, and the latest day and minute of which there are sums.
    pub(super) fn new(in_flight: HashMap<i64, Paid>, day: i64, minute: i64) -> Self {
        Self { in_flight, days: Recent::after(day), minutes: Recent::after(minute) }
    }

    /// The same, with what was known of sums before.
    pub(super) fn with_sums_of(self, before: Self) -> Self {
        Self { days: before.days, minutes: before.minutes, ..self }
    }

    /// Sums that were written.
    pub(super) fn add(&mut self, sums: Sums) {
        for (key, mut parts) in sums.days {
            self.days.keep(key, parts.pop());
        }
        for (key, spent) in sums.minutes {
            self.minutes.keep(key, spent);
        }
    }

    /// Rows were folded or joined by the upkeep.
    pub(in crate::shell) fn forget(&mut self, moved: Moved) {
        if let Some(first) = moved.first_minute {
            self.minutes.forget_until(first.saturating_sub(1));
        }
        if let Some(day) = moved.day {
            self.days.forget_until(day);
        }
    }
}

/// What a row is of.
pub(super) trait Timed {
    /// The day, or the minute.
    fn time(&self) -> i64;
}

impl Timed for DayKey {
    fn time(&self) -> i64 {
        self.day
    }
}

impl Timed for SpentKey {
    fn time(&self) -> i64 {
        self.minute
    }
}

/// Rows of a table, which sort by their times. Later than a certain time, there are no others.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    rows: BTreeMap<K, V>,
    until: i64,
}

impl<K: Ord + Timed, V: Clone + Default> Recent<K, V> {
    /// None is known, and later than this there are none.
    const fn after(time: i64) -> Self {
        Self { rows: BTreeMap::new(), until: time }
    }

    /// What there is of a row; `None` where that has to be read.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let absent = || (key.time() > self.until).then(V::default);
        self.rows.get(key).cloned().or_else(absent)
    }

    /// The row is like this now.
    pub(super) fn keep(&mut self, key: K, value: V) {
        self.rows.insert(key, value);
        while self.rows.len() > MAX_ROWS {
            let Some((earliest, _)) = self.rows.pop_first() else { return };
            self.until = self.until.max(earliest.time());
        }
    }

    fn forget_until(&mut self, time: i64) {
        self.until = self.until.max(time);
        self.rows.retain(|key, _| key.time() > time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(minute: i64) -> SpentKey {
        SpentKey { minute, stream: "cam".to_owned(), owner: String::new() }
    }

    fn wei(text: &str) -> Wei {
        text.parse().unwrap()
    }

    #[test]
    fn only_later_rows_are_known_not_to_be_there() {
        let mut minutes: Recent<SpentKey, Wei> = Recent::after(7);
        assert_eq!(minutes.get(&key(7)), None, "it may be there");
        assert_eq!(minutes.get(&key(8)), Some(Wei::zero()));
        for minute in [7, 8, 9] {
            minutes.keep(key(minute), wei("5"));
            assert_eq!(minutes.get(&key(minute)), Some(wei("5")));
        }
        minutes.forget_until(8);
        assert_eq!(minutes.get(&key(8)), None);
        assert_eq!(minutes.get(&key(9)), Some(wei("5")));
        assert_eq!(minutes.get(&key(10)), Some(Wei::zero()));
    }

    #[test]
    fn the_earliest_rows_go_first_and_are_not_taken_for_absent() {
        let mut minutes: Recent<SpentKey, Wei> = Recent::after(i64::MIN);
        let last = i64::try_from(MAX_ROWS).unwrap() + 1;
        for minute in 0..=last {
            minutes.keep(key(minute), wei("1"));
        }
        assert_eq!(minutes.get(&key(1)), None);
        assert_eq!(minutes.get(&key(2)), Some(wei("1")));
        assert_eq!(minutes.get(&key(last)), Some(wei("1")));
    }
}
