//! What a start, a report and a look at single payments read.

use payer::{PaymentId, ReportLine};

use super::{super::value::Columns, EngineError, Kept, Transaction};
use crate::{
    payment::{EndingColumns, MarkRow, SentRow, StoredPayment, amount},
    sums::{DayKey, DaySum, SpentKey},
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

pub(super) fn spent(mut columns: Columns) -> Result<(SpentKey, tickets::Wei), EngineError> {
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
