//! WHIP over HTTP, with a real shared port and offers of real clients that never connect.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, response::Response};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use ingest::{
    Activity, Admission, BoxFuture, EndReason, IngestHealth, IngestMetrics, PublishRequest,
    PublisherEvent, PublisherSeat, Refusal, WhipConfig, WhipContext, WhipMetrics, whip::IceServer,
    whip_service,
};
use media::StreamName;
use peers::{Peers, PeersConfig};
use prometheus_client::registry::Registry;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

const CHROMIUM: &str = include_str!("../../fixtures/chromium-156/offer.sdp");
const LAYERS: &str = include_str!("../../fixtures/chromium-156/simulcast-offer.sdp");
const FFMPEG: &str = include_str!("../../fixtures/ffmpeg-9.0/offer.sdp");
const LIMIT: Duration = Duration::from_secs(10);

/// Lets in who has the key `right`, one at a time, and keeps what it publishes.
#[derive(Debug, Default)]
struct Door {
    seats: Mutex<Vec<(mpsc::Receiver<PublisherEvent>, Arc<Activity>)>>,
}

impl Admission for Door {
    fn admit(&self, request: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>> {
        Box::pin(async move {
            if request.key.expose() != "right" {
                return Err(Refusal::UnknownKey);
            }
            let mut seats = self.seats.lock().unwrap();
            if seats.last().is_some_and(|(_, activity)| !activity.has_ended()) {
                return Err(Refusal::AlreadyPublishing);
            }
            let (events, received) = mpsc::channel(64);
            let activity = Arc::new(Activity::new(tokio::time::Instant::now().into_std()));
            seats.push((received, Arc::clone(&activity)));
            let stream = StreamName::new("cam").unwrap();
            let watch_page = Some("/watch/studio".to_owned());
            Ok(PublisherSeat {
                stream,
                events,
                ended: CancellationToken::new(),
                activity,
                health: IngestHealth::new(tokio::time::Instant::now().into_std()),
                watch_page,
            })
        })
    }
}

struct Rig {
    service: Router,
    door: Arc<Door>,
    peers: Peers,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Rig {
    fn new(change: impl FnOnce(&mut WhipConfig, &mut PeersConfig)) -> Self {
        let mut config = WhipConfig {
            ice_servers: vec![IceServer {
                url: "stun:stun.example.net".to_owned(),
                credential: None,
            }],
            ..WhipConfig::default()
        };
        let mut ports = PeersConfig {
            addr: ([127, 0, 0, 1], 0).into(),
            tcp: true,
            public: vec![[203, 0, 113, 7].into()],
            peers_max: 8,
        };
        change(&mut config, &mut ports);
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let peers = Peers::bind(&ports, tasks.clone(), &shutdown).unwrap();
        let door = Arc::new(Door::default());
        let service = whip_service(WhipContext {
            admission: Arc::clone(&door) as Arc<dyn Admission>,
            peers: peers.clone(),
            sound: None,
            config,
            ingest: Arc::new(IngestMetrics::default()),
            metrics: Arc::new(WhipMetrics::default()),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        });
        Self { service, door, peers, tasks, shutdown }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(header::HeaderName, &str)],
        body: &str,
    ) -> Response {
        let client: SocketAddr = ([192, 0, 2, 1], 5000).into();
        let mut request =
            Request::builder().method(method).uri(path).extension(ConnectInfo(client));
        for (name, value) in fields {
            request = request.header(name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        timeout(LIMIT, self.service.clone().oneshot(request)).await.unwrap().unwrap()
    }

    async fn post(&self, key: &str, offer: &str) -> Response {
        let bearer = format!("Bearer {key}");
        let fields =
            [(header::CONTENT_TYPE, "application/sdp"), (header::AUTHORIZATION, bearer.as_str())];
        self.send(Method::POST, "/whip", &fields, offer).await
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.tasks.close();
        timeout(LIMIT, self.tasks.wait()).await.unwrap();
        assert_eq!(self.peers.stats().peers, 0);
    }
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

fn field(response: &Response, name: impl header::AsHeaderName) -> String {
    response.headers().get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default()
}

const FRAGMENT: (header::HeaderName, &str) =
    (header::CONTENT_TYPE, "application/trickle-ice-sdpfrag");
const RIGHT: (header::HeaderName, &str) = (header::AUTHORIZATION, "Bearer right");
const RESTART: &str = "a=ice-ufrag:wxyz\r\na=ice-pwd:ABCDEFGHIJKLMNOPQRSTUVWX\r\n";

fn assert_answers_as_it_should(answer: &str, port: u16) {
    assert_eq!(answer.matches("a=candidate").count(), 2, "{answer}");
    assert!(
        answer.contains(&format!(" udp 2130706431 203.0.113.7 {port} typ host\r\n")),
        "{answer}"
    );
    assert!(
        answer.contains(&format!(" 203.0.113.7 {port} typ host tcptype passive\r\n")),
        "{answer}"
    );
    for line in ["a=ice-lite", "a=setup:passive", "a=recvonly", "a=rtcp-mux", "H264/90000", "rtx/"]
    {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    assert!(!answer.contains("VP8") && !answer.contains("a=sendrecv"), "{answer}");
}

#[tokio::test]
async fn an_offer_is_answered_restarted_and_ended() {
    let rig = Rig::new(|_, _| {});
    let created = rig.post("right", CHROMIUM).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(field(&created, header::CONTENT_TYPE), "application/sdp");
    let links: Vec<_> = created.headers().get_all(header::LINK).iter().collect();
    let stun = "<stun:stun.example.net>; rel=\"ice-server\"";
    assert_eq!(links, [stun, "</watch/studio>; rel=\"alternate\"; type=\"text/html\""]);
    let (location, etag) = (field(&created, header::LOCATION), field(&created, header::ETAG));
    let answer = text(created).await;
    let port = rig.peers.local_addr().port();
    assert_answers_as_it_should(&answer, port);

    let patch = async |fields: &[(header::HeaderName, &str)], body| {
        rig.send(Method::PATCH, &location, fields, body).await
    };
    let if_etag = (header::IF_MATCH, etag.as_str());
    let star = (header::IF_MATCH, "*");
    let candidate = "a=candidate:1 1 udp 1 x.local 5000 typ host\r\n";
    let status = patch(&[FRAGMENT, RIGHT, if_etag.clone()], candidate).await.status();
    assert_eq!(status, StatusCode::NO_CONTENT);
    let refused = [
        (patch(&[FRAGMENT, RIGHT], candidate).await, StatusCode::PRECONDITION_REQUIRED),
        (patch(&[FRAGMENT, if_etag.clone()], candidate).await, StatusCode::FORBIDDEN),
        (patch(&[RIGHT, if_etag.clone()], candidate).await, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (patch(&[FRAGMENT, RIGHT, if_etag.clone()], "?").await, StatusCode::BAD_REQUEST),
        (
            patch(&[FRAGMENT, RIGHT, (header::IF_MATCH, "\"x\"")], candidate).await,
            StatusCode::PRECONDITION_FAILED,
        ),
        (
            patch(&[FRAGMENT, RIGHT, star.clone()], candidate).await,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ];
    for (response, status) in refused {
        assert_eq!(response.status(), status, "{}", text(response).await);
    }

    let restarted = patch(&[FRAGMENT, RIGHT, star.clone()], RESTART).await;
    assert_eq!(restarted.status(), StatusCode::OK);
    let renewed = field(&restarted, header::ETAG);
    assert_ne!(renewed, etag);
    let fragment = text(restarted).await;
    let ufrag =
        |text: &str| text.lines().find(|it| it.starts_with("a=ice-ufrag")).unwrap().to_owned();
    assert_ne!(ufrag(&fragment), ufrag(&answer));
    assert!(fragment.contains(&format!("203.0.113.7 {port} typ host")), "{fragment}");
    let again = patch(&[FRAGMENT, RIGHT, star], RESTART).await;
    assert_eq!((again.status(), field(&again, header::ETAG)), (StatusCode::OK, renewed));
    assert_eq!(text(again).await, fragment);
    let stale = patch(&[FRAGMENT, RIGHT, if_etag], candidate).await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);

    let strange = rig.send(Method::DELETE, &location, &[], "").await;
    assert_eq!(strange.status(), StatusCode::FORBIDDEN);
    let ended = rig.send(Method::DELETE, &location, &[RIGHT], "").await;
    assert_eq!(ended.status(), StatusCode::OK);
    let again = rig.send(Method::DELETE, &location, &[RIGHT], "").await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    let (mut events, _) = rig.door.seats.lock().unwrap().pop().unwrap();
    let last = timeout(LIMIT, events.recv()).await.unwrap();
    assert!(matches!(last, Some(PublisherEvent::Ended(EndReason::Unpublished))), "{last:?}");
    rig.end().await;
}

#[tokio::test]
async fn a_request_whose_body_does_not_come_keeps_no_other_waiting() {
    let rig = Rig::new(|_, _| {});
    let location = field(&rig.post("right", CHROMIUM).await, header::LOCATION);
    let nothing = futures_util::stream::pending::<Result<&str, std::convert::Infallible>>();
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(&location)
        .header(FRAGMENT.0, FRAGMENT.1)
        .header(RIGHT.0, RIGHT.1)
        .header(header::IF_MATCH, "*")
        .body(Body::from_stream(nothing))
        .unwrap();
    tokio::select! {
        biased;
        early = rig.service.clone().oneshot(request) => panic!("{early:?}"),
        ended = rig.send(Method::DELETE, &location, &[RIGHT], "") => {
            assert_eq!(ended.status(), StatusCode::OK);
        }
    }
    rig.end().await;
}

#[tokio::test]
async fn a_client_that_waits_for_our_hello_gets_an_active_answer() {
    let rig = Rig::new(|_, _| {});
    let fields = [(header::CONTENT_TYPE, "application/sdp")];
    let created = rig.send(Method::POST, "/whip/right", &fields, FFMPEG).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = field(&created, header::LOCATION);
    assert!(!location.contains("right"), "the key is not in the session's URL");
    assert!(text(created).await.contains("a=setup:active"));
    assert_eq!(rig.send(Method::DELETE, &location, &[], "").await.status(), StatusCode::OK);
    rig.end().await;
}

/// The answer of the library, which is told of no layers, has the extensions that name them.
#[tokio::test]
async fn every_layer_of_a_simulcast_is_answered_up_to_four() {
    let six = LAYERS
        .replace("a=rid:l send\r\n", "a=rid:l send\r\na=rid:4 send\r\na=rid:5 send\r\n")
        .replace("send h;m;l", "send h;m;l;4;5");
    for (offer, layers) in [(LAYERS, "h;m;l"), (&six, "h;m;l;4")] {
        let rig = Rig::new(|_, _| {});
        let created = rig.post("right", offer).await;
        assert_eq!(created.status(), StatusCode::CREATED);
        let answer = text(created).await;
        let video = answer.split("m=").find(|section| section.starts_with("video")).unwrap();
        assert!(video.contains(&format!("a=simulcast:recv {layers}\r\n")), "{answer}");
        for layer in layers.split(';') {
            assert!(video.contains(&format!("a=rid:{layer} recv\r\n")), "{answer}");
        }
        for extension in ["sdes:rtp-stream-id", "sdes:repaired-rtp-stream-id"] {
            assert!(video.contains(extension), "{answer}");
        }
        assert_eq!(answer.matches("a=rid:").count(), layers.split(';').count(), "{answer}");
        rig.end().await;
    }
}

#[tokio::test]
async fn what_can_not_be_published_is_refused_with_a_reason() {
    let rig = Rig::new(|_, _| {});
    let vp8 = CHROMIUM.replace("H264/90000", "VP8/90000");
    for (response, status, says) in [
        (rig.post("wrong", CHROMIUM).await, StatusCode::FORBIDDEN, "stream key is not known"),
        (rig.post("right", "v=1").await, StatusCode::BAD_REQUEST, "v=0"),
        (rig.post("right", &vp8).await, StatusCode::UNPROCESSABLE_ENTITY, "takes H.264"),
        (
            rig.post("right", &"a=x\r\n".repeat(20_000)).await,
            StatusCode::PAYLOAD_TOO_LARGE,
            "65536 bytes",
        ),
        (
            rig.send(Method::POST, "/whip", &[RIGHT], CHROMIUM).await,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "application/sdp",
        ),
        (
            rig.send(Method::POST, "/whip", &[(header::CONTENT_TYPE, "application/sdp")], "").await,
            StatusCode::UNAUTHORIZED,
            "Bearer KEY",
        ),
        (rig.send(Method::PUT, "/whip", &[], "").await, StatusCode::METHOD_NOT_ALLOWED, "POST"),
        (
            rig.send(Method::DELETE, "/whip/session/none", &[], "").await,
            StatusCode::NOT_FOUND,
            "no such session",
        ),
    ] {
        assert_eq!(response.status(), status);
        assert_eq!(field(&response, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        let said = text(response).await;
        assert!(said.contains(says), "{said}");
    }
    let preflight = rig.send(Method::OPTIONS, "/whip", &[], "").await;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(field(&preflight, "accept-post"), "application/sdp");
    assert!(field(&preflight, header::ACCESS_CONTROL_ALLOW_HEADERS).contains("If-Match"));
    assert!(field(&preflight, header::ACCESS_CONTROL_ALLOW_METHODS).contains("POST"));
    rig.end().await;
}

#[tokio::test]
async fn a_client_that_never_connects_is_let_go() {
    let rig = Rig::new(|config, _| config.connect_timeout = Duration::from_millis(300));
    let created = rig.post("right", CHROMIUM).await;
    let location = field(&created, header::LOCATION);
    let busy = rig.post("right", CHROMIUM).await;
    assert_eq!(busy.status(), StatusCode::CONFLICT);
    let (mut events, activity) = rig.door.seats.lock().unwrap().pop().unwrap();
    let last = timeout(LIMIT, events.recv()).await.unwrap();
    assert!(matches!(last, Some(PublisherEvent::Ended(EndReason::ConnectionLost))), "{last:?}");
    assert!(activity.has_ended());
    let gone = rig.send(Method::DELETE, &location, &[RIGHT], "").await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    rig.end().await;
}

#[tokio::test]
async fn sessions_are_bounded_per_address_and_in_all() {
    let rig = Rig::new(|config, _| config.sessions_per_ip = 1);
    let first = rig.post("right", CHROMIUM).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let second = rig.post("right", CHROMIUM).await;
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!field(&second, header::RETRY_AFTER).is_empty());
    rig.end().await;

    let rig = Rig::new(|_, ports| ports.peers_max = 0);
    let refused = rig.post("right", CHROMIUM).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&[0x80; 40], rig.peers.local_addr()).await.unwrap();
    let counted = async {
        while rig.peers.stats().unknown == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, counted).await.unwrap();
    let mut registry = Registry::default();
    WhipMetrics::default().register(&mut registry, &rig.peers);
    let mut shown = String::new();
    prometheus_client::encoding::text::encode(&mut shown, &registry).unwrap();
    for line in ["port_peers 0", "port_unknown_datagrams_total 1", "port_refused_peers_total 1"] {
        assert!(shown.contains(&format!("\nwhip_{line}\n")), "{line}: {shown}");
    }
    // The seat is free again.
    let (_, activity) = rig.door.seats.lock().unwrap().pop().unwrap();
    assert!(activity.has_ended());
    rig.end().await;
}

#[tokio::test]
async fn a_shutdown_ends_sessions_and_lets_nobody_in() {
    let rig = Rig::new(|_, _| {});
    let created = rig.post("right", CHROMIUM).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    rig.shutdown.cancel();
    let (mut events, _) = rig.door.seats.lock().unwrap().pop().unwrap();
    let last = timeout(LIMIT, events.recv()).await.unwrap();
    assert!(matches!(last, Some(PublisherEvent::Ended(EndReason::ShuttingDown))), "{last:?}");
    let late = rig.post("right", CHROMIUM).await;
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    rig.end().await;
}
