//! Certificates that the gateway orders by itself, from a real ACME server.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headgate::cli::ServeArgs;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;

use crate::support::{
    Gateway, QUICK,
    authority::Authority,
    encoder::{Publisher, SMALL},
    pebble::{CheckPorts, Pebble, free_port},
};

const SOON: Duration = Duration::from_secs(15);
const HOUR: Duration = Duration::from_secs(3_600);

struct Lab {
    directory: PathBuf,
    authority: Authority,
    pebble: Pebble,
}

impl Lab {
    async fn new(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("acme-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let authority = Authority::new(&directory);
        authority.issue();
        let pebble = Pebble::new(&directory).await;
        Self { directory, authority, pebble }
    }

    /// A gateway that keeps its files here.
    fn gateway(&self, settings: &str) -> Gateway {
        let file = format!("{QUICK}{}", self.pebble.settings(settings));
        Gateway::start(&file, |args: &mut ServeArgs| {
            args.no_transcode = Some(true);
            args.rtmps_addr = Some("127.0.0.1:0".to_owned());
            args.https_addr = Some("127.0.0.1:0".to_owned());
            args.data_dir = Some(self.directory.join("data"));
        })
    }

    fn end(self) {
        std::fs::remove_dir_all(self.directory).unwrap();
    }
}

fn doors(gateway: &Gateway) -> [SocketAddr; 2] {
    let addresses = gateway.app.addresses();
    [addresses.https.unwrap(), addresses.rtmps.unwrap()]
}

/// The certificate that a client sees who trusts these roots and knows the server by this name.
async fn shown(
    server: SocketAddr,
    name: &'static str,
    roots: &RootCertStore,
) -> std::io::Result<CertificateDer<'static>> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    let socket = TcpStream::connect(server).await?;
    let name = ServerName::try_from(name).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

/// The certificate of both listeners once they show one that `wanted` accepts, under both names.
async fn wait_until_shown(
    gateway: &Gateway,
    roots: &RootCertStore,
    wanted: impl Fn(&CertificateDer<'_>) -> bool,
) -> CertificateDer<'static> {
    let deadline = Instant::now() + SOON;
    let [https, rtmps] = doors(gateway);
    loop {
        let first = shown(https, "live.headgate.test", roots).await;
        let second = shown(rtmps, "cdn.headgate.test", roots).await;
        match (&first, &second) {
            (Ok(first), Ok(second)) if first == second && wanted(first) => return first.clone(),
            _ => assert!(Instant::now() < deadline, "{first:?} {second:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn metric(gateway: &Gateway, start: &str) {
    let start = format!("\nheadgate_tls_{start}");
    gateway.admin().wait_for("/metrics", SOON, |page| page.contains(&start)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_got_renewed_and_shown_after_a_restart() {
    let mut lab = Lab::new("whole").await;
    let gateway = lab.gateway("");
    metric(&gateway, "orders_total{how=\"unreached\"} ").await;
    for door in doors(&gateway) {
        let refusal = shown(door, "live.headgate.test", &RootCertStore::empty()).await.unwrap_err();
        assert!(refusal.to_string().contains("AccessDenied"), "{refusal}");
    }
    let page = gateway.admin().get("/metrics").await;
    for listener in ["https", "rtmps"] {
        let refused =
            format!("handshakes_total{{listener=\"{listener}\",how=\"no certificate\"}} 1\n");
        assert!(page.text().contains(&refused), "{}", page.text());
    }
    assert_eq!(gateway.viewer().get("/cam.m3u8").await.status, 404, "the rest goes on");

    let [https, _] = doors(&gateway);
    let checks = CheckPorts { http: free_port().await, tls: https.port() };
    lab.pebble.start(&lab.authority, checks, Duration::from_secs(12)).await;
    let (roots, root_file) = lab.pebble.roots(&lab.authority).await;
    let first = wait_until_shown(&gateway, &roots, |_| true).await;
    metric(&gateway, "orders_total{how=\"done\"} 1\n").await;
    metric(&gateway, "orders_failed_in_a_row 0\n").await;
    metric(&gateway, "handshakes_total{listener=\"https\",how=\"challenge\"} ").await;

    let url = format!("rtmps://localhost:{}/live/cam", doors(&gateway)[1].port());
    let trust = ["-tls_verify", "1", "-ca_file", &root_file, "-verifyhost", "live.headgate.test"];
    let publisher = Publisher::start_with(&SMALL, &url, 60, &trust);
    gateway.viewer().wait_for("/cam.m3u8", SOON, |_| true).await;
    let second = wait_until_shown(&gateway, &roots, |shown| *shown != first).await;
    metric(&gateway, "orders_total{how=\"done\"} 2\n").await;
    publisher.kill().await;
    gateway.shut_down().await;

    lab.pebble.stop().await;
    let gateway = lab.gateway("");
    for door in doors(&gateway) {
        assert_eq!(shown(door, "live.headgate.test", &roots).await.unwrap(), second);
    }
    metric(&gateway, "orders_total{how=\"unreached\"} ").await;
    for door in doors(&gateway) {
        let still = shown(door, "live.headgate.test", &roots).await.unwrap();
        assert_eq!(still, second, "who issues is away, and it is valid");
    }
    gateway.shut_down().await;
    lab.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_are_checked_over_http_where_that_is_wanted() {
    let mut lab = Lab::new("http").await;
    let gateway = lab.gateway("challenge = \"http-01\"");
    let http = gateway.app.addresses().http.unwrap();
    let checks = CheckPorts { http: http.port(), tls: free_port().await };
    lab.pebble.start(&lab.authority, checks, HOUR).await;
    let (roots, _) = lab.pebble.roots(&lab.authority).await;
    let shown = wait_until_shown(&gateway, &roots, |_| true).await;
    let unknown = gateway.viewer().get("/.well-known/acme-challenge/token").await;
    assert_eq!(unknown.status, 404);
    gateway.shut_down().await;

    // What is stored is good for most of an hour: nobody is asked.
    let gateway = lab.gateway("challenge = \"http-01\"");
    wait_until_shown(&gateway, &roots, |again| *again == shown).await;
    let page = gateway.admin().get("/metrics").await;
    assert!(!page.text().contains("headgate_tls_orders_total{"), "{}", page.text());
    gateway.shut_down().await;
    lab.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_is_told_and_not_repeated_at_once() {
    let mut lab = Lab::new("refused").await;
    let gateway = lab.gateway("");
    let nobody = CheckPorts { http: free_port().await, tls: free_port().await };
    lab.pebble.start(&lab.authority, nobody, HOUR).await;
    metric(&gateway, "orders_total{how=\"refused\"} 1\n").await;
    assert_eq!(gateway.viewer().get("/cam.m3u8").await.status, 404);
    tokio::time::sleep(Duration::from_secs(4)).await;
    metric(&gateway, "orders_total{how=\"refused\"} 1\n").await;
    gateway.shut_down().await;
    lab.end();
}
