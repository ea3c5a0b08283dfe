//! How long tickets take to hash and to sign, on one thread; `make bench-signing` runs it beside a peer.
//!
//! One JSON object a line in, one out. First the terms: `{"key": hex, "recipient": …, "faceValue": …,
//! "winProb": …, "recipientRandHash": …, "creationRound": …, "creationRoundBlockHash": …}`, answered with
//! `{"sender": address}`. Then `{"tickets": N, "seconds": S}`: N tickets, nonces from 1, are hashed over
//! and over for S seconds, then signed likewise, hashes included → `{"hashed": [tickets, ns], "signed":
//! [tickets, ns], "signatures": [hex, …]}`.

use std::{
    error::Error,
    hint::black_box,
    io::{BufRead as _, Write as _},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::json;
use tickets::{
    ExpirationParams, MAX_BATCH, PrivateKey, TicketBatch, TicketParams, U256, UnsignedBatch,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terms {
    key: String,
    recipient: String,
    face_value: String,
    win_prob: String,
    recipient_rand_hash: String,
    creation_round: u64,
    creation_round_block_hash: String,
}

#[derive(Deserialize)]
struct Round {
    tickets: u32,
    seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let mut out = std::io::stdout().lock();
    let terms: Terms = serde_json::from_str(&lines.next().ok_or("no terms")??)?;
    let key = PrivateKey::from_hex(&terms.key)?;
    writeln!(out, "{}", json!({ "sender": key.address().to_string() }))?;
    for line in lines {
        let round: Round = serde_json::from_str(&line?)?;
        let batches = batches(&terms, &key, round.tickets)?;
        let seconds = Duration::from_secs_f64(round.seconds);
        let hashed = repeat(seconds, round.tickets, || {
            for ticket in batches.iter().flat_map(UnsignedBatch::tickets) {
                black_box(ticket.hash());
            }
        });
        let sign = || batches.iter().cloned().map(|batch| batch.sign(&key));
        let signed = repeat(seconds, round.tickets, || sign().for_each(|it| drop(black_box(it))));
        let signatures: Vec<_> = sign()
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .flat_map(TicketBatch::signed)
            .map(|(_, signature)| hex::encode(signature.to_bytes()))
            .collect();
        let answer = json!({ "hashed": hashed, "signed": signed, "signatures": signatures });
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

/// So many tickets, in payments of as many as one takes.
fn batches(
    terms: &Terms,
    key: &PrivateKey,
    tickets: u32,
) -> Result<Vec<UnsignedBatch>, Box<dyn Error>> {
    let expiration = ExpirationParams {
        creation_round: terms.creation_round,
        creation_round_block_hash: terms.creation_round_block_hash.parse()?,
    };
    let params = TicketParams {
        recipient: terms.recipient.parse()?,
        face_value: terms.face_value.parse()?,
        win_prob: terms.win_prob.parse()?,
        recipient_rand_hash: terms.recipient_rand_hash.parse()?,
        seed: U256::ZERO,
        expiration_block: 1,
        expiration,
    };
    let mut batches = Vec::new();
    let mut first = 1;
    while let Some(count) = NonZeroU32::new((tickets + 1 - first).min(MAX_BATCH)) {
        batches.push(UnsignedBatch::new(key.address(), params.clone(), expiration, first, count)?);
        first += count.get();
    }
    Ok(batches)
}

/// Tickets done, and nanoseconds, of whole turns until `seconds` are over.
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn repeat(seconds: Duration, tickets: u32, turn: impl Fn()) -> (u64, u128) {
    let begun = Instant::now();
    let mut done = 0;
    loop {
        turn();
        done += u64::from(tickets);
        let took = begun.elapsed();
        if took >= seconds {
            return (done, took.as_nanos());
        }
    }
}
