//! What the fleet learned about one orchestrator, as a row.

use std::{cmp::Reverse, collections::BTreeSet};

use router::{MAX_REMEMBERED, RememberedOrchestrator};

use crate::{
    error::RowError,
    micros::{of_time, to_time},
};

/// A row about one orchestrator. Numbers are as wide as columns are; times are microseconds since the
/// Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RememberedRow {
    /// The address as text: the row's key.
    pub(crate) address: String,
    /// See [`RememberedOrchestrator::latency_permille`].
    pub(crate) latency_permille: i64,
    /// See [`RememberedOrchestrator::success_permille`].
    pub(crate) success_permille: i64,
    /// See [`RememberedOrchestrator::round_trip_micros`].
    pub(crate) round_trip_micros: i64,
    /// See [`RememberedOrchestrator::demoted_until`].
    pub(crate) demoted_until: Option<i64>,
    /// See [`RememberedOrchestrator::offences`].
    pub(crate) offences: i64,
    /// See [`RememberedOrchestrator::learned`].
    pub(crate) learned: i64,
}

impl RememberedRow {
    /// The row to write.
    pub(crate) fn of(remembered: &RememberedOrchestrator) -> Self {
        Self {
            address: remembered.address.to_string(),
            latency_permille: remembered.latency_permille.into(),
            success_permille: remembered.success_permille.into(),
            round_trip_micros: remembered.round_trip_micros.into(),
            demoted_until: remembered.demoted_until.map(of_time),
            offences: remembered.offences.into(),
            learned: of_time(remembered.learned),
        }
    }

    /// What a row that was read says.
    ///
    /// # Errors
    /// When the address is none, or a number is out of its range.
    pub(crate) fn read(self) -> Result<RememberedOrchestrator, RowError> {
        let demoted_until = self.demoted_until.map(|until| to_time("demoted_until", until));
        Ok(RememberedOrchestrator {
            address: self.address.parse()?,
            latency_permille: narrow("latency_permille", self.latency_permille)?,
            success_permille: narrow("success_permille", self.success_permille)?,
            round_trip_micros: narrow("round_trip_micros", self.round_trip_micros)?,
            demoted_until: demoted_until.transpose()?,
            offences: narrow("offences", self.offences)?,
            learned: to_time("learned", self.learned)?,
        })
    }
}

/// One row per address, the one learned last; of more than [`MAX_REMEMBERED`], those learned last.
pub(crate) fn latest_of_each(learned: Vec<RememberedOrchestrator>) -> Vec<RememberedRow> {
    let mut latest_first = learned;
    latest_first.sort_by_key(|remembered| Reverse(remembered.learned));
    let mut seen = BTreeSet::new();
    let is_first = |remembered: &&RememberedOrchestrator| seen.insert(remembered.address.clone());
    latest_first.iter().filter(is_first).take(MAX_REMEMBERED).map(RememberedRow::of).collect()
}

pub(crate) fn narrow(column: &'static str, value: i64) -> Result<u32, RowError> {
    u32::try_from(value).map_err(|_| RowError::OutOfRange { column, value })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn remembered(address: &str, learned: u64) -> RememberedOrchestrator {
        RememberedOrchestrator {
            address: address.parse().unwrap(),
            latency_permille: 400,
            success_permille: u32::MAX,
            round_trip_micros: 0,
            demoted_until: Some(UNIX_EPOCH + Duration::from_micros(7)),
            offences: 3,
            learned: UNIX_EPOCH + Duration::from_secs(learned),
        }
    }

    #[test]
    fn a_row_reads_as_it_was_written() {
        for address in ["http://127.0.0.1:1", "https://[::1]:8935/base", "o.example"] {
            let original = remembered(address, 1_700_000_000);
            assert_eq!(RememberedRow::of(&original).read(), Ok(original));
        }
    }

    #[test]
    fn a_row_out_of_range_names_its_column() {
        let mut row = RememberedRow::of(&remembered("o.example", 1));
        row.offences = -1;
        let refused = RowError::OutOfRange { column: "offences", value: -1 };
        assert_eq!(row.read(), Err(refused));
    }

    #[test]
    fn a_row_without_an_address_is_refused() {
        let mut row = RememberedRow::of(&remembered("o.example", 1));
        row.address = "ftp://o.example".to_owned();
        assert!(matches!(row.read(), Err(RowError::Address(_))));
    }

    #[test]
    fn an_address_told_twice_keeps_what_was_learned_last() {
        let rows = latest_of_each(vec![
            remembered("a.example", 5),
            remembered("b.example", 6),
            remembered("a.example", 7),
            remembered("a.example", 4),
        ]);
        let told: Vec<_> = rows.iter().map(|row| (row.address.as_str(), row.learned)).collect();
        let expected =
            [("https://a.example:8935", 7_000_000), ("https://b.example:8935", 6_000_000)];
        assert_eq!(told, expected);
    }
}
