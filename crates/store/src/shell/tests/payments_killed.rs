//! A process that is killed in the middle of its payments.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::UNIX_EPOCH,
};

use payer::{Ending, PaymentId, PaymentRecord as _};

use super::{
    Place,
    payer_run::{Ask, Run},
};
use crate::Store;

/// The file or URL that the process to be killed writes to.
const LEDGER: &str = "HEADGATE_TEST_LEDGER";
/// Payments that must be on record before it is killed.
const ENOUGH: u64 = 200;

/// Pays until it is killed, and tells each payment that is on record. Every third stays in flight.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn pays_until_it_is_killed() {
    let Ok(ledger) = std::env::var(LEDGER) else { return };
    let store = if ledger.starts_with("postgres:") {
        Store::connect(&ledger).await.unwrap()
    } else {
        Store::open(Path::new(&ledger)).await.unwrap()
    };
    let mut run = Run::new();
    for params in 0_u16.. {
        let ask = Ask { stream: 0, orchestrator: 1, wei: 2_000, pixels: 1_000_000, params };
        let payment = run.prepare(ask).unwrap();
        store.append(std::mem::take(&mut run.pending)).await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "\non record: {payment}").unwrap();
        out.flush().unwrap();
        if !payment.0.is_multiple_of(3) {
            run.settle(payment, Ending::Failed);
            store.append(std::mem::take(&mut run.pending)).await.unwrap();
        }
    }
}

/// Kills it, and gives the last payment that it told.
fn last_told(place: &Place) -> u64 {
    let ledger = match place {
        Place::File(folder) => folder.file().into_os_string(),
        Place::Database(it) => it.url.clone().into(),
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("shell::tests::payments_killed::pays_until_it_is_killed")
        .env(LEDGER, ledger)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut killed = false;
    let mut last = 0;
    for line in lines {
        let line = line.unwrap();
        let Some(told) = line.strip_prefix("on record: ") else { continue };
        last = told.parse().unwrap();
        if last >= ENOUGH && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(!child.wait().unwrap().success());
    last
}

on_both_engines! {
    nothing_that_was_told_is_lost,
}

async fn nothing_that_was_told_is_lost(place: Place) {
    let last = last_told(&place);
    assert!(last >= ENOUGH, "{last}");

    let store = place.open().await;
    let restored = store.restore(Run::new().wall).await.unwrap();
    assert!(restored.next_payment > last, "{} after {last}", restored.next_payment);
    assert_eq!(u64::try_from(restored.marks.len()), Ok(restored.next_payment - 1));
    let payments = store.payments(PaymentId(0), 10_000).await.unwrap();
    let names: Vec<_> = payments.iter().map(|kept| kept.sent.payment.0).collect();
    assert_eq!(names, (1..restored.next_payment).collect::<Vec<_>>());
    let in_doubt = payments.iter().filter(|kept| {
        kept.settled.as_ref().is_some_and(|settled| settled.ending == Ending::NoAnswer)
    });
    let in_doubt: Vec<_> = in_doubt.map(|kept| kept.sent.payment.0).collect();
    assert!(in_doubt.iter().filter(|name| !name.is_multiple_of(3)).count() <= 1, "{in_doubt:?}");
    assert!(payments.iter().all(|kept| kept.settled.is_some()));
    let lines = store.report(UNIX_EPOCH).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].totals.adds_up() && lines[0].totals.in_flight.is_zero());
    assert_eq!(lines[0].totals.attempts, restored.next_payment - 1);
    store.close().await;
}
