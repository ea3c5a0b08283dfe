//! Chromium publishes over WHIP: what comes of its layers and its codecs. Who it is driven by: `make test`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use ingest::{
    Activity, Admission, BoxFuture, IngestHealth, IngestMetrics, PublishRequest, PublisherEvent,
    PublisherSeat, Refusal, WhipConfig, WhipContext, WhipMetrics, whip_service,
};
use media::{AccessUnit, StreamName, TrackId};
use peers::{Peers, PeersConfig};
use prometheus_client::registry::Registry;
use tokio::{process::Command, sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One browser at a time: it codes up to three pictures at once, and drops frames where it can't.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// More events than any of these publishers makes.
const EVENTS: usize = 100_000;

/// Lets everybody in, and keeps what is published.
#[derive(Debug, Default)]
struct Door(Mutex<Option<mpsc::Receiver<PublisherEvent>>>);

impl Admission for Door {
    fn admit(&self, _request: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>> {
        Box::pin(async move {
            let (events, received) = mpsc::channel(EVENTS);
            *self.0.lock().unwrap() = Some(received);
            Ok(PublisherSeat {
                stream: StreamName::new("cam").unwrap(),
                events,
                ended: CancellationToken::new(),
                activity: Arc::new(Activity::new(tokio::time::Instant::now().into_std())),
                health: IngestHealth::new(tokio::time::Instant::now().into_std()),
                watch_page: None,
            })
        })
    }
}

/// What `tests/browser/publish.mjs` saw.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Seen {
    published: bool,
    status: u16,
    text: String,
    codec: Option<String>,
    /// Frames sent, by layer.
    layers: BTreeMap<String, u64>,
    offer: String,
}

/// What came of a publish.
#[derive(Debug, Default)]
struct Published {
    seen: Seen,
    layout: Option<(usize, usize)>,
    /// Sizes that each video track had.
    sizes: BTreeMap<TrackId, Vec<(u32, u32)>>,
    units: Vec<AccessUnit>,
    key_frame_requests: u64,
}

impl Published {
    /// Presentation times of a track's key frames, in 90 kHz ticks.
    fn keys(&self, track: TrackId) -> Vec<i64> {
        let keys = self.units.iter().filter(|unit| unit.track == track && unit.random_access);
        keys.map(|unit| unit.pts).collect()
    }
}

async fn publish(at: SocketAddr, seconds: u32, options: &[&str]) -> Published {
    let _turn = TURN.lock().await;
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let (metrics, mut registry) = (Arc::new(WhipMetrics::default()), Registry::default());
    // Told where all addresses are bound: there, only IPv4 is tried.
    let public = if at.ip().is_unspecified() { vec![[127, 0, 0, 1].into()] } else { Vec::new() };
    let ports = PeersConfig { addr: at, tcp: false, public, peers_max: 4 };
    let peers = Peers::bind(&ports, tasks.clone(), &shutdown).unwrap();
    metrics.register(&mut registry, &peers);
    let door = Arc::new(Door::default());
    let service = whip_service(WhipContext {
        admission: Arc::clone(&door) as Arc<dyn Admission>,
        peers,
        sound: None,
        config: WhipConfig::default(),
        ingest: Arc::new(IngestMetrics::default()),
        metrics,
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    });
    // Browsers give cameras to loopback addresses alone.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/whip", listener.local_addr().unwrap());
    // The page that it goes to for its origin.
    let service = service.fallback(|| async { "no such page" });
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    let until = shutdown.clone().cancelled_owned();
    tasks.spawn(async move {
        axum::serve(listener, service).with_graceful_shutdown(until).await.unwrap();
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser/publish.mjs");
    let browser = Command::new("node")
        .arg(script)
        .args([endpoint.as_str(), "key", &seconds.to_string()])
        .args(options)
        .kill_on_drop(true)
        .output();
    let limit = Duration::from_secs(u64::from(seconds) + 60);
    let output = timeout(limit, browser).await.expect("the browser ends").unwrap();
    let (said, wrong) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    let seen = serde_json::from_slice(&said).unwrap_or_else(|error| panic!("{error}: {wrong}"));
    shutdown.cancel();
    tasks.close();
    timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &registry).unwrap();
    let requests = shown.lines().find_map(|it| it.strip_prefix("whip_key_frame_requests_total "));
    let key_frame_requests = requests.unwrap().parse().unwrap();
    let mut published = Published { seen, key_frame_requests, ..Published::default() };
    let received = door.0.lock().unwrap().take();
    let events = received
        .into_iter()
        .flat_map(|mut events| std::iter::from_fn(move || events.try_recv().ok()));
    for (index, event) in events.enumerate() {
        match event {
            PublisherEvent::Layout { video, audio } => {
                assert_eq!(index, 0, "announced ahead of all");
                published.layout = Some((video, audio));
            }
            PublisherEvent::Track(track) => {
                let (_, picture) = track.parameters.picture().unwrap();
                let sizes = published.sizes.entry(track.id).or_default();
                sizes.push((picture.width, picture.height));
            }
            PublisherEvent::AccessUnit(unit) => published.units.push(unit),
            PublisherEvent::Discontinuity(reason) => panic!("{reason:?}"),
            PublisherEvent::Ended(_) => {}
        }
    }
    published
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Chromium sends its small layers first, and the large one when it trusts the way.
#[tokio::test(flavor = "multi_thread")]
async fn every_layer_of_a_simulcast_is_a_track() {
    let published = publish(loopback(), 20, &["simulcast", "moving"]).await;
    assert!(published.seen.published, "{:?}", published.seen);
    let layers: Vec<_> = published.seen.layers.keys().map(String::as_str).collect();
    assert_eq!(layers, ["h", "l", "m"], "it knows of every layer");
    assert_eq!(published.layout, Some((3, 0)));
    let tracks = [TrackId::VIDEO, TrackId(3), TrackId(4)];
    for (track, size, layer) in [(0, (1280, 720), "h"), (1, (640, 360), "m"), (2, (320, 180), "l")]
    {
        let track = tracks[track];
        assert_eq!(published.sizes[&track].last(), Some(&size), "{:?}", published.sizes);
        let count = published.units.iter().filter(|unit| unit.track == track).count();
        let sent = usize::try_from(published.seen.layers[layer]).unwrap();
        println!("{layer}: {sent} frames sent, {count} came, keys at {:?}", published.keys(track));
        assert!(count > 40 && count + 10 > sent, "{layer}: {sent} frames sent, {count} came");
    }
    // Where the largest has a key frame that was asked for, all have one, of the same moment.
    let [_, medium, small] = tracks.map(|track| published.keys(track));
    let apart = |key: &i64, keys: &[i64]| keys.iter().map(|it| (it - key).abs()).min().unwrap();
    let large = published.keys(TrackId::VIDEO);
    let near = large.iter().filter(|key| apart(key, &medium).max(apart(key, &small)) <= 4_500);
    let near = near.count();
    assert!(near >= 4 && near + 1 >= large.len(), "{near} of {large:?}: {medium:?} {small:?}");
    let longest = |keys: &[i64]| keys.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest(&small) < 90_000 * 5 / 2, "key frames are asked for: {small:?}");
}

/// As the browser does by itself when its way out is narrow.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_paused_harms_nobody_and_goes_on_in_step() {
    let published = publish(loopback(), 24, &["simulcast", "moving", "pause"]).await;
    assert!(published.seen.published, "{:?}", published.seen);
    let times = |track| {
        let units = published.units.iter().filter(move |unit| unit.track == track);
        units.map(|unit| unit.pts).collect::<Vec<_>>()
    };
    let longest = |times: &[i64]| {
        times.windows(2).map(|pair| pair[1] - pair[0]).enumerate().max_by_key(|it| it.1).unwrap()
    };
    let (large, small) = (times(TrackId::VIDEO), times(TrackId(4)));
    let (at, pause) = longest(&large);
    assert!(pause > 90_000 * 6, "it paused for {pause} ticks");
    assert!(longest(&small).1 < 90_000 * 2, "{small:?}");
    let goes_on = large[at + 1];
    assert!(published.keys(TrackId::VIDEO).contains(&goes_on), "with a key frame");
    let nearest = small.iter().map(|it| (it - goes_on).abs()).min().unwrap();
    assert!(nearest <= 4_500, "in step with the others: {nearest} ticks");
    // One for each two seconds, and a few at the start, where it pauses and where it goes on.
    let requests = published.key_frame_requests;
    println!("{requests} requests, paused for {} s", pause / 90_000);
    assert!(requests < 12 + 10, "{requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_prefers_another_codec_sends_h264() {
    for prefer in ["prefer=VP8,VP9,AV1,H264", "prefer=VP9,H264,VP8"] {
        let published = publish(loopback(), 3, &[prefer]).await;
        assert!(published.seen.published, "{:?}", published.seen);
        assert_eq!(published.seen.codec.as_deref(), Some("video/H264"), "{prefer}");
        assert!(published.units.len() > 30, "{prefer}: {} pictures", published.units.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_h264_is_told_so() {
    let published = publish(loopback(), 1, &["prefer=VP8,VP9,AV1"]).await;
    assert_eq!((published.seen.published, published.seen.status), (false, 422));
    let expected = "the offer's video is VP8, VP9, AV1; this gateway takes H.264";
    assert!(published.seen.text.starts_with(expected), "{}", published.seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_publishes_to_an_ipv6_port_over_both_families() {
    let all = std::net::Ipv6Addr::UNSPECIFIED;
    for at in [std::net::Ipv6Addr::LOCALHOST, all] {
        let at = SocketAddr::from((at, 0));
        if std::net::UdpSocket::bind(at).is_err() {
            println!("this machine has no IPv6");
            return;
        }
        let published = publish(at, 3, &[]).await;
        assert!(published.seen.published, "{at}: {:?}", published.seen);
        assert!(published.units.len() > 30, "{at}: {} pictures", published.units.len());
    }
}

/// Writes the offers that the tests of `peers` read.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes fixtures/chromium-156; run by hand to make them anew"]
async fn capture_offers() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/chromium-156");
    for (name, prefer) in
        [("h264-last-offer", "prefer=VP8,VP9,AV1,H264"), ("no-h264-offer", "prefer=VP8,VP9,AV1")]
    {
        let published = publish(loopback(), 1, &[prefer]).await;
        assert!(published.seen.offer.starts_with("v=0"), "{:?}", published.seen);
        std::fs::write(folder.join(format!("{name}.sdp")), published.seen.offer).unwrap();
    }
}
