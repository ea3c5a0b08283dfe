//! Proofs of wrong work, in SQLite.

use router::MAX_EVIDENCE;

use super::{EngineError, Sqlite};
use crate::evidence::EvidenceRow;

/// A proof beside one of its pictures, or beside none.
type Columns = (i64, String, i64, String, i64, String, String, String, Option<Vec<u8>>);

impl Sqlite {
    /// Adds a proof, and deletes the oldest above the bound. Age is the order of arrival: a clock
    /// that was once wrong must not decide which proof is kept.
    pub(in crate::shell) async fn keep_evidence(
        &self,
        row: &EvidenceRow,
    ) -> Result<(), EngineError> {
        let mut transaction = self.begin_write().await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO evidence (orchestrator, at, stream, sequence, rendition, kind, detail) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        )
        .bind(&row.orchestrator)
        .bind(row.at)
        .bind(&row.stream)
        .bind(row.sequence)
        .bind(&row.rendition)
        .bind(&row.kind)
        .bind(&row.detail)
        .fetch_one(&mut *transaction)
        .await?;
        for (position, image) in (0_i64..).zip(&row.pictures) {
            sqlx::query(
                "INSERT INTO evidence_picture (evidence, position, image) VALUES (?1, ?2, ?3)",
            )
            .bind(id)
            .bind(position)
            .bind(image)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "DELETE FROM evidence WHERE id IN (\
             SELECT id FROM evidence ORDER BY id DESC LIMIT -1 OFFSET ?1)",
        )
        .bind(bounded(MAX_EVIDENCE))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The latest proofs with their ids, of one orchestrator or of all.
    pub(in crate::shell) async fn evidence(
        &self,
        orchestrator: Option<String>,
        limit: usize,
    ) -> Result<Vec<(i64, EvidenceRow)>, EngineError> {
        let columns: Vec<Columns> = sqlx::query_as(
            "SELECT latest.id, latest.orchestrator, latest.at, latest.stream, latest.sequence, \
             latest.rendition, latest.kind, latest.detail, evidence_picture.image FROM (\
             SELECT * FROM evidence WHERE ?1 IS NULL OR orchestrator = ?1 \
             ORDER BY id DESC LIMIT ?2) AS latest \
             LEFT JOIN evidence_picture ON evidence_picture.evidence = latest.id \
             ORDER BY latest.id DESC, evidence_picture.position",
        )
        .bind(orchestrator)
        .bind(bounded(limit))
        .fetch_all(&self.readers)
        .await?;
        Ok(joined(columns))
    }
}

fn bounded(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Gathers the pictures of each proof, whose rows follow one another.
fn joined(columns: Vec<Columns>) -> Vec<(i64, EvidenceRow)> {
    let mut joined: Vec<(i64, EvidenceRow)> = Vec::new();
    for (id, orchestrator, at, stream, sequence, rendition, kind, detail, image) in columns {
        match joined.last_mut() {
            Some((last, row)) if *last == id => row.pictures.extend(image),
            _ => {
                let pictures = image.into_iter().collect();
                let row = EvidenceRow {
                    orchestrator,
                    at,
                    stream,
                    sequence,
                    rendition,
                    kind,
                    detail,
                    pictures,
                };
                joined.push((id, row));
            }
        }
    }
    joined
}
