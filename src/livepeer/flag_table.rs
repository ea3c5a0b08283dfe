//! Every flag of go-livepeer 0.9, and what it means here (livepeer-gateway §2).
//!
//! A flag for something that is not built is refused when it asks for it: a gateway that records
//! nothing, pays nobody or skips a check must not look as if it did. A flag whose loss nobody would
//! notice is passed over, and says so.

use url::Url;

use super::{
    address::listening_address,
    draft::{ADMIN_PORT, Draft, HTTP_PORT, RTMP_PORT},
    flag::{
        Flag,
        Kind::{Switch, Value},
        switch,
    },
};

/// The flag that names a file of flags.
pub(super) const CONFIG: &str = "config";

const ROLE: &str = "headgate serve is a gateway, whatever this says";
const OTHER_ROLE: &str =
    "headgate serve is a gateway; `headgate orchestrator` runs an orchestrator";
const ORCHESTRATOR: &str =
    "a setting of orchestrators and transcoders: see `headgate orchestrator --help`";
const GAS: &str = "the gateway sends no transactions; `headgate wallet` does, within --max-gas-price, --max-gas-tip and --max-gas";
const POLLING: &str = "nodes are asked as often as blocks and payments need it";
const REDEEMER: &str =
    "redeemers of their own are not built: `headgate orchestrator` redeems what it wins itself";
const ROUNDS: &str = "rounds are not started and rewards not called here";
const SIGNER: &str =
    "a setting of signers: see `headgate signer --help` for tokens, limits and addresses";
const SIGNER_ROLE: &str = "headgate serve is a gateway; `headgate signer` runs a signer";
const SIGNER_HEADERS: &str = "headers are not sent: signer_token_file in [payments] names the file of a bearer token, from a configuration file";
const SIGNER_LIST: &str = "orchestrators are not taken from a signer: list them";
const NO_FEED: &str = "no flag gives a price in dollars here; max_usd_per_hour of [[pool]] and [payments.price_feed] do, in a configuration file";
const AI: &str = "AI pipelines are not built";
const AI_TUNING: &str = "matters to AI pipelines only, which are not built";
const STORE: &str = "object stores and recording are not built: segments are served from memory";
const CHOICE: &str =
    "go-livepeer uses it on-chain only; here latency, success and price decide (router.class)";
const VERIFIER: &str =
    "external verifiers are not built; results are checked here (router.picture_check_every)";
const EVENTS: &str = "event queues are not built; /v1/decisions on the admin address streams a record of each segment";
const METRICS: &str = "metrics are always on, on the admin address, and carry no stream or client";
const DENY: &str =
    "ETH addresses can't be refused; `deny` of [[pool]] takes hosts, host:ports and URLs";
const VERSIONS: &str = "orchestrators can't be chosen by version";
const ANY_PRICE: &str = "a price cap always holds; leave it out to pay any price";

/// All flags.
pub(super) fn flags() -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter()
}

/// The flag of this name. Go compares letter by letter.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

static FLAGS: &[Flag] = &[
    // Roles.
    Flag::needless("gateway", Switch, ROLE),
    Flag::needless("broadcaster", Switch, ROLE),
    Flag::absent("orchestrator", Switch, "false", OTHER_ROLE),
    Flag::absent("transcoder", Switch, "false", OTHER_ROLE),
    Flag::absent("aiWorker", Switch, "false", AI),
    Flag::absent("redeemer", Switch, "false", REDEEMER),
    Flag::absent("reward", Switch, "false", ROUNDS),
    Flag::absent("remoteSigner", Switch, "false", SIGNER_ROLE),
    Flag::absent("version", Switch, "false", "use `headgate version`"),
    Flag::absent("j", Switch, "false", "use `headgate version`"),
    // Addresses and ingest.
    Flag::payment("network", "payments.network", |it| &mut it.network),
    Flag::setting("rtmpAddr", Value, "rtmp.addr", |it, text| {
        it.rtmp = Some(listening_address(text, RTMP_PORT)?);
        Ok(())
    }),
    Flag::setting("httpAddr", Value, "http.addr", |it, text| {
        it.http = Some(listening_address(text, HTTP_PORT)?);
        Ok(())
    }),
    Flag::setting("cliAddr", Value, "admin.addr", |it, text| {
        it.admin = Some(listening_address(text, ADMIN_PORT)?);
        Ok(())
    }),
    Flag::needless("gatewayHost", Value, "only AI webhooks and event queues are told it"),
    Flag::setting("httpIngest", Switch, "push.enabled", |it, text| {
        it.http_ingest = Some(switch(text).ok_or("expected true or false")?);
        Ok(())
    }),
    Flag::setting("authWebhookUrl", Value, "auth_webhook", |it, text| {
        webhook(&mut it.auth_webhook, text)
    }),
    Flag::setting("transcodingOptions", Value, "ladder", |it, text| {
        keep(&mut it.transcoding_options, text)
    }),
    Flag::setting("maxSessions", Value, "streams", |it, text| {
        it.max_sessions = Some(number(text, 1..=1_000_000)?);
        Ok(())
    }),
    Flag::absent("currentManifest", Switch, "false", "/stream/current.m3u8 is not served"),
    Flag::absent("objectStore", Value, "", STORE),
    Flag::absent("recordStore", Value, "", STORE),
    Flag::setting("dataDir", Value, "data_dir", |it, text| keep(&mut it.data_dir, text)),
    Flag::setting("datadir", Value, "data_dir", |it, text| keep(&mut it.data_dir, text)),
    Flag::setting("v", Value, "log.filter", verbosity),
    // Discovery and selection.
    Flag::setting("orchAddr", Value, "pool.orchestrator", |it, text| {
        let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
        it.orchestrators = urls.map(str::to_owned).collect();
        Ok(())
    }),
    Flag::setting("orchWebhookUrl", Value, "pool.webhook", |it, text| {
        webhook(&mut it.discovery, text)
    }),
    Flag::absent("remoteDiscovery", Switch, "false", SIGNER_LIST),
    Flag::absent(
        "extraNodes",
        Value,
        "0",
        "further nodes of an orchestrator are not used: list them",
    ),
    Flag::absent("orchBlocklist", Value, "", DENY),
    Flag::absent("orchMinLivepeerVersion", Value, "", VERSIONS),
    Flag::needless(
        "discoveryTimeout",
        Value,
        "the first orchestrator that answers gets work at once",
    ),
    Flag::needless("selectStakeWeight", Value, CHOICE),
    Flag::needless("selectPriceWeight", Value, CHOICE),
    Flag::needless("selectRandFreq", Value, CHOICE),
    Flag::needless("selectPriceExpFactor", Value, CHOICE),
    Flag::needless("orchPerfStatsUrl", Value, CHOICE),
    Flag::needless("minPerfScore", Value, CHOICE),
    Flag::setting("region", Value, "router.region", |it, text| keep(&mut it.region, text)),
    Flag::setting("maxAttempts", Value, "router.attempts", attempts),
    Flag::needless("localVerify", Switch, "results are always checked"),
    Flag::absent("verifierUrl", Value, "", VERIFIER),
    Flag::absent("verifierPath", Value, "", VERIFIER),
    Flag::absent("FVfailGsbucket", Value, "", VERIFIER),
    Flag::absent("FVfailGskey", Value, "", VERIFIER),
    // Price.
    Flag::setting("maxPricePerUnit", Value, "pool.max_price", |it, text| {
        keep(&mut it.max_price_per_unit, text)
    }),
    Flag::setting("pixelsPerUnit", Value, "pool.max_price", |it, text| {
        keep(&mut it.pixels_per_unit, text)
    }),
    Flag::absent("maxPricePerCapability", Value, "", AI),
    Flag::absent("ignoreMaxPriceIfNeeded", Switch, "false", ANY_PRICE),
    Flag::needless("priceFeedAddr", Value, NO_FEED),
    // On-chain account and tickets.
    Flag::payment("ethUrl", "payments.eth_url", |it| &mut it.eth_url),
    Flag::payment("ethAcctAddr", "payments.eth_acct_addr", |it| &mut it.account),
    Flag::payment("ethKeystorePath", "payments.eth_keystore_path", |it| &mut it.keystore_path),
    Flag::payment("ethPassword", "payments.eth_password", |it| &mut it.password),
    Flag::payment("ethController", "payments.eth_controller", |it| &mut it.controller),
    Flag::payment("maxTicketEV", "payments.max_ticket_ev", |it| &mut it.max_ticket_ev),
    Flag::payment("maxTotalEV", "payments.max_total_ev", |it| &mut it.max_total_ev),
    Flag::payment("depositMultiplier", "payments.deposit_multiplier", |it| {
        &mut it.deposit_multiplier
    }),
    Flag::needless("ethOrchAddr", Value, ORCHESTRATOR),
    Flag::needless("gasLimit", Value, GAS),
    Flag::needless("minGasPrice", Value, GAS),
    Flag::needless("maxGasPrice", Value, GAS),
    Flag::needless("transactionTimeout", Value, GAS),
    Flag::needless("maxTransactionReplacements", Value, GAS),
    Flag::needless("blockPollingInterval", Value, POLLING),
    Flag::needless("initializeRoundMaxDelay", Value, ROUNDS),
    Flag::needless("ignoreSenderReserve", Switch, ORCHESTRATOR),
    // Remote signer.
    Flag::payment("remoteSignerUrl", "payments.signer_url", |it| &mut it.signer_url),
    Flag::absent("remoteSignerHeaders", Value, "", SIGNER_HEADERS),
    Flag::absent("remoteSignerWebhookUrl", Value, "", SIGNER),
    Flag::absent("remoteSignerWebhookHeaders", Value, "", SIGNER),
    Flag::absent("remoteSignerAllowNoAuth", Switch, "false", SIGNER),
    // Telemetry.
    Flag::needless("monitor", Switch, METRICS),
    Flag::needless("metricsPerStream", Switch, METRICS),
    Flag::needless("metricsClientIP", Switch, METRICS),
    Flag::absent("kafkaBootstrapServers", Value, "", EVENTS),
    Flag::absent("kafkaUser", Value, "", EVENTS),
    Flag::absent("kafkaPassword", Value, "", EVENTS),
    Flag::absent("kafkaGatewayTopic", Value, "", EVENTS),
    Flag::absent("metadataQueueUri", Value, "", EVENTS),
    Flag::needless("metadataAmqpExchange", Value, EVENTS),
    Flag::needless("metadataPublishTimeout", Value, EVENTS),
    // AI.
    Flag::absent("aiServiceRegistry", Switch, "false", AI),
    Flag::absent("aiServerless", Switch, "false", AI),
    Flag::absent("useLiveRunners", Switch, "false", AI),
    Flag::absent("liveRunnerConfig", Value, "", AI),
    Flag::absent("liveRunnerProxyUrl", Value, "", AI),
    Flag::absent("liveRunnerAddr", Value, "", AI),
    Flag::absent("liveAIAuthWebhookUrl", Value, "", AI),
    Flag::absent("liveAIAuthApiKey", Value, "", AI),
    Flag::absent("liveAIHeartbeatURL", Value, "", AI),
    Flag::absent("liveAIHeartbeatHeaders", Value, "", AI),
    Flag::absent("liveAITrickleHostForRunner", Value, "", AI),
    Flag::absent("mediaMTXApiPassword", Value, "", AI),
    Flag::absent("aiModels", Value, "", AI),
    Flag::needless("aiModelsDir", Value, AI_TUNING),
    Flag::needless("aiRunnerImage", Value, AI_TUNING),
    Flag::needless("aiRunnerImageOverrides", Value, AI_TUNING),
    Flag::needless("aiRunnerContainersPerGPU", Value, AI_TUNING),
    Flag::needless("aiMinRunnerVersion", Value, AI_TUNING),
    Flag::needless("aiVerboseLogs", Switch, AI_TUNING),
    Flag::needless("aiProcessingRetryTimeout", Value, AI_TUNING),
    Flag::needless("livePaymentInterval", Value, AI_TUNING),
    Flag::needless("liveOutSegmentTimeout", Value, AI_TUNING),
    Flag::needless("liveAIHeartbeatInterval", Value, AI_TUNING),
    Flag::needless("liveAISaveNSegments", Value, AI_TUNING),
    Flag::needless("liveAICapRefreshModels", Value, AI_TUNING),
    Flag::needless("liveAICapReportInterval", Value, AI_TUNING),
    // Orchestrators and transcoders.
    Flag::absent("serviceAddr", Value, "", ORCHESTRATOR),
    Flag::absent("nodes", Value, "", ORCHESTRATOR),
    Flag::absent("orchSecret", Value, "", ORCHESTRATOR),
    Flag::absent("nvidia", Value, "", ORCHESTRATOR),
    Flag::absent("netint", Value, "", ORCHESTRATOR),
    Flag::absent("redeemerAddr", Value, "", REDEEMER),
    Flag::absent("initializeRound", Switch, "false", ROUNDS),
    Flag::needless("testTranscoder", Switch, ORCHESTRATOR),
    Flag::needless("hevcDecoding", Switch, ORCHESTRATOR),
    Flag::needless("startupAvailabilityCheck", Switch, ORCHESTRATOR),
    Flag::needless("pricePerUnit", Value, ORCHESTRATOR),
    Flag::needless("pricePerGateway", Value, ORCHESTRATOR),
    Flag::needless("pricePerBroadcaster", Value, ORCHESTRATOR),
    Flag::needless("autoAdjustPrice", Switch, ORCHESTRATOR),
    Flag::needless("ticketEV", Value, ORCHESTRATOR),
    Flag::needless("maxFaceValue", Value, ORCHESTRATOR),
];

#[expect(clippy::unnecessary_wraps, reason = "as every flag's function")]
fn keep(field: &mut Option<String>, text: &str) -> Result<(), String> {
    let text = text.trim();
    *field = (!text.is_empty()).then(|| text.to_owned());
    Ok(())
}

/// The URL of a hook; faults don't quote it.
fn webhook(field: &mut Option<Url>, text: &str) -> Result<(), String> {
    let text = text.trim();
    *field = match text {
        "" => None,
        text => {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            Some(url.ok_or("expected an http or https URL")?)
        }
    };
    Ok(())
}

fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number
        .ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

/// Zero and less is "never transcode".
fn attempts(draft: &mut Draft, text: &str) -> Result<(), String> {
    let is_negative = text.trim().parse::<i64>().is_ok_and(|number| number < 0);
    draft.attempts = Some(if is_negative { 0 } else { number(text, 0..=10)? });
    Ok(())
}

/// 3 is what the gateway logs anyhow. Only our own lines become more: those of libraries can hold keys.
fn verbosity(draft: &mut Draft, text: &str) -> Result<(), String> {
    const DEBUG: &str = "info,headgate=debug,ingest=debug,segmenter=debug,router=debug,playback=debug,orchestrator=debug,store=debug";
    const TRACE: &str = "info,headgate=trace,ingest=trace,segmenter=trace,router=trace,playback=trace,orchestrator=trace,store=trace";
    draft.log_filter = match number(text, 0..=99)? {
        0 => Some("warn"),
        1..=3 => None,
        4 | 5 => Some(DEBUG),
        _ => Some(TRACE),
    };
    Ok(())
}
