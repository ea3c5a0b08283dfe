//! What the fleet learned, in SQLite.

use router::MAX_REMEMBERED;
use sqlx::QueryBuilder;

use super::{EngineError, ROWS_PER_INSERT, Sqlite};
use crate::remembered::RememberedRow;

type Columns = (String, i64, i64, i64, Option<i64>, i64, i64);

impl Sqlite {
    /// All rows, the latest first.
    pub(in crate::shell) async fn remembered(&self) -> Result<Vec<RememberedRow>, EngineError> {
        let rows: Vec<Columns> = sqlx::query_as(
            "SELECT address, latency_permille, success_permille, round_trip_micros, \
             demoted_until, offences, learned \
             FROM remembered_orchestrator ORDER BY learned DESC, address LIMIT ?1",
        )
        .bind(bound())
        .fetch_all(&self.readers)
        .await?;
        Ok(rows.into_iter().map(row).collect())
    }

    /// Writes rows of distinct addresses in place of those with the same address, and deletes the
    /// oldest above the bound.
    pub(in crate::shell) async fn remember(
        &self,
        rows: &[RememberedRow],
    ) -> Result<(), EngineError> {
        let mut transaction = self.begin_write().await?;
        for some in rows.chunks(ROWS_PER_INSERT) {
            let mut insert = QueryBuilder::new(
                "INSERT INTO remembered_orchestrator (address, latency_permille, \
                 success_permille, round_trip_micros, demoted_until, offences, learned) ",
            );
            insert.push_values(some, |mut columns, row| {
                columns
                    .push_bind(&row.address)
                    .push_bind(row.latency_permille)
                    .push_bind(row.success_permille)
                    .push_bind(row.round_trip_micros)
                    .push_bind(row.demoted_until)
                    .push_bind(row.offences)
                    .push_bind(row.learned);
            });
            insert.push(
                " ON CONFLICT (address) DO UPDATE SET \
                 latency_permille = excluded.latency_permille, \
                 success_permille = excluded.success_permille, \
                 round_trip_micros = excluded.round_trip_micros, \
                 demoted_until = excluded.demoted_until, \
                 offences = excluded.offences, \
                 learned = excluded.learned",
            );
            insert.build().persistent(false).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "DELETE FROM remembered_orchestrator WHERE address IN (\
             SELECT address FROM remembered_orchestrator \
             ORDER BY learned DESC, address LIMIT -1 OFFSET ?1)",
        )
        .bind(bound())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

fn bound() -> i64 {
    i64::try_from(MAX_REMEMBERED).unwrap_or(i64::MAX)
}

fn row(columns: Columns) -> RememberedRow {
    let (
        address,
        latency_permille,
        success_permille,
        round_trip_micros,
        demoted_until,
        offences,
        learned,
    ) = columns;
    RememberedRow {
        address,
        latency_permille,
        success_permille,
        round_trip_micros,
        demoted_until,
        offences,
        learned,
    }
}
