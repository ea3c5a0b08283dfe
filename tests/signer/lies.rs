//! Signers that lie, hang, or refuse, on the real wire.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router, body::Bytes, http::StatusCode, response::IntoResponse as _, routing::post,
};
use orchestrator::{GatewayIdentity, PaymentHeader};
use serde_json::{Value, json};
use signer::{Distrust, SignerClient, SignerClientConfig, SignerError, SignerErrorKind};
use tickets::{Price, PrivateKey, UnsignedBatch, signed::SegmentClaim};
use tokio::task::JoinSet;

use super::support::{batch, config, job, key, pay};

type Manner = Arc<dyn Fn(&str, Value) -> (StatusCode, Value) + Send + Sync>;

struct Liar {
    url: String,
    connections: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

async fn liar(manner: Manner) -> Liar {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr: SocketAddr = listener.local_addr().unwrap();
    let answer = |path: &'static str| {
        let manner = Arc::clone(&manner);
        post(async move |body: Bytes| {
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (status, answer) = manner(path, body);
            (status, Json(answer)).into_response()
        })
    };
    let router = Router::new()
        .route("/sign-orchestrator-info", answer("/sign-orchestrator-info"))
        .route("/v1/segment-payments", answer("/v1/segment-payments"));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let mut serving = JoinSet::new();
    let server = async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::AcqRel);
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            serving.spawn(async move {
                let io = hyper_util::rt::TokioIo::new(socket);
                let http = hyper::server::conn::http1::Builder::new();
                drop(http.serve_connection(io, service).await);
            });
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(server);
    Liar { url: format!("http://{addr}"), connections, _server: tasks }
}

fn answer(signer: &PrivateKey, claimer: &PrivateKey, batch: Option<&UnsignedBatch>) -> Value {
    let price = Price::new(1_200, 1).unwrap();
    let header = match batch {
        Some(batch) => {
            let signed = batch.clone().sign(signer).unwrap();
            PaymentHeader::with_tickets(price, &signed)
        }
        None => PaymentHeader::without_tickets(signer.address(), price),
    };
    let job = job();
    let names: Vec<_> = job.profiles.iter().map(|profile| profile.name.as_str()).collect();
    let claim = SegmentClaim {
        manifest_id: job.manifest_id.as_bytes(),
        sequence: job.sequence,
        hash: job.hash(),
        profile_names: &names,
    };
    let signature = claimer.sign_hashed(&claim.to_bytes()).to_bytes();
    json!({
        "sender": key().address().to_string(),
        "payment": header.expose(),
        "segment_signature": format!("0x{}", hex::encode(signature)),
    })
}

async fn paid_by(manner: impl Fn() -> Value + Send + Sync + 'static) -> SignerError {
    let liar = liar(Arc::new(move |_, _| (StatusCode::OK, manner()))).await;
    let client = SignerClient::new(&config(&liar.url)).unwrap();
    pay(&client, "1", Some(&batch(1, 1, 2))).await.unwrap_err()
}

fn stranger() -> PrivateKey {
    PrivateKey::from_bytes(&[0x47; 32]).unwrap()
}

#[tokio::test]
async fn signatures_that_are_not_the_payers_are_distrusted() {
    let good = || answer(&key(), &key(), Some(&batch(1, 1, 2)));
    let edit = |field: &'static str, value: Value| {
        move || {
            let mut answer = answer(&key(), &key(), Some(&batch(1, 1, 2)));
            answer[field] = value.clone();
            answer
        }
    };
    let bad = |error: SignerError, text: &str| {
        assert_eq!(error.kind(), SignerErrorKind::Distrusted, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    bad(paid_by(|| answer(&key(), &stranger(), Some(&batch(1, 1, 2)))).await, "of the segment");
    // Tickets on other nonces, on other terms, fewer, or none.
    for other in [Some(batch(1, 3, 2)), Some(batch(2, 1, 2))] {
        bad(paid_by(move || answer(&key(), &key(), other.as_ref())).await, "bad signature");
    }
    for other in [Some(batch(1, 1, 1)), None] {
        bad(paid_by(move || answer(&key(), &key(), other.as_ref())).await, "signatures for 2");
    }
    bad(paid_by(edit("payment", "AAAA".into())).await, "not a payment");
    bad(paid_by(edit("segment_signature", "0x00".into())).await, "signature");
    bad(paid_by(edit("sender", stranger().address().to_string().into())).await, "not for");
    bad(paid_by(|| json!([])).await, "unreadable");
    let liar = liar(Arc::new(move |_, _| (StatusCode::OK, good()))).await;
    let client = SignerClient::new(&config(&liar.url)).unwrap();
    pay(&client, "1", Some(&batch(1, 1, 2))).await.unwrap();
    let unasked = pay(&client, "2", None).await.unwrap_err();
    bad(unasked, "another than was asked for");
}

#[tokio::test]
async fn the_payer_stays_who_it_was() {
    let asked = Arc::new(AtomicUsize::new(0));
    let manner = {
        let asked = Arc::clone(&asked);
        move |_: &str, _: Value| {
            let first = asked.fetch_add(1, Ordering::AcqRel) == 0;
            let identity = GatewayIdentity::sign(&if first { key() } else { stranger() });
            let signature = hex::encode(identity.signature().to_bytes());
            let address = identity.address().to_string();
            (StatusCode::OK, json!({"address": address, "signature": signature}))
        }
    };
    let liar = liar(Arc::new(manner)).await;
    let client = SignerClient::new(&config(&liar.url)).unwrap();
    assert_eq!(client.address(), None);
    assert_eq!(client.identity().await.unwrap().address(), key().address());
    let (expected, found) = (key().address(), stranger().address());
    let changed = client.identity().await.unwrap_err();
    assert_eq!(changed, SignerError::Distrusted(Distrust::OtherAddress { expected, found }));
    assert_eq!(client.address(), Some(expected));
    let configured = SignerClientConfig { address: Some(expected), ..config(&liar.url) };
    let refused = SignerClient::new(&configured).unwrap().identity().await.unwrap_err();
    assert_eq!(refused.kind(), SignerErrorKind::Distrusted);
    assert_eq!(liar.connections.load(Ordering::Acquire), 2, "connections are used again");
}

#[tokio::test]
async fn refusals_say_what_follows() {
    use SignerErrorKind as Kind;
    for (status, error, kind, retry) in [
        (400, json!({"message": "no", "code": "ticket_ev"}), Kind::Refused, None),
        (409, json!({"message": "no", "code": "nonce"}), Kind::Refused, None),
        (401, json!({"message": "no"}), Kind::Unauthorized, None),
        (429, json!({"message": "no", "limit": "day", "retry_after": 9}), Kind::Limited, Some(9)),
        (429, json!({"message": "no", "retry_after": 5}), Kind::Unreachable, Some(5)),
        (503, json!({"message": "no"}), Kind::Unreachable, None),
        (500, json!(7), Kind::Unreachable, None),
        (302, json!({"message": "elsewhere"}), Kind::Refused, None),
    ] {
        let code = StatusCode::from_u16(status).unwrap();
        let body = json!({"error": error});
        let liar = liar(Arc::new(move |_, _| (code, body.clone()))).await;
        let client = SignerClient::new(&config(&liar.url)).unwrap();
        let refused = pay(&client, "1", None).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{status}: {refused}");
        assert_eq!(refused.retry_after(), retry.map(Duration::from_secs), "{status}");
    }
}

#[tokio::test]
async fn a_signer_that_hangs_costs_one_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let deadline = Duration::from_millis(200);
    let client = SignerClient::new(&SignerClientConfig { deadline, ..config(&url) }).unwrap();
    let error = pay(&client, "1", None).await.unwrap_err();
    assert_eq!(error.kind(), SignerErrorKind::Unreachable);
    assert!(error.to_string().contains("no answer within 200ms"), "{error}");
}
