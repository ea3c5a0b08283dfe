//! What is under way has bounds, and every wait an end.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use super::rig::{Rig, body, put};
use crate::PushConfig;

#[tokio::test]
async fn more_bytes_than_a_segment_may_have_are_refused() {
    let limit = u64::try_from(body(1).len()).unwrap();
    let rig = Rig::new(PushConfig { segment_bytes: limit, ..PushConfig::default() });
    assert_eq!(rig.put(1, body(1)).await.status, StatusCode::OK);
    let mut longer = body(1).to_vec();
    longer.push(0);
    let answer = rig.put(2, Bytes::from(longer)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.text().contains(&limit.to_string()));
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_over_all_streams_and_given_back() {
    // Room for one segment, which takes a unit.
    let rig = Rig::new(PushConfig { bytes_in_flight: 64 << 10, ..PushConfig::default() });
    rig.close_gate();
    let mut other = put(1, body(2));
    *other.uri_mut() = "/live/b/1.ts".parse().unwrap();
    let refused = async {
        rig.until_pushed(1).await;
        let refused = rig.send(other).await;
        rig.root.gate.add_permits(2);
        refused
    };
    let (first, refused) = tokio::join!(rig.put(1, body(1)), refused);
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.text().contains("bytes"), "it says which bound: {}", refused.text());
    assert_eq!(rig.put(2, body(3)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn one_stream_has_so_many_segments_under_way_and_others_are_not_harmed() {
    let rig = Rig::new(PushConfig::default());
    rig.close_gate();
    let many: Vec<_> = (0..12).map(|number| rig.put(number, body(0))).collect();
    let thirteenth = async {
        rig.until_pushed(12).await;
        let refused = rig.put(12, body(0)).await;
        rig.root.gate.add_permits(13);
        let mut other = put(1, body(2));
        *other.uri_mut() = "/live/b/1.ts".parse().unwrap();
        (refused, rig.send(other).await)
    };
    let many = futures_util::future::join_all(many);
    let (many, (refused, other)) = tokio::join!(many, thirteenth);
    assert!(many.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_late_is_asked_for_again_and_not_worked_for_twice() {
    let rig = Rig::new(PushConfig::default());
    rig.close_gate();
    let begin = tokio::time::Instant::now();
    let answer = rig.put(1, body(1)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(begin.elapsed().as_secs(), 30);
    let mut patient = put(2, body(2));
    let json = HeaderValue::from_static(r#"{"timeoutMultiplier":3}"#);
    patient.headers_mut().insert("livepeer-transcode-configuration", json);
    let begin = tokio::time::Instant::now();
    assert_eq!(rig.send(patient).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(begin.elapsed().as_secs(), 90);
    rig.root.gate.add_permits(1);
    assert_eq!(rig.put(1, body(1)).await.status, StatusCode::OK);
    assert_eq!(rig.sequences(), [1, 2]);
    assert_eq!(rig.metrics.repeated.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn work_without_a_result_ends_and_the_segment_is_new_again() {
    let rig = Rig::new(PushConfig::default());
    rig.close_gate();
    for _ in 0..2 {
        assert_eq!(rig.put(1, body(1)).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!((rig.sequences().len(), rig.metrics.under_way.get()), (1, 1));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(rig.metrics.under_way.get(), 0);
    rig.root.gate.add_permits(1);
    assert_eq!(rig.put(1, body(1)).await.status, StatusCode::OK);
    assert_eq!(rig.sequences(), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_admission_that_hangs_ends() {
    let rig = Rig::new(PushConfig::default());
    *rig.root.admits_after.lock().unwrap() = Duration::from_secs(3_600);
    let answer = rig.put(1, body(1)).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(rig.pushed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_ends() {
    let rig = Rig::new(PushConfig::default());
    let mut request = put(1, Bytes::new());
    let stuck = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    *request.body_mut() = Body::from_stream(stuck);
    assert_eq!(rig.send(request).await.status, StatusCode::BAD_REQUEST);
    assert!(rig.pushed().is_empty());
}

#[tokio::test]
async fn a_gateway_that_drains_takes_nothing_new_and_finishes_what_it_has() {
    let rig = Rig::new(PushConfig::default());
    rig.close_gate();
    let drain = async {
        rig.until_pushed(1).await;
        rig.shutdown.cancel();
        let refused = rig.put(2, body(2)).await;
        rig.root.gate.add_permits(1);
        refused
    };
    let (first, refused) = tokio::join!(rig.put(1, body(1)), drain);
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
}
