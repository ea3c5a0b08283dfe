//! The ledger's statements, the same for every engine. All run inside a transaction of the caller.

mod known;
mod read;
mod replay;
mod settle;
mod statements;
mod steady;
mod upkeep;

use std::collections::BTreeMap;

use tickets::Wei;

use super::{
    engine::Engine,
    error::EngineError,
    statement::Statement,
    transaction::Transaction,
    value::{Columns, Value, bounded},
};
use crate::{
    payment::{LedgerRow, MarkRow, SentRow, amount},
    sums::{Changes, DayKey, DaySum, SpentKey, add_to_last},
};

pub(super) use known::Known;
pub(super) use read::{column_of, payments, report};
pub(super) use settle::settle_in_doubt;
use steady::Sums;
pub(super) use steady::{Steady, append_steadily};
pub(super) use upkeep::{Moved, Upkeep, upkeep};

/// What a start reads.
#[derive(Debug)]
pub(super) struct Kept {
    /// The first payment that was not named yet.
    pub(super) next_payment: i64,
    /// All nonces.
    pub(super) marks: Vec<MarkRow>,
    /// Spending by minutes.
    pub(super) minutes: Vec<(SpentKey, Wei)>,
    /// Spending before these, each with its last minute.
    pub(super) before: Vec<(SpentKey, Wei)>,
}

/// Writes batches in their order, and what they change about the sums. A batch that is on record already,
/// all of it and as it is, changes nothing. Gives what the writer knows now, who knew this before.
pub(super) async fn append<'r>(
    transaction: &mut Transaction<'_>,
    known: Option<Known>,
    batches: impl IntoIterator<Item = &'r [LedgerRow]>,
) -> Result<Known, EngineError> {
    let mut writing = Writing::default();
    for rows in batches {
        writing.write(transaction, rows).await?;
    }
    for (mark, used) in writing.marks.0.into_values() {
        transaction.perform(statements::mark(&mark, used)).await?;
    }
    let sums = write_changes(transaction, writing.changes).await?;
    let mut now = read::known(transaction).await?;
    if let Some(before) = known {
        now = now.with_sums_of(before);
    }
    now.add(sums);
    Ok(now)
}

/// What batches change besides their own rows, until the last of them is written.
#[derive(Debug, Default)]
struct Writing {
    changes: Changes,
    marks: Marks,
}

/// One mark for each hash, and its last use.
#[derive(Debug, Default)]
struct Marks(BTreeMap<Vec<u8>, (MarkRow, i64)>);

impl Marks {
    fn raise(&mut self, mark: &MarkRow, used: i64) {
        let hash = mark.recipient_rand_hash.clone();
        let (kept, last) = self.0.entry(hash).or_insert_with(|| (mark.clone(), used));
        kept.last_nonce = kept.last_nonce.max(mark.last_nonce);
        kept.expiration_block = kept.expiration_block.max(mark.expiration_block);
        *last = used.max(*last);
    }
}

impl Writing {
    async fn write(
        &mut self,
        transaction: &mut Transaction<'_>,
        rows: &[LedgerRow],
    ) -> Result<(), EngineError> {
        let mut begun = false;
        for row in rows {
            let written = match row {
                LedgerRow::Sent(row) => self.send(transaction, row).await?,
                LedgerRow::Settled(row) => {
                    // The end of what is not in flight tells nothing about the others.
                    begun |= settle::settle(transaction, row, &mut self.changes).await?;
                    continue;
                }
                LedgerRow::Closed(row) => {
                    let again = !begun && replay::is_closed(transaction, row, rows.len()).await?;
                    if !again {
                        transaction.perform(statements::closed(row)).await?;
                    }
                    !again
                }
            };
            if !written {
                let again = !begun && replay::is_on_record(transaction, rows).await?;
                return if again { Ok(()) } else { Err(twice(row)) };
            }
            begun = true;
        }
        Ok(())
    }

    /// False where a payment of that name is there.
    async fn send(
        &mut self,
        transaction: &mut Transaction<'_>,
        row: &SentRow,
    ) -> Result<bool, EngineError> {
        if transaction.perform(statements::payment_if_new(row)).await? == 0 {
            return Ok(false);
        }
        self.changes.sent(row);
        if let Some(mark) = &row.mark {
            self.marks.raise(mark, row.at);
        }
        Ok(true)
    }
}

fn twice(row: &LedgerRow) -> EngineError {
    match row {
        LedgerRow::Sent(row) => EngineError::Twice(row.payment),
        LedgerRow::Settled(row) => EngineError::Twice(row.payment),
        LedgerRow::Closed(_) => EngineError::InPart,
    }
}

/// Adds to sums; gives them as they are then.
async fn write_changes(
    transaction: &mut Transaction<'_>,
    changes: Changes,
) -> Result<Sums, EngineError> {
    let mut sums = Sums::default();
    for (key, more) in changes.days {
        let last = read::last_part(transaction, &key).await?;
        sums.days.push((key, parts_with(last, more)));
    }
    for (key, more) in changes.spent {
        let spent = &read::spent_in(transaction, &key).await? + &more;
        sums.minutes.push((key, spent));
    }
    transaction.change_all(sums.statements()).await?;
    Ok(sums)
}

/// Adds sums to the last part of a line, and writes further parts where that has no room.
async fn add_to_day(
    transaction: &mut Transaction<'_>,
    key: &DayKey,
    more: Vec<DaySum>,
) -> Result<(), EngineError> {
    let last = read::last_part(transaction, key).await?;
    let parts = parts_with(last, more);
    let statements = parts.iter().map(|(part, sum)| statements::day(key, *part, sum));
    transaction.change_all(statements.collect()).await
}

/// The last part of a line and what has to be added, as the parts that this makes.
fn parts_with(last: Option<(i64, DaySum)>, more: Vec<DaySum>) -> Vec<(i64, DaySum)> {
    let (first, mut sums) = last.map_or((0, Vec::new()), |(part, sum)| (part, vec![sum]));
    for sum in more {
        add_to_last(&mut sums, sum);
    }
    (first..).zip(sums).collect()
}

/// Adds to what a stream and owner spent before the minutes that are kept.
async fn add_to_before(
    transaction: &mut Transaction<'_>,
    key: &SpentKey,
    more: &Wei,
) -> Result<(), EngineError> {
    let before = transaction
        .fetch(
            "SELECT spent FROM spent_before WHERE stream = $1 AND owner = $2",
            vec![(&key.stream).into(), (&key.owner).into()],
        )
        .await?;
    let spent = sum_of_first(before, more)?;
    transaction
        .execute(
            "INSERT INTO spent_before (stream, owner, minute, spent) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (stream, owner) DO UPDATE SET spent = excluded.spent, \
         minute = CASE WHEN spent_before.minute > excluded.minute \
         THEN spent_before.minute ELSE excluded.minute END",
            vec![(&key.stream).into(), (&key.owner).into(), key.minute.into(), spent.into()],
        )
        .await?;
    Ok(())
}

fn sum_of_first(mut before: Vec<Columns>, more: &Wei) -> Result<String, EngineError> {
    let before = before.first_mut().map(|columns| columns.text()).transpose()?;
    let before = before.map(|text| amount("spent", &text)).transpose()?.unwrap_or_default();
    Ok((&before + more).to_string())
}
