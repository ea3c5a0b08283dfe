//! A stream's task whose publisher leaves.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ingest::{ConnectionId, EndReason, PublisherEvent};
use media::{
    AccessUnit, Chain, PlaybackId, PresentationSegment, SequenceNumber, StreamName, TrackId,
    wall_clock_now,
};
use orchestrator::{ClientConfig, OrchestratorClient};
use playback::{Directory, Epoch, PlaybackConfig, PlaybackMetrics};
use router::{BoxFuture, Router, RouterConfig, RouterMetrics, RouterPorts, StreamPolicy};
use segmenter::{Filler, FillerPictures, SegmenterConfig};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{FillerMaking, FillerOrder, NoFiller, tests::init};
use crate::{
    config::{FillerKind, KeyDigest, PublisherPolicy, StreamConfig},
    default_ladder::DefaultLadder,
    metrics::StreamMetrics,
    sequences::Sequences,
    stream_task::{Feed, Publisher, Registry, StreamParts, StreamTask},
};

/// Ticks of 90 kHz between pictures.
const STEP: i64 = 9_000;

/// Makes it at once, and says of what.
#[derive(Debug)]
struct Maker(mpsc::Sender<Chain>);

impl FillerMaking for Maker {
    fn make(&self, order: FillerOrder) -> BoxFuture<'static, Result<Filler, NoFiller>> {
        self.0.try_send(order.last).unwrap();
        let pictures = vec![Chain::from(Bytes::from_static(b"still")); 20];
        let video = Some(FillerPictures { init: init(720), pictures, interval: 9_000 });
        Box::pin(async { Ok(Filler { video, ..Filler::default() }) })
    }
}

/// Passes on what is listed.
#[derive(Debug)]
struct Listed(mpsc::Sender<PresentationSegment>);

impl Registry for Listed {
    fn listed(&self, _: &StreamName, segment: &PresentationSegment) {
        self.0.try_send(segment.clone()).unwrap();
    }

    fn publisher_left(&self, _: &StreamName, _: ConnectionId) {}

    fn retire(&self, _: &StreamName, _: &mut mpsc::Receiver<Publisher>) -> Option<Publisher> {
        None
    }

    fn retire_for_good(&self, _: &StreamName) {}
}

async fn parts(store: &Store, maker: Maker) -> StreamParts {
    let metrics = RouterMetrics::register(&mut prometheus_client::registry::Registry::default());
    let client = OrchestratorClient::new(ClientConfig::default()).unwrap();
    let (tasks, ports, closed) =
        (TaskTracker::new(), RouterPorts::default(), CancellationToken::new());
    let router =
        Router::start(RouterConfig::default(), client, tasks, metrics, ports, closed).await;
    let playback = PlaybackConfig::new(Epoch::starting_at(wall_clock_now()));
    StreamParts {
        filler: Some(Arc::new(maker)),
        segmenter: SegmenterConfig { goal: Duration::from_secs(2), ..SegmenterConfig::default() },
        router,
        routing: StreamPolicy::default(),
        sequences: Sequences::new(store.clone()),
        ladder: DefaultLadder::new(None),
        directory: Directory::new(playback, Arc::new(PlaybackMetrics::default())),
        metrics: StreamMetrics::default(),
        grace: Duration::ZERO,
    }
}

fn config() -> StreamConfig {
    StreamConfig {
        name: StreamName::new("cam").unwrap(),
        key: KeyDigest::of("key"),
        playback_id: PlaybackId::new("cam").unwrap(),
        ladder: None,
        policy: PublisherPolicy { filler: FillerKind::LastPicture, ..PublisherPolicy::default() },
        routing: StreamPolicy::default(),
    }
}

fn picture(number: i64) -> PublisherEvent {
    PublisherEvent::AccessUnit(AccessUnit {
        track: TrackId::VIDEO,
        dts: number * STEP,
        pts: number * STEP,
        random_access: number % 20 == 0,
        payload: Chain::from(Bytes::from(format!("picture {number};"))),
        arrived: tokio::time::Instant::now().into_std(),
    })
}

/// Publishes, is gone or silent in the middle of a segment; what filler was made of, and what was listed
/// from that segment on.
async fn stop(folder: &str, ended: bool) -> (String, Vec<PresentationSegment>) {
    let folder = std::env::temp_dir().join(format!("{folder}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&folder.join("store.db")).await.unwrap();
    let (asked, mut asked_of) = mpsc::channel(16);
    let (listed, mut listing) = mpsc::channel(16);
    let parts = Arc::new(parts(&store, Maker(asked)).await);
    let (_arrivals, arriving) = mpsc::channel(1);
    let draining = CancellationToken::new();
    let task = StreamTask::new(
        Arc::new(Listed(listed)),
        Arc::new(config()),
        parts,
        SequenceNumber::FIRST,
        arriving,
        draining.clone(),
        false,
    );
    let (events, feed) = mpsc::channel(64);
    let publisher = Publisher {
        connection: ConnectionId(1),
        feed: Feed::Events(feed),
        ended: CancellationToken::new(),
    };
    let task = TaskTracker::new().spawn(task.run(publisher));
    events.send(PublisherEvent::Track(init(720).track.clone())).await.unwrap();
    for number in 0..61 {
        events.send(picture(number)).await.unwrap();
    }
    for _ in 0..3 {
        listing.recv().await.unwrap();
    }
    // It publishes on for about a second, the next key frame never comes.
    tokio::time::sleep(Duration::from_millis(900)).await;
    for number in 61..70 {
        events.send(picture(number)).await.unwrap();
    }
    if ended {
        events.send(PublisherEvent::Ended(EndReason::ConnectionLost)).await.unwrap();
    }
    let rest = vec![listing.recv().await.unwrap(), listing.recv().await.unwrap()];
    draining.cancel();
    drop(events);
    task.await.unwrap();
    let made_of = asked_of.recv().await.unwrap().to_contiguous();
    assert!(asked_of.try_recv().is_err(), "asked for once");
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
    (String::from_utf8_lossy(&made_of).into_owned(), rest)
}

fn check(made_of: &str, rest: &[PresentationSegment]) {
    assert!(made_of.contains("picture 69;"), "the last picture of all");
    assert!(!made_of.contains("picture 59;"), "and no more than it takes");
    let is: Vec<_> = rest.iter().map(|it| (it.source.is_gap(), it.source.filler)).collect();
    assert_eq!(is, [(false, false), (false, true)], "(gap, filler)");
}

#[tokio::test]
async fn filler_is_there_for_the_first_stand_in_of_a_publisher_that_left() {
    let (made_of, rest) = stop("departure-left", true).await;
    check(&made_of, &rest);
}

#[tokio::test]
async fn filler_is_there_for_the_first_stand_in_of_a_publisher_that_is_silent() {
    let (made_of, rest) = stop("departure-silent", false).await;
    check(&made_of, &rest);
}
