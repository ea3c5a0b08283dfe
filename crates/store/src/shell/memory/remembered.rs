//! What the fleet learned.

use router::MAX_REMEMBERED;

use super::{BEYOND, Columns, EngineError, Insert, Transaction, Value, bounded};
use crate::remembered::RememberedRow;

/// All rows, the latest first.
pub(in crate::shell) async fn remembered(
    transaction: &mut Transaction<'_>,
) -> Result<Vec<RememberedRow>, EngineError> {
    let rows = transaction
        .fetch(
            "SELECT address, latency_permille, success_permille, round_trip_micros, \
             demoted_until, offences, learned \
             FROM remembered_orchestrator ORDER BY learned DESC, address LIMIT $1",
            vec![bounded(MAX_REMEMBERED).into()],
        )
        .await?;
    rows.into_iter().map(row).collect()
}

/// Writes rows of distinct addresses in place of those with the same address, and deletes the oldest
/// above the bound.
pub(in crate::shell) async fn remember(
    transaction: &mut Transaction<'_>,
    rows: &[RememberedRow],
) -> Result<(), EngineError> {
    let insert = Insert {
        into: "INSERT INTO remembered_orchestrator (address, latency_permille, \
               success_permille, round_trip_micros, demoted_until, offences, learned)",
        conflict: "ON CONFLICT (address) DO UPDATE SET \
                   latency_permille = excluded.latency_permille, \
                   success_permille = excluded.success_permille, \
                   round_trip_micros = excluded.round_trip_micros, \
                   demoted_until = excluded.demoted_until, \
                   offences = excluded.offences, \
                   learned = excluded.learned",
    };
    transaction.insert(insert, rows.iter().map(values).collect()).await?;
    transaction
        .execute(
            "DELETE FROM remembered_orchestrator WHERE address IN (\
             SELECT address FROM remembered_orchestrator \
             ORDER BY learned DESC, address LIMIT $1 OFFSET $2)",
            vec![BEYOND.into(), bounded(MAX_REMEMBERED).into()],
        )
        .await?;
    Ok(())
}

fn values(row: &RememberedRow) -> Vec<Value> {
    vec![
        (&row.address).into(),
        row.latency_permille.into(),
        row.success_permille.into(),
        row.round_trip_micros.into(),
        row.demoted_until.into(),
        row.offences.into(),
        row.learned.into(),
    ]
}

fn row(mut columns: Columns) -> Result<RememberedRow, EngineError> {
    Ok(RememberedRow {
        address: columns.text()?,
        latency_permille: columns.int()?,
        success_permille: columns.int()?,
        round_trip_micros: columns.int()?,
        demoted_until: columns.maybe_int()?,
        offences: columns.int()?,
        learned: columns.int()?,
    })
}
