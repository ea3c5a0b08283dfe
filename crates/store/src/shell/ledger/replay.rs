//! Batches that come again, because nobody was told that they had been written.

use payer::{Ending, Settled};

use super::{EngineError, Transaction, Value, bounded, read};
use crate::{
    micros::of_time,
    payment::{ClosedRow, LedgerRow, SentRow, SettledRow, StoredPayment},
};

/// Closed accounts among which one that comes again is looked for: a batch that comes again is among the
/// last that were written.
const LAST_CLOSED: usize = 16_384;

/// Whether all of a batch is on record, as it is. Ends that were left out because they end nothing that is in
/// flight count as there.
pub(super) async fn is_on_record(
    transaction: &mut Transaction<'_>,
    rows: &[LedgerRow],
) -> Result<bool, EngineError> {
    for row in rows {
        let there = match row {
            LedgerRow::Sent(row) => is_sent(transaction, row).await?,
            LedgerRow::Settled(row) => !is_in_flight(transaction, row.payment).await?,
            LedgerRow::Closed(row) => is_closed(transaction, row, rows.len()).await?,
        };
        if !there {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_sent(transaction: &mut Transaction<'_>, row: &SentRow) -> Result<bool, EngineError> {
    let sent = row.clone().read()?;
    let kept = stored(transaction, row.payment).await?;
    Ok(kept.is_some_and(|kept| kept.sent == sent))
}

async fn is_in_flight(
    transaction: &mut Transaction<'_>,
    payment: i64,
) -> Result<bool, EngineError> {
    let kept = stored(transaction, payment).await?;
    Ok(kept.is_some_and(|kept| kept.settled.is_none()))
}

/// Whether a payment ended in just this way.
pub(super) async fn is_settled(
    transaction: &mut Transaction<'_>,
    row: &SettledRow,
) -> Result<bool, EngineError> {
    let kept = stored(transaction, row.payment).await?;
    Ok(kept.and_then(|kept| kept.settled).is_some_and(|settled| is_same_end(&settled, row)))
}

fn is_same_end(settled: &Settled, row: &SettledRow) -> bool {
    let pixels = match settled.ending {
        Ending::Done { pixels } => Some(pixels),
        Ending::Withdrawn | Ending::NoAnswer | Ending::Failed => None,
    };
    settled.ending.as_str() == row.ending
        && pixels == row.pixels.map(i64::unsigned_abs)
        && of_time(settled.at) == row.at
        && settled.settlement == row.settlement
}

async fn stored(
    transaction: &mut Transaction<'_>,
    payment: i64,
) -> Result<Option<StoredPayment>, EngineError> {
    let next = read::payments(transaction, payment.saturating_sub(1), 1).await?;
    let is_it = |kept: &StoredPayment| kept.sent.payment.0 == payment.unsigned_abs();
    Ok(next.into_iter().find(is_it))
}

/// Whether an account was closed at this time, with this amount. `others` came along in the same batch.
pub(super) async fn is_closed(
    transaction: &mut Transaction<'_>,
    row: &ClosedRow,
    others: usize,
) -> Result<bool, EngineError> {
    let last = bounded(LAST_CLOSED.saturating_add(others));
    let values: Vec<Value> = vec![
        last.into(),
        row.at.into(),
        row.recipient.as_slice().into(),
        (&row.session).into(),
        row.left.to_string().into(),
    ];
    let found = transaction
        .fetch(
            "SELECT id FROM closed_account WHERE id > (SELECT MAX(id) FROM closed_account) - $1 \
             AND at = $2 AND recipient = $3 AND session = $4 AND remainder = $5 LIMIT 1",
            values,
        )
        .await?;
    Ok(!found.is_empty())
}
