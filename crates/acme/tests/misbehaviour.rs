//! What servers do that are no ACME servers, or sick ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use acme::{AcmeClient, AcmeFailure, AcmeSettings, ChallengeKind, Challenges, FailureKind};
use media::Redacted;
use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

const JSON: &str = "Content-Type: application/json\r\nReplay-Nonce: abcd\r\n";

/// Answers the requests of each connection with these bytes, one after another.
async fn server(answers: impl Fn(&str, &str) -> String + Send + 'static) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (mut tasks, here) = (JoinSet::new(), base.clone());
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let head = loop {
                if stream.read_buf(&mut request).await.unwrap() == 0 {
                    break None;
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                if text.contains("\r\n\r\n") {
                    break Some(text);
                }
            };
            let Some(head) = head else { continue };
            // Who is refused early may hang up before the end.
            drop(stream.write_all(answers(&here, &head).as_bytes()).await);
        }
    });
    (base, tasks)
}

fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn directory(base: &str) -> String {
    let body = format!(
        r#"{{"newNonce": "{base}/nonce", "newAccount": "{base}/account", "newOrder": "{base}/order"}}"#
    );
    answer("200 OK", JSON, &body)
}

async fn refusal(base: &str) -> AcmeFailure {
    let settings = AcmeSettings {
        directory: format!("{base}/dir"),
        domains: vec!["live.example.com".to_owned()],
        email: None,
        challenge: ChallengeKind::TlsAlpn,
    };
    let client = AcmeClient::new(settings, RootCertStore::empty(), Challenges::default()).unwrap();
    client.sign_in(None::<&Redacted<String>>).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn pages_of_others_and_endless_answers_are_no_acme_server() {
    let (base, _tasks) = server(|_, _| answer("200 OK", "", "<html>It works!</html>")).await;
    assert_eq!(refusal(&base).await.kind, FailureKind::Unreached);
    let (base, _tasks) = server(|_, _| answer("200 OK", JSON, &"x".repeat(1 << 20))).await;
    let failure = refusal(&base).await;
    assert_eq!(failure.kind, FailureKind::Unreached);
    assert!(failure.reason.contains("more than 262144 bytes"), "{failure}");
}

#[tokio::test]
async fn nobody_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = refusal(&base).await;
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Unreached, None));
    assert!(failure.reason.starts_with("127.0.0.1: "), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let started = tokio::time::Instant::now();
    let failure = refusal(&base).await;
    assert_eq!(failure.kind, FailureKind::Unreached);
    assert_eq!(failure.reason, "127.0.0.1: no answer in 30s");
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn limits_of_the_server_are_kept_and_its_words_shown() {
    let (base, _tasks) = server(|base, head| {
        let body = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\u001b[2J new accounts"}"#;
        match head.split(' ').nth(1) {
            Some("/dir") => directory(base),
            Some("/nonce") => answer("200 OK", JSON, ""),
            _ => answer("429 Too Many Requests", &format!("{JSON}Retry-After: 7200\r\n"), body),
        }
    })
    .await;
    let failure = refusal(&base).await;
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7_200)));
    assert_eq!(failure.reason, "too many [2J new accounts");
}

#[tokio::test]
async fn accounts_that_a_server_has_lost_are_told_apart() {
    let (base, _tasks) = server(|base, head| {
        let body = r#"{"type": "urn:ietf:params:acme:error:accountDoesNotExist"}"#;
        match head.split(' ').nth(1) {
            Some("/dir") => directory(base),
            Some("/nonce") => answer("200 OK", JSON, ""),
            _ => answer("400 Bad Request", JSON, body),
        }
    })
    .await;
    assert_eq!(refusal(&base).await.kind, FailureKind::NoAccount);
}
