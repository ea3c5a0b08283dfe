//! Who gets in, and what of go-livepeer's calls its clients see.

use std::time::Duration;

use media::Redacted;
use signer::{SignerClient, SignerClientConfig, SignerErrorKind, Trust};

use super::support::{Signer, TOKEN, batch, client, command, config, directory, key, pay};

/// One request over a plain socket: the answer's head and body.
async fn ask(url: &str, head: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let addr = url.trim_start_matches("http://").to_owned();
    let mut socket =
        tokio::net::TcpStream::connect(addr.replace("localhost", "127.0.0.1")).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head}Host: signer\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_string(&mut answer));
    read.await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn only_holders_of_a_token_are_answered() {
    let directory = directory("tokens");
    let tokens = directory.join("tokens");
    let running = Signer::start(&directory, &["--tokens", tokens.to_str().unwrap()]).await;
    let mut config = config(&running.url);
    let identity = SignerClient::new(&config).unwrap().identity().await.unwrap();
    assert_eq!(identity, orchestrator::GatewayIdentity::sign(&key()));
    config.token = Some(Redacted::new("a-wrong-secret-of-somebody".to_owned()));
    let stranger = SignerClient::new(&config).unwrap();
    assert_eq!(stranger.identity().await.unwrap_err().kind(), SignerErrorKind::Unauthorized);
    let refused = pay(&stranger, "1", Some(&batch(1, 1, 1))).await.unwrap_err();
    assert_eq!(refused.kind(), SignerErrorKind::Unauthorized);
    let shown = format!("{stranger:?} {config:?} {refused:?}");
    assert!(!shown.contains("secret"), "{shown}");
    let bare = ask(&running.url, "POST /sign-orchestrator-info HTTP/1.1\r\n", "").await;
    assert!(
        bare.starts_with("HTTP/1.1 401") && bare.contains("{\"error\":{\"message\":"),
        "{bare}"
    );
    let audit = std::fs::read_to_string(directory.join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("\"what\":\"login\",\"outcome\":\"refused\"").count(), 3);
    assert!(!audit.contains("secret") && !audit.contains(&hex::encode([0x46; 32])));
}

/// As go-livepeer's gateway calls: no body, and its own header.
#[tokio::test]
async fn go_livepeers_calls_are_answered_in_its_words() {
    let directory = directory("wire");
    let tokens = directory.join("tokens");
    let running = Signer::start(&directory, &["--tokens", tokens.to_str().unwrap()]).await;
    let head = |line: &str| {
        format!(
            "{line} HTTP/1.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n"
        )
    };
    let answer = ask(&running.url, &head("POST /sign-orchestrator-info"), "").await;
    // livepeer-wire §9.1.
    let expected = "{\"address\":\"0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F\",\"signature\":\"0x\
        4e166c2cd389f60c02051be1252202fc8a9d9f81b34ace389523a47cb5e70d265bcff71ffa9bda088fb65f0493\
        0ca11aa5818b5c688e0d130a32f3a03e9254c91c\"}";
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(expected), "{answer}");
    for (line, body, status) in [
        ("POST /generate-live-payment", "{", "400"),
        ("POST /generate-live-payment", "{\"orchestrator\":\"AA==\"}", "400"),
        ("POST /v1/segment-payments", "[]", "400"),
        ("GET /discover-orchestrators", "", "404"),
        ("GET /sign-orchestrator-info", "", "405"),
        ("GET /", "", "404"),
    ] {
        let answer = ask(&running.url, &head(line), body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {answer}");
        assert!(answer.contains("{\"error\":{\"message\":\""), "{line}: {answer}");
    }
    let long = "x".repeat(300 << 10);
    let answer = ask(&running.url, &head("POST /v1/segment-payments"), &long).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// A serialized `OrchestratorInfo`: 10 wei for a pixel, tickets of a thousand wei, a token until 2100.
const INFO: &str = "ChFodHRwczovL29yY2g6ODkzNRKKAQoUAQEBAQEBAQEBAQEBAQEBAQEBAQESAsc4GiAFBQUFBQUFBQUFBQUFBQUFBQ\
    UFBQUFBQUFBQUFBQUFBSIgAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIqAQcyAWQ6JAgFEiADAwMDAwMD\
    AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAxoECAoQASIUBAQEBAQEBAQEBAQEBAQEBAQEBAQyMgogCQkJCQkJCQkJCQ\
    kJCQkJCQkJCQkJCQkJCQkJCQkJCQkSCGRlYWRiZWVmGICumaQP";

#[tokio::test]
async fn live_jobs_are_paid_for_over_the_wire() {
    let directory = directory("live");
    let running = Signer::start(&directory, &["--total-limit", "4000"]).await;
    let call = async |pixels: u64, state: &serde_json::Value| {
        let body = serde_json::json!({
            "orchestrator": INFO, "ManifestID": "job", "inPixels": pixels, "state": state, "app": "",
        });
        let head = "POST /generate-live-payment HTTP/1.1\r\nContent-Type: application/json\r\n";
        let answer = ask(&running.url, head, &body.to_string()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        (head.split(' ').nth(1).unwrap().parse::<u16>().unwrap(), body)
    };
    let (status, first) = call(250, &serde_json::json!({"State": null, "Sig": null})).await;
    assert_eq!(status, 200, "{first}");
    let payment =
        orchestrator::PaymentHeader::from_text(first["payment"].as_str().unwrap()).unwrap();
    assert_eq!(payment.tickets().unwrap().len(), 3);
    assert!(first["segCreds"].as_str().is_some_and(|text| text.len() > 100));
    let (status, second) = call(150, &first["state"]).await;
    assert_eq!(status, 200, "{second}");
    let (status, over) = call(250, &second["state"]).await;
    assert_eq!((status, over["error"]["limit"].as_str()), (429, Some("total")));
    let mut tampered = second["state"].clone();
    tampered["Sig"] = first["state"]["Sig"].clone();
    let (status, refused) = call(150, &tampered).await;
    assert_eq!(status, 400);
    assert!(refused["error"]["message"].as_str().unwrap().contains("state signature"));
}

#[tokio::test]
async fn others_must_not_reach_an_unprotected_signer() {
    let directory = directory("exposed");
    let start = async |flags: &[&str]| {
        let output = command(&directory, flags).output().await.unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let tokens = directory.join("tokens");
    let tokens = tokens.to_str().unwrap();
    let said = start(&["--addr", "0.0.0.0:0"]).await;
    assert!(said.contains("whoever does can spend") && said.contains("--insecure"), "{said}");
    let said = start(&["--addr", "0.0.0.0:0", "--tokens", tokens]).await;
    assert!(said.contains("--tls-cert"), "{said}");
    std::fs::write(directory.join("empty"), "# nobody\n").unwrap();
    let empty = directory.join("empty");
    let said = start(&["--tokens", empty.to_str().unwrap()]).await;
    assert!(said.contains("no token"), "{said}");
}

#[tokio::test]
async fn a_second_signer_on_the_same_files_is_refused() {
    let directory = directory("twice");
    let running = Signer::start(&directory, &[]).await;
    let output = command(&directory, &[]).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another signer uses"), "{said}");
    assert!(running.id() > 0);
}

#[tokio::test]
async fn tls_signers_are_trusted_on_their_authoritys_word() {
    let directory = directory("tls");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let path = |name| directory.join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let flags = ["--tls-cert", &certificate, "--tls-key", &key];
    let running = Signer::start(&directory, &flags).await;
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusting = |pem: String| SignerClientConfig {
        trust: Trust::Authority(pem.into_bytes()),
        ..config(&running.url)
    };
    let right = SignerClient::new(&trusting(made.cert.pem())).unwrap();
    pay(&right, "1", Some(&batch(1, 1, 20))).await.unwrap();
    let wrong = SignerClient::new(&trusting(other.cert.pem())).unwrap();
    let refused = wrong.identity().await.unwrap_err();
    assert_eq!(refused.kind(), SignerErrorKind::Unreachable);
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let plain = client(&running.url.replace("https", "http"));
    assert_eq!(plain.identity().await.unwrap_err().kind(), SignerErrorKind::Unreachable);
}
