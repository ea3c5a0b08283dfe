//! The same segment again.

use std::time::Duration;

use http::StatusCode;

use super::rig::{Behaviour, Rig, body, put};
use crate::{
    PushConfig,
    push::{PushRefusal, fixture},
};

fn rig() -> Rig {
    Rig::new(PushConfig::default())
}

#[tokio::test]
async fn a_repeated_segment_is_worked_on_once_and_answered_alike() {
    let rig = rig();
    rig.close_gate();
    let (first, second) = (rig.put(1, body(1)), rig.put(1, body(1)));
    let open = async {
        rig.until_pushed(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        rig.root.gate.add_permits(1);
    };
    let (first, second, ()) = tokio::join!(first, second, open);
    let third = rig.put(1, body(1)).await;
    for answer in [&first, &second, &third] {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text().contains("high of 1"));
    }
    assert_eq!(rig.sequences(), [1]);
    assert_eq!(rig.metrics.repeated.get(), 2);
}

#[tokio::test]
async fn another_body_another_ladder_and_another_stream_are_other_segments() {
    let rig = rig();
    rig.put(1, body(1)).await;
    rig.put(1, body(2)).await;
    let mut ladder = put(1, body(2));
    let json = http::HeaderValue::from_static(r#"{"presets":["P144p30fps16x9"]}"#);
    ladder.headers_mut().insert("livepeer-transcode-configuration", json);
    rig.send(ladder).await;
    let mut stream = put(1, body(2));
    *stream.uri_mut() = "/live/b/1.ts".parse().unwrap();
    rig.send(stream).await;
    assert_eq!(rig.sequences(), [1, 1, 1, 1]);
    assert_eq!(rig.metrics.repeated.get(), 0);
}

#[tokio::test]
async fn an_answer_without_renditions_is_none_for_a_client_that_wants_them() {
    let rig = rig();
    let mut bare = put(1, body(1));
    bare.headers_mut().remove("accept");
    assert_eq!(rig.send(bare).await.body.len(), 0);
    assert!(rig.put(1, body(1)).await.text().contains("high of 1"));
    assert_eq!((rig.sequences(), rig.metrics.repeated.get()), (vec![1, 1], 0));
}

#[tokio::test]
async fn a_client_that_hangs_up_finds_the_result_when_it_comes_again() {
    let rig = rig();
    rig.close_gate();
    tokio::select! {
        _ = rig.put(1, body(1)) => panic!("the gate is closed"),
        () = rig.until_pushed(1) => {}
    }
    rig.root.gate.add_permits(1);
    let again = rig.put(1, body(1)).await;
    assert!(again.text().contains("high of 1"));
    assert_eq!(rig.sequences(), [1]);
}

#[tokio::test]
async fn what_failed_for_a_while_is_tried_again_and_what_failed_for_good_is_not() {
    for (refusal, pushes) in [
        (PushRefusal::Transient("x".to_owned()), 2),
        (PushRefusal::NoOrchestrator, 2),
        (PushRefusal::Unusable("x".to_owned()), 1),
    ] {
        let rig = rig();
        rig.behave(Behaviour::Refuse(refusal.clone()));
        for _ in 0..2 {
            assert_eq!(rig.put(1, body(1)).await.status, refusal.status());
        }
        assert_eq!(rig.sequences().len(), pushes, "{refusal:?}");
    }
}

#[tokio::test]
async fn a_panic_costs_one_segment() {
    let rig = rig();
    rig.behave(Behaviour::Panic);
    let answer = rig.put(1, body(1)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(rig.metrics.under_way.get(), 0);
    rig.behave(Behaviour::Answer);
    assert_eq!(rig.put(1, body(1)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn segments_are_handed_over_in_the_order_in_which_they_came() {
    let rig = rig();
    let slow = fixture::video(0, 255, true);
    let sizes: Vec<_> = (0..8_u64)
        .map(|number| {
            // Those with even numbers take longer to read.
            let mut video = slow.clone();
            video.base_decode_time = 900_000 + number;
            if number % 2 == 1 {
                video.samples.truncate(1);
            }
            fixture::file(crate::push::PushContainer::MpegTs, Some(&video), None)
        })
        .collect();
    let mut sends = tokio::task::JoinSet::new();
    let rig = std::sync::Arc::new(rig);
    rig.close_gate();
    for (number, body) in (0..).zip(sizes) {
        let sender = std::sync::Arc::clone(&rig);
        sends.spawn(async move { sender.put(number, body).await.status });
        // Bodies become whole one after another, readers run side by side.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    rig.until_pushed(8).await;
    rig.root.gate.add_permits(8);
    while let Some(status) = sends.join_next().await {
        assert_eq!(status.unwrap(), StatusCode::OK);
    }
    assert_eq!(rig.sequences(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_until_a_stream_has_been_quiet() {
    let rig = rig();
    rig.put(1, body(1)).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    rig.put(1, body(1)).await;
    assert_eq!(rig.sequences().len(), 1);
    tokio::time::sleep(Duration::from_secs(80)).await;
    rig.put(1, body(1)).await;
    assert_eq!(rig.sequences().len(), 2);
}
