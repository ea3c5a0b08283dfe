//! What is written, as statements.

use tickets::Wei;

use super::{Statement, Value};
use crate::{
    payment::{ClosedRow, MarkRow, SentRow, SettledRow},
    sums::{DayKey, DaySum, SpentKey},
};

const INTO_PAYMENT: &str = "INSERT INTO payment (id, at, stream, owner, sequence, attempt, orchestrator, \
     recipient, session, price, estimated_pixels, carried, tickets, added, recipient_rand_hash, last_nonce, \
     expiration_block, duration) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
     $16, $17, $18)";

/// A payment; it fails where one of that name is there.
pub(super) fn payment(row: &SentRow) -> Statement {
    Statement::new(INTO_PAYMENT, payment_values(row))
}

/// A payment, unless one of that name is there.
pub(super) fn payment_if_new(row: &SentRow) -> Statement {
    let sql = format!("{INTO_PAYMENT} ON CONFLICT (id) DO NOTHING");
    Statement::new(sql, payment_values(row))
}

fn payment_values(row: &SentRow) -> Vec<Value> {
    let mark = row.mark.as_ref();
    vec![
        row.payment.into(),
        row.at.into(),
        (&row.stream).into(),
        (&row.owner).into(),
        row.sequence.into(),
        row.attempt.into(),
        (&row.orchestrator).into(),
        row.recipient.as_slice().into(),
        (&row.session).into(),
        (&row.price).into(),
        row.estimated_pixels.into(),
        row.carried.to_string().into(),
        row.tickets.into(),
        row.added.to_string().into(),
        mark.map(|mark| mark.recipient_rand_hash.clone()).into(),
        mark.map(|mark| mark.last_nonce).into(),
        mark.map(|mark| mark.expiration_block).into(),
        row.duration.into(),
    ]
}

/// How a payment in flight ended.
pub(super) fn end(row: &SettledRow) -> Statement {
    let settlement = &row.settlement;
    Statement::new(
        "UPDATE payment SET ending = $2, settled_at = $3, pixels = $4, returned = $5, \
         debited = $6, written_off = $7, in_doubt = $8 WHERE id = $1 AND ending IS NULL \
         RETURNING at, stream, owner, orchestrator, carried, added, duration",
        vec![
            row.payment.into(),
            row.ending.into(),
            row.at.into(),
            row.pixels.into(),
            settlement.returned.to_string().into(),
            settlement.debited.to_string().into(),
            settlement.written_off.to_string().into(),
            settlement.in_doubt.to_string().into(),
        ],
    )
}

/// A closed account.
pub(super) fn closed(row: &ClosedRow) -> Statement {
    Statement::new(
        "INSERT INTO closed_account (at, recipient, session, remainder) VALUES ($1, $2, $3, $4)",
        vec![
            row.at.into(),
            row.recipient.as_slice().into(),
            (&row.session).into(),
            row.left.to_string().into(),
        ],
    )
}

/// How far nonces of a hash are used: never less far than before.
pub(super) fn mark(mark: &MarkRow, used: i64) -> Statement {
    Statement::new(
        "INSERT INTO nonce_mark (recipient_rand_hash, last_nonce, expiration_block, used) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (recipient_rand_hash) DO UPDATE SET \
         last_nonce = CASE WHEN nonce_mark.last_nonce > excluded.last_nonce \
         THEN nonce_mark.last_nonce ELSE excluded.last_nonce END, \
         expiration_block = CASE WHEN nonce_mark.expiration_block > excluded.expiration_block \
         THEN nonce_mark.expiration_block ELSE excluded.expiration_block END, \
         used = CASE WHEN nonce_mark.used > excluded.used \
         THEN nonce_mark.used ELSE excluded.used END",
        vec![
            mark.recipient_rand_hash.as_slice().into(),
            mark.last_nonce.into(),
            mark.expiration_block.into(),
            used.into(),
        ],
    )
}

/// A part of a report's line, as it is now.
pub(super) fn day(key: &DayKey, part: i64, sum: &DaySum) -> Statement {
    let mut values: Vec<Value> =
        vec![key.day.into(), (&key.stream).into(), (&key.orchestrator).into(), part.into()];
    values.extend(
        [sum.attempts, sum.segments, sum.pixels, sum.tickets, sum.duration].map(Value::from),
    );
    values.extend(sum.amounts.iter().map(|amount| Value::from(amount.to_string())));
    Statement::new(
        "INSERT INTO day_sum (day, stream, orchestrator, part, attempts, segments, pixels, \
         tickets, duration, sent, debited, written_off, in_doubt, in_flight, remainder) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (day, stream, orchestrator, part) DO UPDATE SET \
         attempts = excluded.attempts, segments = excluded.segments, pixels = excluded.pixels, \
         tickets = excluded.tickets, duration = excluded.duration, sent = excluded.sent, \
         debited = excluded.debited, written_off = excluded.written_off, \
         in_doubt = excluded.in_doubt, in_flight = excluded.in_flight, \
         remainder = excluded.remainder",
        values,
    )
}

/// What a stream and owner spent in a minute, as it is now.
pub(super) fn minute(key: &SpentKey, spent: &Wei) -> Statement {
    Statement::new(
        "INSERT INTO spent_minute (minute, stream, owner, spent) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (minute, stream, owner) DO UPDATE SET spent = excluded.spent",
        vec![
            key.minute.into(),
            (&key.stream).into(),
            (&key.owner).into(),
            spent.to_string().into(),
        ],
    )
}
