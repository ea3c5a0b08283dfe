//! Pushed segments through several orchestrators.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    fleet::{attempts, decisions_of},
    support::{
        Gateway,
        node::Node,
        pushing::{HD, Pieces, TINY, parts, push_with, segments},
    },
};

/// A pushed segment may wait for its renditions for four times its duration.
const WINDOW: u32 = 4;

async fn three_nodes(name: &str) -> (Vec<Node>, Gateway) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"] {
        nodes.push(Node::start_at(&directory, name, 0).await);
    }
    let mut file = String::from("shutdown_grace = \"0s\"\n[[pool]]\n");
    for node in &nodes {
        file.push_str(&format!("[[pool.orchestrator]]\nurl = \"{}\"\n", node.url));
    }
    file.push_str(
        "[[stream]]\nname = \"cam\"\nstream_key = \"cam-key-cam\"\nplayback_id = \"cam\"\n\
         ladder = [{ name = \"large\", width = 160, height = 90, bitrate = 100000 },\
         { name = \"small\", width = 128, height = 72, bitrate = 60000 }]\n",
    );
    (nodes, Gateway::start(&file, |args| args.open = Some(false)))
}

/// Pushes in real time, kills the orchestrator in use before the segment in the middle, and returns how
/// long each answer took.
async fn push_through_a_kill(name: &str, pieces: &Pieces, count: u32) -> Vec<Duration> {
    let (nodes, gateway) = three_nodes(name).await;
    let bodies = segments(&gateway.data_dir, pieces, count, "ts").await;
    let mut clock = tokio::time::interval(Duration::from_secs(pieces.seconds.into()));
    let (mut answers, mut killed) = (JoinSet::new(), None);
    for (number, body) in bodies.into_iter().enumerate() {
        clock.tick().await;
        if number == count as usize / 2 {
            killed = Some(kill_the_one_in_use(&nodes, &gateway).await);
        }
        let viewer = gateway.viewer();
        answers.spawn(async move {
            let begun = Instant::now();
            let path = format!("/live/cam-key-cam/{number}.ts");
            let answer = push_with(&viewer, &path, &[], body).await;
            (number, begun.elapsed(), answer)
        });
    }
    let mut took = Vec::new();
    while let Some(answered) = answers.join_next().await {
        let (number, elapsed, answer) = answered.unwrap();
        let text = || String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, StatusCode::OK, "segment {number}: {}", text());
        let found = parts(&answer);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["large", "small"], "segment {number}");
        let pictures =
            |body: &Bytes| container::ts::read(body).unwrap().video.unwrap().samples.len();
        for (name, body) in &found {
            assert_eq!(pictures(body), pieces.seconds as usize * 30, "segment {number}, {name}");
        }
        took.push(elapsed);
    }
    took.sort_unstable();
    let all = decisions_of(&gateway, "cam").await;
    assert_eq!(all.len(), count as usize);
    let killed = killed.unwrap();
    let (before, after) = all.split_at(count as usize / 2);
    assert_eq!(worked(before.last().unwrap()), killed, "the one in use was killed");
    assert!(after.iter().all(|it| worked(it) != killed), "{after:#?}");
    gateway.shut_down().await;
    took
}

/// Whose renditions a segment got.
fn worked(decision: &Value) -> &str {
    let mut attempts = attempts(decision).iter();
    let delivered = attempts.find(|it| it["outcome"]["result"] == "delivered");
    delivered.unwrap()["orchestrator"].as_str().unwrap()
}

/// Kills the orchestrator that had the last segment.
async fn kill_the_one_in_use(nodes: &[Node], gateway: &Gateway) -> String {
    let all = decisions_of(gateway, "cam").await;
    let url = worked(all.last().expect("a segment was decided"));
    nodes.iter().find(|node| node.url == url).expect("one of them").signal("KILL");
    url.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pushed_segment_is_answered_though_an_orchestrator_is_killed() {
    let took = push_through_a_kill("push-killed-short", &TINY, 8).await;
    println!("answers took {took:?}");
    assert!(*took.last().unwrap() < Duration::from_secs(1) * WINDOW, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute on an otherwise idle machine"]
async fn thirty_pushed_segments_are_answered_though_an_orchestrator_is_killed() {
    let took = push_through_a_kill("push-killed", &HD, 30).await;
    println!("answers took {took:?}");
    assert!(*took.last().unwrap() < Duration::from_secs(2) * WINDOW, "{took:?}");
}
