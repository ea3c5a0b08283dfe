//! RTMPS in, HTTPS out, and certificates that change while both go on.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use headgate::addresses::Addresses;
use rustls::{
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    time::Instant,
};

use crate::support::{
    Gateway, QUICK,
    authority::Authority,
    encoder::{Publisher, SMALL},
    http::HttpClient,
    paid::wait_for,
};

const SOON: Duration = Duration::from_secs(10);
/// The handshake's deadline, and what a loaded machine adds.
const HANDSHAKE: std::ops::Range<Duration> = Duration::from_millis(4_500)..Duration::from_secs(9);

fn directory(name: &str) -> PathBuf {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A gateway with a certificate of this authority, and these settings besides.
fn gateway(authority: &Authority, settings: &str) -> Gateway {
    let (cert, key) = (authority.file("cert.pem"), authority.file("key.pem"));
    let file = format!("{QUICK}[tls]\ncert = {cert:?}\nkey = {key:?}\n{settings}");
    Gateway::start(&file, |args| {
        args.no_transcode = Some(true);
        args.rtmps_addr = Some("127.0.0.1:0".to_owned());
        args.https_addr = Some("127.0.0.1:0".to_owned());
    })
}

fn rtmps(gateway: &Gateway) -> SocketAddr {
    gateway.app.addresses().rtmps.unwrap()
}

fn https(gateway: &Gateway) -> SocketAddr {
    gateway.app.addresses().https.unwrap()
}

/// Publishes over RTMPS, for a client that trusts the authority alone.
fn publish(gateway: &Gateway, authority: &Authority, key: &str, seconds: u32) -> Publisher {
    let url = format!("rtmps://localhost:{}/live/{key}", rtmps(gateway).port());
    let ca = authority.file("ca.pem");
    Publisher::start_with(&SMALL, &url, seconds, &["-tls_verify", "1", "-ca_file", &ca])
}

/// Until both listeners show this certificate to who connects.
async fn wait_until_shown(gateway: &Gateway, authority: &Authority, wanted: &CertificateDer<'_>) {
    let deadline = Instant::now() + SOON;
    for server in [rtmps(gateway), https(gateway)] {
        while authority.shown(server).await != *wanted {
            assert!(Instant::now() < deadline, "{server} still shows another certificate");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn metric(gateway: &Gateway, line: &str) {
    let line = format!("\nheadgate_{line}\n");
    gateway.admin().wait_for("/metrics", SOON, |page| page.contains(&line)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_outlives_its_certificate() {
    let directory = directory("change");
    let authority = Authority::new(&directory);
    let first = authority.issue();
    let gateway = gateway(&authority, "");
    let viewer = HttpClient::secure(https(&gateway), authority.roots());
    let watcher = crate::support::watcher::Watcher::start(viewer.clone(), "cam");
    let publisher = publish(&gateway, &authority, "cam", 20);
    viewer.wait_for("/cam.m3u8", Duration::from_secs(15), |_| true).await;
    metric(&gateway, "ingest_publishers{over=\"rtmps\"} 1").await;
    metric(&gateway, "ingest_publishers{over=\"rtmp\"} 0").await;
    wait_until_shown(&gateway, &authority, &first).await;

    let second = authority.issue();
    wait_until_shown(&gateway, &authority, &second).await;
    metric(&gateway, "tls_certificates_taken_total 2").await;
    authority.issue_without_key();
    metric(&gateway, "tls_certificate_refused 1").await;
    wait_until_shown(&gateway, &authority, &second).await;
    let third = authority.issue();
    wait_until_shown(&gateway, &authority, &third).await;
    metric(&gateway, "tls_certificate_refused 0").await;

    let page = viewer.get("/watch/cam").await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("http://"), "a page over HTTPS loads nothing without");
    metric(&gateway, "ingest_publishers{over=\"rtmps\"} 1").await;
    let (went_well, said) = publisher.finish().await;
    assert!(went_well, "{said}");
    viewer.wait_for("/cam/source.m3u8", SOON, |list| list.contains("ENDLIST")).await;
    let report = watcher.finish().await;
    report.assert_clean();
    let source = report.track("source");
    let (begin, end) = (source.bodies.keys().next().unwrap(), source.bodies.keys().last().unwrap());
    assert!(end - begin >= 8, "20 s are ten segments of 2 s: {begin} to {end}");
    assert_eq!(source.bodies.len() as u64, end - begin + 1, "a segment is missing");
    gateway.shut_down().await;
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_clients_get_what_they_speak() {
    let directory = directory("versions");
    let authority = Authority::new(&directory);
    authority.issue();
    let gateway = gateway(&authority, "");
    for version in [&TLS12, &TLS13] {
        let cases: [(SocketAddr, &[&str], Option<&str>); 4] = [
            (rtmps(&gateway), &[], None),
            (https(&gateway), &["h2", "http/1.1"], Some("h2")),
            (https(&gateway), &["http/1.1"], Some("http/1.1")),
            (https(&gateway), &[], None),
        ];
        for (server, offered, agreed) in cases {
            let stream = authority.connect(server, &[version], offered).await;
            let session = stream.get_ref().1;
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.alpn_protocol(), agreed.map(str::as_bytes));
        }
    }
    gateway.shut_down().await;
    std::fs::remove_dir_all(directory).unwrap();
}

/// How long the server keeps the connection.
async fn kept_for(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    let mut sink = [0; 64];
    let closed = async { while stream.read(&mut sink).await.is_ok_and(|count| count > 0) {} };
    tokio::time::timeout(SOON * 2, closed).await.expect("the server never closes");
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_handshakes_end_and_keep_nobody_out() {
    let directory = directory("half-open");
    let authority = Authority::new(&directory);
    authority.issue();
    let limits = "connections = 64\nconnections_per_ip = 32\n";
    let gateway = gateway(&authority, &format!("[https]\n{limits}[rtmps]\n{limits}"));
    let mut idle = Vec::new();
    for server in [https(&gateway), rtmps(&gateway)] {
        for _ in 0..100 {
            idle.push(TcpStream::connect(server).await.unwrap());
        }
    }
    let viewer = HttpClient::secure(https(&gateway), authority.roots());
    let started = Instant::now();
    assert_eq!(viewer.get("/cam.m3u8").await.status, 404);
    assert!(started.elapsed() < Duration::from_secs(3), "a viewer waited for strangers");
    let publisher = publish(&gateway, &authority, "cam", 8);
    viewer.wait_for("/cam.m3u8", Duration::from_secs(15), |_| true).await;
    metric(&gateway, "ingest_publishers{over=\"rtmps\"} 1").await;
    let displaced = "tls_handshakes_total{listener=\"https\",how=\"displaced\"} ";
    let page = gateway.admin().get("/metrics").await;
    assert!(page.text().contains(displaced), "{}", page.text());

    // The first bytes of a ClientHello, and no more.
    let mut slow = TcpStream::connect(rtmps(&gateway)).await.unwrap();
    slow.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
    let mut silent = TcpStream::connect(https(&gateway)).await.unwrap();
    let (slow, silent) = tokio::join!(kept_for(&mut slow), kept_for(&mut silent));
    assert!(HANDSHAKE.contains(&slow) && HANDSHAKE.contains(&silent), "{slow:?} {silent:?}");
    let late = "tls_handshakes_total{listener=\"rtmps\",how=\"late\"} ";
    gateway.admin().wait_for("/metrics", SOON, |page| page.contains(late)).await;
    drop(idle);
    publisher.kill().await;
    gateway.shut_down().await;
    std::fs::remove_dir_all(directory).unwrap();
}

/// A gateway's process with a pair in this directory.
fn command(directory: &Path, subcommand: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    command.args([subcommand, "--no-transcode", "--open", "--tls-cert"]);
    command.arg(directory.join("cert.pem")).arg("--tls-key").arg(directory.join("key.pem"));
    for flag in ["--rtmp-addr", "--rtmps-addr", "--http-addr", "--https-addr", "--admin-addr"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    command.arg("--data-dir").arg(directory.join("data"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_at_the_start() {
    let directory = directory("wrong-key");
    let authority = Authority::new(&directory);
    authority.issue();
    authority.issue_without_key();
    for subcommand in ["serve", "check-config"] {
        let output = tokio::time::timeout(SOON, command(&directory, subcommand).output()).await;
        let Output { status, stderr, .. } = output.expect("it ends").unwrap();
        let said = String::from_utf8_lossy(&stderr);
        assert!(!status.success(), "{said}");
        let key = directory.join("key.pem");
        let wanted = format!("the private key {} is not the one of", key.display());
        assert!(said.contains(&wanted), "{said}");
    }
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_rtmp_at_the_tls_address_is_named_in_the_log() {
    let directory = directory("plain");
    let authority = Authority::new(&directory);
    authority.issue();
    let log = directory.join("log");
    let data_dir = directory.join("data");
    let process = command(&directory, "serve").stderr(File::create(&log).unwrap()).spawn().unwrap();
    let mut plain = TcpStream::connect(wait_for(&data_dir, |it| it.rtmps).await).await.unwrap();
    let mut hello = vec![3];
    hello.resize(1 + 1_536, 0);
    plain.write_all(&hello).await.unwrap();
    assert!(kept_for(&mut plain).await < Duration::from_secs(3));
    let deadline = Instant::now() + SOON;
    loop {
        let said = std::fs::read_to_string(&log).unwrap();
        if said.contains("the peer speaks plain RTMP instead of TLS") {
            break;
        }
        assert!(Instant::now() < deadline, "{said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(Addresses::read(&data_dir).unwrap().https.is_some());
    drop(process);
    std::fs::remove_dir_all(directory).unwrap();
}
