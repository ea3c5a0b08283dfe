//! Sequence numbers, in SQLite.

use std::time::SystemTime;

use sqlx::QueryBuilder;

use super::{EngineError, ROWS_PER_INSERT, Sqlite};
use crate::{MAX_STREAMS, micros::of_time};

impl Sqlite {
    /// What was kept about the stream.
    pub(in crate::shell) async fn next_sequence(
        &self,
        stream: &str,
    ) -> Result<Option<i64>, EngineError> {
        let number = sqlx::query_scalar("SELECT number FROM next_sequence WHERE stream = ?1")
            .bind(stream)
            .fetch_optional(&self.readers)
            .await?;
        Ok(number)
    }

    /// Raises the numbers of distinct streams, and deletes those kept longest ago above the bound.
    pub(in crate::shell) async fn keep_next_sequences(
        &self,
        rows: &[(&str, i64)],
        now: SystemTime,
    ) -> Result<(), EngineError> {
        let mut transaction = self.begin_write().await?;
        for some in rows.chunks(ROWS_PER_INSERT) {
            let mut insert = QueryBuilder::new("INSERT INTO next_sequence (stream, number, kept) ");
            insert.push_values(some, |mut columns, (stream, number)| {
                columns.push_bind(*stream).push_bind(*number).push_bind(of_time(now));
            });
            insert.push(
                " ON CONFLICT (stream) DO UPDATE SET \
                 number = MAX(number, excluded.number), kept = excluded.kept",
            );
            insert.build().persistent(false).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "DELETE FROM next_sequence WHERE stream IN (\
             SELECT stream FROM next_sequence ORDER BY kept DESC, stream LIMIT -1 OFFSET ?1)",
        )
        .bind(i64::try_from(MAX_STREAMS).unwrap_or(i64::MAX))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}
