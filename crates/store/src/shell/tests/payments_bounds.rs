//! The ledger within its bounds: rows go, sums stay, whatever the clock or an orchestrator does.

use std::time::{Duration, UNIX_EPOCH};

use payer::{Ending, Entry, PaymentId, PaymentRecord as _};
use tickets::Wei;

use super::{
    Place,
    payer_run::{Ask, Run},
    payments::{ASK, CLOSED, assert_restored, closed, grand_total, keep},
};
use crate::shell::{ledger::Upkeep, store::Limits};

on_both_engines! {
    rows_go_at_their_bounds_and_sums_stay,
    what_was_folded_meanwhile_is_not_counted_again,
    who_is_joined_with_an_owner_that_is_joined_too_is_counted,
    a_clock_that_was_ahead_folds_no_minutes_of_today,
    a_clock_that_was_ahead_deletes_no_payments,
    an_orchestrator_that_ever_changes_its_unit_still_adds_up,
}

async fn rows_go_at_their_bounds_and_sums_stay(place: Place) {
    let bounds = Upkeep { payments: 3, days: 10, marks: 1, minutes: 2, spenders: 1, day_lines: 3 };
    let limits = Limits { bounds, ..Limits::default() };
    let store = place.open_within(limits).await;
    let mut run = Run::new();
    for day in 0..4_u8 {
        for stream in 0..2 {
            let payment = run.prepare(Ask { stream, orchestrator: day + 1, ..ASK }).unwrap();
            run.settle(payment, Ending::Done { pixels: 3 });
        }
        run.pass(Duration::from_secs(86_400));
        keep(&store, &mut run).await;
    }
    let expected = grand_total(run.totals().values());
    let in_all: Wei = run.spent().into_values().sum();
    for _ in 0..4 {
        let restored = store.restore(run.wall).await.unwrap();
        assert_eq!(restored.next_payment, 9);
        let spent: Wei = restored.spent.into_iter().map(|one| one.spent).sum();
        assert_eq!(spent, in_all);
        let lines = store.report(UNIX_EPOCH).await.unwrap();
        assert_eq!(grand_total(lines.iter().map(|line| &line.totals)), expected);
    }
    let kept = store.payments(PaymentId(0), 99).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.sent.payment.0).collect::<Vec<_>>(), [6, 7, 8]);
    let restored = store.restore(run.wall).await.unwrap();
    assert_eq!(restored.marks.len(), 1, "the one used last");
    let whole = store.report(UNIX_EPOCH).await.unwrap();
    assert!(whole.iter().any(|line| line.stream.is_empty() && line.day == "2023-11-14"));
    assert!(whole.iter().all(|line| line.totals.adds_up()));

    // A year later nothing is left but the last name, and the sums.
    let later = run.wall + Duration::from_secs(86_400 * 365);
    let restored = store.restore(later).await.unwrap();
    assert_eq!(restored.next_payment, 9);
    let spent: Wei = restored.spent.iter().map(|one| one.spent.clone()).sum();
    assert_eq!((spent, restored.spent.len() <= 5), (in_all, true), "{:?}", restored.spent);
    assert_eq!(store.payments(PaymentId(0), 99).await.unwrap().len(), 1);
    let lines = store.report(UNIX_EPOCH).await.unwrap();
    assert_eq!(grand_total(lines.iter().map(|line| &line.totals)), expected);
    store.close().await;
}

/// The writer goes on from what it knows, while it brings its tables within their bounds.
async fn what_was_folded_meanwhile_is_not_counted_again(place: Place) {
    let bounds = Upkeep { minutes: 2, day_lines: 1, ..Upkeep::default() };
    let store = place.open_within(Limits { bounds, ..Limits::default() }).await;
    let mut run = Run::new();
    let mut payments = Vec::new();
    for stream in 0..2 {
        for _ in 0..3 {
            payments.push(run.prepare(Ask { stream, ..ASK }).unwrap());
            keep(&store, &mut run).await;
            run.pass(Duration::from_secs(60));
        }
        run.pass(Duration::from_secs(86_400));
    }
    let at = run.wall;
    let closed = |number: u64| closed(at, &number.to_string());
    // Enough for that, each time with a payment in front: the writer does not read them.
    for batch in 0..12 {
        payments.push(run.prepare(ASK).unwrap());
        let mut entries = std::mem::take(&mut run.pending);
        entries.extend((batch * 200..(batch + 1) * 200).map(closed));
        store.append(entries).await.unwrap();
    }
    let folded = place.count("SELECT COUNT(*) FROM spent_before").await;
    assert!(folded > 0, "nothing was folded");
    // They add to minutes and days that are gone.
    for payment in payments {
        run.settle(payment, Ending::Withdrawn);
        keep(&store, &mut run).await;
    }
    let in_all = grand_total(run.totals().values());
    assert!(in_all.sent.is_zero() && in_all.in_flight.is_zero());
    let lines = store.report(UNIX_EPOCH).await.unwrap();
    assert_eq!(grand_total(lines.iter().map(|line| &line.totals)), in_all);
    let restored = store.restore(run.wall).await.unwrap();
    let spent: Wei = restored.spent.into_iter().map(|one| one.spent).sum();
    assert!(spent.is_zero(), "{spent}");
    store.close().await;
}

async fn who_is_joined_with_an_owner_that_is_joined_too_is_counted(place: Place) {
    let bounds = Upkeep { minutes: 1, spenders: 1, ..Upkeep::default() };
    let store = place.open_within(Limits { bounds, ..Limits::default() }).await;
    let mut run = Run::new();
    // All of one owner, a minute each.
    for stream in (0..20).step_by(2) {
        run.prepare(Ask { stream, ..ASK }).unwrap();
        keep(&store, &mut run).await;
        run.pass(Duration::from_secs(60));
        let restored = store.restore(run.wall).await.unwrap();
        let spent: Wei = restored.spent.into_iter().map(|one| one.spent).sum();
        assert_eq!(spent, run.spent().into_values().sum(), "after {stream}");
    }
    store.close().await;
}

async fn a_clock_that_was_ahead_folds_no_minutes_of_today(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    for _ in 0..3 {
        run.prepare(ASK).unwrap();
        run.wall += Duration::from_secs(60);
    }
    let now = run.wall;
    run.wall += Duration::from_secs(86_400 * 365);
    run.prepare(ASK).unwrap();
    let ahead = run.wall;
    keep(&store, &mut run).await;
    run.restart(store.restore(ahead).await.unwrap());
    run.wall = now;
    run.prepare(ASK).unwrap();
    keep(&store, &mut run).await;
    assert_eq!(place.count("SELECT COUNT(*) FROM spent_before").await, 0);
    assert_restored(&store.restore(now).await.unwrap(), &run);
    store.close().await;
}

async fn a_clock_that_was_ahead_deletes_no_payments(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    for _ in 0..2 {
        let payment = run.prepare(ASK).unwrap();
        run.settle(payment, Ending::Failed);
    }
    keep(&store, &mut run).await;
    let closed = |number: u64| {
        let ahead = Duration::from_secs(if number == 9 { 86_400 * 4_000 } else { 0 });
        closed(run.wall + ahead, &number.to_string())
    };
    // Enough for the tables to be brought within their bounds, and one more that waits for that.
    for batch in 0..8 {
        store.append((batch * 256..(batch + 1) * 256).map(closed).collect()).await.unwrap();
    }
    store.append(vec![closed(2_048)]).await.unwrap();
    assert_eq!(store.payments(PaymentId(0), 9).await.unwrap().len(), 2);
    assert_eq!(place.count(CLOSED).await, 2_049);
    store.close().await;
}

async fn an_orchestrator_that_ever_changes_its_unit_still_adds_up(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let mut unit = u64::MAX / 1_000;
    for stream in 0..250_u8 {
        unit -= 2;
        if let Some(payment) = run.prepare(Ask {
            stream,
            orchestrator: stream,
            wei: unit / 500,
            pixels: unit,
            params: 0,
        }) {
            run.settle(payment, Ending::Done { pixels: 1_000_003 });
        }
        // All of one line, each in a session of its own.
        for entry in &mut run.pending {
            if let Entry::Sent(sent) = entry {
                sent.stream = "cam".to_owned();
                sent.orchestrator = "https://o.example:8935".to_owned();
            }
        }
        keep(&store, &mut run).await;
    }
    let lines = store.report(UNIX_EPOCH).await.unwrap();
    assert!(lines.len() > 1, "{}", lines.len());
    assert!(lines.iter().all(|line| line.totals.adds_up()));
    let attempts: u64 = lines.iter().map(|line| line.totals.attempts).sum();
    assert_eq!(attempts, 250);
    store.close().await;
}
