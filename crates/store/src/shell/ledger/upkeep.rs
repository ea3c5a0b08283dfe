//! Keeping every table within its bound.

use std::collections::BTreeMap;

use tickets::Wei;

use super::{Columns, EngineError, Transaction, add_to_before, add_to_day, bounded, read};
use crate::sums::{DayKey, MAX_DAY_LINES, MAX_SPENDERS, SPENT_MINUTES, SpentKey, day_of};

/// Bounds of the tables.
#[derive(Clone, Copy, Debug)]
pub(in crate::shell) struct Upkeep {
    /// Payments, and closed accounts.
    pub(in crate::shell) payments: i64,
    /// Days for which these are kept.
    pub(in crate::shell) days: i64,
    /// Nonce marks, those used within the last hour apart.
    pub(in crate::shell) marks: i64,
    /// See [`SPENT_MINUTES`].
    pub(in crate::shell) minutes: i64,
    /// See [`MAX_SPENDERS`].
    pub(in crate::shell) spenders: i64,
    /// See [`MAX_DAY_LINES`].
    pub(in crate::shell) day_lines: i64,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            payments: bounded(crate::MAX_PAYMENTS),
            days: bounded(crate::PAYMENT_DAYS),
            marks: bounded(crate::MAX_MARKS),
            minutes: SPENT_MINUTES,
            spenders: bounded(MAX_SPENDERS),
            day_lines: bounded(MAX_DAY_LINES),
        }
    }
}

/// Which rows are not what they were.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::shell) struct Moved {
    /// Minutes before this one.
    pub(in crate::shell) first_minute: Option<i64>,
    /// The lines of this day.
    pub(in crate::shell) day: Option<i64>,
}

const MICROS_OF_AN_HOUR: i64 = 3_600_000_000;
/// Rows that go at once: twice as many as may have come since the last time, so that this catches up.
const ROWS: i64 = 4_096;

/// Deletes what is beyond its bound, or adds it up, a part at a time.
pub(in crate::shell) async fn upkeep(
    transaction: &mut Transaction<'_>,
    bounds: Upkeep,
    now: i64,
) -> Result<Moved, EngineError> {
    delete_payments(transaction, bounds, now).await?;
    transaction
        .execute(
            "DELETE FROM nonce_mark WHERE used < $1 AND used <= \
         (SELECT used FROM nonce_mark ORDER BY used DESC LIMIT 1 OFFSET $2)",
            vec![now.saturating_sub(MICROS_OF_AN_HOUR).into(), bounds.marks.into()],
        )
        .await?;
    let first_minute = fold_minutes(transaction, bounds).await?;
    join_spenders(transaction, bounds).await?;
    let day = join_days(transaction, bounds, now).await?;
    Ok(Moved { first_minute, day })
}

/// The last payment stays in any case: it tells which name comes next. So do those in flight.
async fn delete_payments(
    transaction: &mut Transaction<'_>,
    bounds: Upkeep,
    now: i64,
) -> Result<(), EngineError> {
    let before = now.saturating_sub(bounds.days.saturating_mul(24 * MICROS_OF_AN_HOUR));
    transaction
        .execute(
            "DELETE FROM payment WHERE ending IS NOT NULL AND id IN (SELECT id FROM \
         (SELECT id, at FROM payment ORDER BY id LIMIT $1) AS first WHERE at < $2 \
         OR id <= (SELECT MAX(id) FROM payment) - $3) AND id < (SELECT MAX(id) FROM payment)",
            vec![ROWS.into(), before.into(), bounds.payments.into()],
        )
        .await?;
    transaction
        .execute(
            "DELETE FROM closed_account WHERE id IN (SELECT id FROM \
         (SELECT id, at FROM closed_account ORDER BY id LIMIT $1) AS first WHERE at < $2 \
         OR id <= (SELECT MAX(id) FROM closed_account) - $3)",
            vec![ROWS.into(), before.into(), bounds.payments.into()],
        )
        .await?;
    Ok(())
}

/// Adds minutes before the oldest that is kept to what was spent before them. They are counted, not compared
/// with the time: a clock that was ahead for once must not fold those of today. Gives the oldest that is kept.
async fn fold_minutes(
    transaction: &mut Transaction<'_>,
    bounds: Upkeep,
) -> Result<Option<i64>, EngineError> {
    // From each minute to the one before it: the index has many rows of each.
    let mut oldest = transaction
        .fetch(
            "WITH RECURSIVE kept (minute, place) AS (SELECT MAX(minute), 1 FROM spent_minute \
             UNION ALL SELECT (SELECT MAX(minute) FROM spent_minute WHERE minute < kept.minute), \
             place + 1 FROM kept WHERE place < $1 AND minute IS NOT NULL) \
             SELECT minute FROM kept WHERE place = $1 AND minute IS NOT NULL",
            vec![bounds.minutes.into()],
        )
        .await?;
    let Some(oldest) = oldest.first_mut().map(Columns::int).transpose()? else { return Ok(None) };
    let minutes = transaction
        .fetch(
            "DELETE FROM spent_minute WHERE (minute, stream, owner) IN (\
             SELECT minute, stream, owner FROM spent_minute WHERE minute < $1 \
             ORDER BY minute, stream, owner LIMIT $2) RETURNING minute, stream, owner, spent",
            vec![oldest.into(), ROWS.into()],
        )
        .await?;
    let mut folded = BTreeMap::new();
    for columns in minutes {
        let (key, spent) = read::spent(columns)?;
        add_up(&mut folded, key, &spent);
    }
    write_before(transaction, folded).await?;
    Ok(Some(oldest))
}

/// Adds up what those spent before who spent nothing for longest.
async fn join_spenders(
    transaction: &mut Transaction<'_>,
    bounds: Upkeep,
) -> Result<(), EngineError> {
    let too_many = transaction
        .fetch(
            "SELECT minute, stream, owner, spent FROM spent_before \
             ORDER BY minute DESC, stream, owner LIMIT $1 OFFSET $2",
            vec![ROWS.into(), bounds.spenders.into()],
        )
        .await?;
    let mut joined = BTreeMap::new();
    for columns in too_many {
        let (mut key, spent) = read::spent(columns)?;
        if key.stream.is_empty() && key.owner.is_empty() {
            continue;
        }
        transaction
            .execute(
                "DELETE FROM spent_before WHERE stream = $1 AND owner = $2",
                vec![(&key.stream).into(), (&key.owner).into()],
            )
            .await?;
        if key.stream.is_empty() {
            key.owner.clear();
        }
        key.stream.clear();
        add_up(&mut joined, key, &spent);
    }
    write_before(transaction, joined).await
}

/// Spending by stream and owner, each with its last minute.
type Spent = BTreeMap<(String, String), (i64, Wei)>;

fn add_up(sums: &mut Spent, key: SpentKey, more: &Wei) {
    let (last, sum) =
        sums.entry((key.stream, key.owner)).or_insert_with(|| (key.minute, Wei::zero()));
    *last = key.minute.max(*last);
    *sum += more;
}

async fn write_before(transaction: &mut Transaction<'_>, sums: Spent) -> Result<(), EngineError> {
    for ((stream, owner), (minute, spent)) in sums {
        add_to_before(transaction, &SpentKey { minute, stream, owner }, &spent).await?;
    }
    Ok(())
}

/// Makes one line of the oldest day, where there are too many; never of today. Gives the day.
async fn join_days(
    transaction: &mut Transaction<'_>,
    bounds: Upkeep,
    now: i64,
) -> Result<Option<i64>, EngineError> {
    let mut beyond = transaction
        .fetch(
            "SELECT day FROM day_sum WHERE day < $1 AND (stream <> '' OR orchestrator <> '') AND \
             (SELECT COUNT(*) FROM day_sum) > $2 ORDER BY day LIMIT 1",
            vec![day_of(now).into(), bounds.day_lines.into()],
        )
        .await?;
    let Some(columns) = beyond.first_mut() else { return Ok(None) };
    let day = columns.int()?;
    let lines = transaction
        .fetch(
            "SELECT attempts, segments, pixels, tickets, duration, sent, debited, written_off, in_doubt, \
             in_flight, remainder FROM day_sum WHERE day = $1",
            vec![day.into()],
        )
        .await?;
    transaction.execute("DELETE FROM day_sum WHERE day = $1", vec![day.into()]).await?;
    let sums = lines.into_iter().map(|mut columns| read::day_sum(&mut columns));
    let sums = sums.collect::<Result<Vec<_>, _>>()?;
    let key = DayKey { day, stream: String::new(), orchestrator: String::new() };
    add_to_day(transaction, &key, sums).await?;
    Ok(Some(day))
}
