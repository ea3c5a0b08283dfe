//! Clients that misbehave harm no one else.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    Gateway, QUICK,
    encoder::{Publisher, SMALL},
};

/// Reads until the server closes, or the limit passes.
async fn until_closed(stream: &mut TcpStream, limit: Duration) -> bool {
    let mut sink = vec![0; 4096];
    let closed = async { while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(limit, closed).await.is_ok()
}

/// A handshake without digest: C0, C1, then an echo as C2.
async fn shake_hands(stream: &mut TcpStream) {
    let mut hello = vec![3_u8];
    hello.resize(1 + 1536, 0);
    stream.write_all(&hello).await.unwrap();
    let mut answer = vec![0; 1 + 2 * 1536];
    stream.read_exact(&mut answer).await.unwrap();
    stream.write_all(&answer[1..=1536]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_connections_end_and_a_stream_does_not_notice() {
    let gateway = Gateway::without_transcoding(QUICK);
    let watcher = gateway.watch("cam");
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("cam"), 18);
    gateway.viewer().wait_for("/cam.m3u8", Duration::from_secs(15), |_| true).await;

    let mut idle = Vec::new();
    for _ in 0..2_000 {
        idle.extend(TcpStream::connect(gateway.rtmp()).await);
    }
    let mut garbage = TcpStream::connect(gateway.rtmp()).await.unwrap();
    garbage.write_all(&[0x47; 4096]).await.unwrap();
    assert!(
        until_closed(&mut garbage, Duration::from_secs(5)).await,
        "random bytes keep a connection"
    );

    let mut giant = TcpStream::connect(gateway.rtmp()).await.unwrap();
    shake_hands(&mut giant).await;
    giant.write_all(&[0x03, 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 1, 0, 0, 0]).await.unwrap();
    assert!(until_closed(&mut giant, Duration::from_secs(5)).await, "a 16 MiB message was taken");

    let mut many = TcpStream::connect(gateway.rtmp()).await.unwrap();
    shake_hands(&mut many).await;
    let mut chunks = Vec::new();
    for id in 0..65_535_u16 {
        chunks.extend_from_slice(&[
            0x01,
            id.to_le_bytes()[0],
            id.to_le_bytes()[1],
            0,
            0,
            0,
            0,
            0,
            200,
            8,
            1,
            0,
            0,
            0,
        ]);
        chunks.extend_from_slice(&[0; 128]);
    }
    // The server may close while this is being written.
    drop(many.write_all(&chunks).await);
    assert!(
        until_closed(&mut many, Duration::from_secs(5)).await,
        "65 535 chunk streams were taken"
    );

    publisher.finish().await;
    let ended = |list: &str| list.contains("ENDLIST");
    gateway.viewer().wait_for("/cam/source.m3u8", Duration::from_secs(10), ended).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let source = report.track("source");
    let (first, last) =
        (source.bodies.keys().next().unwrap(), source.bodies.keys().last().unwrap());
    assert!(last - first >= 8, "18 s are nine segments of 2 s, and a rest");
    assert_eq!(source.bodies.len() as u64, last - first + 1, "a segment is missing");
    for mut connection in idle.drain(..).take(5) {
        assert!(
            until_closed(&mut connection, Duration::from_secs(15)).await,
            "an idle connection stays"
        );
    }
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_paths_are_refused_with_a_status() {
    let gateway = Gateway::without_transcoding(QUICK);
    for (path, status) in [
        ("/../etc/passwd", 404),
        ("/cam/../../x.m4s", 404),
        ("/%2e%2e/x.m3u8", 400),
        ("/live.m3u8", 404),
        ("/v1/streams", 404),
        ("/", 404),
    ] {
        let answer = gateway.viewer().get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{path}");
    }
    gateway.shut_down().await;
}
