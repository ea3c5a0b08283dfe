//! Segments that come back.

use std::time::Duration;

use bytes::Bytes;
use media::{Chain, H264Profile, RenditionProfile};

use super::support::{Act, Orchestrator, Transport, client, eventually, job, rendition};
use crate::{
    DiscoveryError, MediaFault, OutputFormat, Retry, SegmentJob, TranscodeError,
    server::TranscodeFailure,
};

async fn round_trip(transport: Transport) {
    let orchestrator = Orchestrator::start(transport, [], |_| {}).await;
    let client = client();
    let info = orchestrator.session(&client).await;
    assert_eq!(info.transcoder(), &orchestrator.address);
    assert_eq!(orchestrator.server.stats().sessions, 0, "no segment yet");

    let pieces = [vec![1_u8; 100], vec![2; 700_000], vec![3; 300_000], vec![4; 9]];
    let body: Chain = pieces.into_iter().map(Bytes::from).collect();
    let job = SegmentJob { body, ..job(b"") };
    let result = client.transcode(&info, &job).await.unwrap();

    let expected = [rendition(640, 360, 1_000_109), rendition(426, 240, 1_000_109)];
    for (made, expected) in result.renditions.iter().zip(&expected) {
        assert_eq!((&made.data, made.pixels), (&expected.data, expected.pixels));
    }
    assert_eq!(result.renditions.len(), 2);
    let timing = result.timing;
    assert!(timing.first_byte_sent <= timing.uploaded && timing.uploaded <= timing.transcoded);
    assert!(timing.transcoded <= timing.downloaded);
    assert_eq!(result.info.as_ref().map(|info| info.session_id()), Some(info.session_id()));
    {
        let requests = orchestrator.transcoder.requests.lock().unwrap();
        assert_eq!(requests[0].input.to_contiguous(), job.body.to_contiguous());
    }

    let next = SegmentJob { sequence: 43, ..job };
    client.transcode(&result.info.unwrap(), &next).await.unwrap();
    let stats = orchestrator.server.stats();
    assert_eq!((stats.sessions, stats.transcoded), (1, 2));
    client.end_session(&info).await.unwrap();
    assert_eq!(orchestrator.server.stats().sessions, 0);
}

#[tokio::test]
async fn plaintext() {
    round_trip(Transport::Plaintext).await;
}

#[tokio::test]
async fn tls_with_an_unverifiable_certificate() {
    round_trip(Transport::Tls).await;
}

#[tokio::test]
async fn status_comes_before_the_result_on_both_transports() {
    for transport in [Transport::Plaintext, Transport::Tls] {
        let slow = Act::Slow(Duration::from_millis(300));
        let orchestrator = Orchestrator::start(transport, [slow], |_| {}).await;
        let client = client();
        let info = orchestrator.session(&client).await;
        let timing = client.transcode(&info, &job(b"segment")).await.unwrap().timing;
        let head_start = timing.transcoded - timing.uploaded;
        assert!(head_start > Duration::from_millis(50), "{transport:?}: {head_start:?}");
    }
}

#[tokio::test]
async fn newer_profile_fields_and_mp4_arrive() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |_| {}).await;
    let client = client();
    let mut job = job(b"segment");
    job.output = OutputFormat::Mp4;
    job.profiles[1] = RenditionProfile {
        h264_profile: H264Profile::Main,
        frame_rate: None,
        ..job.profiles[1].clone()
    };
    let info = orchestrator.session(&client).await;
    client.transcode(&info, &job).await.unwrap();
    let requests = orchestrator.transcoder.requests.lock().unwrap();
    assert_eq!(requests[0].output, OutputFormat::Mp4);
    assert_eq!(requests[0].profiles[0].frame_rate, job.profiles[0].frame_rate);
    assert_eq!(requests[0].profiles[1].h264_profile, H264Profile::Main);
    assert_eq!(requests[0].profiles[1].frame_rate, None);
}

#[tokio::test]
async fn failures_say_what_to_do() {
    let script = [
        Act::Fail(TranscodeFailure::Media(MediaFault::NO_KEYFRAME)),
        Act::Fail(TranscodeFailure::Unavailable),
        Act::Count(1),
        Act::Count(0),
        Act::Count(3),
        Act::Panic,
    ];
    let orchestrator = Orchestrator::start(Transport::Plaintext, script, |_| {}).await;
    let client = client();
    let info = orchestrator.session(&client).await;
    for (kind, retry, text) in [
        ("media", Retry::Never, "No keyframes"),
        ("failed", Retry::Other, "no transcoders available"),
        ("failed", Retry::Other, "MismatchedSegments"),
        ("failed", Retry::Other, "ZeroSegments"),
        ("failed", Retry::Other, "MismatchedSegments"),
        ("transport", Retry::Other, ""),
    ] {
        let error = client.transcode(&info, &job(b"segment")).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(client.transcode(&info, &job(b"segment")).await.is_ok(), "the session goes on");
}

#[tokio::test]
async fn deadlines_cancel_the_work() {
    let slow = || Act::Slow(Duration::from_secs(60));
    let orchestrator = Orchestrator::start(Transport::Plaintext, [slow(), slow()], |_| {}).await;
    let client = client();
    let info = orchestrator.session(&client).await;
    let short = SegmentJob { timeout: Duration::from_millis(200), ..job(b"segment") };
    let error = client.transcode(&info, &short).await.unwrap_err();
    assert!(matches!(error, TranscodeError::TranscodeTimeout(_)), "{error}");
    let cancelled = &orchestrator.transcoder.cancelled;
    let count = || cancelled.load(std::sync::atomic::Ordering::SeqCst);
    eventually("the first run is cancelled", || count() == 1).await;

    let job = job(b"segment");
    let dropped = tokio::time::timeout(Duration::from_millis(200), client.transcode(&info, &job));
    assert!(dropped.await.is_err());
    eventually("the second run is cancelled", || count() == 2).await;
    assert_eq!(orchestrator.server.stats().abandoned, 2);
}

#[tokio::test]
async fn ping_is_answered_and_silence_times_out() {
    let orchestrator = Orchestrator::start(Transport::Tls, [], |_| {}).await;
    let client = client();
    let pong = client.ping(&orchestrator.address, Bytes::from_static(b"hello")).await.unwrap();
    assert!(pong.is_empty(), "nothing is signed off-chain");

    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    let error = client.get_orchestrator(&address, &job(b"").capabilities()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Timeout(_)), "{error}");

    drop(silent);
    let error = client.get_orchestrator(&address, &job(b"").capabilities()).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::Unreachable(_)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

/// Any certificate is taken, but only from a peer that holds its key.
#[tokio::test]
async fn a_peer_without_the_certificates_key_is_refused() {
    use std::sync::Arc;

    use rustls::{crypto::aws_lc_rs, server::ResolvesServerCert, sign::CertifiedKey};

    #[derive(Debug)]
    struct Mismatched(Arc<CertifiedKey>);

    impl ResolvesServerCert for Mismatched {
        fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }

    let generate = || rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (shown, held) = (generate(), generate());
    let certificate = rcgen::CertificateParams::default().self_signed(&shown).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(held.serialize_der()).into();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Mismatched(Arc::new(certified))));
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listening = super::support::listen(listener, axum::Router::new(), Some(Arc::new(tls)));
    let address = format!("https://{}", listening.at).parse().unwrap();
    let error = client().ping(&address, Bytes::new()).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("signature"), "{error}");
}
