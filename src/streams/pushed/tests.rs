//! Pushed segments at the registry's door.

use bytes::Bytes;
use http::{HeaderMap, Method};
use ingest::{
    PushAdmission as _,
    push::{PushContainer, PushedSegment},
};
use media::{MediaDuration, PlaybackId};
use orchestrator::{ClientConfig, OrchestratorClient};
use playback::{Directory, Epoch, PlaybackConfig, PlaybackMetrics};
use router::{Router, RouterConfig, RouterMetrics, RouterPorts, StreamPolicy};
use segmenter::SegmenterConfig;
use store::Store;
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    config::PublisherPolicy, default_ladder::DefaultLadder, metrics::StreamMetrics,
    sequences::Sequences, stream_task::StreamParts,
};

fn stream(key: &str, ladder: Option<Ladder>, takeover_after: Option<Duration>) -> StreamConfig {
    StreamConfig {
        name: StreamName::new("cam").unwrap(),
        key: KeyDigest::of(key),
        playback_id: PlaybackId::new("cam").unwrap(),
        ladder,
        policy: PublisherPolicy { takeover_after, ..PublisherPolicy::default() },
        routing: StreamPolicy::default(),
    }
}

/// A registry of one stream, without orchestrators.
async fn streams(stream: StreamConfig, store: &Store) -> Streams {
    let metrics = RouterMetrics::register(&mut prometheus_client::registry::Registry::default());
    let client = OrchestratorClient::new(ClientConfig::default()).unwrap();
    let (tasks, ports, closed) =
        (TaskTracker::new(), RouterPorts::default(), CancellationToken::new());
    let router =
        Router::start(RouterConfig::default(), client, tasks, metrics, ports, closed).await;
    let playback = PlaybackConfig::new(Epoch::starting_at(media::wall_clock_now()));
    let parts = StreamParts {
        filler: None,
        segmenter: SegmenterConfig::default(),
        router,
        routing: StreamPolicy::default(),
        sequences: Sequences::new(store.clone()),
        ladder: DefaultLadder::new(None),
        directory: Directory::new(playback, Arc::new(PlaybackMetrics::default())),
        metrics: StreamMetrics::default(),
        grace: Duration::ZERO,
    };
    Streams::new(parts, vec![stream], OtherKeys::Unknown, 1)
}

fn request(path: &str) -> PushRequest {
    let mut headers = HeaderMap::new();
    headers.insert("accept", "multipart/mixed".parse().unwrap());
    PushRequest::read(&Method::PUT, &path.parse().unwrap(), &headers, None).unwrap()
}

/// A body without media: it is answered with copies once the stream has taken it.
fn segment(body: &'static str) -> PushedSegment {
    PushedSegment {
        body: Bytes::from_static(body.as_bytes()),
        container: PushContainer::MpegTs,
        tracks: Vec::new(),
        units: Vec::new(),
        start: None,
        duration: MediaDuration::ZERO,
        declared_duration: Duration::from_secs(2),
        out_of_order: false,
    }
}

#[tokio::test]
async fn what_is_queued_when_the_gateway_drains_is_taken_and_answered() {
    let directory = std::env::temp_dir().join(format!("pushed-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let store = Store::open(&directory.join("store.db")).await.unwrap();
    let ladder = Ladder::for_source(320, 180, None);
    let streams = streams(stream("K", Some(ladder.clone()), None), &store).await;
    let name = StreamName::new("cam").unwrap();
    // On one thread: the stream's task has not had a turn before the drain begins.
    let push = |body| streams.push(name.clone(), request("/live/K/0.ts"), segment(body));
    let queued = [push("one"), push("two"), push("three")];
    let (answers, ()) = tokio::join!(futures_util::future::join_all(queued), streams.drain());
    for (answer, body) in answers.into_iter().zip(["one", "two", "three"]) {
        let answer = answer.unwrap();
        assert_eq!(answer.renditions.len(), ladder.profiles().len(), "{body}");
        assert!(answer.renditions.iter().all(|it| it.body.len() == body.len()), "{body}");
    }
    let late = streams.push(name, request("/live/K/3.ts"), segment("four")).await;
    assert_eq!(late.unwrap_err(), PushRefusal::ShuttingDown);
    store.close().await;
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn another_client_takes_a_stream_over_once_it_is_silent() {
    let (segments, _received) = mpsc::channel(1);
    let long_ago = now().checked_sub(TAKEOVER_MIN).unwrap();
    let mut pushes = Pushes {
        segments,
        key: KeyDigest::of("old"),
        last: now(),
        ended: CancellationToken::new(),
    };
    let after = Some(Duration::from_secs(1));
    let may = |pushes: &Pushes, key, after| pushes.may_be_taken(&stream(key, None, after));
    assert_eq!(may(&pushes, "old", None), Ok(()));
    assert!(matches!(may(&pushes, "new", after), Err(PushRefusal::Transient(_))));
    pushes.last = long_ago;
    assert_eq!(may(&pushes, "new", after), Ok(()));
    assert!(matches!(
        may(&pushes, "new", Some(Duration::from_secs(60))),
        Err(PushRefusal::Transient(_))
    ));
    assert!(matches!(may(&pushes, "new", None), Err(PushRefusal::Forbidden(_))), "no takeover");
}
