//! Appends as they come all the time: what they change is known, so that nothing is read for them, and all
//! of it is written at once.

use std::collections::BTreeMap;

use tickets::Wei;

use super::{Engine, EngineError, Known, Marks, Statement, parts_with, read, statements};
use crate::{
    payment::LedgerRow,
    sums::{Changes, DayKey, DaySum, Paid, SpentKey},
};

/// Parameters of such an append, at most: SQLite looks each up among those before it.
const MAX_PARAMETERS: usize = 1_024;

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Steady {
    /// It is written.
    Written,
    /// Nothing was done: it is no ordinary one.
    NotOrdinary,
}

/// Writes batches in their order, as [`append`](super::append) does, if all their payments are new and all
/// their ends are of payments in flight. The writer must not have failed since what it knows was read. Where
/// this fails, or is given up, nothing is known any more.
pub(in crate::shell) async fn append_steadily(
    engine: &Engine,
    known: &mut Known,
    batches: &[Vec<LedgerRow>],
) -> Result<Steady, EngineError> {
    let Some(mut batch) = Batch::of(known, batches) else { return Ok(Steady::NotOrdinary) };
    learn(engine, known, &batch.changes).await?;
    let Some(sums) = Sums::with(known, std::mem::take(&mut batch.changes)) else {
        return Ok(Steady::NotOrdinary);
    };
    let mut all = batch.statements;
    all.extend(batch.marks.0.values().map(|(mark, used)| statements::mark(mark, *used)));
    all.extend(sums.statements());
    if all.iter().map(|it| it.values.len()).sum::<usize>() > MAX_PARAMETERS {
        return Ok(Steady::NotOrdinary);
    }
    engine.write_ledger_at_once(all).await?;
    sums.keep(known);
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
    /// `None` where a payment is not new, or an end is not of one in flight.
    fn of(known: &Known, batches: &[Vec<LedgerRow>]) -> Option<Self> {
        let mut batch = Self::default();
        for row in batches.iter().flatten() {
            batch.add(known, row)?;
        }
        Some(batch)
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

/// Reads the sums that a change adds to, where they are not known: once for each day and minute.
async fn learn(engine: &Engine, known: &mut Known, changes: &Changes) -> Result<(), EngineError> {
    let days: Vec<_> = changes.days.keys().filter(|key| known.days.get(key).is_none()).collect();
    let minutes: Vec<_> =
        changes.spent.keys().filter(|key| known.minutes.get(key).is_none()).collect();
    if days.is_empty() && minutes.is_empty() {
        return Ok(());
    }
    let mut transaction = engine.read().await?;
    let read = async {
        for key in days {
            let last = read::last_part(&mut transaction, key).await?;
            known.days.keep(key.clone(), last);
        }
        for key in minutes {
            let spent = read::spent_in(&mut transaction, key).await?;
            known.minutes.keep(key.clone(), spent);
        }
        Ok(())
    };
    let read = read.await;
    transaction.end(read).await
}

/// Sums as they are afterwards.
#[derive(Debug)]
struct Sums {
    days: Vec<(DayKey, Vec<(i64, DaySum)>)>,
    minutes: Vec<(SpentKey, Wei)>,
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

    fn statements(&self) -> Vec<Statement> {
        let days = self.days.iter().flat_map(|(key, parts)| {
            parts.iter().map(move |(part, sum)| statements::day(key, *part, sum))
        });
        let minutes = self.minutes.iter().map(|(key, spent)| statements::minute(key, spent));
        days.chain(minutes).collect()
    }

    fn keep(self, known: &mut Known) {
        for (key, mut parts) in self.days {
            known.days.keep(key, parts.pop());
        }
        for (key, spent) in self.minutes {
            known.minutes.keep(key, spent);
        }
    }
}
