//! Appends as they come all the time: what they change is known, so that nothing is read for them, and all
//! of it is written at once.

use std::collections::BTreeMap;

use tickets::Wei;

use super::{Engine, EngineError, Known, Marks, Statement, parts_with, statements};
use crate::{
    payment::LedgerRow,
    sums::{Changes, DayKey, DaySum, Paid, SpentKey},
};

/// Statements of such an append, at most. It is one text, and what is left of it is copied for each.
const MAX_STATEMENTS: usize = 64;

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Steady {
    /// It is written.
    Written,
    /// Nothing was done: not all that it changes is known.
    NotKnown,
}

/// Writes batches in their order, as [`append`](super::append) does, if all their payments are new, all
/// their ends are of payments in flight, and the sums are known that they add to.
///
/// # Errors
/// Whatever it is, it may be written, and nothing is known any more.
pub(in crate::shell) async fn append_steadily(
    engine: &Engine,
    known: &mut Known,
    batches: &[Vec<LedgerRow>],
) -> Result<Steady, EngineError> {
    let Some(batch) = Batch::of(known, batches) else { return Ok(Steady::NotKnown) };
    let Some(sums) = Sums::with(known, batch.changes) else { return Ok(Steady::NotKnown) };
    let mut all = batch.statements;
    all.extend(batch.marks.0.values().map(|(mark, used)| statements::mark(mark, *used)));
    all.extend(sums.statements());
    if all.len() > MAX_STATEMENTS {
        return Ok(Steady::NotKnown);
    }
    engine.write_ledger_at_once(all).await?;
    known.add(sums);
    for (payment, paid) in batch.payments {
        match paid {
            Some(paid) => known.in_flight.insert(payment, paid),
            None => known.in_flight.remove(&payment),
        };
    }
    Ok(Steady::Written)
}

/// Rows to write, and what they change.
#[derive(Debug, Default)]
struct Batch {
    statements: Vec<Statement>,
    marks: Marks,
    changes: Changes,
    /// Those that are in flight afterwards, and those that are not any more.
    payments: BTreeMap<i64, Option<Paid>>,
}

impl Batch {
    /// `None` where a payment is not new, or an end is not of one in flight; so is that of batches which came
    /// before. Of closed accounts alone that can't be told.
    fn of(known: &Known, batches: &[Vec<LedgerRow>]) -> Option<Self> {
        let mut all = Self::default();
        for rows in batches {
            let telling = rows.iter().any(|row| !matches!(row, LedgerRow::Closed(_)));
            telling.then_some(())?;
            for row in rows {
                all.add(known, row)?;
            }
        }
        Some(all)
    }

    fn add(&mut self, known: &Known, row: &LedgerRow) -> Option<()> {
        let statement = match row {
            LedgerRow::Sent(row) => {
                let there = self.payments.contains_key(&row.payment);
                (!there && !known.in_flight.contains_key(&row.payment)).then_some(())?;
                self.changes.sent(row);
                if let Some(mark) = &row.mark {
                    self.marks.raise(mark, row.at);
                }
                self.payments.insert(row.payment, Some(Paid::of(row)));
                statements::payment(row)
            }
            LedgerRow::Settled(row) => {
                let before = || known.in_flight.get(&row.payment).cloned();
                let paid = self.payments.get(&row.payment).cloned().unwrap_or_else(before)?;
                self.changes.settled(row, &paid);
                self.payments.insert(row.payment, None);
                statements::end(row)
            }
            LedgerRow::Closed(row) => statements::closed(row),
        };
        self.statements.push(statement);
        Some(())
    }
}

/// Sums as they are after an append: of a line its last parts.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) days: Vec<(DayKey, Vec<(i64, DaySum)>)>,
    pub(super) minutes: Vec<(SpentKey, Wei)>,
}

impl Sums {
    /// `None` where one is not known.
    fn with(known: &Known, changes: Changes) -> Option<Self> {
        let day = |(key, more)| {
            let last = known.days.get(&key)?;
            Some((key, parts_with(last, more)))
        };
        let minute = |(key, more): (SpentKey, Wei)| {
            let spent = &known.minutes.get(&key)? + &more;
            Some((key, spent))
        };
        Some(Self {
            days: changes.days.into_iter().map(day).collect::<Option<_>>()?,
            minutes: changes.spent.into_iter().map(minute).collect::<Option<_>>()?,
        })
    }

    /// What writes them.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let days = self.days.iter().flat_map(|(key, parts)| {
            parts.iter().map(move |(part, sum)| statements::day(key, *part, sum))
        });
        let minutes = self.minutes.iter().map(|(key, spent)| statements::minute(key, spent));
        days.chain(minutes).collect()
    }
}
