//! Servers that go away, refuse, or are shared by two gateways.

use std::time::{Duration, UNIX_EPOCH};

use media::{SequenceNumber, StreamName};
use payer::{Ending, PaymentId, PaymentRecord as _};
use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use super::{
    Place,
    payer_run::{Ask, Run},
    server::{Server, shared},
};
use crate::{OPERATION_LIMIT, Store, StoreError, schema};

const ASK: Ask = Ask { stream: 0, orchestrator: 1, wei: 2_000, pixels: 1_000_000, params: 0 };

fn camera(number: u64) -> [(StreamName, SequenceNumber); 1] {
    [(StreamName::new("camera").unwrap(), SequenceNumber(number))]
}

async fn database() -> String {
    shared().database().await.url
}

async fn pay(store: &Store, run: &mut Run) -> Result<(), String> {
    run.prepare(ASK).unwrap();
    append(store, run).await
}

async fn append(store: &Store, run: &mut Run) -> Result<(), String> {
    let appended = store.append(run.pending.clone()).await;
    if appended.is_ok() {
        run.pending.clear();
    }
    appended.map_err(|error| error.to_string())
}

/// Ends all connections to a database but the one that asks.
async fn disconnect(url: &str) {
    let mut other = PgConnection::connect(url).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut other)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_second_gateway_is_refused_until_the_first_is_gone() {
    let url = database().await;
    let first = Store::connect(&url).await.unwrap();
    let mut run = Run::new();
    first.restore(run.wall).await.unwrap();
    pay(&first, &mut run).await.unwrap();

    let second = Store::connect(&url).await.unwrap();
    let began = Instant::now();
    let refused = second.restore(run.wall).await.unwrap_err();
    assert_eq!(refused.to_string(), StoreError::LedgerTaken.to_string());
    assert!(began.elapsed() < OPERATION_LIMIT);
    let refused = second.append(run.entries.clone()).await.unwrap_err();
    assert_eq!(refused.to_string(), StoreError::LedgerTaken.to_string());
    second.keep_next_sequences(&camera(3)).await.unwrap();
    assert_eq!(second.report(UNIX_EPOCH).await.unwrap().len(), 1, "looking is allowed");
    pay(&first, &mut run).await.unwrap();
    let kept = first.payments(PaymentId(0), 9).await.unwrap();
    assert!(kept.iter().all(|kept| kept.settled.is_none()), "nothing of the first's was settled");

    first.close().await;
    assert_eq!(second.restore(run.wall).await.unwrap().next_payment, 3);
    second.close().await;
}

#[tokio::test]
async fn connections_that_are_lost_come_back_with_the_lock() {
    let url = database().await;
    let store = Store::connect(&url).await.unwrap();
    let mut run = Run::new();
    store.restore(run.wall).await.unwrap();
    pay(&store, &mut run).await.unwrap();
    store.keep_next_sequences(&camera(3)).await.unwrap();

    disconnect(&url).await;
    pay(&store, &mut run).await.unwrap();
    store.keep_next_sequences(&camera(4)).await.unwrap();
    let camera = StreamName::new("camera").unwrap();
    assert_eq!(store.next_sequence(&camera).await, Ok(Some(SequenceNumber(4))));
    let other = Store::connect(&url).await.unwrap();
    let refused = other.restore(run.wall).await.unwrap_err();
    assert_eq!(refused.to_string(), StoreError::LedgerTaken.to_string());
    other.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_gateway_that_lost_the_ledger_to_another_writes_no_more() {
    let url = database().await;
    let (lost, other) = (Store::connect(&url).await.unwrap(), Store::connect(&url).await.unwrap());
    let mut run = Run::new();
    lost.restore(run.wall).await.unwrap();
    pay(&lost, &mut run).await.unwrap();
    disconnect(&url).await;

    // The other one takes over, settles what was in flight, pays, and leaves.
    let mut others = Run::new();
    others.payer.restore(other.restore(run.wall).await.unwrap());
    pay(&other, &mut others).await.unwrap();
    assert_eq!(pay(&lost, &mut run).await, Err(StoreError::LedgerTaken.to_string()));
    other.close().await;

    assert_eq!(append(&lost, &mut run).await, Err(StoreError::LedgerMoved.to_string()));
    assert_eq!(append(&lost, &mut run).await, Err(StoreError::LedgerMoved.to_string()));
    let kept = lost.payments(PaymentId(0), 9).await.unwrap();
    assert_eq!(kept.len(), 2, "one of each");
    // What a restart does.
    assert_eq!(lost.restore(run.wall).await.unwrap().next_payment, 3);
    lost.close().await;
}

#[tokio::test]
async fn what_was_told_survives_a_server_that_is_killed() {
    let server = Server::start_to_be_killed();
    let url = server.database().await.url;
    let store = Store::connect(&url).await.unwrap();
    let mut run = Run::new();
    store.restore(run.wall).await.unwrap();

    // Many at once, so that it is killed in the middle of some.
    let mut appends = tokio::task::JoinSet::new();
    let mut told = Vec::new();
    let mut running = Some(server);
    let mut killed = None;
    for params in 0..400 {
        let payment = run.prepare(Ask { params, ..ASK }).unwrap();
        let (entries, store) = (std::mem::take(&mut run.pending), store.clone());
        appends.spawn(async move { (payment, store.append(entries).await) });
        if appends.len() >= 20
            && let Some(outcome) = appends.join_next().await
        {
            told.push(outcome.unwrap());
        }
        if params == 200
            && let Some(mut server) = running.take()
        {
            killed = Some(std::thread::spawn(move || {
                server.kill();
                server
            }));
        }
    }
    told.extend(appends.join_all().await);
    let on_record: Vec<_> = told.iter().filter(|(_, it)| it.is_ok()).map(|(id, _)| *id).collect();
    let (written, all) = (on_record.len(), told.len());
    assert!(written >= 100 && written < all, "{written} of {all} were told as written");
    let fault = told.into_iter().find_map(|(_, it)| it.err()).unwrap().to_string();
    assert!(fault.contains("append payments"), "{fault}");

    let mut server = killed.unwrap().join().unwrap();
    let began = Instant::now();
    let refused = store.next_sequence(&StreamName::new("camera").unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("read a sequence number: "), "{refused}");
    assert!(began.elapsed() < OPERATION_LIMIT);

    server.start_again();
    let kept = store.payments(PaymentId(0), 1_000).await.unwrap();
    let kept: Vec<_> = kept.into_iter().map(|kept| kept.sent.payment).collect();
    let lost: Vec<_> = on_record.iter().filter(|payment| !kept.contains(payment)).collect();
    assert!(lost.is_empty(), "told, and lost: {lost:?}");
    // The same store goes on, in its term.
    pay(&store, &mut run).await.unwrap();
    let lines = store.report(UNIX_EPOCH).await.unwrap();
    assert!(lines.iter().all(|line| line.totals.adds_up()));
    assert_eq!(lines.iter().map(|line| line.totals.attempts).sum::<u64>(), kept.len() as u64 + 1);
    store.close().await;
}

#[tokio::test]
async fn a_commit_that_is_told_is_on_disk_whatever_the_servers_default() {
    let url = database().await;
    let database = url.split(['/', '?']).nth(3).unwrap();
    shared().execute(format!("ALTER DATABASE {database} SET synchronous_commit = off")).await;
    let store = Store::connect(&url).await.unwrap();
    let mut transaction = store.engine.write_ledger().await.unwrap();
    let asked = "SELECT current_setting('synchronous_commit')";
    let mut rows = transaction.fetch(asked, Vec::new()).await.unwrap();
    assert_eq!(rows[0].text().unwrap(), "on");
    transaction.end(Ok(())).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_the_password() {
    let server = shared();
    let role = "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'right'";
    for statement in [role, "CREATE DATABASE guarded"] {
        server.execute(statement.to_owned()).await;
    }
    let url = server.url("guarded:hunter2", "guarded");
    let refused = Store::connect(&url).await.unwrap_err();
    assert!(refused.to_string().contains("password authentication failed"), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{refused:?}");

    let store = Store::connect(&server.url("guarded:right", "guarded")).await.unwrap();
    let shown = format!("{store:?}");
    assert!(shown.contains("guarded@") && !shown.contains("right"), "{shown}");
    store.close().await;

    let missing = Store::connect(&server.url("headgate", "missing")).await.unwrap_err();
    assert!(missing.to_string().contains("\"missing\" does not exist"), "{missing}");
}

#[tokio::test]
async fn a_server_that_refuses_or_says_nothing_is_told_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("postgres://me:hunter2@127.0.0.1:{port}/ledger");
    let began = Instant::now();
    let silent = Store::connect(&url).await.unwrap_err();
    assert!(silent.to_string().contains("no answer from the server within"), "{silent}");
    assert!(began.elapsed() < OPERATION_LIMIT);
    drop(listener);
    let refused = Store::connect(&url).await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    for fault in [silent, refused] {
        assert!(matches!(fault, StoreError::Open { .. }), "{fault}");
        assert!(!format!("{fault} {fault:?}").contains("hunter2"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let place = Place::database().await;
    place.open().await.close().await;
    place
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (99, 'from the future', TRUE, '', 0)",
        )
        .await;
    let Place::Database(database) = &place else { panic!() };
    let known = schema::POSTGRES.last().unwrap().version;
    for refused in
        [Store::connect(&database.url).await, Store::connect_to_read(&database.url).await]
    {
        let refused = refused.unwrap_err();
        let newer = matches!(&refused, StoreError::SchemaTooNew { found: 99, known: it, .. } if *it == known);
        assert!(newer, "{refused}");
    }
}

#[tokio::test]
async fn two_opened_at_once_set_up_the_schema_once() {
    let url = database().await;
    let (one, other) = tokio::join!(Store::connect(&url), Store::connect(&url));
    let (one, other) = (one.unwrap(), other.unwrap());
    one.keep_next_sequences(&camera(8)).await.unwrap();
    let camera = StreamName::new("camera").unwrap();
    assert_eq!(other.next_sequence(&camera).await, Ok(Some(SequenceNumber(8))));
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn what_is_opened_to_be_read_changes_nothing_while_a_gateway_writes() {
    for place in [Place::file(), Place::database().await] {
        let store = place.open().await;
        let mut run = Run::new();
        store.restore(run.wall).await.unwrap();
        let done = run.prepare(ASK).unwrap();
        run.settle(done, Ending::Done { pixels: 7 });
        run.prepare(ASK).unwrap();
        append(&store, &mut run).await.unwrap();

        let reader = place.open_to_read().await;
        let lines = reader.report(UNIX_EPOCH).await.unwrap();
        assert_eq!(lines, store.report(UNIX_EPOCH).await.unwrap());
        assert!(lines[0].totals.in_flight.is_positive());
        assert!(reader.keep_next_sequences(&camera(1)).await.is_err());
        pay(&store, &mut run).await.unwrap();
        assert_eq!(reader.payments(PaymentId(0), 9).await.unwrap().len(), 3);
        reader.close().await;
        store.close().await;
    }
}

#[tokio::test]
async fn an_operation_that_is_given_up_costs_only_itself() {
    let place = Place::database().await;
    let store = place.open().await;
    let Place::Database(database) = &place else { panic!() };
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    let mut held = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE next_sequence").execute(&mut *held).await.unwrap();
    let five = camera(5);
    let given_up =
        tokio::time::timeout(Duration::from_millis(100), store.keep_next_sequences(&five));
    assert!(given_up.await.is_err());
    held.rollback().await.unwrap();
    store.keep_next_sequences(&camera(6)).await.unwrap();
    let camera = StreamName::new("camera").unwrap();
    assert_eq!(store.next_sequence(&camera).await, Ok(Some(SequenceNumber(6))));
    store.close().await;
}
