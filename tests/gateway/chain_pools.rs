//! Pools that take from the chain while the gateway runs: what an ether costs, and who is registered.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;
use tickets::{Address, U256};

use crate::{
    fleet::{attempts, decisions_of},
    support::{
        Gateway,
        evm::{Layer, anvil::CHAIN_ID, key},
        lab::Lab,
        node::Node,
        pushing::{TINY, parts, push_with, segments},
    },
};

/// A gwei a pixel, some hundred ETH for an hour of 720p30; redeeming such tickets adds next to nothing.
const TERMS: [&str; 8] = [
    "--price-per-unit",
    "1000000000",
    "--pixels-per-unit",
    "1",
    "--ticket-ev",
    "100000000000000000",
    "--max-face-value",
    "200000000000000000",
];
/// One for each state of affairs.
const STREAMS: [&str; 3] = ["unread", "known", "risen"];
/// Longest wait for something that goes by looks at the chain.
const SOON: Duration = Duration::from_secs(40);

/// A chain with a funded payer and an orchestrator that is paid on it.
struct Market {
    lab: Lab,
    node: Node,
    /// `[payments]` of the gateway.
    payments: String,
}

impl Market {
    async fn open(name: &str) -> Self {
        let lab = Lab::start(name, Layer::Two).await;
        let (_, payer) = lab.account(1).await;
        let (orchestrator, file) = lab.account(2).await;
        lab.world.join(orchestrator.address()).await;
        lab.wallet_done(&payer, &["deposit", "1", "--reserve", "0.5", "--yes"]).await;
        let node = lab.orchestrator("node", &file, &TERMS).await;
        let (url, controller) = (lab.world.proxy.address, lab.world.controller);
        let payments = format!(
            "[payments]\nmode = \"onchain\"\neth_keystore_path = {payer:?}\n\
             eth_url = \"http://{url}\"\nnetwork = \"lab\"\neth_controller = \"{controller}\"\n\
             eth_chain_id = {CHAIN_ID}\nmax_ticket_ev = \"1000000000000000000\"\n\
             max_total_ev = \"10000000000000000000\"\n"
        );
        Self { lab, node, payments }
    }

    /// A gateway with these pools, for streams with a small rendition.
    fn gateway(&self, pools: &str, payments: &str) -> Gateway {
        let stream = |name: &&str| {
            format!(
                "[[stream]]\nname = \"{name}\"\nstream_key = \"key-of-{name}\"\n\
                 playback_id = \"{name}\"\nladder = [\"P144p30fps16x9\"]\n"
            )
        };
        let streams: String = STREAMS.iter().map(stream).collect();
        let payments = &format!("{}{payments}", self.payments);
        let file = format!("shutdown_grace = \"0s\"\n{pools}\n{payments}\n{streams}");
        Gateway::start(&file, |args| args.open = Some(false))
    }
}

/// Pushes a segment; whether its rendition came back.
async fn is_transcoded(gateway: &Gateway, stream: &str, number: usize, body: &Bytes) -> bool {
    let path = format!("/live/key-of-{stream}/{number}.ts");
    let answer = push_with(&gateway.viewer(), &path, &[], body.clone()).await;
    answer.status.is_success() && parts(&answer).len() == 1
}

/// Why an orchestrator did not get a stream's last segment; null where it did.
async fn rejected(gateway: &Gateway, stream: &str, url: &str) -> Value {
    let decision = decisions_of(gateway, stream).await.pop().unwrap();
    let candidates = match attempts(&decision).first() {
        Some(attempt) => &attempt["candidates"],
        None => &decision["held_up"]["candidates"],
    };
    let found = candidates.as_array().unwrap().iter().find(|it| it["orchestrator"] == url);
    found.unwrap_or_else(|| panic!("{url} in {decision}"))["rejected"].clone()
}

/// Waits until the gateway goes by this price of an ether.
async fn ether_costs(gateway: &Gateway, dollars: Option<&str>) -> Value {
    let is_so = |text: &str| {
        let figures: Value = serde_json::from_str(text).unwrap();
        figures["usd_per_eth"].as_str() == dollars
    };
    let answer = gateway.admin().wait_for("/v1/payments", SOON, is_so).await;
    serde_json::from_str(answer.text()).unwrap()
}

impl Market {
    /// The feed answers from now on that an ether cost so much some seconds ago.
    async fn say(&self, feed: Address, dollars: u64, seconds_ago: u64) {
        let now = media::wall_clock_now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let words = [dollars * 100_000_000, now - seconds_ago].map(U256::from);
        let arguments = words.map(|word| word.to_be_bytes_vec()).concat();
        self.lab.world.send(feed, ("set(int256,uint256)", arguments)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_in_dollars_follows_the_feed_and_without_a_price_nothing_is_paid() {
    let market = Market::open("price-feed").await;
    let url = market.node.url.as_str();
    let feed = market.lab.world.deploy("PriceAggregator", U256::from(8).to_be_bytes_vec()).await;
    let pools =
        format!("[[pool]]\nmax_usd_per_hour = 320000\n[[pool.orchestrator]]\nurl = \"{url}\"\n");
    let source = format!("[payments.price_feed]\naddress = \"{feed}\"\nmax_age = \"60s\"\n");
    let gateway = market.gateway(&pools, &source);
    let bodies = segments(&market.lab.directory, &TINY, 40, "ts").await;

    // Before its first round the feed answers zeros.
    assert!(!is_transcoded(&gateway, "unread", 0, &bodies[0]).await);
    assert_eq!(rejected(&gateway, "unread", url).await, "price_unknown");

    // A hundred ETH are 300 000 dollars; in 15 seconds that is too old.
    market.say(feed, 3_000, 45).await;
    ether_costs(&gateway, Some("3000")).await;
    let mut segments = bodies.iter().enumerate();
    let mut pace = tokio::time::interval(Duration::from_secs(1));
    let (_, first) = segments.next().unwrap();
    assert!(is_transcoded(&gateway, "known", 0, first).await);
    loop {
        pace.tick().await;
        let (number, body) = segments.next().expect("the price ends");
        if !is_transcoded(&gateway, "known", number, body).await {
            break;
        }
    }
    let figures = ether_costs(&gateway, None).await;
    assert_eq!(rejected(&gateway, "known", url).await, "price_unknown");
    let events = figures["events"].as_array().unwrap().iter();
    let told = events.filter(|it| it["kind"] == "price_feed");
    let details: Vec<_> = told.map(|it| it["detail"].as_str().unwrap()).collect();
    let [unread, known, too_old] = &details[..] else { panic!("{details:#?}") };
    assert!(unread.contains("no price of an ether was read yet: the feed answers"), "{unread}");
    assert!(known.starts_with("an ether costs 3000 dollars"), "{known}");
    assert!(too_old.starts_with("pools with max_usd_per_hour pay nothing: the last"), "{too_old}");

    market.say(feed, 4_000, 0).await;
    ether_costs(&gateway, Some("4000")).await;
    assert!(!is_transcoded(&gateway, "risen", 0, &bodies[0]).await);
    assert_eq!(rejected(&gateway, "risen", url).await, "price");
    gateway.shut_down().await;
}

/// An active orchestrator says where it is, and is found there: unless it is where only the operator may
/// send us.
#[tokio::test(flavor = "multi_thread")]
async fn registered_orchestrators_are_used_outside_of_private_networks() {
    let market = Market::open("registered").await;
    let (lab, url) = (&market.lab, market.node.url.as_str());
    let registry = lab.world.client.contracts().service_registry;
    // This one says nothing of where it is.
    lab.world.join(key(9).address()).await;
    let call = ("setServiceURI(string)", string_argument(url));
    lab.world.send_as(key(2).address(), registry, call).await;
    let body = segments(&lab.directory, &TINY, 1, "ts").await.remove(0);
    for (more, used) in [("allow_private = true\n", true), ("", false)] {
        let pools = format!("[[pool]]\nregistered = true\nmax_price = 2000000000\n{more}");
        let gateway = market.gateway(&pools, "");
        let admin = gateway.admin();
        let funds_known = |text: &str| !text.contains("\"deposit_wei\":null");
        admin.wait_for("/v1/payments", SOON, funds_known).await;
        let stream = STREAMS[usize::from(used)];
        admin.wait_for("/v1/orchestrators", SOON, |text| text.contains(url)).await;
        assert_eq!(is_transcoded(&gateway, stream, 0, &body).await, used);
        let reason = rejected(&gateway, stream, url).await;
        assert_eq!(reason.is_null(), used, "{reason}");
        let known = admin.get("/v1/orchestrators").await;
        let unreachable = known.text().contains("\"last_fault\":\"network: no session\"");
        assert_eq!(unreachable, !used, "{}", known.text());
        gateway.shut_down().await;
    }
}

fn string_argument(text: &str) -> Vec<u8> {
    let mut words = vec![0_u8; 64];
    words[31] = 32;
    words[63] = u8::try_from(text.len()).unwrap();
    words.extend(text.bytes());
    words.resize(words.len().next_multiple_of(32), 0);
    words
}
