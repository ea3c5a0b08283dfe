//! The ledger: what a payer says is kept, adds up, and goes on after a restart.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use payer::{Ending, Entry, PaymentId, PaymentRecord, ReportLine, ReportTotals, Restored};
use proptest::prelude::*;
use tickets::Wei;

use super::{
    Place,
    payer_run::{Ask, Run, START, seconds},
};
use crate::{Store, StoreError};

on_both_engines! {
    every_field_comes_back,
    what_is_appended_survives_without_a_close,
    an_empty_ledger_begins_with_the_first_payment,
    a_payment_named_twice_is_refused_with_all_that_came_along,
    of_appends_at_once_only_the_one_at_fault_fails,
    the_end_of_what_is_not_in_flight_changes_nothing,
    a_closed_store_appends_nothing_more,
    a_batch_that_comes_again_is_kept_once,
    closed_accounts_that_come_again_are_kept_once,
    an_append_that_is_given_up_may_come_again,
    a_name_with_another_content_is_refused,
}

pub(super) const ASK: Ask =
    Ask { stream: 0, orchestrator: 1, wei: 2_000, pixels: 1_000_000, params: 0 };

pub(super) async fn keep(store: &Store, run: &mut Run) {
    store.append(std::mem::take(&mut run.pending)).await.unwrap();
}

fn by_key(lines: Vec<ReportLine>) -> BTreeMap<(String, String, String), ReportTotals> {
    let count = lines.len();
    let by_key: BTreeMap<_, _> = lines
        .into_iter()
        .map(|line| ((line.stream, line.orchestrator, line.day), line.totals))
        .collect();
    assert_eq!(by_key.len(), count, "one line each");
    by_key
}

pub(super) fn grand_total<'a>(lines: impl Iterator<Item = &'a ReportTotals>) -> ReportTotals {
    let mut all = ReportTotals::default();
    for totals in lines {
        all += totals;
    }
    all
}

/// Sums without the days' names: the model counts them.
fn without_day(
    lines: &BTreeMap<(String, String, String), ReportTotals>,
) -> Vec<(String, String, ReportTotals)> {
    lines.iter().map(|((s, o, _), totals)| (s.clone(), o.clone(), totals.clone())).collect()
}

async fn assert_report(store: &Store, run: &Run) {
    let lines = by_key(store.report(UNIX_EPOCH).await.unwrap());
    for (key, totals) in &lines {
        assert!(totals.adds_up(), "{key:?}: {totals:?}");
    }
    let expected = run.totals();
    assert!(grand_total(lines.values()).adds_up());
    assert_eq!(grand_total(lines.values()), grand_total(expected.values()));
    let expected: Vec<_> = expected.into_iter().map(|((s, o, _), totals)| (s, o, totals)).collect();
    assert_eq!(without_day(&lines), expected);
}

pub(super) fn assert_restored(restored: &Restored, run: &Run) {
    let last = run.sent().into_keys().next_back().map_or(0, |last| last.0);
    assert_eq!(restored.next_payment, last + 1);
    let marks: BTreeMap<_, _> =
        restored.marks.iter().map(|mark| (mark.recipient_rand_hash, *mark)).collect();
    assert_eq!(marks, run.marks());
    let mut spent: BTreeMap<_, Wei> = BTreeMap::new();
    for one in &restored.spent {
        let key = (seconds(one.at) / 60, one.stream.clone(), one.owner.clone());
        *spent.entry(key).or_default() += &one.spent;
    }
    spent.retain(|_, spent| !spent.is_zero());
    assert_eq!(spent, run.spent());
}

async fn every_field_comes_back(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let ids: Vec<_> = (0..5).map(|_| run.prepare(ASK).unwrap()).collect();
    run.settle(ids[0], Ending::Done { pixels: 17 });
    run.settle(ids[1], Ending::Failed);
    run.settle(ids[2], Ending::NoAnswer);
    run.settle(ids[3], Ending::Withdrawn);
    keep(&store, &mut run).await;
    store.close().await;

    let store = place.open().await;
    let kept = store.payments(PaymentId(0), 10).await.unwrap();
    let sent: Vec<_> = kept.iter().map(|kept| kept.sent.clone()).collect();
    assert_eq!(sent, run.sent().into_values().collect::<Vec<_>>());
    let settled: Vec<_> = kept.iter().filter_map(|kept| kept.settled.clone()).collect();
    assert_eq!(settled, run.settled().into_values().collect::<Vec<_>>());
    let page = store.payments(ids[1], 2).await.unwrap();
    assert_eq!(page, kept[2..4]);
    assert_eq!(store.payments(PaymentId(u64::MAX), 2).await, Ok(vec![]));
    let report = store.report(UNIX_EPOCH + START).await.unwrap();
    assert_eq!(report.iter().map(|line| line.day.as_str()).collect::<Vec<_>>(), ["2023-11-14"]);
    store.close().await;
}

async fn what_is_appended_survives_without_a_close(place: Place) {
    let abandoned = place.open().await;
    let mut run = Run::new();
    run.prepare(ASK).unwrap();
    let second = run.prepare(ASK).unwrap();
    run.settle(second, Ending::Failed);
    keep(&abandoned, &mut run).await;
    drop(abandoned);

    let store = place.open().await;
    let at = run.wall + Duration::from_secs(1);
    let restored = store.restore(at).await.unwrap();
    assert_restored(&restored, &run);
    run.restart(restored);
    assert_report(&store, &run).await;
    let kept = store.payments(PaymentId(0), 1).await.unwrap();
    let settled = kept[0].settled.as_ref().unwrap();
    assert_eq!((settled.ending, settled.at), (Ending::NoAnswer, at));
    assert_eq!(settled.settlement.in_doubt, kept[0].sent.added);

    let again = store.restore(at).await.unwrap();
    assert_restored(&again, &run);
    assert_report(&store, &run).await;
    store.close().await;
}

async fn an_empty_ledger_begins_with_the_first_payment(place: Place) {
    let store = place.open().await;
    let restored = store.restore(UNIX_EPOCH + START).await.unwrap();
    assert_eq!((restored.next_payment, restored.marks.len(), restored.spent.len()), (1, 0, 0));
    assert_eq!(store.report(UNIX_EPOCH).await.unwrap(), []);
    store.append(Vec::new()).await.unwrap();
    store.close().await;
}

async fn a_payment_named_twice_is_refused_with_all_that_came_along(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    run.prepare(ASK).unwrap();
    let entries = run.pending.clone();
    keep(&store, &mut run).await;
    run.prepare(ASK).unwrap();
    let mut again = run.pending.clone();
    again.extend(entries);
    let refused = store.append(again).await.unwrap_err();
    assert_eq!(refused.to_string(), StoreError::PaymentTwice(PaymentId(1)).to_string());
    assert_eq!(store.payments(PaymentId(0), 9).await.unwrap().len(), 1, "all or none");
    keep(&store, &mut run).await;
    assert_report(&store, &run).await;
    store.close().await;
}

async fn of_appends_at_once_only_the_one_at_fault_fails(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    run.prepare(ASK).unwrap();
    let mut first = run.pending.clone();
    keep(&store, &mut run).await;
    let Entry::Sent(sent) = &mut first[0] else { panic!() };
    sent.attempt += 1;
    let mut good = Vec::new();
    for _ in 0..8 {
        run.prepare(ASK).unwrap();
        good.push(std::mem::take(&mut run.pending));
    }
    let mut appends = tokio::task::JoinSet::new();
    for (index, entries) in good.into_iter().enumerate() {
        for entries in [Some(entries), (index == 4).then(|| first.clone())].into_iter().flatten() {
            let store = store.clone();
            appends.spawn(async move { store.append(entries).await.is_ok() });
        }
    }
    let outcomes = appends.join_all().await;
    assert_eq!(outcomes.iter().filter(|written| **written).count(), 8);
    assert_eq!(outcomes.len(), 9);
    assert_report(&store, &run).await;
    store.close().await;
}

async fn the_end_of_what_is_not_in_flight_changes_nothing(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let unknown = run.prepare(ASK).unwrap();
    run.pending.clear();
    run.settle(unknown, Ending::Withdrawn);
    keep(&store, &mut run).await;
    assert_eq!(store.report(UNIX_EPOCH).await.unwrap(), []);
    assert_eq!(store.payments(PaymentId(0), 9).await, Ok(vec![]));
    store.close().await;
}

async fn a_closed_store_appends_nothing_more(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    run.prepare(ASK).unwrap();
    let (appended, ()) = tokio::join!(store.append(run.pending.clone()), store.close());
    appended.unwrap();
    let refused = store.append(run.pending.clone()).await.unwrap_err();
    assert_eq!(refused.to_string(), StoreError::Closed.to_string());
}

/// Every kind of entry begins one of these.
fn batches(run: &mut Run) -> Vec<Vec<Entry>> {
    let [done, withdrawn] =
        [1, 2].map(|orchestrator| run.prepare(Ask { orchestrator, ..ASK }).unwrap());
    let mut batches = vec![std::mem::take(&mut run.pending)];
    run.settle(done, Ending::Done { pixels: 17 });
    run.settle(withdrawn, Ending::Withdrawn);
    run.prepare(Ask { orchestrator: 3, ..ASK }).unwrap();
    batches.push(std::mem::take(&mut run.pending));
    run.pass(Duration::from_secs(3_600));
    let failed = run.prepare(ASK).unwrap();
    run.settle(failed, Ending::Failed);
    batches.push(std::mem::take(&mut run.pending));
    assert!(matches!(batches[0][0], Entry::Sent(_)));
    assert!(matches!(batches[1][0], Entry::Settled(_)));
    assert!(matches!(batches[2][0], Entry::Closed { .. }));
    batches
}

/// A closed account that nothing is left of.
pub(super) fn closed(at: SystemTime, session: &str) -> Entry {
    Entry::Closed { at, recipient: [7; 20], session_id: session.to_owned(), left: Wei::zero() }
}

pub(super) const CLOSED: &str = "SELECT COUNT(*) FROM closed_account";

async fn a_batch_that_comes_again_is_kept_once(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let batches = batches(&mut run);
    let closed = batches[2].iter().filter(|it| matches!(it, Entry::Closed { .. })).count();
    for batch in batches {
        for _ in 0..3 {
            store.append(batch.clone()).await.unwrap();
        }
        // Also where one transaction takes both.
        let (one, other) = tokio::join!(store.append(batch.clone()), store.append(batch));
        assert!(one.is_ok() && other.is_ok());
    }
    assert_report(&store, &run).await;
    assert_eq!(place.count(CLOSED).await, i64::try_from(closed).unwrap());
    let kept = store.payments(PaymentId(0), 9).await.unwrap();
    let settled: Vec<_> = kept.iter().filter_map(|kept| kept.settled.clone()).collect();
    assert_eq!(settled, run.settled().into_values().collect::<Vec<_>>());
    let restored = store.restore(run.wall).await.unwrap();
    assert_restored(&restored, &run);
    store.close().await;
}

async fn closed_accounts_that_come_again_are_kept_once(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    for _ in 0..2 {
        run.prepare(ASK).unwrap();
        keep(&store, &mut run).await;
    }
    for _ in 0..2 {
        store.append(vec![closed(run.wall, "a"), closed(run.wall, "b")]).await.unwrap();
    }
    assert_eq!(place.count(CLOSED).await, 2);
    store.close().await;
}

async fn an_append_that_is_given_up_may_come_again(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    for batch in batches(&mut run) {
        // Dropped wherever it is: in the queue, in a transaction, or written.
        for polls in 1..4 {
            let mut append = store.append(batch.clone());
            for _ in 0..polls {
                let waker = std::task::Waker::noop();
                let mut context = std::task::Context::from_waker(waker);
                drop(append.as_mut().poll(&mut context));
                tokio::task::yield_now().await;
            }
            drop(append);
        }
        store.append(batch).await.unwrap();
    }
    assert_report(&store, &run).await;
    let restored = store.restore(run.wall).await.unwrap();
    assert_restored(&restored, &run);
    store.close().await;
}

async fn a_name_with_another_content_is_refused(place: Place) {
    let store = place.open().await;
    let mut run = Run::new();
    let [first, second, third] = <[_; 3]>::try_from(batches(&mut run)).unwrap();
    store.append(first.clone()).await.unwrap();
    let twice = StoreError::PaymentTwice(PaymentId(1)).to_string();
    let mut other = first.clone();
    let Entry::Sent(sent) = &mut other[0] else { panic!() };
    sent.added += &"1".parse().unwrap();
    assert_eq!(store.append(other).await.unwrap_err().to_string(), twice);
    // It begins as the one before, and goes on with what isn't on record.
    let longer = [first, second[2..].to_vec()].concat();
    assert_eq!(store.append(longer).await.unwrap_err().to_string(), twice);
    store.append(second).await.unwrap();
    store.append(third.clone()).await.unwrap();
    let mut longer = third.clone();
    longer.push(Entry::Closed {
        at: run.wall,
        recipient: [7; 20],
        session_id: "other".to_owned(),
        left: Wei::zero(),
    });
    let refused = store.append(longer).await.unwrap_err().to_string();
    assert!(refused.contains("a part of these entries"), "{refused}");
    store.append(third).await.unwrap();
    assert_report(&store, &run).await;
    store.close().await;
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Prepare(Ask),
    Settle(usize, Ending),
    Pass(u64),
    Append,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let ask =
        (0..4_u8, 1..4_u8, 1..4_u64, 1..4_u64).prop_map(|(stream, orchestrator, wei, thirds)| {
            Step::Prepare(Ask {
                stream,
                orchestrator,
                wei: 1_000 + wei,
                pixels: 300_000 * thirds + 7,
                params: 0,
            })
        });
    let ending = prop_oneof![
        Just(Ending::Withdrawn),
        Just(Ending::NoAnswer),
        Just(Ending::Failed),
        (0..4_000_000_u64).prop_map(|pixels| Ending::Done { pixels }),
    ];
    prop_oneof![
        6 => ask,
        5 => (any::<usize>(), ending).prop_map(|(which, ending)| Step::Settle(which, ending)),
        1 => (1..40_000_u64).prop_map(Step::Pass),
        3 => Just(Step::Append),
        1 => Just(Step::Restart),
    ]
}

async fn play(place: Place, steps: Vec<Step>) {
    let mut store = place.open().await;
    let mut run = Run::new();
    // Spending is told by the minute for two days; shorter than that is compared.
    let mut left = 2 * 86_400 - 60;
    for step in steps {
        match step {
            Step::Prepare(ask) => drop(run.prepare(ask)),
            Step::Settle(which, ending) => {
                if let Some(index) = which.checked_rem(run.in_flight.len()) {
                    run.settle(run.in_flight[index], ending);
                }
            }
            Step::Pass(time) if time < left => {
                left -= time;
                run.pass(Duration::from_secs(time));
            }
            Step::Pass(_) => {}
            Step::Append => keep(&store, &mut run).await,
            Step::Restart => {
                keep(&store, &mut run).await;
                drop(std::mem::replace(&mut store, place.open().await));
                let restored = store.restore(run.wall).await.unwrap();
                assert_restored(&restored, &run);
                run.restart(restored);
            }
        }
    }
    keep(&store, &mut run).await;
    assert_report(&store, &run).await;
    store.close().await;
}

fn run_alone(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_a_payer_does_is_accounted_for_in_a_file(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run_alone(play(Place::file(), steps));
    }

    #[test]
    fn whatever_a_payer_does_is_accounted_for_on_a_server(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run_alone(async { play(Place::database().await, steps).await });
    }
}
