//! Payments on a real chain: funded by `headgate wallet`, checked and redeemed by `headgate
//! orchestrator`.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use media::{Chain, RenditionProfile};
use orchestrator::{
    BodyContainer, BodyHash, ClientConfig, GatewayIdentity, OrchestratorClient, OrchestratorInfo,
    OutputFormat, PaymentHeader, SegmentJob, SegmentPayment, TranscodeError,
};
use serde_json::{Value, json};
use tickets::{
    ChainView, Ledger, Outcome, PaidRendition, PrivateKey, SenderFunds, SenderLimits, TicketSender,
    U256, estimated_fee, estimated_pixels,
};

use super::support::{
    Gateway,
    evm::{Layer, Mode, World, anvil::CHAIN_ID, ether_of, key},
    lab::Lab,
    paid::{end, ledger, pool, pushed, stream, sum},
    pushing::{TINY, segments},
};

/// Half of all tickets win, two or three go with each segment of a second.
const TERMS: [&str; 8] = [
    "--price-per-unit",
    "1000000000",
    "--pixels-per-unit",
    "1",
    "--ticket-ev",
    "1000000000000000",
    "--max-face-value",
    "2000000000000000",
];
const WON: (&str, &str) = ("node", "winning-tickets.jsonl");
const REDEEMED: (&str, &str) = ("node", "redemptions.jsonl");

fn job(sequence: u64, body: Bytes) -> SegmentJob {
    SegmentJob {
        manifest_id: "onchain".into(),
        sequence,
        duration: Duration::from_secs(1),
        source: media::VideoCodec::H264,
        profiles: vec![RenditionProfile::preset("P144p30fps16x9").unwrap()],
        output: OutputFormat::MpegTs,
        body: Chain::from(body),
        hashed: BodyHash::default(),
        container: BodyContainer::MpegTs,
        force_session_reinit: false,
        upload_timeout: Duration::from_secs(20),
        timeout: Duration::from_secs(20),
    }
}

/// A gateway's side of one session.
struct Payer {
    key: PrivateKey,
    client: OrchestratorClient,
    sender: TicketSender,
    ledger: Ledger,
    info: OrchestratorInfo,
}

impl Payer {
    /// It believes that its funds are in order, whatever the chain says.
    async fn start(key: PrivateKey, url: &str) -> Result<Self, String> {
        let client = OrchestratorClient::new(ClientConfig::default()).unwrap();
        let client = client.with_identity(GatewayIdentity::sign(&key));
        let needs = job(0, Bytes::new()).capabilities();
        let info = client.get_orchestrator(&url.parse().unwrap(), &needs).await;
        let info = info.map_err(|error| error.to_string())?;
        let limits = SenderLimits {
            max_ticket_ev: U256::MAX,
            max_total_ev: U256::MAX,
            ..SenderLimits::default()
        };
        let mut sender = TicketSender::new(key.address(), limits);
        let plenty = ether_of("1");
        sender.handle_funds(SenderFunds {
            deposit: plenty,
            reserve: plenty,
            withdraw_round: U256::ZERO,
        });
        sender.handle_view(ChainView { l1_block: 1, ..ChainView::default() });
        Ok(Self { key, client, sender, ledger: Ledger::default(), info })
    }

    async fn pay(&mut self, sequence: u64, body: Bytes) -> Result<(), TranscodeError> {
        let job = job(sequence, body);
        let quote = self.info.quote().unwrap().clone();
        let rendition = PaidRendition { width: 256, height: 144, fps: 30, fps_den: 1 };
        let fee = estimated_fee(estimated_pixels(&[rendition], job.duration), quote.price);
        let staged = self.ledger.stage(&fee, &quote.params.expected_value()).unwrap();
        let batch = NonZeroU32::new(staged.tickets()).map(|tickets| {
            self.sender.take(&quote.params, tickets).unwrap().sign(&self.key).unwrap()
        });
        let header = PaymentHeader::new(&quote, self.key.address(), batch.as_ref());
        let payment = SegmentPayment::sign(header, &job, job.hash(), &self.key);
        let result = self.client.transcode_paid(&self.info, &job, &payment).await?;
        let cost = quote.price.of_pixels(result.renditions[0].pixels);
        self.ledger.settle(staged, Outcome::Done(cost));
        self.info = result.info.unwrap();
        Ok(())
    }
}

fn hashes(lines: &[Value], step: &str) -> Vec<String> {
    let of_step = lines.iter().filter(|line| line["step"] == step);
    let mut hashes: Vec<_> =
        of_step.map(|line| line["hash"].as_str().unwrap().to_owned()).collect();
    hashes.sort_unstable();
    hashes
}

/// The wallet pays for what it says it pays for, and nothing without a yes.
#[tokio::test]
async fn a_wallet_is_funded_and_emptied_from_the_command_line() {
    let lab = Lab::start("wallet", Layer::Two).await;
    let (account, file) = lab.account(1).await;
    let none = (U256::ZERO, U256::ZERO);
    let plan = lab.wallet_done(&file, &["deposit", "0.5", "--dry-run"]).await;
    assert!(
        plan.contains("add 0.5 ETH to the deposit") && plan.contains("nothing was sent"),
        "{plan}"
    );
    let unasked = lab.wallet(&file, &["deposit", "0.5"]).await;
    let text = String::from_utf8_lossy(&unasked.stderr).into_owned();
    assert_eq!(unasked.status.code(), Some(1), "{text}");
    assert!(text.contains("--yes"), "{text}");
    let wrong = lab.wallet(&file, &["deposit", "half"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    let missing = lab.wallet(&file, &["status", "--eth-acct-addr", "me"]).await;
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(lab.funds(account.address()).await, none);

    let deposit = ["deposit", "500000000gwei", "--reserve", "0.25", "--yes"];
    let done = lab.wallet_done(&file, &deposit).await;
    assert!(
        done.contains("done in transaction 0x") && done.contains("deposit      0.5 ETH"),
        "{done}"
    );
    lab.wallet_done(&file, &["reserve", "1wei", "--yes"]).await;
    let reserve = ether_of("0.25") + U256::from(1);
    assert_eq!(lab.funds(account.address()).await, (ether_of("0.5"), reserve));
    let status = lab.wallet_done(&file, &["status", "--json"]).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["deposit_wei"], "500000000000000000");
    assert_eq!(status["reserve_wei"], reserve.to_string());
    assert_eq!(status["unlocking"], false);

    let early = lab.wallet(&file, &["withdraw", "--yes"]).await;
    assert!(String::from_utf8_lossy(&early.stderr).contains("unlock first"));
    lab.wallet_done(&file, &["unlock", "--yes"]).await;
    lab.wallet_done(&file, &["cancel-unlock", "--yes"]).await;
    lab.wallet_done(&file, &["unlock", "--yes"]).await;
    lab.world.next_rounds(2).await;
    lab.wallet_done(&file, &["withdraw", "--yes"]).await;
    assert_eq!(lab.funds(account.address()).await, none);
}

#[tokio::test]
async fn what_wins_is_redeemed_once_on_the_first_layer() {
    what_wins_is_redeemed_once(Lab::start("redeems-1", Layer::One).await, "TERM").await;
}

#[tokio::test]
async fn what_wins_is_redeemed_once_on_a_second_layer() {
    what_wins_is_redeemed_once(Lab::start("redeems-2", Layer::Two).await, "KILL").await;
}

/// The deposit falls by exactly what the winning tickets say, once each, though the orchestrator
/// ends by that signal with a transaction on its way.
async fn what_wins_is_redeemed_once(lab: Lab, signal: &str) {
    let (payer_key, payer_file) = lab.account(1).await;
    let (orchestrator_key, orchestrator_file) = lab.account(2).await;
    lab.world.join(orchestrator_key.address()).await;
    lab.wallet_done(&payer_file, &["deposit", "1", "--reserve", "0.5", "--yes"]).await;
    let sender = payer_key.address();
    let node = lab.orchestrator("node", &orchestrator_file, &TERMS).await;
    let bodies = segments(&lab.directory, &TINY, 8, "ts").await;

    let mut payer = Payer::start(payer_key, &node.url).await.unwrap();
    let face_value = payer.info.quote().unwrap().params.face_value;
    assert_eq!(face_value, U256::from(2_000_000_000_000_000_u64));
    for (sequence, body) in (0..).zip(bodies) {
        payer.pay(sequence, body).await.unwrap();
    }
    let won = lab.wait_for_lines(WON, |won| !won.is_empty()).await;
    // Others could make tickets that never win, were they redeemed while their params are valid.
    assert_eq!(lab.lines(REDEEMED.0, REDEEMED.1), Vec::<Value>::new());
    assert_eq!(lab.funds(sender).await, (ether_of("1"), ether_of("0.5")));

    let from = lab.world.client.latest_block().await.unwrap().number + 1;
    lab.world.anvil.call("evm_setAutomine", json!([false])).await;
    lab.world.mine(45).await;
    let sending = |lines: &[Value]| !hashes(lines, "sending").is_empty();
    lab.wait_for_lines(REDEEMED, sending).await;
    in_pool(&lab, 1).await;
    node.end(signal).await;
    let node = lab.orchestrator("node", &orchestrator_file, &TERMS).await;
    lab.world.mine(1).await;
    lab.world.anvil.call("evm_setAutomine", json!([true])).await;
    let all = |lines: &[Value]| hashes(lines, "redeemed").len() >= won.len();
    let done = lab.wait_for_lines(REDEEMED, all).await;

    let mut expected: Vec<_> =
        won.iter().map(|line| line["hash"].as_str().unwrap().to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(hashes(&done, "redeemed"), expected);
    let paid = face_value * U256::from(won.len());
    assert_eq!(lab.funds(sender).await, (ether_of("1") - paid, ether_of("0.5")));
    // No transaction was paid for that redeemed nothing.
    let client = &lab.world.client;
    let sent = client.mined_transactions(orchestrator_key.address()).await.unwrap();
    assert_eq!(usize::try_from(sent), Ok(won.len()));
    let to = client.latest_block().await.unwrap().number;
    assert_eq!(client.broker_events(sender, from, to).await.unwrap().len(), won.len());

    // A start with nothing left sends nothing, and says how long the deposit lasts.
    drop(node);
    drop(lab.orchestrator("node", &orchestrator_file, &TERMS).await);
    assert_eq!(client.mined_transactions(orchestrator_key.address()).await, Ok(sent));
    let status =
        lab.wallet_done(&payer_file, &["status", "--json", "--lookback-blocks", "60"]).await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["forecast"]["spent_wei"], paid.to_string());
    assert!(status["forecast"]["seconds_left"].as_u64().unwrap() > 0, "{status}");
}

/// Nothing is done on another chain than the one that is meant.
#[tokio::test]
async fn another_chain_is_refused() {
    let lab = Lab::start("elsewhere", Layer::One).await;
    let (_, file) = lab.account(1).await;
    lab.world.proxy.set(Mode::OtherChain(42_161));
    for line in [&["status"][..], &["deposit", "1", "--yes"]] {
        let output = lab.wallet(&file, line).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("of chain 42161, not 31337"), "{text}");
    }
}

/// Waits until so many transactions wait for a block.
async fn in_pool(lab: &Lab, count: u64) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let status = lab.world.anvil.call("txpool_status", json!([])).await;
        if status["pending"] == format!("{count:#x}") {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What costs more than the operator allows waits, for as long as the contract would take it.
#[tokio::test]
async fn tickets_wait_for_gas_to_be_cheap_until_they_expire() {
    let lab = Lab::start("dear", Layer::Two).await;
    let (payer_key, payer_file) = lab.account(1).await;
    let (orchestrator_key, orchestrator_file) = lab.account(2).await;
    lab.world.join(orchestrator_key.address()).await;
    lab.wallet_done(&payer_file, &["deposit", "1", "--reserve", "0.5", "--yes"]).await;
    let terms = [&TERMS[..], &["--max-gas-price", "1"]].concat();
    let node = lab.orchestrator("node", &orchestrator_file, &terms).await;
    let bodies = segments(&lab.directory, &TINY, 1, "ts").await;
    let sender = payer_key.address();
    let mut payer = Payer::start(payer_key, &node.url).await.unwrap();
    let mut sequence = 0;
    while lab.lines(WON.0, WON.1).is_empty() {
        payer.pay(sequence, bodies[0].clone()).await.unwrap();
        sequence += 1;
    }
    drop(node);
    // Nobody can pay with what the last process issued: the next one tries at once, and again.
    let node = lab.orchestrator("node", &orchestrator_file, &terms).await;
    lab.world.next_rounds(2).await;
    let won = lab.lines(WON.0, WON.1).len();
    let expired = |lines: &[Value]| hashes(lines, "expired").len() == won;
    let lines = lab.wait_for_lines(REDEEMED, expired).await;
    assert_eq!(hashes(&lines, "sending"), Vec::<String>::new());
    assert_eq!(lab.funds(sender).await, (ether_of("1"), ether_of("0.5")));
    let sent = lab.world.client.mined_transactions(orchestrator_key.address()).await;
    assert_eq!(sent, Ok(0));
    drop(node);
}

/// Who can't pay isn't served.
#[tokio::test]
async fn senders_without_funds_are_refused() {
    let lab = Lab::start("refuses", Layer::Two).await;
    let (orchestrator_key, orchestrator_file) = lab.account(2).await;
    let (leaver_key, leaver_file) = lab.account(3).await;
    lab.world.join(orchestrator_key.address()).await;
    lab.wallet_done(&leaver_file, &["deposit", "1", "--reserve", "0.5", "--yes"]).await;
    lab.wallet_done(&leaver_file, &["unlock", "--yes"]).await;
    lab.world.next_rounds(1).await;
    let node = lab.orchestrator("node", &orchestrator_file, &TERMS).await;

    let error = Payer::start(key(9), &node.url).await.err().unwrap();
    assert!(error.contains("insufficient sender reserve"), "{error}");
    let mut leaver = Payer::start(leaver_key, &node.url).await.unwrap();
    let error = leaver.pay(0, Bytes::from_static(b"no media")).await.unwrap_err().to_string();
    assert!(error.contains("set to unlock soon"), "{error}");
}

/// The gateway itself pays on the chain; what its tickets cost is what the forecast says.
async fn a_gateway_pays_on_the_chain(name: &str, count: u32) {
    // Each redemption is a block here: the round must outlast them.
    let lab = Lab::on(World::with_rounds_of(2_000, Layer::Two).await, name);
    let (payer_key, payer_file) = lab.account(1).await;
    let (orchestrator_key, orchestrator_file) = lab.account(2).await;
    lab.world.join(orchestrator_key.address()).await;
    lab.wallet_done(&payer_file, &["deposit", "4", "--reserve", "0.5", "--yes"]).await;
    let sender = payer_key.address();
    let node = lab.orchestrator("node", &orchestrator_file, &TERMS).await;
    let file = format!(
        "shutdown_grace = \"0s\"\n{}\n[payments]\nmode = \"onchain\"\neth_keystore_path = {payer_file:?}\n\
         max_ticket_ev = \"2000000000000000\"\nmax_total_ev = \"1000000000000000000\"\n\
         eth_url = \"http://{}\"\nnetwork = \"lab\"\neth_controller = \"{}\"\neth_chain_id = {CHAIN_ID}\n{}",
        pool(&[&node.url]),
        lab.world.proxy.address,
        lab.world.controller,
        stream("cam", "me"),
    );
    let bodies = segments(&lab.directory, &TINY, count, "ts").await;
    let gateway = Gateway::start(&file, |args| args.open = Some(false));
    let known = |page: &str| page.contains("4000000000000000000");
    gateway.admin().wait_for("/v1/payments", Duration::from_secs(20), known).await;
    let begun = tokio::time::Instant::now();
    for (number, body) in (0..).zip(bodies) {
        let found = pushed(&gateway.viewer(), "cam-key-cam", number, body).await;
        assert_eq!(found, ["large", "small"], "segment {number}");
    }
    let figures = || async {
        let page = gateway.admin().get("/v1/payments").await;
        serde_json::from_str::<Value>(page.text()).unwrap()
    };
    // The chain is told each second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let took = begun.elapsed();
    let forecast = figures().await["runway_seconds"].as_u64().unwrap();
    let deposit = ether_of("4");
    lab.world.mine(45).await;
    let won = lab.wait_for_lines(WON, |won| !won.is_empty()).await;
    // One after another, each with a block of its own.
    for tenths in 1..=10 {
        let enough = |lines: &[Value]| hashes(lines, "redeemed").len() >= won.len() * tenths / 10;
        lab.wait_for_lines(REDEEMED, enough).await;
    }
    let face_value = U256::from(2_000_000_000_000_000_u64);
    let paid = face_value * U256::from(won.len());
    assert_eq!(lab.funds(sender).await, (deposit - paid, ether_of("0.5")));
    let lines = ledger(&end(gateway).await).await;
    let sent = sum(&lines, |it| &it.sent);
    let tickets: u64 = lines.iter().map(|line| line.totals.tickets).sum();
    // How long the whole deposit would last at the rate at which it was really paid.
    let really = took.as_secs_f64() * (4e18 / paid.to_string().parse::<f64>().unwrap());
    println!(
        "{count} segments in {took:?}: {tickets} tickets worth {sent}, {} won, {paid} wei paid; forecast {forecast} s, really {really:.0} s",
        won.len()
    );
    if count >= 500 {
        #[expect(clippy::cast_precision_loss, reason = "a day of seconds")]
        let ratio = forecast as f64 / really;
        assert!((0.8..1.2).contains(&ratio), "forecast {forecast} s, really {really:.0} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_pays_on_the_chain_what_its_tickets_win() {
    a_gateway_pays_on_the_chain("gateway", 12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes"]
async fn five_hundred_segments_cost_what_their_tickets_win_and_the_forecast_holds() {
    a_gateway_pays_on_the_chain("gateway-500", 500).await;
}
