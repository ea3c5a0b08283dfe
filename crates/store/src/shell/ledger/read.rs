//! What a start, a report and a look at single payments read.

use payer::{PaymentId, ReportLine};
use tickets::Wei;

use super::{super::value::Columns, EngineError, Kept, Known, Transaction};
use crate::{
    payment::{EndingColumns, MarkRow, SentRow, StoredPayment, amount},
    sums::{DayKey, DaySum, Paid, SpentKey},
};

/// Everything that goes on after a start.
pub(super) async fn kept(transaction: &mut Transaction<'_>) -> Result<Kept, EngineError> {
    let mut last =
        transaction.fetch("SELECT id FROM payment ORDER BY id DESC LIMIT 1", Vec::new()).await?;
    let last = last.first_mut().map(Columns::int).transpose()?;
    let marks = transaction
        .fetch(
            "SELECT recipient_rand_hash, last_nonce, expiration_block FROM nonce_mark",
            Vec::new(),
        )
        .await?;
    let minutes = transaction
        .fetch("SELECT minute, stream, owner, spent FROM spent_minute ORDER BY minute", Vec::new())
        .await?;
    let before = transaction
        .fetch("SELECT minute, stream, owner, spent FROM spent_before", Vec::new())
        .await?;
    Ok(Kept {
        next_payment: last.map_or(1, |last| last.saturating_add(1)),
        marks: marks.into_iter().map(|mut columns| mark(&mut columns)).collect::<Result<_, _>>()?,
        minutes: minutes.into_iter().map(spent).collect::<Result<_, _>>()?,
        before: before.into_iter().map(spent).collect::<Result<_, _>>()?,
    })
}

fn mark(columns: &mut Columns) -> Result<MarkRow, EngineError> {
    Ok(MarkRow {
        recipient_rand_hash: columns.bytes()?,
        last_nonce: columns.int()?,
        expiration_block: columns.int()?,
    })
}

/// What a writer goes on from.
pub(super) async fn known(transaction: &mut Transaction<'_>) -> Result<Known, EngineError> {
    let in_flight = transaction
        .fetch(
            "SELECT id, at, stream, owner, orchestrator, carried, added, duration FROM payment \
             WHERE ending IS NULL",
            Vec::new(),
        )
        .await?;
    let paid = |mut columns: Columns| Ok((columns.int()?, paid(&mut columns)?));
    let in_flight = in_flight.into_iter().map(paid).collect::<Result<_, EngineError>>()?;
    let day = latest(transaction, "SELECT MAX(day) FROM day_sum").await?;
    let minute = latest(transaction, "SELECT MAX(minute) FROM spent_minute").await?;
    Ok(Known::new(in_flight, day, minute))
}

/// The latest time of a table; before all others where it is empty.
async fn latest(transaction: &mut Transaction<'_>, sql: &'static str) -> Result<i64, EngineError> {
    let mut latest = transaction.fetch(sql, Vec::new()).await?;
    let latest = latest.first_mut().map(Columns::maybe_int).transpose()?;
    Ok(latest.flatten().unwrap_or(i64::MIN))
}

/// The columns of a payment from `at` on that its end needs.
pub(super) fn paid(columns: &mut Columns) -> Result<Paid, EngineError> {
    Ok(Paid {
        at: columns.int()?,
        stream: columns.text()?,
        owner: columns.maybe_text()?,
        orchestrator: columns.text()?,
        carried: amount("carried", &columns.text()?)?,
        added: amount("added", &columns.text()?)?,
        duration: columns.int()?,
    })
}

/// The last part of a report's line.
pub(super) async fn last_part(
    transaction: &mut Transaction<'_>,
    key: &DayKey,
) -> Result<Option<(i64, DaySum)>, EngineError> {
    let mut last = transaction
        .fetch(
            "SELECT part, attempts, segments, pixels, tickets, duration, sent, debited, written_off, \
             in_doubt, in_flight, remainder FROM day_sum \
             WHERE day = $1 AND stream = $2 AND orchestrator = $3 ORDER BY part DESC LIMIT 1",
            vec![key.day.into(), (&key.stream).into(), (&key.orchestrator).into()],
        )
        .await?;
    last.first_mut().map(|columns| Ok((columns.int()?, day_sum(columns)?))).transpose()
}

/// What a stream and owner spent in a minute.
pub(super) async fn spent_in(
    transaction: &mut Transaction<'_>,
    key: &SpentKey,
) -> Result<Wei, EngineError> {
    let mut found = transaction
        .fetch(
            "SELECT spent FROM spent_minute WHERE minute = $1 AND stream = $2 AND owner = $3",
            vec![key.minute.into(), (&key.stream).into(), (&key.owner).into()],
        )
        .await?;
    let spent = found.first_mut().map(Columns::text).transpose()?;
    Ok(spent.map(|text| amount("spent", &text)).transpose()?.unwrap_or_default())
}

pub(super) fn spent(mut columns: Columns) -> Result<(SpentKey, Wei), EngineError> {
    let key = SpentKey { minute: columns.int()?, stream: columns.text()?, owner: columns.text()? };
    Ok((key, amount("spent", &columns.text()?)?))
}

/// The sums of columns from `attempts` to `remainder`.
pub(super) fn day_sum(columns: &mut Columns) -> Result<DaySum, EngineError> {
    let counts = [columns.int()?, columns.int()?, columns.int()?, columns.int()?, columns.int()?];
    let amounts = [
        columns.text()?,
        columns.text()?,
        columns.text()?,
        columns.text()?,
        columns.text()?,
        columns.text()?,
    ];
    Ok(DaySum::read(counts, &amounts)?)
}

/// The lines from a day on, the earliest first.
pub(in crate::shell) async fn report(
    transaction: &mut Transaction<'_>,
    first_day: i64,
) -> Result<Vec<ReportLine>, EngineError> {
    let rows = transaction
        .fetch(
            "SELECT day, stream, orchestrator, attempts, segments, pixels, tickets, duration, sent, \
             debited, written_off, in_doubt, in_flight, remainder FROM day_sum WHERE day >= $1 \
             ORDER BY day, stream, orchestrator, part",
            vec![first_day.into()],
        )
        .await?;
    let line = |mut columns: Columns| {
        let key =
            DayKey { day: columns.int()?, stream: columns.text()?, orchestrator: columns.text()? };
        Ok(day_sum(&mut columns)?.line(key)?)
    };
    rows.into_iter().map(line).collect()
}

/// Payments after one, in their order.
pub(in crate::shell) async fn payments(
    transaction: &mut Transaction<'_>,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredPayment>, EngineError> {
    let rows = transaction
        .fetch(
            "SELECT id, at, stream, owner, sequence, attempt, orchestrator, recipient, session, \
             price, estimated_pixels, duration, carried, tickets, added, recipient_rand_hash, last_nonce, \
             expiration_block, ending, settled_at, pixels, returned, debited, written_off, in_doubt \
             FROM payment WHERE id > $1 ORDER BY id LIMIT $2",
            vec![after.into(), limit.into()],
        )
        .await?;
    rows.into_iter().map(payment).collect()
}

fn payment(mut columns: Columns) -> Result<StoredPayment, EngineError> {
    let row = SentRow {
        payment: columns.int()?,
        at: columns.int()?,
        stream: columns.text()?,
        owner: columns.maybe_text()?,
        sequence: columns.int()?,
        attempt: columns.int()?,
        orchestrator: columns.text()?,
        recipient: columns.bytes()?,
        session: columns.text()?,
        price: columns.text()?,
        estimated_pixels: columns.int()?,
        duration: columns.int()?,
        carried: amount("carried", &columns.text()?)?,
        tickets: columns.int()?,
        added: amount("added", &columns.text()?)?,
        mark: maybe_mark(&mut columns)?,
    };
    let sent = row.read()?;
    let settled = ending(&mut columns)?.map(|ending| ending.read(sent.payment)).transpose()?;
    Ok(StoredPayment { sent, settled })
}

fn maybe_mark(columns: &mut Columns) -> Result<Option<MarkRow>, EngineError> {
    let hash = columns.maybe_bytes()?;
    let (last_nonce, expiration_block) = (columns.maybe_int()?, columns.maybe_int()?);
    let all = hash.zip(last_nonce).zip(expiration_block);
    Ok(all.map(|((recipient_rand_hash, last_nonce), expiration_block)| MarkRow {
        recipient_rand_hash,
        last_nonce,
        expiration_block,
    }))
}

fn ending(columns: &mut Columns) -> Result<Option<EndingColumns>, EngineError> {
    let Some(ending) = columns.maybe_text()? else { return Ok(None) };
    Ok(Some(EndingColumns {
        ending,
        at: columns.int()?,
        pixels: columns.maybe_int()?,
        amounts: [columns.text()?, columns.text()?, columns.text()?, columns.text()?],
    }))
}

/// A payment's name as a column holds it; the largest stands for all that none can hold.
pub(in crate::shell) fn column_of(payment: PaymentId) -> i64 {
    i64::try_from(payment.0).unwrap_or(i64::MAX)
}
