//! What the webhook is asked, and what its answers mean.

use super::*;
use crate::webhook::fake_hook::{FakeHook, Manner, client};

const SECRET: &str = "whsec-0123456789";

fn url() -> Redacted<String> {
    Redacted::new("rtmp://gateway.example/live/key?token=\"t\"".to_owned())
}

async fn answered(manner: Manner) -> Result<Admitted, AuthError> {
    let hook = FakeHook::start(manner).await;
    AuthWebhook::new(client(), hook.endpoint("/auth"), None).admit(&url()).await
}

#[tokio::test]
async fn the_whole_publish_url_is_asked_about_and_signed() {
    let hook = FakeHook::start(Manner::ok("")).await;
    let webhook = AuthWebhook::new(client(), hook.endpoint("/auth?x=1"), HookSecret::new(SECRET));
    assert_eq!(webhook.admit(&url()).await, Ok(Admitted::as_named()));
    let heard = hook.heard();
    let (head, body) = heard[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /auth?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"url":"rtmp://gateway.example/live/key?token=\"t\""}"#);
    let signature = head.lines().find_map(|line| line.strip_prefix("headgate-signature: "));
    let signature = signature.unwrap();
    let seconds = signature.strip_prefix("t=").unwrap().split(',').next().unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds.parse().unwrap());
    assert_eq!(HookSecret::new(SECRET).unwrap().sign(at, body.as_bytes()), signature);
}

#[tokio::test]
async fn only_status_200_admits() {
    let body = br#"{"manifestID":"m"}"#.to_vec();
    let admitted = answered(Manner::Reply(200, body.clone())).await.unwrap();
    assert_eq!(admitted.manifest.unwrap().name.as_str(), "m");
    for status in [201, 204, 302, 401, 403, 500] {
        let no_body = if status == 204 { Vec::new() } else { body.clone() };
        let refused = answered(Manner::Reply(status, no_body)).await.unwrap_err();
        assert_eq!(refused, AuthError::Refused(StatusCode::from_u16(status).unwrap()));
    }
}

#[tokio::test]
async fn bad_answers_admit_nobody() {
    for (manner, kind) in [
        (Manner::ok("{}"), "malformed"),
        (Manner::ok("welcome"), "malformed"),
        (Manner::ok(&" ".repeat(BYTES_MAX + 1)), "oversized"),
        (Manner::BreakOff, "unreachable"),
        (Manner::Hang, "timeout"),
    ] {
        let refused = answered(manner.clone()).await.unwrap_err();
        assert_eq!(refused.as_str(), kind, "{manner:?}: {refused}");
        assert!(!matches!(refused, AuthError::Refused(_)), "{manner:?}");
    }
}

#[tokio::test]
async fn a_crowd_is_not_passed_on() {
    let hook = FakeHook::start(Manner::Hang).await;
    let webhook = AuthWebhook::new(client(), hook.endpoint("/auth"), None);
    let _slots = webhook.0.calls.try_acquire_many(u32::try_from(CALLS_MAX).unwrap()).unwrap();
    assert_eq!(webhook.admit(&url()).await, Err(AuthError::Busy));
    assert!(hook.heard().is_empty());
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let hook = FakeHook::start(Manner::ok("")).await;
    let webhook =
        AuthWebhook::new(client(), hook.endpoint("/auth?token=t0k3n"), HookSecret::new(SECRET));
    let printed = format!("{webhook:?}");
    assert!(!printed.contains("t0k3n") && !printed.contains("whsec"), "{printed}");
}
