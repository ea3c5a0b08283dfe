//! Addresses that must not be connected to.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use tokio::{net::TcpListener, time::timeout};

use super::support::{Orchestrator, Transport, client, job};
use crate::{NetworkPolicy, OrchestratorAddress, OrchestratorInfo, proto};

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn assert_untouched(listener: &TcpListener) {
    let connected = timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(connected.is_err(), "a connection was made");
}

/// A session of an orchestrator that names `transcoder`, discovered on the internet.
fn session(transcoder: &OrchestratorAddress, policy: NetworkPolicy) -> OrchestratorInfo {
    let wire = proto::OrchestratorInfo {
        transcoder: transcoder.to_string(),
        auth_token: Some(proto::AuthToken::default()),
        ..proto::OrchestratorInfo::default()
    };
    let now = tokio::time::Instant::now().into_std();
    OrchestratorInfo::from_discovery(transcoder, policy, wire, now, UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn a_discovered_address_in_a_private_network_is_not_connected_to() {
    let (listener, port) = listener().await;
    let client = client().with_policy(NetworkPolicy::PublicOnly);
    for origin in [
        "http://127.0.0.1",
        "https://127.0.0.1",
        "http://localhost",
        "https://localhost",
        "https://[::ffff:127.0.0.1]",
        // Forms only the system's resolver reads.
        "http://2130706433",
        "http://0",
    ] {
        let address = format!("{origin}:{port}").parse().unwrap();
        let asked = client.get_orchestrator(&address, &job(b"").capabilities()).await;
        let error = asked.unwrap_err();
        assert_eq!(error.kind(), "forbidden_address", "{address}: {error}");
        assert!(error.is_fault());
        client.ping(&address, Bytes::new()).await.unwrap_err();
    }
    assert_untouched(&listener).await;
}

#[tokio::test]
async fn a_name_that_leads_into_a_private_network_gets_no_segment() {
    let (listener, port) = listener().await;
    for scheme in ["http", "https"] {
        let transcoder = format!("{scheme}://localhost:{port}").parse().unwrap();
        let info = session(&transcoder, NetworkPolicy::PublicOnly);
        let error = client().transcode(&info, &job(b"segment")).await.unwrap_err();
        assert_eq!(error.kind(), "forbidden_address", "{error}");
        client().end_session(&info).await.unwrap_err();
    }
    assert_untouched(&listener).await;
}

/// A connection that was made under another policy is not used.
#[tokio::test]
async fn connections_are_not_shared_between_policies() {
    let orchestrator = Orchestrator::start(Transport::Plaintext, [], |config| {
        let port = config.service_uri.port();
        config.service_uri = format!("http://localhost:{port}").parse().unwrap();
    })
    .await;
    let client = client();
    let info = orchestrator.session(&client).await;
    assert_eq!(info.transcoder().host(), "localhost");
    assert_eq!(info.policy(), NetworkPolicy::Anywhere, "met in a private network");
    client.transcode(&info, &job(b"segment")).await.unwrap();

    let stranger = session(info.transcoder(), NetworkPolicy::PublicOnly);
    let error = client.transcode(&stranger, &job(b"segment")).await.unwrap_err();
    assert_eq!(error.kind(), "forbidden_address", "{error}");
    let address = &orchestrator.address;
    let asked = client.with_policy(NetworkPolicy::PublicOnly);
    let error = asked.get_orchestrator(address, &job(b"").capabilities()).await.unwrap_err();
    assert_eq!(error.kind(), "forbidden_address", "{error}");
    assert_eq!(orchestrator.transcoder.request_count(), 1);
}
