//! How payments end.

use std::time::SystemTime;

use super::{EngineError, Statement, Transaction, read, replay, statements, write_changes};
use crate::{
    payment::{SettledRow, amount},
    sums::Changes,
};

/// Writes how a payment ended; false where it is left as it is: one that is not on record was refused when it
/// was to be recorded, so nothing left the house, and one that ended before is booked already.
pub(super) async fn settle(
    transaction: &mut Transaction<'_>,
    row: &SettledRow,
    changes: &mut Changes,
) -> Result<bool, EngineError> {
    let Statement { sql, values } = statements::end(row);
    let mut settled = transaction.fetch(sql, values).await?;
    let Some(columns) = settled.first_mut() else {
        if !replay::is_settled(transaction, row).await? {
            let ending = row.ending;
            tracing::warn!(payment = row.payment, ending, "a payment ended that is not in flight");
        }
        return Ok(false);
    };
    changes.settled(row, &read::paid(columns)?);
    Ok(true)
}

/// Ends whatever is in flight, as in doubt, and reads what a start needs.
pub(in crate::shell) async fn settle_in_doubt(
    transaction: &mut Transaction<'_>,
    at: SystemTime,
) -> Result<super::Kept, EngineError> {
    let in_flight = transaction
        .fetch(
            "SELECT id, carried, added FROM payment WHERE ending IS NULL ORDER BY id",
            Vec::new(),
        )
        .await?;
    let mut changes = Changes::default();
    for mut columns in in_flight {
        let payment = columns.int()?;
        let carried = amount("carried", &columns.text()?)?;
        let added = amount("added", &columns.text()?)?;
        let row = SettledRow::in_doubt(payment, at, carried, added);
        settle(transaction, &row, &mut changes).await?;
    }
    write_changes(transaction, changes).await?;
    read::kept(transaction).await
}
