use std::io::Read as _;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use media::{PresentationSegment, RenditionOutcome};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use super::*;
use crate::{
    PlaybackMetrics, Presentation,
    testing::{Maker, config, ladder, now},
};

const SOURCE_SEGMENT: &str = "/cam/source/z-1.m4s";
const SOURCE_INIT: &str = "/cam/source/z-init-1.mp4";

/// A directory with one presentation `cam`, and the service over it.
struct Site {
    directory: Directory,
    metrics: Arc<PlaybackMetrics>,
    service: Router,
    presentation: Presentation,
    maker: Maker,
}

fn id(text: &str) -> PlaybackId {
    PlaybackId::new(text).unwrap()
}

impl Site {
    fn new() -> Self {
        let metrics = Arc::new(PlaybackMetrics::default());
        let directory = Directory::new(config(), Arc::clone(&metrics));
        directory.declare(id("cam"));
        let presentation = directory.open(id("cam"));
        presentation.set_ladder(&ladder(&["360p"]));
        let service = service(directory.clone());
        Self { directory, metrics, service, presentation, maker: Maker::new(&["360p"]) }
    }

    /// With three segments published, the last a gap of the rendition.
    fn live() -> (Self, Vec<PresentationSegment>) {
        let mut site = Self::new();
        let mut segments = vec![site.maker.media(4_000), site.maker.media(4_000)];
        site.maker.renditions[0].1 = None;
        segments.push(site.maker.media(4_000));
        site.presentation.set_target_duration(4);
        let published: Vec<_> = segments
            .iter()
            .map(|segment| site.presentation.append(now(), segment.clone()))
            .collect();
        assert_eq!(published, [false, true, false]);
        (site, segments)
    }

    async fn request(&self, method: Method, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.service.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path, &[]).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }
}

async fn body(response: Response) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn unknown_is_404_and_not_live_is_412() {
    let site = Site::new();
    site.directory.declare(id("later"));
    for path in ["/nobody.m3u8", "/nobody/source.m3u8", "/nobody/source/z-1.m4s", "/", "/cam"] {
        assert_eq!(site.status(path).await, 404, "{path}");
    }
    for path in ["/later.m3u8", "/later/source.m3u8", "/cam.m3u8", "/cam/source.m3u8"] {
        assert_eq!(site.status(path).await, 412, "{path}");
    }
    assert_eq!(site.status("/later/source/z-1.m4s").await, 404);
    assert_eq!(site.status("/cam/..%2fcam.m3u8").await, 400);
    assert_eq!(site.status("/cam/../cam.m3u8").await, 404);
    site.directory.retract(&id("later"));
    assert_eq!(site.status("/later.m3u8").await, 404);
}

#[tokio::test]
async fn a_live_presentation_is_all_there() {
    let (site, _) = Site::live();
    for (path, content_type) in [
        ("/cam.m3u8", "application/vnd.apple.mpegurl"),
        ("/cam/audio.m3u8", "application/vnd.apple.mpegurl"),
        (SOURCE_SEGMENT, "video/iso.segment"),
        (SOURCE_INIT, "video/mp4"),
        ("/cam/360p/z-1.m4s", "video/iso.segment"),
        ("/cam/audio/z-1.m4s", "audio/mp4"),
        ("/cam/audio/z-init-1.mp4", "audio/mp4"),
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(field(&response, "content-type"), content_type, "{path}");
        assert!(field(&response, "last-modified").ends_with(" GMT"), "{path}");
        let length: usize = field(&response, "content-length").parse().unwrap();
        assert_eq!(body(response).await.len(), length, "{path}");
    }
    // A gap's URI is there to be listed, and leads nowhere.
    let playlist = body(site.get("/cam/360p.m3u8").await).await;
    let playlist = std::str::from_utf8(&playlist).unwrap();
    assert!(playlist.contains("#EXT-X-GAP\n#EXTINF:4.000000,\n360p/z-3.m4s"), "{playlist}");
    assert_eq!(site.status("/cam/360p/z-3.m4s").await, 404);
    assert_eq!(site.status("/cam/144p.m3u8").await, 404);
}

#[tokio::test]
async fn cache_lifetimes_follow_the_target_duration() {
    let (site, _) = Site::live();
    let cache = async |path| field(&site.get(path).await, "cache-control").to_owned();
    assert_eq!(cache("/cam.m3u8").await, "max-age=2");
    assert_eq!(cache("/cam/source.m3u8").await, "max-age=2");
    assert_eq!(cache(SOURCE_SEGMENT).await, "public, max-age=86400, immutable");
    assert_eq!(cache("/cam/source/z-99.m4s").await, "max-age=1");
    assert_eq!(cache("/nobody.m3u8").await, "max-age=1");
}

#[tokio::test]
async fn every_response_may_be_read_by_any_page() {
    let (site, _) = Site::live();
    for (method, path) in [
        (Method::GET, "/cam.m3u8"),
        (Method::GET, SOURCE_SEGMENT),
        (Method::GET, "/nobody.m3u8"),
        (Method::GET, "/%2e.m3u8"),
        (Method::POST, "/cam.m3u8"),
        (Method::OPTIONS, SOURCE_SEGMENT),
    ] {
        let response = site.request(method, path, &[("origin", "https://example.org")]).await;
        assert_eq!(field(&response, "access-control-allow-origin"), "*", "{path}");
        assert_eq!(field(&response, "timing-allow-origin"), "*", "{path}");
        assert!(field(&response, "access-control-expose-headers").contains("Content-Range"));
    }
    let preflight = site.request(Method::OPTIONS, "/cam.m3u8", &[]).await;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert!(field(&preflight, "access-control-allow-headers").contains("Range"));
    assert!(!field(&preflight, "access-control-max-age").is_empty());
    let refused = site.request(Method::POST, "/cam.m3u8", &[]).await;
    assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(field(&refused, "allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn head_has_the_fields_of_get_and_no_body() {
    let (site, _) = Site::live();
    for path in ["/cam.m3u8", SOURCE_SEGMENT, "/nobody.m3u8", "/watch/cam"] {
        let get = site.get(path).await;
        let head = site.request(Method::HEAD, path, &[]).await;
        assert_eq!(get.status(), head.status());
        assert_eq!(get.headers(), head.headers(), "{path}");
        assert!(!field(&head, "content-length").is_empty(), "{path}");
        assert!(body(head).await.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn playlists_are_compressed_and_validated_media_are_not_compressed() {
    let (mut site, _) = Site::live();
    let gzip = [("accept-encoding", "gzip, br")];
    let plain = site.get("/cam/source.m3u8").await;
    let packed = site.request(Method::GET, "/cam/source.m3u8", &gzip).await;
    assert_eq!(field(&packed, "content-encoding"), "gzip");
    assert_eq!(
        (field(&plain, "vary"), field(&packed, "vary")),
        ("Accept-Encoding", "Accept-Encoding")
    );
    let tags = [field(&plain, "etag").to_owned(), field(&packed, "etag").to_owned()];
    assert_ne!(tags[0], tags[1]);
    let (plain, packed) = (body(plain).await, body(packed).await);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.as_ref()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);

    let known = [("if-none-match", tags[0].as_str())];
    let unchanged = site.request(Method::GET, "/cam/source.m3u8", &known).await;
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(field(&unchanged, "etag"), tags[0]);
    let next = site.maker.media(4_000);
    site.presentation.append(now(), next);
    let changed = site.request(Method::GET, "/cam/source.m3u8", &known).await;
    assert_eq!(changed.status(), StatusCode::OK);

    let segment = site.request(Method::GET, SOURCE_SEGMENT, &gzip).await;
    assert_eq!((field(&segment, "content-encoding"), field(&segment, "vary")), ("", ""));
}

#[tokio::test]
async fn ranges_of_segments_and_inits() {
    let (site, _) = Site::live();
    for path in [SOURCE_SEGMENT, SOURCE_INIT] {
        let whole = body(site.get(path).await).await;
        let length = whole.len();
        let range = async |value: &str| site.request(Method::GET, path, &[("range", value)]).await;
        for (value, from, to) in
            [("bytes=0-4", 0, 5), ("bytes=5-", 5, length), ("bytes=-6", length - 6, length)]
        {
            let response = range(value).await;
            assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{value}");
            let expected = format!("bytes {from}-{}/{length}", to - 1);
            assert_eq!(field(&response, "content-range"), expected);
            assert_eq!(body(response).await, whole[from..to]);
        }
        let beyond = range(&format!("bytes={length}-")).await;
        assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(field(&beyond, "content-range"), format!("bytes */{length}"));
        assert_eq!(range("bytes=0-0,2-2").await.status(), StatusCode::OK);
        let stale = [("range", "bytes=0-4"), ("if-range", "\"other\"")];
        assert_eq!(site.request(Method::GET, path, &stale).await.status(), StatusCode::OK);
        let head = site.request(Method::HEAD, path, &[("range", "bytes=0-4")]).await;
        assert_eq!(head.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn frames_of_a_response_are_the_segments_own_memory() {
    let (site, segments) = Site::live();
    let RenditionOutcome::Media(rendition) = &segments[0].renditions[0].outcome else { panic!() };
    let video = segments[0].source.video.as_ref().unwrap();
    for (path, track) in [(SOURCE_SEGMENT, video), ("/cam/360p/z-1.m4s", rendition)] {
        let mut frames = site.get(path).await.into_body();
        let pieces: Vec<_> = track.body().map(|piece| (piece.as_ptr(), piece.len())).collect();
        let mut sent = Vec::new();
        while let Some(frame) = frames.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            sent.push((data.as_ptr(), data.len()));
        }
        assert_eq!(sent, pieces, "{path}");
    }
    let init = body(site.get(SOURCE_INIT).await).await;
    assert_eq!(init.as_ptr(), video.init.bytes.as_ptr());
}

#[tokio::test]
async fn a_slow_reader_gets_the_whole_segment_after_it_is_gone() {
    let (site, segments) = Site::live();
    let expected = segments[0].source.video.as_ref().unwrap().body_len();
    let response = site.get(SOURCE_SEGMENT).await;
    site.presentation.close();
    drop(segments);
    assert_eq!(site.status(SOURCE_SEGMENT).await, 404);
    assert_eq!(body(response).await.len(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_opens_no_window_holds_no_segment_for_long() {
    let (site, mut segments) = Site::live();
    let memory = Arc::downgrade(segments[0].source.video.as_ref().unwrap());
    let (client, server) = tokio::io::duplex(64 * 1024);
    let mut connections = tokio::task::JoinSet::new();
    let service = TowerToHyperService::new(site.service.clone());
    connections.spawn(async move {
        let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        let _ended = builder.serve_connection(TokioIo::new(server), service).await;
    });
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(0);
    let (mut requests, connection) = builder.handshake(TokioIo::new(client)).await.unwrap();
    connections.spawn(async move {
        let _ended = connection.await;
    });
    let request = Request::get(format!("http://x{SOURCE_SEGMENT}")).body(Body::empty()).unwrap();
    let response = requests.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(site.presentation);
    segments.clear();

    // 3 segments of 4 s are listed, and one plays for 4 s: twice that is the limit.
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(memory.upgrade().is_some(), "a slow reader has its time");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(memory.upgrade().is_none());
}

#[tokio::test]
async fn an_ended_presentation_plays_until_it_closes_and_can_be_live_again() {
    let (mut site, _) = Site::live();
    site.presentation.end();
    let playlist = body(site.get("/cam/source.m3u8").await).await;
    assert!(playlist.ends_with(b"#EXT-X-ENDLIST\n"));
    // 3 segments of 4 s are listed, and one plays for 4 s.
    assert_eq!(site.presentation.retention().as_secs(), 16);

    let again = site.directory.open(id("cam"));
    assert_eq!(site.status(SOURCE_SEGMENT).await, 200, "of the presentation before");
    site.presentation.close();
    assert_eq!(site.status("/cam.m3u8").await, 412);
    assert_eq!(site.status(SOURCE_SEGMENT).await, 404);
    for _ in 0..3 {
        again.append(now(), site.maker.media(2_000));
    }
    assert_eq!(site.status("/cam.m3u8").await, 200);
    assert_eq!(site.status("/cam/source/z-4.m4s").await, 200);
    drop(again);
    assert_eq!(site.status("/cam.m3u8").await, 412, "declared");
}

/// What `/cam/source.m3u8` says: media sequence, discontinuity sequence, whether its first segment is
/// tagged, whether it has ended.
async fn numbers(site: &Site) -> (u64, u64, bool, bool) {
    let text = body(site.get("/cam/source.m3u8").await).await;
    let playlist = m3u8_rs::parse_media_playlist_res(&text).unwrap();
    let tagged = playlist.segments[0].discontinuity;
    (playlist.media_sequence, playlist.discontinuity_sequence, tagged, playlist.end_list)
}

#[tokio::test]
async fn viewers_see_a_presentation_end_before_the_next_one_goes_on_from_it() {
    let (mut site, _) = Site::live();
    site.maker.renditions.clear();
    let idle = site.directory.open(id("cam"));
    // The one before is still finishing.
    site.maker.discontinuity = true;
    site.presentation.append(now(), site.maker.media(4_000));
    site.presentation.end();
    drop(idle);
    let again = site.directory.open(id("cam"));
    for _ in 0..2 {
        assert_eq!(numbers(&site).await, (1, 0, false, true), "ENDLIST stays in sight");
        assert_eq!(site.status("/cam.m3u8").await, 200);
        site.maker.discontinuity = true;
        again.append(now(), site.maker.media(2_000));
    }
    again.append(now(), site.maker.media(2_000));
    // Its discontinuity at the fourth segment was the first, so this is the second.
    assert_eq!(numbers(&site).await, (5, 2, false, false));
    let rendition = body(site.get("/cam/360p.m3u8").await).await;
    assert!(rendition.ends_with(b"#EXT-X-ENDLIST\n"), "the new one has no such rendition");

    // The newer one closes first: nobody is sent back to lower numbers.
    again.end();
    again.close();
    assert_eq!(site.status("/cam/source.m3u8").await, 412);
    assert_eq!(site.status(SOURCE_SEGMENT).await, 200);
    site.presentation.close();
    let third = site.directory.open(id("cam"));
    for _ in 0..3 {
        third.append(now(), site.maker.media(2_000));
    }
    // The second presentation's own break at its second segment counts.
    assert_eq!(numbers(&site).await, (8, 4, false, false));
}

#[tokio::test]
async fn an_id_that_was_only_opened_is_forgotten() {
    let site = Site::new();
    let presentation = site.directory.open(id("guest"));
    assert_eq!(site.status("/guest.m3u8").await, 412);
    presentation.close();
    assert_eq!(site.status("/guest.m3u8").await, 404);
}

#[tokio::test]
async fn the_watch_page_is_there_for_any_id() {
    let site = Site::new();
    for path in ["/watch/cam", "/watch/nobody"] {
        let response = site.get(path).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        let policy = field(&response, "content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let page = String::from_utf8(body(response).await.to_vec()).unwrap();
        let script = page.split('"').find(|text| text.ends_with(".js")).unwrap();
        let script = site.get(script).await;
        assert_eq!(field(&script, "content-type"), "text/javascript; charset=utf-8");
        assert!(field(&script, "cache-control").contains("immutable"));
    }
    assert_eq!(site.status("/watch/assets/watch.js").await, 404);
    assert_eq!(site.status("/watch/..").await, 404);
}

#[tokio::test]
async fn requests_and_bytes_are_counted_without_naming_streams() {
    let (site, segments) = Site::live();
    body(site.get(SOURCE_SEGMENT).await).await;
    site.get("/nobody.m3u8").await;
    let mut registry = prometheus_client::registry::Registry::default();
    site.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let bytes = segments[0].source.video.as_ref().unwrap().body_len();
    for line in [
        "playback_requests_total{kind=\"segment\",class=\"2xx\"} 1",
        "playback_requests_total{kind=\"multivariant\",class=\"4xx\"} 1",
        &format!("playback_sent_bytes_total{{kind=\"segment\"}} {bytes}"),
        "playback_presentations 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("cam") && !text.contains("nobody"));
}

/// Reads one response off a connection: its status and fields, and its body by `Content-Length`.
async fn read_response(stream: &mut (impl AsyncRead + Unpin), no_body: bool) -> (u16, usize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(!head.contains("connection: close") && !head.contains("transfer-encoding"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; if no_body { 0 } else { length }];
    stream.read_exact(&mut body).await.unwrap();
    (status, body.len())
}

#[tokio::test]
async fn one_connection_serves_on_after_every_kind_of_answer() {
    let (site, segments) = Site::live();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = tokio::task::JoinSet::new();
    let service = site.service.clone();
    server.spawn(async move { axum::serve(listener, service).await });
    site.directory.declare(id("later"));
    let length = segments[0].source.video.as_ref().unwrap().body_len();

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    for (line, fields, status) in [
        ("GET /cam/source/z-1.m4s", "", 200),
        ("GET /nobody.m3u8", "", 404),
        ("GET /later.m3u8", "", 412),
        ("GET /cam/source/z-1.m4s", "range: bytes=99999999-\r\n", 416),
        ("HEAD /cam/source/z-1.m4s", "", 200),
        ("HEAD /cam/source/z-9.m4s", "", 404),
        ("GET /cam/source/z-1.m4s", "if-none-match: \"z-1\"\r\n", 304),
        ("OPTIONS /cam.m3u8", "", 204),
        ("GET /%2e%2e/cam.m3u8", "", 400),
        ("POST /cam.m3u8", "content-length: 4\r\n", 405),
        ("GET /cam/source/z-1.m4s", "range: bytes=1-4\r\n", 206),
        ("GET /cam.m3u8", "", 200),
        ("GET /cam/source/z-1.m4s", "", 200),
    ] {
        let body = if line.starts_with("POST") { "body" } else { "" };
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\n{fields}\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (found, sent) = read_response(&mut stream, line.starts_with("HEAD")).await;
        assert_eq!(found, status, "{line}");
        if line.starts_with("GET /cam/source/z-1.m4s") && status == 200 {
            assert_eq!(sent, length);
        }
    }
}
