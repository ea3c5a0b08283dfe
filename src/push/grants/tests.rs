//! How long the webhook's word holds, and how often it is asked.

use std::{cell::Cell, convert::Infallible};

use media::PlaybackId;
use router::StreamPolicy;

use super::*;
use crate::config::PublisherPolicy;

fn stream(name: &str, key: &str) -> Arc<StreamConfig> {
    Arc::new(StreamConfig {
        name: StreamName::new(name).unwrap(),
        key: KeyDigest::of(key),
        playback_id: PlaybackId::new(name).unwrap(),
        ladder: None,
        policy: PublisherPolicy::default(),
        routing: StreamPolicy::default(),
    })
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn yes(stream: Arc<StreamConfig>) -> Result<Arc<StreamConfig>, Infallible> {
    tokio::task::yield_now().await;
    Ok(stream)
}

#[tokio::test]
async fn of_a_clients_requests_at_the_same_time_one_asks() {
    let (grants, client) = (Grants::default(), KeyDigest::of("client"));
    let asked = Cell::new(0);
    let one = || {
        let (asked, decided) = (&asked, stream("match", "M"));
        grants.find_or_ask(now(), client, |_| false, async move {
            asked.set(asked.get() + 1);
            yes(decided).await
        })
    };
    let (first, second, third) = tokio::join!(one(), one(), one());
    for found in [first, second, third, one().await] {
        assert_eq!(found.unwrap().name.as_str(), "match");
    }
    assert_eq!(asked.get(), 1);
}

#[tokio::test]
async fn who_is_refused_or_breaks_off_leaves_nothing_and_may_ask_again() {
    let (grants, client) = (Grants::default(), KeyDigest::of("client"));
    let refused = grants
        .find_or_ask(now(), client, |_| false, async { Err::<Arc<StreamConfig>, _>("no") })
        .await;
    assert_eq!(refused.unwrap_err(), "no");
    let broken_off = grants.find_or_ask::<&str>(now(), client, |_| false, std::future::pending());
    let limit = Duration::from_millis(1);
    assert!(tokio::time::timeout(limit, broken_off).await.is_err());
    assert!(grants.lock().grants.is_empty());
    assert!(grants.find(now(), client, |_| true).is_none());
    // One that waits for another's answer asks itself when that one is refused.
    let no = grants.find_or_ask(now(), client, |_| false, async {
        tokio::task::yield_now().await;
        Err("no")
    });
    let then =
        grants.find_or_ask(now(), client, |_| false, async { Ok::<_, &str>(stream("match", "M")) });
    let (no, then) = tokio::join!(no, then);
    assert!(no.is_err() && then.is_ok());
    assert!(grants.find(now(), client, |_| false).is_some());
}

#[tokio::test]
async fn a_grant_ends_with_its_stream_or_unused() {
    let (grants, client, start) = (Grants::default(), KeyDigest::of("client"), now());
    let found = |at, is_live| grants.find(at, client, |_| is_live).is_some();
    let ask = |at| grants.find_or_ask(at, client, |_| false, yes(stream("match", "M")));
    ask(start).await.unwrap();
    assert!(found(start + UNUSED - Duration::from_secs(1), false));
    let late = start + UNUSED;
    assert!(!found(late, false), "it never came back");
    ask(late).await.unwrap();
    assert!(found(late, false), "asked anew");
    grants.used(late, client);
    assert!(found(late + IDLE - Duration::from_secs(1), true));
    assert!(!found(late, false), "its stream has ended");
    assert!(!found(late + IDLE, true), "it pushes no more");
}

#[tokio::test]
async fn a_stream_that_starts_again_does_not_bring_old_grants_back() {
    let (grants, start) = (Grants::default(), now());
    let [gone, waiting, other] = ["gone", "waiting", "other"].map(KeyDigest::of);
    for (client, name) in [(gone, "match"), (waiting, "match"), (other, "other")] {
        grants.find_or_ask(start, client, |_| true, yes(stream(name, name))).await.unwrap();
    }
    grants.used(start, gone);
    grants.used(start, other);
    grants.ended(&StreamName::new("match").unwrap());
    let found = [gone, waiting, other].map(|it| grants.find(start, it, |_| true).is_some());
    assert_eq!(found, [false, true, true]);
}

#[tokio::test]
async fn a_client_that_never_asks_the_same_twice_does_not_fill_the_memory() {
    let (grants, start) = (Grants::default(), now());
    for number in 0..5_000_u32 {
        let (at, client) =
            (start + number * Duration::from_secs(2), KeyDigest::of(&number.to_string()));
        grants.find_or_ask(at, client, |_| true, yes(stream("match", "M"))).await.unwrap();
        grants.used(at, client);
    }
    let kept = grants.lock().grants.len();
    assert!(kept <= 2 * 300, "{kept}: twice as many as in ten minutes");
}

#[tokio::test]
async fn who_takes_a_stream_over_is_the_only_one_to_hold_it() {
    let grants = Grants::default();
    let [old, new, other] = ["old", "new", "other"].map(KeyDigest::of);
    let all = [(old, stream("match", "old")), (new, stream("match", "new"))];
    for (client, stream) in all.into_iter().chain([(other, stream("other", "other"))]) {
        grants.find_or_ask(now(), client, |_| true, yes(stream)).await.unwrap();
    }
    grants.taken_over(&stream("match", "new"));
    let found = [old, new, other].map(|client| grants.find(now(), client, |_| true).is_some());
    assert_eq!(found, [false, true, true]);
}

#[tokio::test]
async fn grants_of_streams_that_have_ended_do_not_pile_up() {
    let grants = Grants::default();
    for number in 0..KEPT * 4 {
        let client = KeyDigest::of(&number.to_string());
        grants.find_or_ask(now(), client, |_| false, yes(stream("match", "M"))).await.unwrap();
        grants.used(now(), client);
    }
    assert!(grants.lock().grants.len() <= KEPT, "{}", grants.lock().grants.len());
}
