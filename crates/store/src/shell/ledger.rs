//! The ledger's statements, the same for every engine. All run inside a transaction of the caller.

mod read;
mod replay;
mod settle;
mod upkeep;

use std::collections::BTreeMap;

use tickets::Wei;

use super::{
    error::EngineError,
    transaction::Transaction,
    value::{Columns, Value, bounded},
};
use crate::{
    payment::{ClosedRow, LedgerRow, MarkRow, SentRow, amount},
    sums::{Changes, DayKey, DaySum, SpentKey, add_to_last},
};

pub(super) use read::{column_of, payments, report};
pub(super) use settle::settle_in_doubt;
pub(super) use upkeep::{Upkeep, upkeep};

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
/// all of it and as it is, changes nothing.
pub(super) async fn append<'r>(
    transaction: &mut Transaction<'_>,
    batches: impl IntoIterator<Item = &'r [LedgerRow]>,
) -> Result<(), EngineError> {
    let mut writing = Writing::default();
    for rows in batches {
        writing.write(transaction, rows).await?;
    }
    for (mark, used) in writing.marks.into_values() {
        write_mark(transaction, &mark, used).await?;
    }
    write_changes(transaction, writing.changes).await
}

/// What batches change besides their own rows, until the last of them is written.
#[derive(Debug, Default)]
struct Writing {
    changes: Changes,
    marks: BTreeMap<Vec<u8>, (MarkRow, i64)>,
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
                        insert_closed(transaction, row).await?;
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

    async fn send(
        &mut self,
        transaction: &mut Transaction<'_>,
        row: &SentRow,
    ) -> Result<bool, EngineError> {
        if !insert_payment(transaction, row).await? {
            return Ok(false);
        }
        self.changes.sent(row);
        if let Some(mark) = &row.mark {
            raise(&mut self.marks, mark, row.at);
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

/// False where a payment of that name is there.
async fn insert_payment(
    transaction: &mut Transaction<'_>,
    row: &SentRow,
) -> Result<bool, EngineError> {
    let mark = row.mark.as_ref();
    let inserted = transaction
        .execute(
            "INSERT INTO payment (id, at, stream, owner, sequence, attempt, orchestrator, \
             recipient, session, price, estimated_pixels, carried, tickets, added, \
             recipient_rand_hash, last_nonce, expiration_block, duration) VALUES ($1, $2, $3, $4, \
             $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) \
             ON CONFLICT (id) DO NOTHING",
            vec![
                row.payment.into(),
                row.at.into(),
                (&row.stream).into(),
                (&row.owner).into(),
                row.sequence.into(),
                row.attempt.into(),
                (&row.orchestrator).into(),
                row.recipient.as_slice().into(),
                (&row.session).into(),
                (&row.price).into(),
                row.estimated_pixels.into(),
                row.carried.to_string().into(),
                row.tickets.into(),
                row.added.to_string().into(),
                mark.map(|mark| mark.recipient_rand_hash.clone()).into(),
                mark.map(|mark| mark.last_nonce).into(),
                mark.map(|mark| mark.expiration_block).into(),
                row.duration.into(),
            ],
        )
        .await?;
    Ok(inserted > 0)
}

async fn insert_closed(
    transaction: &mut Transaction<'_>,
    row: &ClosedRow,
) -> Result<(), EngineError> {
    let values: Vec<Value> = vec![
        row.at.into(),
        row.recipient.as_slice().into(),
        (&row.session).into(),
        row.left.to_string().into(),
    ];
    transaction.execute(
        "INSERT INTO closed_account (at, recipient, session, remainder) VALUES ($1, $2, $3, $4)",
        values,
    )
    .await?;
    Ok(())
}

/// One mark for each hash: its highest nonce, and its last use.
fn raise(marks: &mut BTreeMap<Vec<u8>, (MarkRow, i64)>, mark: &MarkRow, used: i64) {
    let (kept, last) =
        marks.entry(mark.recipient_rand_hash.clone()).or_insert_with(|| (mark.clone(), used));
    kept.last_nonce = kept.last_nonce.max(mark.last_nonce);
    kept.expiration_block = kept.expiration_block.max(mark.expiration_block);
    *last = used.max(*last);
}

async fn write_mark(
    transaction: &mut Transaction<'_>,
    mark: &MarkRow,
    used: i64,
) -> Result<(), EngineError> {
    transaction
        .execute(
            "INSERT INTO nonce_mark (recipient_rand_hash, last_nonce, expiration_block, used) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (recipient_rand_hash) DO UPDATE SET \
         last_nonce = CASE WHEN nonce_mark.last_nonce > excluded.last_nonce \
         THEN nonce_mark.last_nonce ELSE excluded.last_nonce END, \
         expiration_block = CASE WHEN nonce_mark.expiration_block > excluded.expiration_block \
         THEN nonce_mark.expiration_block ELSE excluded.expiration_block END, \
         used = CASE WHEN nonce_mark.used > excluded.used \
         THEN nonce_mark.used ELSE excluded.used END",
            vec![
                mark.recipient_rand_hash.as_slice().into(),
                mark.last_nonce.into(),
                mark.expiration_block.into(),
                used.into(),
            ],
        )
        .await?;
    Ok(())
}

async fn write_changes(
    transaction: &mut Transaction<'_>,
    changes: Changes,
) -> Result<(), EngineError> {
    for (key, sums) in changes.days {
        add_to_day(transaction, &key, sums).await?;
    }
    for (key, spent) in changes.spent {
        add_to_minute(transaction, &key, &spent).await?;
    }
    Ok(())
}

/// Adds sums to the last part of a line, and writes further parts where that has no room.
async fn add_to_day(
    transaction: &mut Transaction<'_>,
    key: &DayKey,
    more: Vec<DaySum>,
) -> Result<(), EngineError> {
    let mut last = transaction
        .fetch(
            "SELECT part, attempts, segments, pixels, tickets, duration, sent, debited, written_off, \
             in_doubt, in_flight, remainder FROM day_sum \
             WHERE day = $1 AND stream = $2 AND orchestrator = $3 ORDER BY part DESC LIMIT 1",
            vec![key.day.into(), (&key.stream).into(), (&key.orchestrator).into()],
        )
        .await?;
    let (mut part, mut sums) = match last.first_mut() {
        Some(columns) => (columns.int()?, vec![read::day_sum(columns)?]),
        None => (0, Vec::new()),
    };
    for sum in more {
        add_to_last(&mut sums, sum);
    }
    for sum in sums {
        write_day(transaction, key, part, &sum).await?;
        part = part.saturating_add(1);
    }
    Ok(())
}

async fn write_day(
    transaction: &mut Transaction<'_>,
    key: &DayKey,
    part: i64,
    sum: &DaySum,
) -> Result<(), EngineError> {
    let mut values: Vec<Value> =
        vec![key.day.into(), (&key.stream).into(), (&key.orchestrator).into(), part.into()];
    values.extend(
        [sum.attempts, sum.segments, sum.pixels, sum.tickets, sum.duration].map(Value::from),
    );
    values.extend(sum.amounts.iter().map(|amount| Value::from(amount.to_string())));
    transaction
        .execute(
            "INSERT INTO day_sum (day, stream, orchestrator, part, attempts, segments, pixels, \
         tickets, duration, sent, debited, written_off, in_doubt, in_flight, remainder) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (day, stream, orchestrator, part) DO UPDATE SET \
         attempts = excluded.attempts, segments = excluded.segments, pixels = excluded.pixels, \
         tickets = excluded.tickets, duration = excluded.duration, sent = excluded.sent, debited = excluded.debited, \
         written_off = excluded.written_off, in_doubt = excluded.in_doubt, \
         in_flight = excluded.in_flight, remainder = excluded.remainder",
            values,
        )
        .await?;
    Ok(())
}

async fn add_to_minute(
    transaction: &mut Transaction<'_>,
    key: &SpentKey,
    more: &Wei,
) -> Result<(), EngineError> {
    let before = transaction
        .fetch(
            "SELECT spent FROM spent_minute WHERE minute = $1 AND stream = $2 AND owner = $3",
            vec![key.minute.into(), (&key.stream).into(), (&key.owner).into()],
        )
        .await?;
    let spent = sum_of_first(before, more)?;
    transaction
        .execute(
            "INSERT INTO spent_minute (minute, stream, owner, spent) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (minute, stream, owner) DO UPDATE SET spent = excluded.spent",
            vec![key.minute.into(), (&key.stream).into(), (&key.owner).into(), spent.into()],
        )
        .await?;
    Ok(())
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
