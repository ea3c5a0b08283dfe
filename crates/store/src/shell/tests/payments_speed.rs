//! How long a payment waits for the ledger.

use std::time::Duration;

use payer::{Ending, PaymentRecord as _};
use tokio::time::Instant;

use super::{
    Folder, Place,
    payer_run::{Ask, Run},
};

on_both_engines! {
    #[ignore = "a measurement"]
    appends_one_after_another,
    #[ignore = "a measurement"]
    appends_at_a_steady_rate,
}

/// Payments of each measurement.
const PAYMENTS: usize = 4_000;

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |permille: usize| times[times.len() * permille / 1_000];
    println!("{what}: p50 {:?}, p99 {:?}, p99.9 {:?}", at(500), at(990), at(999));
}

fn ask(index: usize) -> Ask {
    let small = |modulus: usize| u8::try_from(index % modulus).unwrap();
    let params = u16::try_from(index / 100).unwrap();
    Ask { stream: small(50), orchestrator: 1 + small(7), wei: 2_000, pixels: 1_000_000, params }
}

/// `cargo test --release -p store payments_speed -- --ignored --nocapture`
async fn appends_one_after_another(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let (mut sent, mut settled) = (Vec::new(), Vec::new());
    for index in 0..PAYMENTS {
        let began = Instant::now();
        let payment = run.prepare(ask(index)).unwrap();
        store.append(std::mem::take(&mut run.pending)).await.unwrap();
        sent.push(began.elapsed());
        run.settle(payment, Ending::Done { pixels: 1_900_000 });
        let began = Instant::now();
        store.append(std::mem::take(&mut run.pending)).await.unwrap();
        settled.push(began.elapsed());
        if index % 25 == 0 {
            run.pass(Duration::from_secs(1));
        }
    }
    print("prepare and append, one after another", sent);
    print("append of an end", settled);
    store.close().await;
}

/// 50 streams of two-second segments are 25 payments a second; here are 400, each with its end.
async fn appends_at_a_steady_rate(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let mut tick = tokio::time::interval(Duration::from_micros(2_500));
    let mut appends = tokio::task::JoinSet::new();
    for index in 0..PAYMENTS {
        tick.tick().await;
        let payment = run.prepare(ask(index)).unwrap();
        let sent = std::mem::take(&mut run.pending);
        run.settle(payment, Ending::Done { pixels: 1_900_000 });
        let ended = std::mem::take(&mut run.pending);
        if index % 400 == 0 {
            run.pass(Duration::from_secs(1));
        }
        let store = store.clone();
        appends.spawn(async move {
            let began = Instant::now();
            store.append(sent).await.unwrap();
            let time = began.elapsed();
            store.append(ended).await.unwrap();
            time
        });
    }
    print("append at 400 payments a second", appends.join_all().await);
    store.close().await;
}

/// Two days of 100 streams by the minute, and as many nonces as are kept.
#[tokio::test]
#[ignore = "a measurement"]
async fn a_start_after_two_busy_days() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut other = super::stranger(&folder.file()).await;
    for statement in [
        "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 287999) \
         INSERT INTO spent_minute SELECT 28332720 - i / 100, 'cam' || (i % 100), 'me', \
         '12345678901234567/1000' FROM n",
        "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 131071) \
         INSERT INTO nonce_mark SELECT randomblob(32), 7, 900, i FROM n",
    ] {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    let began = Instant::now();
    let restored = store.restore(Run::new().wall).await.unwrap();
    let (minutes, marks) = (restored.spent.len(), restored.marks.len());
    println!("a start of {minutes} minutes and {marks} marks: {:?}", began.elapsed());
    store.close().await;
}
