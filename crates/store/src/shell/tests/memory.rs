//! The fleet's memory.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::SequenceNumber;
use orchestrator::OrchestratorAddress;
use router::{Evidence, FleetMemory, MAX_EVIDENCE, MAX_REMEMBERED, RememberedOrchestrator};

use super::Place;
use crate::MAX_TEXT_BYTES;

on_both_engines! {
    what_was_learned_survives_a_reopen,
    news_take_the_place_of_what_was_known_about_the_same_address,
    those_heard_of_longest_ago_are_forgotten_first,
    a_row_that_cannot_be_read_costs_only_itself,
    evidence_comes_back_whole_and_the_latest_first,
    the_oldest_evidence_goes_with_its_pictures,
    evidence_that_no_column_holds_is_an_error,
}

fn address(index: usize) -> OrchestratorAddress {
    format!("https://o{index}.example:8935").parse().unwrap()
}

fn at(seconds: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + u64::try_from(seconds).unwrap())
}

/// Learned the later, the higher the index.
fn remembered(index: usize) -> RememberedOrchestrator {
    RememberedOrchestrator {
        address: address(index),
        latency_permille: 300,
        success_permille: 990,
        round_trip_micros: 12_345,
        demoted_until: index.is_multiple_of(2).then(|| at(index + 60)),
        offences: 1,
        learned: at(index),
    }
}

fn evidence(index: usize, detail: &str) -> Evidence {
    Evidence {
        address: address(index % 2),
        at: at(index),
        stream: "camera".to_owned(),
        sequence: SequenceNumber(u64::try_from(index).unwrap()),
        rendition: "720p".to_owned(),
        kind: "picture_differs",
        detail: detail.to_owned(),
        pictures: vec![vec![1, 2, 3], vec![4]],
    }
}

async fn what_was_learned_survives_a_reopen(place: Place) {
    let store = place.open().await;
    assert_eq!(store.recall().await.unwrap(), []);
    store.remember(vec![remembered(1), remembered(3), remembered(2)]).await.unwrap();
    store.close().await;

    let store = place.open().await;
    let recalled = store.recall().await.unwrap();
    assert_eq!(recalled, [remembered(3), remembered(2), remembered(1)]);
    store.close().await;
}

async fn news_take_the_place_of_what_was_known_about_the_same_address(place: Place) {
    let store = place.open().await;
    store.remember(vec![remembered(1), remembered(2)]).await.unwrap();
    let news = RememberedOrchestrator {
        latency_permille: u32::MAX,
        success_permille: 0,
        round_trip_micros: 1,
        demoted_until: None,
        offences: 2,
        learned: at(9),
        address: address(2),
    };
    store.remember(vec![news.clone()]).await.unwrap();
    store.remember(vec![]).await.unwrap();
    assert_eq!(store.recall().await.unwrap(), [news, remembered(1)]);
    store.close().await;
}

async fn those_heard_of_longest_ago_are_forgotten_first(place: Place) {
    let store = place.open().await;
    // More at once than are kept, then a few more than there is room for.
    store.remember((0..MAX_REMEMBERED + 5).map(remembered).collect()).await.unwrap();
    store
        .remember((MAX_REMEMBERED + 5..MAX_REMEMBERED + 8).map(remembered).collect())
        .await
        .unwrap();
    let recalled = store.recall().await.unwrap();
    assert_eq!(recalled.len(), MAX_REMEMBERED);
    assert_eq!(recalled.first(), Some(&remembered(MAX_REMEMBERED + 7)));
    assert_eq!(recalled.last(), Some(&remembered(8)));
    store.close().await;
}

async fn a_row_that_cannot_be_read_costs_only_itself(place: Place) {
    let store = place.open().await;
    store.remember(vec![remembered(1), remembered(2)]).await.unwrap();
    store.keep_evidence(evidence(1, "")).await.unwrap();
    store.keep_evidence(evidence(2, "")).await.unwrap();
    for statement in [
        "UPDATE remembered_orchestrator SET address = 'ftp://o' WHERE address LIKE '%o2.%'",
        "UPDATE evidence SET orchestrator = '' WHERE sequence = 2",
    ] {
        assert_eq!(place.execute(statement).await, 1);
    }
    assert_eq!(store.recall().await.unwrap(), [remembered(1)]);
    let kept = store.evidence(None, 10).await.unwrap();
    assert_eq!(kept.iter().map(|kept| kept.sequence).collect::<Vec<_>>(), [SequenceNumber(1)]);
    store.close().await;
}

async fn evidence_comes_back_whole_and_the_latest_first(place: Place) {
    let store = place.open().await;
    let mut without_pictures = evidence(2, "no answer was right");
    without_pictures.pictures.clear();
    store.keep_evidence(evidence(1, "luma off by 40")).await.unwrap();
    store.keep_evidence(without_pictures).await.unwrap();
    store.keep_evidence(evidence(3, &"x".repeat(MAX_TEXT_BYTES + 1))).await.unwrap();
    store.close().await;

    let store = place.open().await;
    let kept = store.evidence(None, 10).await.unwrap();
    let sequences: Vec<_> = kept.iter().map(|kept| kept.sequence.0).collect();
    assert_eq!(sequences, [3, 2, 1]);
    assert!(kept.is_sorted_by_key(|kept| std::cmp::Reverse(kept.id)));
    let pictures = |index: usize| kept[index].pictures.clone();
    assert_eq!(pictures(0), [vec![1, 2, 3], vec![4]]);
    assert_eq!(pictures(1), Vec::<Vec<u8>>::new());
    assert_eq!(kept[0].detail.len(), MAX_TEXT_BYTES);
    let first = &kept[2];
    assert_eq!((&first.address, first.at), (&address(1), at(1)));
    assert_eq!((first.kind.as_str(), first.rendition.as_str()), ("picture_differs", "720p"));
    assert_eq!((first.stream.as_str(), first.detail.as_str()), ("camera", "luma off by 40"));

    let of_one = store.evidence(Some(&address(1)), 10).await.unwrap();
    assert_eq!(of_one.iter().map(|kept| kept.sequence.0).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(store.evidence(Some(&address(7)), 10).await, Ok(vec![]));
    assert_eq!(store.evidence(None, 2).await.unwrap(), kept[..2]);
    assert_eq!(store.evidence(None, 0).await, Ok(vec![]));
    store.close().await;
}

async fn the_oldest_evidence_goes_with_its_pictures(place: Place) {
    let store = place.open().await;
    for index in 0..MAX_EVIDENCE + 3 {
        // The clock goes back: what is old is told by the order of arrival.
        let mut proof = evidence(index, "");
        proof.at = at(MAX_EVIDENCE + 3 - index);
        store.keep_evidence(proof).await.unwrap();
    }
    let kept = store.evidence(None, usize::MAX).await.unwrap();
    assert_eq!(kept.len(), MAX_EVIDENCE);
    assert_eq!(kept.last().unwrap().sequence, SequenceNumber(3));
    let pictures = place.count("SELECT COUNT(*) FROM evidence_picture").await;
    assert_eq!(usize::try_from(pictures), Ok(2 * MAX_EVIDENCE));
    store.close().await;
}

async fn evidence_that_no_column_holds_is_an_error(place: Place) {
    let store = place.open().await;
    let mut proof = evidence(1, "");
    proof.sequence = SequenceNumber(u64::MAX);
    let refused = store.keep_evidence(proof).await.unwrap_err();
    assert!(refused.to_string().contains("too large"), "{refused}");
    store.close().await;
}
