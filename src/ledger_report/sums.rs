//! Lines of the ledger, added up.

use std::collections::BTreeMap;

use payer::{ReportLine, ReportTotals};
use tickets::Wei;

use crate::cli::ReportBy;

/// What has a line of the report, and its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) key: String,
    pub(super) sums: Sums,
    pub(super) parts: Vec<(String, Sums)>,
}

/// Sums, exact and in whole wei.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) exact: ReportTotals,
    pub(super) whole: Whole,
    /// Whether every wei is accounted for, exactly, in each line of the ledger.
    pub(super) adds_up: bool,
}

/// Whole amounts of wei: those sent are the others together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) sent: Wei,
    pub(super) debited: Wei,
    pub(super) written_off: Wei,
    pub(super) in_doubt: Wei,
    pub(super) in_flight: Wei,
    pub(super) left: Wei,
}

impl Whole {
    /// All rounded down but what is left, which is what the others leave.
    fn of(exact: &ReportTotals) -> Self {
        let [sent, debited, written_off, in_doubt, in_flight] =
            [&exact.sent, &exact.debited, &exact.written_off, &exact.in_doubt, &exact.in_flight]
                .map(Wei::floor);
        let mut left = sent.clone();
        for part in [&debited, &written_off, &in_doubt, &in_flight] {
            left -= part;
        }
        Self { sent, debited, written_off, in_doubt, in_flight, left }
    }

    fn add(&mut self, other: &Self) {
        self.sent += &other.sent;
        self.debited += &other.debited;
        self.written_off += &other.written_off;
        self.in_doubt += &other.in_doubt;
        self.in_flight += &other.in_flight;
        self.left += &other.left;
    }
}

impl Sums {
    fn of(exact: ReportTotals, adds_up: bool) -> Self {
        let whole = Whole::of(&exact);
        Self { exact, whole, adds_up }
    }

    /// All of them; `None` of none.
    fn of_all<'a>(mut sums: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let mut all = sums.next()?.clone();
        for more in sums {
            all.exact += &more.exact;
            all.whole.add(&more.whole);
            all.adds_up &= more.adds_up;
        }
        Some(all)
    }
}

/// Lines by what is asked for, in the order of their names.
pub(super) fn groups(lines: Vec<ReportLine>, by: ReportBy) -> Vec<Group> {
    let mut parts: BTreeMap<String, BTreeMap<String, (ReportTotals, bool)>> = BTreeMap::new();
    for ReportLine { stream, orchestrator, day, totals } in lines {
        let (key, part) = match by {
            ReportBy::Stream => (stream, orchestrator),
            ReportBy::Orchestrator => (orchestrator, stream),
            ReportBy::Day => (day, stream),
        };
        let (sum, adds_up) = parts
            .entry(key)
            .or_default()
            .entry(part)
            .or_insert_with(|| (ReportTotals::default(), true));
        *adds_up &= totals.adds_up();
        *sum += &totals;
    }
    let group = |(key, parts): (String, BTreeMap<_, _>)| {
        let sums = |(part, (exact, adds_up))| (part, Sums::of(exact, adds_up));
        let parts: Vec<_> = parts.into_iter().map(sums).collect();
        let sums = Sums::of_all(parts.iter().map(|(_, sums)| sums))?;
        Some(Group { key, sums, parts })
    };
    parts.into_iter().filter_map(group).collect()
}
