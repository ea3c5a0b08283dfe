//! Sequence numbers that outlive the process.

use media::{SequenceNumber, StreamName};

use super::{Folder, Place, stranger};
use crate::{MAX_STREAMS, RowError, StoreError};

on_both_engines! {
    numbers_survive_a_reopen,
    a_number_never_goes_back,
    one_number_too_large_keeps_all_of_them_out,
    streams_kept_longest_ago_are_forgotten_first,
    clones_that_write_at_once_lose_nothing,
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).unwrap()
}

async fn numbers_survive_a_reopen(place: Place) {
    let store = place.open().await;
    assert_eq!(store.next_sequence(&stream("camera")).await, Ok(None));
    let next = [(stream("camera"), SequenceNumber(41)), (stream("desk"), SequenceNumber(7))];
    store.keep_next_sequences(&next).await.unwrap();
    store.close().await;

    let store = place.open().await;
    assert_eq!(store.next_sequence(&stream("camera")).await, Ok(Some(SequenceNumber(41))));
    assert_eq!(store.next_sequence(&stream("desk")).await, Ok(Some(SequenceNumber(7))));
    assert_eq!(store.next_sequence(&stream("Camera")).await, Ok(None), "names differ in case");
    store.close().await;
}

async fn a_number_never_goes_back(place: Place) {
    let store = place.open().await;
    for (kept, expected) in [(9, 9), (4, 9), (10, 10), (0, 10)] {
        store.keep_next_sequences(&[(stream("camera"), SequenceNumber(kept))]).await.unwrap();
        let next = store.next_sequence(&stream("camera")).await;
        assert_eq!(next, Ok(Some(SequenceNumber(expected))), "after {kept}");
    }
    store.close().await;
}

async fn one_number_too_large_keeps_all_of_them_out(place: Place) {
    let store = place.open().await;
    let largest = SequenceNumber(i64::MAX.unsigned_abs());
    let next = [(stream("a"), largest), (stream("b"), largest.next())];
    let refused = store.keep_next_sequences(&next).await;
    assert_eq!(refused, Err(StoreError::SequenceTooLarge(largest.next())));
    assert_eq!(store.next_sequence(&stream("a")).await, Ok(None));
    store.keep_next_sequences(&next[..1]).await.unwrap();
    assert_eq!(store.next_sequence(&stream("a")).await, Ok(Some(largest)));
    store.keep_next_sequences(&[]).await.unwrap();
    store.close().await;
}

async fn streams_kept_longest_ago_are_forgotten_first(place: Place) {
    let store = place.open().await;
    let number = SequenceNumber(3);
    store.keep_next_sequences(&[(stream("old"), number), (stream("live"), number)]).await.unwrap();
    let mut newer: Vec<_> =
        (1..MAX_STREAMS).map(|index| (stream(&format!("s{index}")), number)).collect();
    newer.push((stream("live"), number));
    store.keep_next_sequences(&newer).await.unwrap();
    assert_eq!(store.next_sequence(&stream("old")).await, Ok(None));
    assert_eq!(store.next_sequence(&stream("live")).await, Ok(Some(number)));
    assert_eq!(store.next_sequence(&stream("s1")).await, Ok(Some(number)));
    store.close().await;
}

async fn clones_that_write_at_once_lose_nothing(place: Place) {
    let store = place.open().await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4_u64 {
        let store = store.clone();
        writers.spawn(async move {
            let own = stream(&format!("own{writer}"));
            for step in 1..=50 {
                let next = [
                    (own.clone(), SequenceNumber(step)),
                    (stream("shared"), SequenceNumber(step * 4 + writer)),
                ];
                store.keep_next_sequences(&next).await.unwrap();
                let shared = store.next_sequence(&stream("shared")).await.unwrap().unwrap();
                assert!(shared.0 >= step * 4 + writer);
            }
        });
    }
    writers.join_all().await;
    for writer in 0..4 {
        let own = store.next_sequence(&stream(&format!("own{writer}"))).await;
        assert_eq!(own, Ok(Some(SequenceNumber(50))));
    }
    let highest = store.next_sequence(&stream("shared")).await;
    assert_eq!(highest, Ok(Some(SequenceNumber(50 * 4 + 3))));
    store.close().await;
}

#[tokio::test]
async fn a_number_that_someone_else_broke_is_an_error() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mut other = stranger(&folder.file()).await;
    for statement in [
        "PRAGMA ignore_check_constraints = ON",
        "INSERT INTO next_sequence (stream, number, kept) VALUES ('camera', -5, 0)",
    ] {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    let broken = RowError::OutOfRange { column: "sequence", value: -5 };
    let refused = store.next_sequence(&stream("camera")).await;
    assert_eq!(refused, Err(StoreError::Row(broken)));
    store.close().await;
}
