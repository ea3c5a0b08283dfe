//! Several orchestrators, some of them false, slow, dead or stopped.

use std::{path::Path, time::Duration};

use faulty_orchestrator::{Faults, FaultyOrchestrator};
use serde_json::Value;

use crate::{
    browser::watch,
    support::{
        Gateway,
        encoder::{HD, Publisher, SMALL},
        node::Node,
    },
    why::why,
};

/// A gateway with one stream `cam` of one cheap rendition, or of the default ladder.
fn gateway(urls: &[&str], cheap: bool) -> Gateway {
    let mut file = String::from(
        "shutdown_grace = \"0s\"\n[publisher]\nreconnect_window = \"2s\"\n[router]\nrecord = \"RECORD\"\n",
    );
    let record =
        std::env::temp_dir().join(format!("headgate-{}.ndjson", urls[0].replace(['/', ':'], "")));
    file = file.replace("RECORD", record.to_str().unwrap());
    file.push_str("[[pool]]\n");
    for (index, url) in urls.iter().enumerate() {
        // Jitter is not what decides which of two is used.
        let weight = if cheap && index == 0 { 1_000 } else { 100 };
        file.push_str(&format!("[[pool.orchestrator]]\nurl = \"{url}\"\nweight = {weight}\n"));
    }
    file.push_str(
        "[[stream]]\nname = \"cam\"\nstream_key = \"cam-key-cam\"\nplayback_id = \"cam\"\n",
    );
    if cheap {
        file.push_str("ladder = [{ width = 160, height = 90, bitrate = 100000 }]\n");
    }
    Gateway::start(&file, |args| args.open = Some(false))
}

fn recording(first_url: &str) -> String {
    let name = format!("headgate-{}.ndjson", first_url.replace(['/', ':'], ""));
    std::fs::read_to_string(std::env::temp_dir().join(name)).unwrap()
}

pub(crate) async fn faulty(node: &Node) -> FaultyOrchestrator {
    let upstream = node.url.parse().unwrap();
    FaultyOrchestrator::start(upstream, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

async fn decisions(gateway: &Gateway) -> Vec<Value> {
    decisions_of(gateway, "cam").await
}

pub(crate) async fn decisions_of(gateway: &Gateway, stream: &str) -> Vec<Value> {
    let path = format!("/v1/streams/{stream}/decisions?limit=1000");
    let answer = gateway.admin().get(&path).await;
    let read: Value = serde_json::from_str(answer.text()).unwrap();
    read["decisions"].as_array().unwrap().clone()
}

async fn orchestrator(gateway: &Gateway, url: &str) -> Value {
    let answer = gateway.admin().get("/v1/orchestrators").await;
    let read: Value = serde_json::from_str(answer.text()).unwrap();
    let all = read["orchestrators"].as_array().unwrap();
    all.iter().find(|it| it["address"] == url).unwrap_or_else(|| panic!("{url} in {read}")).clone()
}

/// Waits until so many decisions are there, and returns them.
async fn until_decided(gateway: &Gateway, count: usize) -> Vec<Value> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let found = decisions(gateway).await;
        if found.len() >= count {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{} decisions of {count}", found.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) fn attempts(decision: &Value) -> &Vec<Value> {
    decision["attempts"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn black_pictures_are_caught_documented_and_end_the_orchestrators_work() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-black");
    let node = Node::start_at(&directory, "node", 0).await;
    let false_one = faulty(&node).await;
    let false_url = false_one.url().to_string();
    let gateway = gateway(&[&false_url, &node.url], true);
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("cam-key-cam"), 60);
    let honest = until_decided(&gateway, 4).await;
    assert!(honest.iter().all(|it| it["outcome"] == "complete"), "{honest:#?}");
    assert_eq!(
        attempts(&honest[3])[0]["orchestrator"],
        false_url.as_str(),
        "the first of the list"
    );
    false_one.set(Faults { black: true, ..Faults::default() }).unwrap();
    let turned = honest.len();
    let all = until_decided(&gateway, turned + 12).await;
    let caught = all.iter().skip(turned).position(|decision| {
        attempts(decision).iter().any(|it| it["outcome"]["class"] == "false_work")
    });
    assert!(caught.is_some_and(|after| after <= 10), "{caught:?} segments after it turned false");
    let after = turned + caught.unwrap() + 1;
    let later = all.iter().skip(after).flat_map(attempts);
    assert!(
        later.clone().count() > 0
            && later.clone().all(|it| it["orchestrator"] == node.url.as_str())
    );
    let standing = orchestrator(&gateway, &false_url).await;
    assert_eq!((&standing["standing"], &standing["offences"]), (&"demoted".into(), &1.into()));
    let evidence = gateway.admin().get("/v1/orchestrators/evidence").await;
    let evidence: Value = serde_json::from_str(evidence.text()).unwrap();
    let proof = &evidence["evidence"][0];
    assert_eq!(proof["orchestrator"], false_url.as_str(), "{evidence}");
    assert_eq!(proof["pictures_pgm_base64"].as_array().unwrap().len(), 2, "{evidence}");
    publisher.kill().await;
    gateway.shut_down().await;
    let now = tokio::time::Instant::now().into_std();
    let replayed = router::replay(now, recording(&false_url).lines()).unwrap();
    assert!(replayed.attempts >= 16, "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_orchestrator_is_replaced_within_the_segment_and_the_record_says_why() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-failing");
    let node = Node::start_at(&directory, "node", 0).await;
    let failing = faulty(&node).await;
    let failing_url = failing.url().to_string();
    let gateway = gateway(&[&failing_url, &node.url], true);
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("cam-key-cam"), 60);
    until_decided(&gateway, 3).await;
    failing.set(Faults { status: Some(500), ..Faults::default() }).unwrap();
    let all = until_decided(&gateway, 7).await;
    assert!(all.iter().all(|it| it["outcome"] == "complete"), "{all:#?}");
    let retried = all.iter().find(|it| attempts(it).len() == 2).expect("a retried segment");
    let number = retried["sequence"].as_u64().unwrap();
    let path = format!("/v1/streams/cam/segments/{number}/decision");
    let told: Value = serde_json::from_str(gateway.admin().get(&path).await.text()).unwrap();
    assert_eq!(told["attempts"][0]["outcome"]["class"], "orchestrator", "{told}");
    assert_eq!(told["attempts"][1]["kind"], "retry", "{told}");
    let text = why(&gateway, "cam", number).await;
    let because = format!("retry: begun because {failing_url} failed");
    for wanted in [
        "failed after",
        "orchestrator: ",
        "retry attempt with",
        "delivered after",
        &because,
        &node.url,
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let unknown = gateway.admin().get("/v1/streams/cam/segments/1/decision").await;
    assert_eq!(unknown.status, http::StatusCode::NOT_FOUND);
    publisher.kill().await;
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "three minutes on an otherwise idle machine"]
async fn a_stream_outlives_its_orchestrators() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-killed");
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(Node::start_at(&directory, name, 0).await);
    }
    let ports: Vec<_> = nodes.iter().map(Node::port).collect();
    let urls: Vec<_> = nodes.iter().map(|node| node.url.clone()).collect();
    let gateway = gateway(&urls.iter().map(String::as_str).collect::<Vec<_>>(), false);
    let publisher = Publisher::start(&HD, &gateway.publish_url("cam-key-cam"), 200);
    until_decided(&gateway, 4).await;
    let trouble = async {
        for round in 0..5_usize {
            let (victim, stopped) = (round % 3, (round + 1) % 3);
            nodes[victim].signal("KILL");
            nodes[stopped].signal("STOP");
            tokio::time::sleep(Duration::from_secs(10)).await;
            let name = ["a", "b", "c"][victim];
            nodes[victim] = Node::start_at(&directory, name, ports[victim]).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            nodes[stopped].signal("CONT");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    let (seen, ()) = tokio::join!(watch(&gateway, "cam", 100), trouble);
    let all = decisions(&gateway).await;
    let complete = all.iter().filter(|it| it["outcome"] == "complete").count();
    let mut added: Vec<u64> =
        all.iter().map(|it| it["released_micros"].as_u64().unwrap() / 1_000).collect();
    added.sort_unstable();
    let p95 = added[added.len() * 95 / 100];
    println!(
        "{complete} of {} segments complete, released p50 {} ms, p95 {p95} ms; {seen:?}",
        all.len(),
        added[added.len() / 2]
    );
    for kind in ["retry", "hedge", "probe"] {
        let count = all.iter().flat_map(attempts).filter(|it| it["kind"] == kind).count();
        println!("{kind}: {count}");
    }
    assert_eq!(complete, all.len(), "every segment of every rendition");
    assert!(p95 <= 2_000, "{p95} ms");
    assert!(seen.errors.is_empty() && seen.longest_still_ms < 1_000.0, "{seen:?}");

    nodes.iter().for_each(|node| node.signal("KILL"));
    let killed = decisions(&gateway).await.len();
    let dark = until_decided(&gateway, killed + 6).await;
    assert!(dark.last().unwrap()["outcome"] != "complete", "{dark:#?}");
    nodes[1] = Node::start_at(&directory, "b", ports[1]).await;
    let back = decisions(&gateway).await.len();
    let light = until_decided(&gateway, back + 4).await;
    let first = light.iter().skip(back).position(|it| it["outcome"] == "complete");
    println!("renditions back {first:?} segments after the first orchestrator's return");
    assert!(first.is_some_and(|segments| segments <= 3), "{first:?}");
    publisher.kill().await;
    gateway.shut_down().await;
    let now = tokio::time::Instant::now().into_std();
    println!("{:?}", router::replay(now, recording(&urls[0]).lines()).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute and a half on an otherwise idle machine"]
async fn a_slow_orchestrator_is_left_and_taken_back() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-slow");
    let node = Node::start_at(&directory, "node", 0).await;
    let slow = faulty(&node).await;
    let slow_url = slow.url().to_string();
    let gateway = gateway(&[&slow_url, &node.url], true);
    slow.set(Faults { delay_ms: 400, ..Faults::default() }).unwrap();
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("cam-key-cam"), 120);
    let all = until_decided(&gateway, 10).await;
    slow.set(Faults { delay_ms: 1_600, ..Faults::default() }).unwrap();
    let turned = all.len();
    let mut left = None;
    for segments in 1..=8 {
        until_decided(&gateway, turned + segments).await;
        if orchestrator(&gateway, &slow_url).await["standing"] == "slow" {
            left = Some(segments);
            break;
        }
    }
    println!("slow after {left:?} segments");
    slow.set(Faults { delay_ms: 400, ..Faults::default() }).unwrap();
    let healed = decisions(&gateway).await.len();
    let mut back = None;
    for segments in 1..=20 {
        until_decided(&gateway, healed + segments).await;
        if orchestrator(&gateway, &slow_url).await["standing"] == "ready" {
            back = Some(segments);
            break;
        }
    }
    println!("ready again after {back:?} segments");
    assert!(left.is_some_and(|segments| segments <= 5), "{left:?}");
    assert!(back.is_some(), "not taken back");
    publisher.kill().await;
    gateway.shut_down().await;
}
