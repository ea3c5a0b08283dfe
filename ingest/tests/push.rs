//! Real clients push to the service.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use ingest::{
    BoxFuture, PublisherEvent, PushAdmission, PushConfig, PushContext, PushMetrics,
    push::{PushAnswer, PushRefusal, PushRequest, PushedSegment},
    push_service,
};
use media::{RenditionName, StreamName, TrackKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const DEADLINE: Duration = Duration::from_secs(60);

/// Takes every stream, keeps what comes, and sends it back as it came.
#[derive(Default)]
struct Root {
    pushed: Mutex<Vec<(PushRequest, PushedSegment)>>,
}

impl PushAdmission for Root {
    fn admit<'a>(
        &'a self,
        request: &'a PushRequest,
    ) -> BoxFuture<'a, Result<StreamName, PushRefusal>> {
        let stream = StreamName::new(request.manifest.expose());
        Box::pin(async move { stream.map_err(|error| PushRefusal::Forbidden(error.to_string())) })
    }

    fn push(
        &self,
        _: StreamName,
        request: PushRequest,
        segment: PushedSegment,
    ) -> BoxFuture<'_, Result<PushAnswer, PushRefusal>> {
        let answer = PushAnswer::copies(&segment, [RenditionName::new("copy").unwrap()]);
        self.pushed.lock().unwrap().push((request, segment));
        Box::pin(async move { Ok(answer) })
    }
}

struct Gateway {
    root: Arc<Root>,
    address: SocketAddr,
    metrics: Arc<PushMetrics>,
    _server: JoinSet<()>,
}

async fn gateway() -> Gateway {
    let (root, metrics) = (Arc::new(Root::default()), Arc::new(PushMetrics::default()));
    let router = push_service(PushContext {
        admission: Arc::clone(&root) as Arc<dyn PushAdmission>,
        config: PushConfig::default(),
        metrics: Arc::clone(&metrics),
        tasks: TaskTracker::new(),
        shutdown: CancellationToken::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).await.unwrap();
    });
    Gateway { root, address, metrics, _server: server }
}

const SOURCE: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=4 \
    -f lavfi -i sine=frequency=440:sample_rate=48000:duration=4 -c:v libx264 -preset veryfast \
    -pix_fmt yuv420p -bf 2 -g 25 -sc_threshold 0 -b:v 60k -c:a aac -b:a 32k";

async fn ffmpeg(arguments: &str) -> std::process::Output {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]).args(arguments.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    timeout(DEADLINE, command.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpegs_hls_muxer_pushes_segments_that_follow_one_another() {
    let gateway = gateway().await;
    let base = format!("http://{}/live/m", gateway.address);
    let push = format!(
        "{SOURCE} -f hls -hls_time 1 -hls_list_size 0 -method PUT -ignore_io_errors 1 \
         -hls_segment_filename {base}/%d.ts {base}/index.m3u8"
    );
    // Its playlists are refused, which it complains about and goes on.
    ffmpeg(&push).await;
    // It hangs up with the last byte of each segment.
    let all = async {
        while gateway.root.pushed.lock().unwrap().len() < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, all).await.unwrap();
    let pushed = gateway.root.pushed.lock().unwrap();
    let numbers: Vec<_> = pushed.iter().map(|(request, _)| request.sequence).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert!(pushed.iter().all(|(request, _)| request.peer.is_some()));
    for (_, segment) in pushed.iter() {
        let kinds: Vec<_> = segment.tracks.iter().map(|track| track.kind()).collect();
        assert_eq!(kinds, [TrackKind::Video, TrackKind::Audio]);
        assert_eq!(segment.duration.to_std(), Duration::from_secs(1));
        let units = segment
            .clone()
            .into_events()
            .filter(|event| matches!(event, PublisherEvent::AccessUnit(_)));
        assert!(units.count() > 25 + 40);
    }
    for pair in pushed.windows(2) {
        assert_eq!(pair[1].1.start, pair[0].1.end());
    }
}

/// A client of HTTP/1.1 that reads to the end of the connection.
async fn exchange(address: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunked_bodies_come_back_whole_in_a_multipart_answer() {
    let gateway = gateway().await;
    let made = ffmpeg(&format!("{SOURCE} -t 1 -f mpegts pipe:1")).await;
    let body = made.stdout;
    assert!(body.len() > 10_000);
    let head = "POST /live/m/7.ts HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
        Accept: multipart/mixed\r\nContent-Duration: 1000\r\nContent-Resolution: 160x90\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let mut chunked = Vec::new();
    for chunk in body.chunks(5_000) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    for _ in 0..2 {
        let answer = exchange(gateway.address, &[head.as_bytes(), &chunked, b"0\r\n\r\n"]).await;
        let (head, rest) =
            answer.split_at(answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap());
        let head = std::str::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ok"), "{head}");
        let boundary = head.split("boundary=").nth(1).unwrap().split("\r\n").next().unwrap();
        let length = format!("content-length: {}", rest.len() - 4);
        assert!(head.contains(&length), "{head}");
        let part = format!(
            "--{boundary}\r\nContent-Disposition: attachment; filename=copy_7.ts\r\n\
             Content-Length: {}\r\nContent-Type: video/mp2t\r\nRendition-Name: copy\r\n\r\n",
            body.len()
        );
        let expected =
            [part.as_bytes(), &body, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        assert_eq!(rest[4..], expected);
    }
    assert_eq!(gateway.root.pushed.lock().unwrap().len(), 1, "the second one is a repetition");
    let mut registry = prometheus_client::registry::Registry::default();
    gateway.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("push_repeated_total 1\n"), "{text}");
    assert!(text.contains("push_answers_total{how=\"ok\"} 2\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let gateway = gateway().await;
    let body = vec![0x47; 3 << 20];
    let head = format!(
        "PUT /live/m/7.avi HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = exchange(gateway.address, &[head.as_bytes(), &body]).await;
    assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    let head = "PUT /live/m/7.avi HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
        Expect: 100-continue\r\nContent-Length: 99999\r\n\r\n";
    let answer = exchange(gateway.address, &[head.as_bytes()]).await;
    assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "not 100 Continue");
}
