//! Publishers that misbehave, and gateways that end: every connection ends cleanly and says why.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed expectation fails the test"
)]

mod support;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use ingest::{
    ConnectionContext, ConnectionEnd, ConnectionFault, ConnectionOutcome, DiscontinuityReason,
    EndReason, PublisherEvent, Refusal, Transport, rtmp::SessionError, serve_rtmp_connection,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

use support::Gateway;

const CAPTURE: &[u8] = include_bytes!("../../fixtures/ffmpeg-5.1/publish.rtmp");
/// Handshake, commands and the first media of the capture.
const OPENING: usize = 9_000;

/// A client's end of a connection that is being served.
fn connect(gateway: &Gateway) -> (DuplexStream, JoinHandle<ConnectionOutcome>) {
    let (client, server) = duplex(64 * 1024);
    let context = gateway.context();
    let served = tokio::runtime::Handle::current().spawn(serve_rtmp_connection(server, context));
    (client, served)
}

/// What the server has to say until it closes.
async fn read_to_end(client: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ended(gateway: &mut Gateway) -> Option<EndReason> {
    match gateway.drain().pop() {
        Some(PublisherEvent::Ended(reason)) => Some(reason),
        _ => None,
    }
}

/// A message of one chunk on chunk stream 9, for the chunk size FFmpeg has set.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![9, 0, 0, 0];
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
    bytes.push(kind);
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The capture up to a point between two messages where the publish is under way.
fn opening() -> &'static [u8] {
    use ingest::rtmp::{ChunkLimits, ChunkReader};
    let mut reader = ChunkReader::new(ChunkLimits::default(), 0);
    let mut rest = &CAPTURE[3073..];
    let mut end = 0;
    while let Ok(Some(_)) = reader.read(&mut rest) {
        end = 3073 + usize::try_from(reader.position()).unwrap();
        if end > OPENING {
            break;
        }
    }
    &CAPTURE[..end]
}

#[tokio::test(start_paused = true)]
async fn strangers_end_with_a_typed_error() {
    let gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let error = served.await.unwrap().result.unwrap_err();
    assert!(matches!(error.fault, ConnectionFault::Session(SessionError::Handshake(_))));
    assert!(error.to_string().starts_with("connection 7, byte "), "{error}");

    let (mut client, served) = connect(&gateway);
    client.write_all(&CAPTURE[..2_000]).await.unwrap();
    client.shutdown().await.unwrap();
    let error = served.await.unwrap().result.unwrap_err();
    assert!(matches!(error.fault, ConnectionFault::ClosedInHandshake));
    assert_eq!(error.position, 2_000);
}

#[tokio::test(start_paused = true)]
async fn slow_loris_and_idlers_run_out_of_time() {
    let gateway = Gateway::new();
    let start = Instant::now();
    let (mut client, served) = connect(&gateway);
    let dribble = async {
        for byte in CAPTURE {
            sleep(Duration::from_secs(1)).await;
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    let (outcome, ()) = tokio::join!(served, dribble);
    let error = outcome.unwrap().result.unwrap_err();
    assert!(matches!(error.fault, ConnectionFault::Session(SessionError::HandshakeTimeout(_))));
    assert!(start.elapsed() < Duration::from_secs(12));

    let start = Instant::now();
    let (mut client, served) = connect(&gateway);
    client.write_all(&CAPTURE[..3_073]).await.unwrap();
    let error = served.await.unwrap().result.unwrap_err();
    assert!(matches!(error.fault, ConnectionFault::Session(SessionError::PublishTimeout(_))));
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_runs_out_of_time() {
    let gateway = Gateway::new();
    let (mut client, server) = duplex(100);
    let served =
        tokio::runtime::Handle::current().spawn(serve_rtmp_connection(server, gateway.context()));
    assert!(client.write_all(&CAPTURE[..1_537]).await.is_err());
    let error = served.await.unwrap().result.unwrap_err();
    assert!(matches!(error.fault, ConnectionFault::WriteTimeout(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_killed_publisher_and_a_silent_one_are_told_apart() {
    let mut gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    drop(client);
    assert!(served.await.unwrap().result.is_ok());
    assert_eq!(ended(&mut gateway), Some(EndReason::ConnectionLost));

    let mut gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    let start = Instant::now();
    let outcome = served.await.unwrap();
    let error = outcome.result.unwrap_err();
    assert!(matches!(error.fault, ConnectionFault::Session(SessionError::Silent(_))));
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(ended(&mut gateway), Some(EndReason::Silent));
    assert_eq!(outcome.stream.unwrap().as_str(), "test");
}

#[tokio::test(start_paused = true)]
async fn a_seat_is_free_before_the_stream_has_taken_the_last_event() {
    let gateway = Gateway::new();
    let (sender, mut events) = mpsc::channel(1);
    sender.try_send(PublisherEvent::Discontinuity(DiscontinuityReason::ClockJump)).unwrap();
    *gateway.admission.events.lock().unwrap() = Some(sender);
    let activity = &gateway.admission.activity;
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert!(!activity.has_ended());
    drop(client);
    sleep(Duration::from_millis(10)).await;
    assert!(activity.has_ended() && !served.is_finished(), "the full queue delays only the event");
    events.recv().await.unwrap();
    assert!(matches!(events.recv().await, Some(PublisherEvent::Ended(EndReason::ConnectionLost))));
    served.await.unwrap().result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_seat_is_free_when_its_connection_is_dropped() {
    let gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    sleep(Duration::from_millis(10)).await;
    assert!(!gateway.admission.activity.has_ended());
    served.abort();
    assert!(served.await.unwrap_err().is_cancelled());
    assert!(gateway.admission.activity.has_ended());
}

#[tokio::test(start_paused = true)]
async fn the_root_and_a_shutdown_end_a_publish_with_a_word() {
    for shutdown in [false, true] {
        let mut gateway = Gateway::new();
        let (mut client, served) = connect(&gateway);
        client.write_all(opening()).await.unwrap();
        sleep(Duration::from_millis(10)).await;
        let (token, reason, end, word) = if shutdown {
            (&gateway.shutdown, EndReason::ShuttingDown, ConnectionEnd::ShutDown, "shutting down")
        } else {
            let ended = &gateway.admission.ended;
            (ended, EndReason::Dismissed, ConnectionEnd::Dismissed, "ended this publish")
        };
        token.cancel();
        let said = read_to_end(&mut client).await;
        assert!(said.contains("NetStream.Publish.Rejected") && said.contains(word), "{said}");
        drop(client);
        assert_eq!(served.await.unwrap().result.unwrap(), end);
        assert_eq!(ended(&mut gateway), Some(reason));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_gone_ends_its_publisher() {
    let mut gateway = Gateway::new();
    gateway.events.close();
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    read_to_end(&mut client).await;
    assert_eq!(served.await.unwrap().result.unwrap(), ConnectionEnd::Dismissed);
}

#[tokio::test(start_paused = true)]
async fn refusals_reach_the_publisher_before_the_connection_closes() {
    for (refusal, code) in [
        (Refusal::UnknownKey, "NetStream.Publish.BadName"),
        (Refusal::AlreadyPublishing, "NetStream.Publish.Denied"),
        (Refusal::Rejected("not today".to_owned()), "not today"),
    ] {
        let gateway = Gateway::with_refusal(Some(refusal.clone()));
        let (mut client, served) = connect(&gateway);
        client.write_all(opening()).await.unwrap();
        let said = read_to_end(&mut client).await;
        assert!(said.contains(code), "{said}");
        drop(client);
        assert_eq!(served.await.unwrap().result.unwrap(), ConnectionEnd::Refused(refusal));
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_media_end_one_publish_and_say_where() {
    // A message of 16 MiB is announced.
    let mut gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    client.write_all(&[9, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0]).await.unwrap();
    let error = served.await.unwrap().result.unwrap_err();
    let position = opening().len();
    let text = error.to_string();
    assert!(text.starts_with("connection 7, stream test, byte "), "{text}");
    assert!(text.contains("16777215 bytes, at most 8388608"), "{text}");
    assert!(text.contains(&format!("chunk stream 9, byte {position}")), "{text}");
    assert!(!text.contains("secret"));
    assert_eq!(ended(&mut gateway), Some(EndReason::ProtocolError));

    // The video turns into VVC, by an enhanced header.
    let mut gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(opening()).await.unwrap();
    client.write_all(&message(9, b"\x90vvc1\x01\x02\x03")).await.unwrap();
    let said = read_to_end(&mut client).await;
    assert!(said.contains("NetStream.Publish.Rejected") && said.contains("vvc1"), "{said}");
    drop(client);
    assert!(matches!(served.await.unwrap().result, Ok(ConnectionEnd::Refused(_))));
    assert!(matches!(ended(&mut gateway), Some(EndReason::Refused(_))));
}

#[tokio::test(start_paused = true)]
async fn admission_that_hangs_is_cut_off() {
    struct Hangs;
    impl ingest::Admission for Hangs {
        fn admit(
            &self,
            _: ingest::PublishRequest,
        ) -> ingest::BoxFuture<'_, Result<ingest::PublisherSeat, Refusal>> {
            Box::pin(std::future::pending())
        }
    }
    let gateway = Gateway::new();
    let mut context = gateway.context();
    context.admission = std::sync::Arc::new(Hangs);
    let (mut client, server) = duplex(64 * 1024);
    let served = tokio::runtime::Handle::current().spawn(serve_rtmp_connection(server, context));
    client.write_all(opening()).await.unwrap();
    let said = read_to_end(&mut client).await;
    assert!(said.contains("admission took too long"), "{said}");
    drop(client);
    assert!(matches!(served.await.unwrap().result, Ok(ConnectionEnd::Refused(_))));
}

/// AMF0 text.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[2][..], &length, text.as_bytes()].concat()
}

/// AMF0 number.
fn number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

/// A client that publishes `secret`, having said this `capsEx`.
fn enhanced_opening(caps: f64) -> Vec<u8> {
    let key = |name: &str| text(name)[1..].to_vec();
    let object =
        [vec![3], key("app"), text("live"), key("capsEx"), number(caps), vec![0, 0, 9]].concat();
    let connect = [text("connect"), number(1.0), object].concat();
    let publish = [text("publish"), number(0.0), vec![5], text("secret"), text("live")].concat();
    let mut bytes = vec![0; 3073];
    bytes[0] = 3;
    bytes.extend(message(20, &connect));
    bytes.extend(message(20, &publish));
    bytes
}

/// Reads until the server has said something.
async fn read_until(client: &mut DuplexStream, wanted: &str) -> String {
    let mut said = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&said).into_owned();
        if text.contains(wanted) {
            return text;
        }
        let mut piece = vec![0; 4096];
        let length = client.read(&mut piece).await.unwrap();
        assert!(length > 0, "{text}");
        said.extend_from_slice(&piece[..length]);
    }
}

/// Behaves as TLS does: what is written may wait for a flush, and a peer that closes without TLS's own
/// good-bye is an error.
struct LikeTls {
    inner: DuplexStream,
    held: Vec<u8>,
}

impl AsyncRead for LikeTls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if buf.filled().len() == before {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LikeTls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.held.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, held } = &mut *self;
        while !held.is_empty() {
            let written = ready!(Pin::new(&mut *inner).poll_write(cx, held))?;
            held.drain(..written);
        }
        Pin::new(inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_can_is_asked_to_connect_anew_and_waited_for() {
    let mut gateway = Gateway::new();
    let (mut client, served) = connect(&gateway);
    client.write_all(&enhanced_opening(1.0)).await.unwrap();
    read_until(&mut client, "NetStream.Publish.Start").await;
    let start = Instant::now();
    let departure = gateway.departure.clone();
    let leaving = tokio::runtime::Handle::current()
        .spawn(async move { departure.ask(Duration::from_secs(6)).await });
    read_until(&mut client, "NetConnection.Connect.ReconnectRequest").await;
    sleep(Duration::from_secs(2)).await;
    // Until it leaves, its media is taken.
    client.write_all(&message(8, &[0xaf, 0, 0x11, 0x90])).await.unwrap();
    client.write_all(&message(8, &[0xaf, 1, 0x21, 0x10])).await.unwrap();
    client.shutdown().await.unwrap();
    drop(client);
    leaving.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "as soon as it has left");
    assert!(matches!(served.await.unwrap().result, Ok(ConnectionEnd::PeerClosed)));
    let events = gateway.drain();
    assert!(events.iter().any(|event| matches!(event, PublisherEvent::AccessUnit(_))));
}

#[tokio::test(start_paused = true)]
async fn who_stays_or_can_t_is_not_waited_for_longer_than_stated() {
    for (caps, waited) in [(1.0, 6), (14.0, 0)] {
        let gateway = Gateway::new();
        let (mut client, served) = connect(&gateway);
        client.write_all(&enhanced_opening(caps)).await.unwrap();
        read_until(&mut client, "NetStream.Publish.Start").await;
        let start = Instant::now();
        gateway.departure.ask(Duration::from_secs(6)).await;
        assert_eq!(start.elapsed().as_secs(), waited);
        gateway.shutdown.cancel();
        let said = read_to_end(&mut client).await;
        assert!(said.contains("The gateway is shutting down"), "{said}");
        assert_eq!(said.contains("ReconnectRequest"), caps == 1.0, "{said}");
        drop(client);
        assert!(matches!(served.await.unwrap().result, Ok(ConnectionEnd::ShutDown)));
    }
}

#[tokio::test(start_paused = true)]
async fn streams_in_tls_are_flushed_and_may_end_without_its_good_bye() {
    let mut gateway = Gateway::new();
    let (mut client, server) = duplex(64 * 1024);
    let server = LikeTls { inner: server, held: Vec::new() };
    let context = ConnectionContext { transport: Transport::Tls, ..gateway.context() };
    let served = tokio::runtime::Handle::current().spawn(serve_rtmp_connection(server, context));
    client.write_all(opening()).await.unwrap();
    let mut handshake = vec![0; 3_073];
    client.read_exact(&mut handshake).await.unwrap();
    client.shutdown().await.unwrap();
    let outcome = served.await.unwrap();
    assert_eq!(outcome.result.unwrap(), ConnectionEnd::PeerClosed);
    assert_eq!(ended(&mut gateway), Some(EndReason::ConnectionLost));
}
