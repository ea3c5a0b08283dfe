//! Sequence numbers.

use std::time::SystemTime;

use super::{BEYOND, Columns, EngineError, Insert, Transaction, bounded};
use crate::{MAX_STREAMS, micros::of_time};

/// What was kept about the stream.
pub(in crate::shell) async fn next_sequence(
    transaction: &mut Transaction<'_>,
    stream: &str,
) -> Result<Option<i64>, EngineError> {
    let mut found = transaction
        .fetch("SELECT number FROM next_sequence WHERE stream = $1", vec![stream.into()])
        .await?;
    found.first_mut().map(Columns::int).transpose()
}

/// Raises the numbers of distinct streams, and deletes those kept longest ago above the bound.
pub(in crate::shell) async fn keep_next_sequences(
    transaction: &mut Transaction<'_>,
    rows: &[(&str, i64)],
    now: SystemTime,
) -> Result<(), EngineError> {
    let insert = Insert {
        into: "INSERT INTO next_sequence (stream, number, kept)",
        conflict: "ON CONFLICT (stream) DO UPDATE SET \
                   number = CASE WHEN next_sequence.number > excluded.number \
                   THEN next_sequence.number ELSE excluded.number END, kept = excluded.kept",
    };
    let kept = of_time(now);
    let row =
        |(stream, number): &(&str, i64)| vec![(*stream).into(), (*number).into(), kept.into()];
    transaction.insert(insert, rows.iter().map(row).collect()).await?;
    transaction
        .execute(
            "DELETE FROM next_sequence WHERE stream IN (\
             SELECT stream FROM next_sequence ORDER BY kept DESC, stream LIMIT $1 OFFSET $2)",
            vec![BEYOND.into(), bounded(MAX_STREAMS).into()],
        )
        .await?;
    Ok(())
}
