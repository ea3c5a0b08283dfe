//! Proofs of wrong work.

use router::MAX_EVIDENCE;

use super::{BEYOND, Columns, EngineError, Insert, Transaction, Value, bounded};
use crate::evidence::EvidenceRow;

/// Adds a proof, and deletes the oldest above the bound. Age is the order of arrival: a clock that was
/// once wrong must not decide which proof is kept.
pub(in crate::shell) async fn keep_evidence(
    transaction: &mut Transaction<'_>,
    row: &EvidenceRow,
) -> Result<(), EngineError> {
    let mut inserted = transaction
        .fetch(
            "INSERT INTO evidence (orchestrator, at, stream, sequence, rendition, kind, detail) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            vec![
                (&row.orchestrator).into(),
                row.at.into(),
                (&row.stream).into(),
                row.sequence.into(),
                (&row.rendition).into(),
                (&row.kind).into(),
                (&row.detail).into(),
            ],
        )
        .await?;
    let id = inserted.first_mut().map(Columns::int).transpose()?.unwrap_or_default();
    let insert =
        Insert { into: "INSERT INTO evidence_picture (evidence, position, image)", conflict: "" };
    let picture = |(position, image): (i64, &Vec<u8>)| -> Vec<Value> {
        vec![id.into(), position.into(), image.as_slice().into()]
    };
    transaction.insert(insert, (0_i64..).zip(&row.pictures).map(picture).collect()).await?;
    transaction
        .execute(
            "DELETE FROM evidence WHERE id IN (\
             SELECT id FROM evidence ORDER BY id DESC LIMIT $1 OFFSET $2)",
            vec![BEYOND.into(), bounded(MAX_EVIDENCE).into()],
        )
        .await?;
    Ok(())
}

/// The latest proofs with their ids, of one orchestrator or of all.
pub(in crate::shell) async fn evidence(
    transaction: &mut Transaction<'_>,
    orchestrator: Option<String>,
    limit: usize,
) -> Result<Vec<(i64, EvidenceRow)>, EngineError> {
    let rows = transaction
        .fetch(
            "SELECT latest.id, latest.orchestrator, latest.at, latest.stream, latest.sequence, \
             latest.rendition, latest.kind, latest.detail, evidence_picture.image FROM (\
             SELECT * FROM evidence WHERE $1 IS NULL OR orchestrator = $1 \
             ORDER BY id DESC LIMIT $2) AS latest \
             LEFT JOIN evidence_picture ON evidence_picture.evidence = latest.id \
             ORDER BY latest.id DESC, evidence_picture.position",
            vec![Value::Text(orchestrator), bounded(limit).into()],
        )
        .await?;
    joined(rows)
}

/// Gathers the pictures of each proof, whose rows follow one another.
fn joined(rows: Vec<Columns>) -> Result<Vec<(i64, EvidenceRow)>, EngineError> {
    let mut joined: Vec<(i64, EvidenceRow)> = Vec::new();
    for mut columns in rows {
        let id = columns.int()?;
        let row = EvidenceRow {
            orchestrator: columns.text()?,
            at: columns.int()?,
            stream: columns.text()?,
            sequence: columns.int()?,
            rendition: columns.text()?,
            kind: columns.text()?,
            detail: columns.text()?,
            pictures: columns.maybe_bytes()?.into_iter().collect(),
        };
        match joined.last_mut() {
            Some((last, before)) if *last == id => before.pictures.extend(row.pictures),
            _ => joined.push((id, row)),
        }
    }
    Ok(joined)
}
