//! `headgate why`, as an operator reads it.

use std::{path::Path, time::Duration};

use faulty_orchestrator::Faults;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    fleet::{attempts, decisions_of, faulty},
    support::{
        Gateway,
        encoder::{Publisher, SMALL},
        node::Node,
    },
};

const LADDER: &str = "ladder = [{ name = \"tiny\", width = 160, height = 90, bitrate = 100000 }]\n";

/// What the command prints about a segment.
pub(crate) async fn why(gateway: &Gateway, stream: &str, segment: u64) -> String {
    let admin = gateway.app.addresses().admin.unwrap().to_string();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_headgate"));
    command.args(["why", stream, &segment.to_string(), "--admin", &admin]);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What became of each segment, a line each.
fn in_short(decisions: &[Value]) -> Vec<String> {
    let attempt = |it: &Value| {
        let what = ["kind", "orchestrator", "started_micros", "ended_micros", "outcome"];
        what.map(|name| it[name].to_string()).join(" ")
    };
    let line = |it: &Value| {
        let attempts: Vec<_> = attempts(it).iter().map(attempt).collect();
        format!("{} {}: {}", it["sequence"], it["outcome"], attempts.join("; "))
    };
    decisions.iter().map(line).collect()
}

/// Waits for a segment that is decided as wanted, among those that come after `seen`.
async fn until(
    gateway: &Gateway,
    stream: &str,
    seen: usize,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let all = decisions_of(gateway, stream).await;
        if let Some(found) = all.iter().skip(seen).find(|it| wanted(it)) {
            return found.clone();
        }
        assert!(Instant::now() < deadline, "no such segment: {:#?}", in_short(&all));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_decided(gateway: &Gateway, stream: &str, count: usize) -> Vec<Value> {
    until(gateway, stream, count - 1, |_| true).await;
    decisions_of(gateway, stream).await
}

async fn told(gateway: &Gateway, stream: &str, decision: &Value) -> String {
    why(gateway, stream, decision["sequence"].as_u64().unwrap()).await
}

/// Whether an attempt of this kind, with this orchestrator, delivered.
fn delivered(decision: &Value, kind: &str, url: &str) -> bool {
    attempts(decision).iter().any(|it| {
        it["kind"] == kind && it["orchestrator"] == url && it["outcome"]["result"] == "delivered"
    })
}

/// Whether an orchestrator is left alone because it failed: between those times it is asked again.
fn left_alone(candidates: &Value, url: &str) -> bool {
    let rejected = |it: &Value| it["rejected"] == "set_aside" || it["rejected"] == "breaker_open";
    let candidates = candidates.as_array().unwrap();
    candidates.iter().any(|it| it["orchestrator"] == url && rejected(it))
}

/// Whether the gateway's own orchestrator delivered while that one was left alone.
fn local_instead_of(decision: &Value, url: &str) -> bool {
    let by = |at: &Value| at["pool"] == "local" && at["outcome"]["result"] == "delivered";
    attempts(decision).iter().any(|at| by(at) && left_alone(&at["candidates"], url))
}

fn all_of(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hedged_segment_says_who_was_slow_and_who_won() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("why-hedged");
    let node = Node::start_at(&directory, "node", 0).await;
    let slow = faulty(&node).await;
    let (slow_url, node_url) = (slow.url().to_string(), node.url.clone());
    let file = format!(
        "shutdown_grace = \"0s\"\n[[pool]]\n[[pool.orchestrator]]\nurl = \"{slow_url}\"\nweight = 1000\n\
         [[pool.orchestrator]]\nurl = \"{node_url}\"\n\
         [[stream]]\nname = \"cam\"\nstream_key = \"cam-key-cam\"\nplayback_id = \"cam\"\n{LADDER}"
    );
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let publisher = Publisher::start(&SMALL, &gateway.publish_url("cam-key-cam"), 60);
    // Four times on the first one: then it is known what it takes as a rule.
    let before = until_decided(&gateway, "cam", 5).await;
    assert!(before.iter().all(|it| attempts(it).len() == 1), "{before:#?}");
    assert_eq!(attempts(&before[4])[0]["orchestrator"], slow_url.as_str());
    slow.set(Faults { delay_ms: 10_000, ..Faults::default() }).unwrap();
    let hedged = until(&gateway, "cam", before.len(), |it| delivered(it, "hedge", &node_url)).await;
    slow.set(Faults::default()).unwrap();
    let text = told(&gateway, "cam", &hedged).await;
    println!("{text}");
    assert_eq!(hedged["outcome"], "complete", "{text}");
    let first = &attempts(&hedged)[0];
    assert_eq!(
        (&first["kind"], &first["orchestrator"]),
        (&"first".into(), &slow_url.as_str().into())
    );
    let patience = first["hedge_after_micros"].as_u64().unwrap();
    let began = attempts(&hedged)[1]["started_micros"].as_u64().unwrap();
    let asked = first["started_micros"].as_u64().unwrap();
    assert!(began - asked >= patience, "asked besides after {} of {patience} us", began - asked);
    all_of(
        &text,
        &[
            "every rendition is there (complete)",
            &format!("first attempt with {slow_url} (pool default), cancelled after "),
            ": another was faster",
            &format!("another is asked besides when it takes longer than {}.", patience / 1_000),
            &format!("{}.{} ms: hedge attempt with {node_url}", began / 1_000, began / 100 % 10),
            &format!("hedge: begun beside {slow_url}, which had no result "),
            "not used, it is at work on this segment already",
            ", delivered after ",
        ],
    );
    publisher.kill().await;
    gateway.shut_down().await;
}

/// Two streams: one may go on to the gateway's own orchestrator, the other one may not.
fn with_pools(premium: &str, standard: &str) -> Gateway {
    let file = format!(
        "shutdown_grace = \"0s\"\nlocal_fallback = true\n\
         [[pool]]\nname = \"premium\"\n[[pool.orchestrator]]\nurl = \"{premium}\"\n\
         [[pool]]\nname = \"standard\"\n[[pool.orchestrator]]\nurl = \"{standard}\"\n\
         [[stream]]\nname = \"cam\"\nstream_key = \"cam-key-cam\"\nplayback_id = \"cam\"\n\
         pools = [\"premium\", \"standard\", \"local\"]\n{LADDER}\
         [[stream]]\nname = \"bare\"\nstream_key = \"bare-key-bare\"\nplayback_id = \"bare\"\n\
         pools = [\"premium\", \"standard\"]\n{LADDER}",
    );
    Gateway::start(&file, |args| args.open = Some(false))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_says_which_pool_was_out_down_to_the_source() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("why-fallback");
    let behind = Node::start_at(&directory, "premium", 0).await;
    let premium = faulty(&behind).await;
    let standard = Node::start_at(&directory, "standard", 0).await;
    let (premium_url, standard_url) = (premium.url().to_string(), standard.url.clone());
    let gateway = with_pools(&premium_url, &standard_url);
    gateway.ready().await;
    let cam = Publisher::start(&SMALL, &gateway.publish_url("cam-key-cam"), 90);
    let bare = Publisher::start(&SMALL, &gateway.publish_url("bare-key-bare"), 90);
    let before = until_decided(&gateway, "cam", 3).await;
    until_decided(&gateway, "bare", 3).await;
    assert!(delivered(&before[2], "first", &premium_url), "{before:#?}");

    premium.set(Faults { status: Some(500), ..Faults::default() }).unwrap();
    let caught = until(&gateway, "cam", 3, |it| delivered(it, "retry", &standard_url)).await;
    let text = told(&gateway, "cam", &caught).await;
    println!("{text}");
    let preferred = format!("{premium_url} (pool premium)");
    all_of(
        &text,
        &[
            "every rendition is there (complete)",
            "pools: premium, then standard, then local",
            &format!("first attempt with {preferred}, failed after "),
            "the orchestrator could not do it (orchestrator: ",
            &format!("retry attempt with {standard_url} (pool standard), delivered after "),
            &format!("retry: begun because {premium_url} failed"),
            &format!("fallback to pool standard: {preferred}: it "),
        ],
    );
    let settled = until(&gateway, "cam", 3, |it| {
        let alone = |first: &Value| left_alone(&first["candidates"], &premium_url);
        delivered(it, "first", &standard_url) && attempts(it).first().is_some_and(alone)
    });
    let settled = settled.await;
    let text = told(&gateway, "cam", &settled).await;
    println!("{text}");
    all_of(&text, &[&format!("fallback to pool standard: {preferred}: it failed")]);

    standard.signal("KILL");
    let local = until(&gateway, "cam", 3, |it| local_instead_of(it, &premium_url)).await;
    let text = told(&gateway, "cam", &local).await;
    println!("{text}");
    all_of(&text, &["every rendition is there", "(pool local), delivered after "]);
    all_of(&text, &["fallback to pool local: ", &format!("{preferred}: it failed")]);

    drop(premium);
    let dark = |it: &Value| {
        let candidates = &it["held_up"]["candidates"];
        let alone = |url| candidates.is_array() && left_alone(candidates, url);
        let out = alone(&premium_url) && alone(&standard_url);
        it["outcome"] == "no_orchestrator" && attempts(it).is_empty() && out
    };
    let dark = until(&gateway, "bare", 3, dark).await;
    let text = told(&gateway, "bare", &dark).await;
    println!("{text}");
    all_of(
        &text,
        &[
            "source only, renditions are gaps: no orchestrator could take it (no_orchestrator)",
            "pools: premium, then standard\n",
            ": nobody could take it",
            &format!("{preferred}: not used, it failed"),
            &format!("{standard_url} (pool standard): not used, it failed"),
        ],
    );
    cam.kill().await;
    bare.kill().await;
    gateway.shut_down().await;
}
