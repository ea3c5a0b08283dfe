//! The gateway pays orchestrators that check every ticket, and both sides' books agree to the wei.

use std::time::Duration;

use faulty_orchestrator::{Faults, FaultyOrchestrator};
use serde_json::Value;
use tickets::Wei;
use tokio::task::JoinSet;

use crate::{
    fleet::{attempts, decisions_of},
    support::{
        Gateway,
        node::Node,
        paid::{PaidNode, Process, config, directory, end, ledger, pool, pushed, sum},
        pushing::{TINY, push_with, segments},
    },
};

async fn paid_to_the_wei(name: &str, price: &str, count: u32) {
    let directory = directory(name);
    let node = PaidNode::start(&directory, "node", price, 0).await;
    let file = config(&directory, &pool(&[&node.url]), "");
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let bodies = segments(&directory, &TINY, count, "ts").await;
    for (number, body) in (0..).zip(bodies) {
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body).await;
        assert_eq!(found, ["large", "small"], "segment {number}");
    }
    let decision = decisions_of(&gateway, "cam").await.pop().unwrap();
    let payment = &attempts(&decision)[0]["payment"];
    assert!(payment["payment"].as_u64().unwrap() >= u64::from(count), "{decision:#?}");
    let figures = gateway.admin().get("/v1/payments").await;
    assert!(figures.text().contains("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"));
    let lines = ledger(&end(gateway).await).await;
    let (credited, debited, refused) = node.totals().await;
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    let totals = &line.totals;
    println!("price {price}: {totals:?}; credited {credited}, debited {debited}");
    assert_eq!((totals.segments, totals.attempts, refused), (count.into(), count.into(), 0));
    assert!(totals.tickets > 0 && totals.pixels > 0);
    assert!(
        totals.in_doubt.is_zero() && totals.written_off.is_zero() && totals.in_flight.is_zero()
    );
    assert_eq!((totals.sent.floor(), totals.debited.floor()), (credited, debited));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_segment_is_paid_to_the_wei() {
    paid_to_the_wei("to-the-wei", "1200", 20).await;
}

/// The figure; run by `make prove-4`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes"]
async fn two_hundred_segments_at_three_prices_are_paid_to_the_wei() {
    for (name, price) in [("wei-1200", "1200"), ("wei-1-3", "1/3"), ("wei-99999", "99999/7")] {
        paid_to_the_wei(name, price, 200).await;
    }
}

/// Something that may fail in front of an orchestrator.
async fn through(node: &PaidNode) -> FaultyOrchestrator {
    let upstream = node.url.parse().unwrap();
    FaultyOrchestrator::start(upstream, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// Whose renditions a segment got.
fn worked(decision: &Value) -> Option<String> {
    let delivered = attempts(decision).iter().rfind(|it| it["outcome"]["result"] == "delivered");
    delivered.map(|it| it["orchestrator"].as_str().unwrap().to_owned())
}

/// What was sent is what arrived, or is itemised; an orchestrator that fails, too, keeps what it got.
async fn books_agree_though_attempts_fail(name: &str, count: u32) {
    let directory = directory(name);
    let node = PaidNode::start(&directory, "node", "1200", 0).await;
    let failing = [through(&node).await, through(&node).await];
    let urls = failing.each_ref().map(|it| it.url().to_string());
    let file = config(&directory, &pool(&[&urls[0], &urls[1]]), "");
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let bodies = segments(&directory, &TINY, count, "ts").await;
    let mut complete = 0;
    for (number, body) in (0..).zip(bodies) {
        // The one in use fails one of ten, in turns before and after the work.
        let faults = match number % 20 {
            5 => Faults { error: Some("made to fail".to_owned()), ..Faults::default() },
            15 => Faults { drop_mid_body: true, ..Faults::default() },
            _ => Faults::default(),
        };
        let last = decisions_of(&gateway, "cam").await.pop().and_then(|it| worked(&it));
        for (one, url) in failing.iter().zip(&urls) {
            let in_use = last.as_ref() == Some(url);
            one.set(if in_use { faults.clone() } else { Faults::default() }).unwrap();
        }
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body).await;
        complete += u32::from(found.len() == 2);
    }
    let lines = ledger(&end(gateway).await).await;
    drop(failing);
    let (credited, debited, refused) = node.totals().await;
    let sent = sum(&lines, |it| &it.sent);
    let in_doubt = sum(&lines, |it| &it.in_doubt);
    let written_off = sum(&lines, |it| &it.written_off);
    println!(
        "{complete} of {count} complete; sent {sent}, in doubt {in_doubt}, written off {written_off}; credited {credited}, debited {debited}, refused {refused}"
    );
    let attempts: u64 = lines.iter().map(|line| line.totals.attempts).sum();
    let failed = attempts - u64::from(count);
    assert_eq!((complete, refused), (count, 0));
    // Hedges that lost come on top.
    assert!(failed >= u64::from(count / 10), "{failed} attempts failed");
    assert!(written_off.is_positive(), "failed attempts are itemised");
    let known = &sent - &in_doubt;
    assert!(known.floor() <= credited && credited <= sent.floor());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_books_agree_though_attempts_fail() {
    books_agree_though_attempts_fail("failing", 24).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes"]
async fn both_books_agree_over_two_hundred_segments_of_which_ten_percent_fail() {
    books_agree_though_attempts_fail("failing-200", 200).await;
}

async fn nothing_is_lost_or_paid_twice(name: &str, count: u32) {
    let directory = directory(name);
    let node = PaidNode::start(&directory, "node", "1200", 0).await;
    let between = through(&node).await;
    let file = directory.join("headgate.toml");
    let url = between.url().to_string();
    std::fs::write(&file, config(&directory, &pool(&[&url]), "")).unwrap();
    let data_dir = directory.join("gateway");
    let bodies = segments(&directory, &TINY, count, "ts").await;
    let mut gateway = Process::start(&file, &data_dir).await;
    let half = usize::try_from(count / 2).unwrap();
    for (number, body) in (0..).zip(&bodies[..half]) {
        let found = pushed(&gateway.client, "cam-key-cam", number, body.clone()).await;
        assert_eq!(found, ["large", "small"], "segment {number}");
    }
    let in_flight = async || sum(&ledger(&data_dir).await, |it| &it.in_flight);
    while in_flight().await.is_positive() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The next one is paid for, and on its way, when the gateway is killed; it never arrives.
    between.set(Faults { hang: true, ..Faults::default() }).unwrap();
    let client = gateway.client.clone();
    let body = bodies[half].clone();
    let mut on_its_way = JoinSet::new();
    on_its_way.spawn(async move {
        let path = format!("/live/cam-key-cam/{half}.ts");
        drop(client.send(http::Method::PUT, &path, &[("accept", "multipart/mixed")], body).await);
    });
    while !in_flight().await.is_positive() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    gateway.process.start_kill().unwrap();
    gateway.process.wait().await.unwrap();
    drop(on_its_way);
    between.set(Faults::default()).unwrap();
    let gateway = Process::start(&file, &data_dir).await;
    for (number, body) in (0..).zip(&bodies[half..]) {
        let found = pushed(&gateway.client, "cam-key-cam", number, body.clone()).await;
        assert_eq!(found, ["large", "small"], "segment {number} after the restart");
    }
    let Process { mut process, .. } = gateway;
    let id = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    process.wait().await.unwrap();
    let lines = ledger(&data_dir).await;
    let (credited, _debited, refused) = node.totals().await;
    let (sent, in_doubt) = (sum(&lines, |it| &it.sent), sum(&lines, |it| &it.in_doubt));
    println!("sent {sent}, in doubt {in_doubt}, credited {credited}, refused {refused}: {lines:?}");
    assert_eq!(refused, 0, "no nonce is used twice");
    assert!(in_doubt.is_positive(), "what was on its way is itemised");
    assert_eq!((&sent - &in_doubt).floor(), credited);
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    let of_one = line.totals.sent.clone();
    assert!(in_doubt.times(u64::from(count / 2)) <= of_one, "one batch at most: {in_doubt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_loses_nothing_and_pays_nothing_twice() {
    nothing_is_lost_or_paid_twice("killed", 16).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute"]
async fn a_gateway_killed_among_two_hundred_segments_loses_nothing() {
    nothing_is_lost_or_paid_twice("killed-200", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_rises_over_the_cap_sends_the_next_segment_elsewhere() {
    let directory = directory("price");
    let (dear, fair) = (
        PaidNode::start(&directory, "dear", "1000", 0).await,
        PaidNode::start(&directory, "fair", "1500", 0).await,
    );
    let pools = format!(
        "[router]\nclass = \"cheap\"\n{}",
        pool(&[&dear.url, &fair.url]).replacen("[[pool]]", "[[pool]]\nmax_price = 2000", 1)
    );
    let gateway = Gateway::start(&config(&directory, &pools, ""), |args| args.open = Some(false));
    let bodies = segments(&directory, &TINY, 8, "ts").await;
    for (number, body) in (0..).zip(&bodies[..4]) {
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body.clone()).await;
        assert_eq!(found.len(), 2, "segment {number}");
    }
    let before = decisions_of(&gateway, "cam").await.pop().unwrap();
    assert_eq!(worked(&before).as_ref(), Some(&dear.url), "{before:#?}");
    let (port, url) = (dear.port(), dear.url.clone());
    drop(dear);
    let _dear = PaidNode::start(&directory, "dear", "2001", port).await;
    for (number, body) in (4..).zip(&bodies[4..]) {
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body.clone()).await;
        assert_eq!(found.len(), 2, "segment {number}");
    }
    let all = decisions_of(&gateway, "cam").await;
    assert!(all[4..].iter().all(|it| worked(it).as_ref() == Some(&fair.url)), "{all:#?}");
    let says_price = |decision: &Value| {
        let delivered = attempts(decision).last().unwrap();
        let candidates = delivered["candidates"].as_array().unwrap().iter();
        let mut dear = candidates.filter(|it| it["orchestrator"] == url.as_str());
        dear.any(|it| it["rejected"] == "price")
    };
    assert!(all[5..].iter().any(says_price), "{all:#?}");
    gateway.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_must_not_be_paid_send_segments_elsewhere_and_the_record_says_why() {
    let directory = directory("terms");
    let greedy = PaidNode::with_tickets_of("600000000", &directory, "greedy", "1000", 0).await;
    let fair = PaidNode::start(&directory, "fair", "1500", 0).await;
    let pools = format!("[router]\nclass = \"cheap\"\n{}", pool(&[&greedy.url, &fair.url]));
    let file = config(&directory, &pools, "")
        .replace("max_ticket_ev = \"1000000000000000\"", "max_ticket_ev = \"500000000\"");
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let bodies = segments(&directory, &TINY, 4, "ts").await;
    for (number, body) in (0..).zip(bodies) {
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body).await;
        assert_eq!(found, ["large", "small"], "segment {number}");
    }
    let all = decisions_of(&gateway, "cam").await;
    assert!(all.iter().all(|it| worked(it).as_ref() == Some(&fair.url)), "{all:#?}");
    let refused = all.iter().flat_map(attempts).find(|it| it["orchestrator"] == *greedy.url);
    let outcome = &refused.expect("the cheaper one was chosen first")["outcome"];
    assert_eq!(outcome["class"], "terms", "{outcome:#?}");
    assert!(outcome["detail"].as_str().unwrap().contains("ticket"), "{outcome:#?}");
    let metrics = gateway.admin().get("/metrics").await;
    let counted = "headgate_payments_made_total{outcome=\"ticket_ev\"}";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    let lines = ledger(&end(gateway).await).await;
    assert!(lines.iter().all(|line| line.orchestrator == fair.url), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_ends_one_streams_spending_and_says_why() {
    let directory = directory("budget");
    let node = PaidNode::start(&directory, "node", "1200", 0).await;
    let limit = "8000000000";
    let budget = format!(
        "[[payments.budget]]\nfor = \"stream:cam\"\nper = \"day\"\nlimit_wei = \"{limit}\"\n"
    );
    let file = config(&directory, &pool(&[&node.url]), &budget);
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let bodies = segments(&directory, &TINY, 16, "ts").await;
    let mut missing = 0;
    for (number, body) in (0..).zip(&bodies) {
        let viewer = gateway.viewer();
        missing += u32::from(pushed(&viewer, "cam-key-cam", number, body.clone()).await.is_empty());
        let other = pushed(&viewer, "other-key-other", number, body.clone()).await;
        assert_eq!(other, ["large", "small"], "another stream, segment {number}");
    }
    assert!(missing > 4 && missing < 16, "{missing} without renditions");
    let last = decisions_of(&gateway, "cam").await.pop().unwrap();
    let tried = attempts(&last).iter().chain(last["attempts"].as_array().unwrap());
    let mut details = tried.filter_map(|it| it["outcome"]["detail"].as_str());
    let held = last["held_up"]["candidates"][0]["rejected"] == "unpaid";
    assert!(held || details.any(|it| it.starts_with("budget: 8000000000 wei a day")), "{last:#?}");
    let figures = gateway.admin().get("/v1/payments").await;
    assert!(figures.text().contains("budget: 8000000000 wei a day for stream cam leaves"));
    let lines = ledger(&end(gateway).await).await;
    let of = |stream: &str| {
        let lines = lines.iter().filter(|line| line.stream == stream);
        lines.map(|line| line.totals.sent.clone()).sum::<Wei>()
    };
    println!("cam {}, other {}", of("cam"), of("other"));
    let limit: Wei = limit.parse().unwrap();
    assert!(of("cam") <= limit && of("cam").is_positive() && of("other") > limit);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_meets_a_limit_that_stops_it_loses_its_publisher_or_goes_on_for_free() {
    let directory = directory("stop");
    let paid = PaidNode::start(&directory, "paid", "1200", 0).await;
    let free = Node::start(&directory).await;
    let budget = "[[payments.budget]]\nfor = \"owner:you\"\nper = \"total\"\nlimit_wei = 1\nthen = \"stop\"\n\
                  [[payments.budget]]\nfor = \"owner:me\"\nper = \"hour\"\nlimit_wei = 1\n";
    let pools = format!(
        "{}[[pool]]\nname = \"free\"\n[[pool.orchestrator]]\nurl = \"{}\"\n",
        pool(&[&paid.url]),
        free.url
    );
    let file = config(&directory, &pools, budget)
        .replace("owner = \"you\"", "owner = \"you\"\npools = [\"default\"]");
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let bodies = segments(&directory, &TINY, 3, "ts").await;
    for (number, body) in (0..).zip(&bodies) {
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body.clone()).await;
        assert_eq!(found, ["large", "small"], "what is free goes on, segment {number}");
    }
    let viewer = gateway.viewer();
    drop(pushed(&viewer, "other-key-other", 0, bodies[0].clone()).await);
    let ended = |list: &str| list.contains("#EXT-X-ENDLIST");
    viewer.wait_for("/stream/other/source.m3u8", Duration::from_secs(10), ended).await;
    let again = push_with(&viewer, "/live/other-key-other/1.ts", &[], bodies[1].clone()).await;
    assert_eq!(again.status, http::StatusCode::FORBIDDEN);
    assert!(again.text().contains("budget is used up"), "{}", again.text());
    let lines = ledger(&end(gateway).await).await;
    assert!(sum(&lines, |it| &it.sent).is_zero(), "{lines:#?}");
}
