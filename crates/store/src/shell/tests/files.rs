//! Opening, closing, sharing and waiting for a file.

use std::{path::Path, time::Duration};

use media::{SequenceNumber, StreamName};
use sqlx::Connection as _;

use super::{Folder, creating, stranger};
use crate::{
    StoreError, schema,
    shell::{Store, store::Limits},
};

fn camera(number: u64) -> [(StreamName, SequenceNumber); 1] {
    [(StreamName::new("camera").unwrap(), SequenceNumber(number))]
}

#[tokio::test]
async fn the_file_has_a_write_ahead_log_until_it_is_closed() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.keep_next_sequences(&camera(1)).await.unwrap();
    let log = folder.0.join("store.db-wal");
    assert!(log.exists());
    store.close().await;
    assert!(!log.exists(), "the log was not folded into the file");
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = Folder::new();
    let store = folder.open().await;
    let clone = store.clone();
    store.close().await;
    assert_eq!(clone.keep_next_sequences(&camera(1)).await, Err(StoreError::Closed));
    assert_eq!(clone.evidence(None, 1).await, Err(StoreError::Closed));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    folder.open().await.close().await;
    let known = schema::SQLITE.last().unwrap().version;
    let mut newer = stranger(&folder.file()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (?1, 'from the future', TRUE, x'00', 0)",
    )
    .bind(known + 1)
    .execute(&mut newer)
    .await
    .unwrap();
    newer.close().await.unwrap();
    let before = std::fs::read(folder.file()).unwrap();

    let refused = Store::open(&folder.file()).await.unwrap_err();
    let expected =
        StoreError::SchemaTooNew { place: folder.file().as_path().into(), found: known + 1, known };
    assert_eq!(refused, expected);
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[tokio::test]
async fn a_step_that_was_changed_afterwards_is_refused() {
    let folder = Folder::new();
    folder.open().await.close().await;
    let mut changed = stranger(&folder.file()).await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'")
        .execute(&mut changed)
        .await
        .unwrap();
    changed.close().await.unwrap();
    let refused = Store::open(&folder.file()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Schema { .. }), "{refused}");
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let folder = Folder::new();
    let missing = folder.0.join("missing").join("store.db");
    let refused = Store::open(&missing).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Open { place, .. } if *place == missing.as_path().into()),
        "{refused}"
    );
    assert!(refused.to_string().contains("missing"), "{refused}");
}

#[tokio::test]
async fn an_empty_path_is_refused() {
    let refused = Store::open(Path::new("")).await.unwrap_err();
    assert!(matches!(refused, StoreError::Open { .. }), "{refused}");
}

#[tokio::test]
async fn two_opened_at_once_set_up_the_schema_once() {
    let folder = Folder::new();
    let file = folder.file();
    let mut empty = creating(&file).await;
    sqlx::query("PRAGMA journal_mode = WAL").execute(&mut empty).await.unwrap();
    empty.close().await.unwrap();
    let (one, other) = tokio::join!(Store::open(&file), Store::open(&file));
    let (one, other) = (one.unwrap(), other.unwrap());
    one.keep_next_sequences(&camera(8)).await.unwrap();
    let stream = StreamName::new("camera").unwrap();
    assert_eq!(other.next_sequence(&stream).await, Ok(Some(SequenceNumber(8))));
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_file_held_by_another_writer_is_an_error_and_then_free_again() {
    let folder = Folder::new();
    let limits = Limits {
        operation: Duration::from_secs(4),
        busy: Duration::from_millis(100),
        ..Limits::default()
    };
    let store = Store::open_within(&folder.file(), limits).await.unwrap();
    let mut other = stranger(&folder.file()).await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let refused = store.keep_next_sequences(&camera(5)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Engine { .. }), "{refused}");
    let stream = StreamName::new("camera").unwrap();
    assert_eq!(store.next_sequence(&stream).await, Ok(None), "readers do not wait for writers");

    held.rollback().await.unwrap();
    other.close().await.unwrap();
    assert_eq!(store.keep_next_sequences(&camera(5)).await, Ok(()));
    store.close().await;
}

#[tokio::test]
async fn an_operation_ends_at_its_limit() {
    let folder = Folder::new();
    let limit = Duration::from_millis(500);
    let limits = Limits { operation: limit, busy: Duration::from_secs(3), ..Limits::default() };
    let store = Store::open_within(&folder.file(), limits).await.unwrap();
    let mut other = stranger(&folder.file()).await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let late = StoreError::Timeout { operation: "keep sequence numbers", limit };
    assert_eq!(store.keep_next_sequences(&camera(5)).await, Err(late.clone()));
    // The connection is still busy with the first one.
    assert_eq!(store.keep_next_sequences(&camera(6)).await, Err(late));

    held.rollback().await.unwrap();
    other.close().await.unwrap();
    let freed = async { while store.keep_next_sequences(&camera(7)).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), freed).await.unwrap();
    let stream = StreamName::new("camera").unwrap();
    assert_eq!(store.next_sequence(&stream).await, Ok(Some(SequenceNumber(7))));
    store.close().await;
}
