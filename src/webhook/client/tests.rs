//! What a hook can do to the gateway, and what it can't.

use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};

use super::*;
use crate::webhook::fake_hook::{FakeHook, Manner, client};

async fn ask(hook: &FakeHook, answer_max: usize) -> Result<Answer, HookError> {
    let question =
        Question { method: Method::GET, body: Bytes::new(), signature: None, answer_max };
    client().ask(&hook.endpoint("/list"), question).await
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    let hook = FakeHook::start(Manner::ok("0123456789")).await;
    let answer = ask(&hook, 10).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"0123456789"[..]));
    assert_eq!(ask(&hook, 9).await.unwrap_err(), HookError::Oversized { max: 9 });
}

#[tokio::test]
async fn a_flood_ends_at_the_limit() {
    let hook = FakeHook::start(Manner::Flood).await;
    assert_eq!(ask(&hook, 1 << 20).await.unwrap_err(), HookError::Oversized { max: 1 << 20 });
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nothing_more() {
    let hook = FakeHook::start(Manner::Redirect).await;
    assert_eq!(ask(&hook, 10).await.unwrap().status, StatusCode::FOUND);
    assert_eq!(hook.heard().len(), 1);
}

#[tokio::test]
async fn silence_and_dripping_end_at_the_deadline() {
    let (silent, dripping) =
        tokio::join!(FakeHook::start(Manner::Hang), FakeHook::start(Manner::Drip));
    let begun = tokio::time::Instant::now();
    let (silent, dripping) = tokio::join!(ask(&silent, 100), ask(&dripping, 1 << 20));
    assert_eq!(silent.unwrap_err(), HookError::Timeout);
    assert_eq!(dripping.unwrap_err(), HookError::Timeout);
    assert!(begun.elapsed() < CALL_LIMIT * 2);
}

#[tokio::test]
async fn broken_answers_and_closed_doors_are_told_apart_from_answers() {
    let hook = FakeHook::start(Manner::BreakOff).await;
    assert!(matches!(ask(&hook, 100).await, Err(HookError::Unreachable(_))));
    let gone = HookEndpoint::new(&"http://127.0.0.1:1/x".parse().unwrap()).unwrap();
    let question =
        Question { method: Method::GET, body: Bytes::new(), signature: None, answer_max: 1 };
    let Err(HookError::Unreachable(text)) = client().ask(&gone, question).await else {
        panic!("nobody listens there");
    };
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn only_servers_with_a_trusted_certificate_are_asked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let tls = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let hook = FakeHook::start_tls(Manner::ok("[]"), tls).await;
    let question =
        || Question { method: Method::GET, body: Bytes::new(), signature: None, answer_max: 100 };
    let Err(HookError::Unreachable(text)) = client().ask(&hook.endpoint("/"), question()).await
    else {
        panic!("the certificate was trusted");
    };
    assert!(text.contains("certificate"), "{text}");
    assert!(hook.heard().is_empty());
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let trusting = HookClient::trusting(roots).unwrap();
    assert_eq!(&trusting.ask(&hook.endpoint("/"), question()).await.unwrap().body[..], b"[]");
}
