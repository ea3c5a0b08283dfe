//! Sessions: capacity, tokens, idling, shutdown.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::support::{Act, Orchestrator, Transport, client, eventually, job};
use crate::{DiscoveryError, Retry, SegmentJob, TranscodeError};

#[tokio::test]
async fn a_full_orchestrator_says_so_before_and_at_the_first_segment() {
    let orchestrator =
        Orchestrator::start(Transport::Plaintext, [], |config| config.max_sessions = 1).await;
    let client = client();
    let (first, second) =
        (orchestrator.session(&client).await, orchestrator.session(&client).await);
    client.transcode(&first, &job(b"segment")).await.unwrap();

    let error = client.transcode(&second, &job(b"segment")).await.unwrap_err();
    assert!(matches!(error, TranscodeError::Capped), "{error}");
    assert_eq!((error.retry(), error.is_fault()), (Retry::Other, false));
    let capabilities = job(b"").capabilities();
    let error = client.get_orchestrator(&orchestrator.address, &capabilities).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Capped), "{error}");
    assert!(!error.is_fault());

    client.transcode(&first, &job(b"segment")).await.unwrap();
    client.end_session(&first).await.unwrap();
    client.transcode(&second, &job(b"segment")).await.unwrap();
}

#[tokio::test]
async fn the_sixth_segment_of_a_session_finds_it_busy() {
    let script = std::iter::repeat_n(Act::Gated, 6);
    let orchestrator = Orchestrator::start(Transport::Plaintext, script, |_| {}).await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let jobs: Vec<_> = (0..6).map(|sequence| SegmentJob { sequence, ..job(b"segment") }).collect();
    let attempts = join_all(jobs.iter().map(|job| client.transcode(&info, job)));
    let open = async {
        eventually("one is refused", || orchestrator.server.stats().busy == 1).await;
        assert_eq!(orchestrator.transcoder.request_count(), 1, "one at a time");
        orchestrator.transcoder.gate.add_permits(6);
    };
    let (results, ()) = tokio::join!(attempts, open);
    let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    let [error] = &errors[..] else { panic!("one of six is refused: {errors:?}") };
    assert!(matches!(error, TranscodeError::Busy));
    assert_eq!((error.retry(), error.is_fault()), (Retry::Other, false));
}

#[tokio::test]
async fn after_a_restart_the_same_orchestrator_is_tried_with_a_new_session() {
    let first = Orchestrator::start(Transport::Plaintext, [], |_| {}).await;
    let client = client();
    let info = first.session(&client).await;
    client.transcode(&info, &job(b"segment")).await.unwrap();
    let at = first.listening.at;
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;

    let listener = TcpListener::bind(at).await.unwrap();
    let second = Orchestrator::on(listener, Transport::Plaintext, [], |_| {});
    // Large enough that the refusal would meet a half-sent body if the server did not read on.
    let large = job(&vec![9; 2_000_000]);
    let error = client.transcode(&info, &large).await.unwrap_err();
    assert!(matches!(&error, TranscodeError::TokenRejected(text) if text == "invalid auth token"));
    assert_eq!((error.retry(), error.is_fault()), (Retry::Same, false));
    let renewed = second.session(&client).await;
    client.transcode(&renewed, &large).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_asks_for_a_new_session() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |config| {
        config.token_lifetime = Duration::ZERO;
    })
    .await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let error = client.transcode(&info, &job(b"segment")).await.unwrap_err();
    assert!(matches!(&error, TranscodeError::TokenRejected(text) if text == "expired auth token"));
    assert!(client.end_session(&info).await.is_err());
}

#[tokio::test]
async fn idle_sessions_end_but_working_ones_do_not() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [Act::Gated], |config| {
        config.session_idle = Duration::from_millis(100);
    })
    .await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let job = job(b"segment");
    let stats = || orchestrator.server.stats();
    let open = async {
        eventually("the session is live", || stats().sessions == 1).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(stats().sessions, 1, "a working session is not idle");
        orchestrator.transcoder.gate.add_permits(1);
    };
    let (result, ()) = tokio::join!(client.transcode(&info, &job), open);
    result.unwrap();
    eventually("the session idles out", || stats().sessions == 0).await;
}

#[tokio::test]
async fn ending_a_session_ends_its_work() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [Act::Gated], |_| {}).await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let job = job(b"segment");
    let end = async {
        eventually("work began", || orchestrator.transcoder.request_count() == 1).await;
        client.end_session(&info).await.unwrap();
    };
    let (result, ()) = tokio::join!(client.transcode(&info, &job), end);
    assert!(matches!(result.unwrap_err(), TranscodeError::Failed(text) if text == "session ended"));
}

#[tokio::test]
async fn shutdown_finishes_what_has_arrived_and_takes_no_new_session() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [Act::Gated], |_| {}).await;
    let client = client();
    let (info, late) = (orchestrator.session(&client).await, orchestrator.session(&client).await);
    let job = job(b"segment");
    let stop = async {
        eventually("work began", || orchestrator.transcoder.request_count() == 1).await;
        let check = async {
            let error = client.transcode(&late, &job).await.unwrap_err();
            assert!(matches!(error, TranscodeError::Capped), "{error}");
            orchestrator.transcoder.gate.add_permits(1);
        };
        tokio::join!(orchestrator.server.shutdown(), check);
    };
    let (result, ()) = tokio::join!(client.transcode(&info, &job), stop);
    // The result is there; its session, and with it the renditions, may be gone already.
    assert!(matches!(result, Ok(_) | Err(TranscodeError::Download { .. })), "{result:?}");
    assert_eq!(orchestrator.server.stats().sessions, 0);
}
