//! What those who come from go-livepeer's gateway find where they look for it.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    Gateway, QUICK,
    encoder::{HD, Publisher},
};

fn headgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate"));
    command.args(arguments).kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_see_a_stream_with_its_bytes_and_can_change_the_next() {
    let gateway = Gateway::without_transcoding(QUICK);
    let publisher = Publisher::start(&HD, &gateway.publish_url("cam"), 8);
    let admin = gateway.admin();
    let streams = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let counted = |text: &str| streams(text)["StreamInfo"]["cam"]["SourceBytes"].as_u64() > Some(9);
    let status = admin.wait_for("/status", Duration::from_secs(20), counted).await;
    let status = streams(status.text());
    let source = &status["Manifests"]["cam"]["Variants"][0];
    assert_eq!(source["URI"], "cam/source.m3u8");
    assert_eq!(source["Resolution"], "1280x720");
    assert!(source["Bandwidth"].as_u64() > Some(100_000), "{source}");
    assert_eq!(admin.get("/manifestID").await.text(), "cam");
    assert_eq!(admin.get("/streamID").await.text(), "cam/source");
    assert_eq!(admin.get("/getLogLevel").await.text(), "3");

    let post = async |path: &str| admin.send(Method::POST, path, &[], Bytes::new()).await.unwrap();
    let set = post("/setBroadcastConfig?transcodingOptions=P360p30fps16x9").await;
    assert_eq!(set.status, StatusCode::OK);
    let config = streams(admin.get("/getBroadcastConfig").await.text());
    assert_eq!(config["TranscodingOptions"], "P360p30fps16x9");
    let price = post("/setBroadcastConfig?maxPricePerUnit=3&pixelsPerUnit=2").await;
    assert_eq!(price.status, StatusCode::NOT_IMPLEMENTED, "nobody is paid here");
    assert!(price.text().contains("no pool"), "{}", price.text());
    assert_eq!(post("/setMaxSessions?maxSessions=1").await.status, StatusCode::OK);
    let second = Publisher::start(&HD, &gateway.publish_url("other"), 8).finish().await;
    assert!(!second.0, "there is room for one stream");
    assert!(publisher.finish().await.0);
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_what_is_not_built_are_told_so() {
    let gateway = Gateway::without_transcoding(QUICK);
    let viewer = gateway.viewer();
    for path in ["/text-to-image", "/live/video-to-video/cam/start", "/recordings/cam/index.m3u8"] {
        let answer = viewer.send(Method::POST, path, &[], Bytes::new()).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED, "{path}");
        assert!(answer.text().contains("not part of Headgate"), "{path}: {}", answer.text());
    }
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_go_livepeer_command_line_starts_a_gateway() {
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("livepeer-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("node.conf");
    std::fs::write(&file, "cliAddr 127.0.0.1:0\nmaxSessions 7\n").unwrap();
    let (data_dir, file) = (directory.to_str().unwrap(), file.to_str().unwrap());
    let ours = ["serve", "--livepeer", "--http-addr", "127.0.0.1:0", "--data-dir", data_dir, "--"];
    let theirs = ["-gateway", "-rtmpAddr=:0", "-httpAddr", ":1", "-config", file, "-monitor"];
    let mut command = headgate(&[&ours[..], &theirs].concat());
    command.env("LP_ORCHADDR", "http://127.0.0.1:9").env("LP_MAXPRICEPERUNIT", "3");
    let mut process = command.spawn().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let admin = loop {
        if let Ok(addresses) = headgate::addresses::Addresses::read(&directory)
            && let Some(admin) = addresses.admin
        {
            break crate::support::http::HttpClient::new(admin);
        }
        assert!(tokio::time::Instant::now() < deadline, "the gateway does not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let config = admin.get("/getBroadcastConfig").await;
    let config: Value = serde_json::from_str(config.text()).unwrap();
    assert_eq!(config["MaxPrice"], "3");
    assert_eq!(config["TranscodingOptions"], "P240p30fps16x9,P360p30fps16x9");
    let status: Value = serde_json::from_str(admin.get("/status").await.text()).unwrap();
    assert_eq!(status["OrchestratorPool"], serde_json::json!(["http://127.0.0.1:9"]));
    process.kill().await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_for_what_is_not_built_keep_it_from_starting() {
    let line =
        ["serve", "--livepeer", "--", "-network", "arbitrum-one-mainnet", "-ethPassword", "sesame"];
    let output = headgate(&line).output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    for wanted in ["-ethUrl: missing", "-ethKeystorePath: missing", "-ethPassword: expected"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("sesame"), "{said}");
    let line = ["livepeer-config", "--", "-orchAddr", "o1", "-recordStore", "s3://k:sesame@r/b"];
    let output = headgate(&line).output().await.unwrap();
    assert_eq!(output.status.code(), Some(78));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("url = \"o1\"") && !printed.contains("sesame"), "{printed}");
    let unasked = headgate(&["serve", "--", "-gateway"]).output().await.unwrap();
    assert!(!unasked.status.success());
}
