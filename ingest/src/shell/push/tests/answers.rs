//! What clients are answered.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};

use super::rig::{Behaviour, Pushed, Rig, body, put};
use crate::{
    PushConfig,
    push::{PushContainer, PushRefusal, fixture},
};

fn rig() -> Rig {
    Rig::new(PushConfig::default())
}

#[tokio::test]
async fn renditions_come_back_in_the_ladders_order() {
    let rig = rig();
    let answer = rig.put(17, fixture::one_second()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let kind = answer.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/mixed; boundary=").unwrap();
    assert_eq!(boundary.len(), 32);
    let expected = format!(
        "--{boundary}\r\n\
         Content-Disposition: attachment; filename=high_17.ts\r\n\
         Content-Length: 10\r\nContent-Type: video/mp2t\r\nRendition-Name: high\r\n\r\n\
         high of 17\r\n\
         --{boundary}\r\n\
         Content-Disposition: attachment; filename=low_17.ts\r\n\
         Content-Length: 9\r\nContent-Type: video/mp2t\r\nRendition-Name: low\r\n\r\n\
         low of 17\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(answer.text(), expected);
    let other = rig.put(18, body(1)).await;
    assert_ne!(other.headers["content-type"].to_str().unwrap(), kind, "boundaries are random");
    let units = 25 + 46;
    assert_eq!(rig.pushed()[0], Pushed { sequence: 17, units, out_of_order: false });
    assert_eq!(rig.metrics.answers("ok"), 2);
}

#[tokio::test]
async fn without_that_accept_the_answer_is_empty() {
    let rig = rig();
    let mut request = put(1, body(1));
    request.headers_mut().remove("accept");
    let answer = rig.send(request).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(rig.sequences(), [1]);
}

#[tokio::test]
async fn a_segment_without_video_comes_back_as_it_is() {
    let rig = rig();
    let sound = fixture::file(PushContainer::MpegTs, None, Some(&fixture::audio(480_000, 46)));
    let answer = rig.put(3, sound.clone()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let copies = answer.body.windows(sound.len()).filter(|window| *window == sound).count();
    assert_eq!(copies, 2);
}

#[tokio::test]
async fn requests_that_lead_nowhere_never_reach_the_root() {
    let rig = rig();
    let mut get = put(1, body(1));
    *get.method_mut() = http::Method::GET;
    let with = |name: &'static str, value: &'static str| {
        let mut request = put(1, body(1));
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
        request
    };
    let to = |path: &str| {
        let mut request = put(1, body(1));
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    for (request, status) in [
        (get, 405),
        (to("/live/a/index.m3u8"), 400),
        (to("/live/a/b/1.ts"), 400),
        (to("/live/1.ts"), 400),
        (with("content-duration", "0"), 400),
        (with("livepeer-transcode-configuration", "{"), 400),
        (with("content-slice-to", "1000"), 501),
        (with("authorization", "Bearer other"), 403),
        (with("authorization", "Basic a2V5"), 403),
        (put(1, Bytes::new()), 422),
        (put(1, Bytes::from_static(b"no transport stream")), 422),
    ] {
        let shown = format!("{} {}", request.method(), request.uri());
        let answer = rig.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.text());
        assert!(answer.text().ends_with('\n') && answer.text().len() > 10, "{shown}");
        assert_eq!(answer.headers.contains_key("allow"), status == 405);
    }
    assert!(rig.pushed().is_empty());
    let other = rig.send(to("/hls/a/1.ts")).await;
    assert_eq!((other.status.as_u16(), other.body.len()), (404, 0), "left to other routers");
}

#[tokio::test]
async fn refusals_of_the_root_have_their_status() {
    let rig = rig();
    let refusals = [
        (PushRefusal::Unusable("x".to_owned()), 422),
        (PushRefusal::Transient("x".to_owned()), 500),
        (PushRefusal::NoStreamSlot, 500),
        (PushRefusal::LaddersDisagree, 500),
        (PushRefusal::NoOrchestrator, 503),
        (PushRefusal::ShuttingDown, 503),
    ];
    for (number, (refusal, status)) in (0..).zip(refusals) {
        rig.behave(Behaviour::Refuse(refusal.clone()));
        let answer = rig.put(number, body(1)).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.text(), format!("{refusal}\n"));
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
        assert_eq!(rig.metrics.answers(refusal.as_str()), 1);
    }
}

#[tokio::test]
async fn numbers_that_go_back_are_marked() {
    let rig = rig();
    for (index, sequence) in (0..).zip([5, 6, 4, 5]) {
        rig.put(sequence, body(index)).await;
    }
    let marks: Vec<_> = rig.pushed().iter().map(|pushed| pushed.out_of_order).collect();
    assert_eq!(marks, [false, false, true, false]);
}

#[tokio::test]
async fn a_stranger_is_turned_away_before_it_has_sent_anything() {
    let rig = rig();
    let unread = futures_util::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, _>>> {
        panic!("nobody may read this, which says {:?}", std::io::Error::other("continue"))
    });
    let unread = futures_util::StreamExt::map(unread, |it: Result<Bytes, std::io::Error>| it);
    let request = Request::post("/live/a/1.ts")
        .header("Expect", "100-continue")
        .body(Body::from_stream(unread))
        .unwrap();
    assert_eq!(rig.send(request).await.status, StatusCode::FORBIDDEN);
}
