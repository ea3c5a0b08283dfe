//! Configuration: a TOML file, then `HEADGATE_*` variables, then flags, the later winning.
//!
//! Everything is checked while it is read, and every fault is reported, not only the first.

mod acme;
mod payments;
mod pool;
mod price_feed;
mod reader;
mod store;
mod stream;
mod tls;
mod webhook;
mod whip;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use media::{Ladder, Redacted};
use router::{Pool, PoolName, RouterConfig, StreamPolicy};
use segmenter::{LongGop, SegmenterConfig};

pub use acme::AcmeConfig;
pub use payments::{PayerSource, PaymentChainConfig, PaymentsConfig};
pub use pool::{PoolConfig, Registered};
pub use price_feed::PriceFeedSource;
pub use reader::Fault;
use reader::{Faults, Section, parse_address};
pub use stream::{FillerKind, KeyDigest, PublisherPolicy, StreamConfig};
pub use tls::{CertificateFiles, CertificateSource, TlsConfig};
pub use webhook::{AuthWebhookConfig, PoolWebhook};
pub use whip::WhipSettings;

use crate::cli::{LogFormat, ServeArgs};

/// Everything the gateway needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where publishers connect.
    pub rtmp: ListenerConfig,
    /// Where viewers connect.
    pub http: ListenerConfig,
    /// The same for both inside TLS, where there is a certificate.
    pub tls: Option<TlsConfig>,
    /// Whether segments can be pushed over HTTP.
    pub push: bool,
    /// Where publishers over WebRTC are taken, if they are.
    pub whip: Option<WhipSettings>,
    /// Health and metrics.
    pub admin_addr: SocketAddr,
    /// Where the gateway keeps its files.
    pub data_dir: PathBuf,
    /// The database that takes the place of a file in `data_dir`. It may hold a password.
    pub store_url: Option<Redacted<String>>,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Any key is accepted, with the key as playback id.
    pub open: bool,
    /// Who says which publishers of other streams are let in, and what they publish.
    pub auth_webhook: Option<AuthWebhookConfig>,
    /// Who transcodes.
    pub transcoding: Transcoding,
    /// How what costs something is paid.
    pub payments: PaymentsConfig,
    /// How streams are cut.
    pub segmenter: SegmenterConfig,
    /// How segments find their orchestrator.
    pub routing: Routing,
    /// The renditions of streams that name none; `None`: fitted to each source.
    pub ladder: Option<Ladder>,
    /// How many segments a live playlist lists.
    pub window_segments: usize,
    /// How publishers of streams without settings of their own are treated.
    pub publisher: PublisherPolicy,
    /// How long a publisher may send nothing before it counts as gone.
    pub publisher_idle_timeout: Duration,
    /// Streams that may be live at the same time.
    pub streams_max: usize,
    /// How long a shutdown keeps the last playlists up for viewers.
    pub grace: Duration,
    /// Streams that may be published.
    pub streams: Vec<StreamConfig>,
    /// What all of this was read from: the file may change.
    pub args: ServeArgs,
}

/// One listener's address and limits.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Address and port; port 0 picks a free one.
    pub addr: SocketAddr,
    /// Most connections at the same time; further ones are closed at once.
    pub connections: usize,
    /// Most connections of one IP address at the same time.
    pub connections_per_ip: usize,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default)]
pub struct LogConfig {
    /// A `tracing` filter, such as `info` or `headgate=debug`.
    pub filter: Option<String>,
    /// How lines look.
    pub format: LogFormat,
}

/// How segments find their orchestrator.
#[derive(Clone, Debug)]
pub struct Routing {
    /// The router's settings.
    pub config: RouterConfig,
    /// What streams want that don't say it themselves.
    pub policy: StreamPolicy,
    /// Where this gateway is, in the operator's words.
    pub region: Option<String>,
    /// Where every choice is recorded, for `headgate replay`.
    pub record: Option<PathBuf>,
}

/// Who transcodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcoding {
    /// Pools of orchestrators elsewhere, in the operator's order.
    pub pools: Vec<PoolConfig>,
    /// One orchestrator that this gateway starts and supervises; the last resort where there are pools.
    pub embedded: bool,
}

impl Config {
    /// Reads the file `args` name, if any, and lays variables and flags over it.
    ///
    /// # Errors
    /// Every fault found.
    pub fn load(args: &ServeArgs) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let text = args.config.as_deref().map(|path| read_file(path, &mut faults));
        let config = Self::read(&text.flatten().unwrap_or_default(), args, &mut faults);
        faults.into_result()?;
        Ok(config)
    }

    /// Takes `text` for the file, and lays variables and flags over it.
    ///
    /// # Errors
    /// Every fault found.
    pub fn parse(text: &str, args: &ServeArgs) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let config = Self::read(text, args, &mut faults);
        faults.into_result()?;
        Ok(config)
    }

    fn read(text: &str, args: &ServeArgs, faults: &mut Faults) -> Self {
        let table = text.parse().unwrap_or_else(|error: toml::de::Error| {
            faults.add(format!("file, {}", place(text, &error)), error.message());
            toml::Table::new()
        });
        let mut root = Section::root(table);
        let open = root.boolean("open", faults);
        let open = args.open.or(open).unwrap_or(false);
        let rtmp =
            listener(root.section("rtmp", faults), args.rtmp_addr.as_deref(), open, &RTMP, faults);
        let http =
            listener(root.section("http", faults), args.http_addr.as_deref(), open, &HTTP, faults);
        let tls = tls::tls(&mut root, args, open, faults);
        let admin_addr = admin(root.section("admin", faults), args, faults);
        let push = push_enabled(root.section("push", faults), faults);
        let publisher = root.section("publisher", faults);
        let (publisher, publisher_idle_timeout) = publisher_settings(publisher, faults);
        let segmenter = segmenter_settings(root.section("segmenter", faults), faults);
        let whip = whip::whip(
            root.section("whip", faults),
            http.addr,
            publisher_idle_timeout,
            segmenter.goal,
            faults,
        );
        let routing = router_settings(root.section("router", faults), faults);
        let streams = root.sections("stream", faults).into_iter();
        let streams: Vec<_> = streams
            .filter_map(|section| stream::stream(section, &publisher, &routing.policy, faults))
            .collect();
        let data_dir = root.string("data_dir", faults).map(PathBuf::from);
        let streams_max = root.integer("streams", 1..=1_000_000, faults);
        let grace =
            root.duration("shutdown_grace", Duration::ZERO..=Duration::from_secs(3_600), faults);
        let payments = payments::payments(root.section("payments", faults), faults);
        let config = Self {
            admin_addr,
            data_dir: args.data_dir.clone().or(data_dir).unwrap_or_else(default_data_dir),
            store_url: store::store_url(
                root.section("store", faults),
                args.store_url.as_ref(),
                faults,
            ),
            log: log(root.section("log", faults), args, faults),
            open,
            auth_webhook: webhook::auth_webhook(&mut root, args.auth_webhook.as_ref(), faults),
            transcoding: transcoding(&mut root, args, &payments, faults),
            payments,
            segmenter,
            routing,
            ladder: default_ladder(&mut root, faults),
            window_segments: window(root.section("playback", faults), faults),
            publisher,
            publisher_idle_timeout,
            streams_max: streams_max.and_then(|max| usize::try_from(max).ok()).unwrap_or(1_000),
            grace: grace.unwrap_or(Duration::from_secs(8)),
            streams,
            args: args.clone(),
            rtmp,
            http,
            tls,
            push,
            whip,
        };
        root.finish(faults);
        config.check(args, faults);
        config
    }

    /// What no single field shows.
    fn check(&self, args: &ServeArgs, faults: &mut Faults) {
        if self.open && args.open_anywhere != Some(true) {
            for (name, addr) in self.public_addresses() {
                if !addr.ip().is_loopback() {
                    faults.add(
                        "open",
                        format!("anyone who reaches {addr} ({name}) could publish; use a loopback address, or say --open-anywhere"),
                    );
                }
            }
        }
        if self.open && self.auth_webhook.is_some() {
            faults.add("open", "contradicts auth_webhook, which says who may publish");
        }
        for (index, stream) in self.streams.iter().enumerate() {
            let earlier = || self.streams.iter().take(index);
            let mut refuse = |field: &str| {
                faults.add(format!("stream[{index}].{field}"), "another stream has it already");
            };
            if earlier().any(|other| other.name == stream.name) {
                refuse("name");
            }
            if earlier().any(|other| other.key == stream.key) {
                refuse("stream_key");
            }
            if earlier().any(|other| other.playback_id == stream.playback_id) {
                refuse("playback_id");
            }
        }
        self.check_pool_names(faults);
        self.check_budgets(faults);
    }

    /// The addresses where whoever reaches them can publish, with the flags that set them.
    fn public_addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let plain = [("rtmp-addr", self.rtmp.addr), ("http-addr", self.http.addr)];
        let tls = self.tls.as_ref();
        let tls = tls.map(|it| [("rtmps-addr", it.rtmps.addr), ("https-addr", it.https.addr)]);
        plain.into_iter().chain(tls.into_iter().flatten())
    }

    /// A budget for nobody would protect nothing.
    fn check_budgets(&self, faults: &mut Faults) {
        for (index, budget) in self.payments.budgets.iter().enumerate() {
            if self.payments.payer.is_none() {
                let said = "nothing is paid: payments.mode is \"free\"";
                faults.add(format!("payments.budget[{index}]"), said);
            }
            let pools = budget.cheaper.iter().flat_map(|it| &it.pools);
            for name in pools.filter(|name| !self.has_pool(name)) {
                let path = format!("payments.budget[{index}].cheaper_pools");
                faults.add(path, format!("there is no pool {name:?}"));
            }
        }
    }

    fn has_pool(&self, name: &str) -> bool {
        let pools = &self.transcoding.pools;
        name == PoolName::LOCAL || pools.iter().any(|it| it.pool.name.as_str() == name)
    }

    /// A pool that nobody has configured would leave its streams without orchestrators, or drop out of
    /// their list unnoticed. Where nothing is transcoded, names mean nothing.
    fn check_pool_names(&self, faults: &mut Faults) {
        let Transcoding { pools, embedded } = &self.transcoding;
        if pools.is_empty() && !embedded {
            return;
        }
        let inherited = &self.routing.policy.pools;
        let of_streams = self.streams.iter().enumerate();
        let of_streams = of_streams.filter(|(_, stream)| stream.routing.pools != *inherited);
        let of_streams = of_streams
            .map(|(index, stream)| (format!("stream[{index}].pools"), &stream.routing.pools));
        for (path, named) in
            std::iter::once(("router.pools".to_owned(), inherited)).chain(of_streams)
        {
            for name in named.iter().filter(|name| !self.has_pool(name.as_str())) {
                faults.add(path.as_str(), format!("there is no pool {:?}", name.as_str()));
            }
        }
    }
}

fn default_ladder(root: &mut Section, faults: &mut Faults) -> Option<Ladder> {
    stream::ladder(root.value("ladder")?, "ladder", faults)
}

/// Where a syntax error is. Its own text quotes the line, which can hold a stream key.
fn place(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

struct ListenerDefaults {
    port: u16,
    connections: usize,
}

const RTMP: ListenerDefaults = ListenerDefaults { port: 1935, connections: 4_096 };
const HTTP: ListenerDefaults = ListenerDefaults { port: 8080, connections: 16_384 };

fn listener(
    mut section: Section,
    flag: Option<&str>,
    open: bool,
    defaults: &ListenerDefaults,
    faults: &mut Faults,
) -> ListenerConfig {
    let path = section.path_of("addr");
    let from_file = section.address("addr", faults);
    let from_flag = flag.and_then(|text| parse_address(text, &path, faults));
    let host = if open { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let number = |value: Option<u32>| value.and_then(|value| usize::try_from(value).ok());
    let connections = number(section.integer("connections", 1..=1_000_000, faults));
    let per_ip = number(section.integer("connections_per_ip", 1..=1_000_000, faults));
    section.finish(faults);
    let connections = connections.unwrap_or(defaults.connections);
    ListenerConfig {
        addr: from_flag.or(from_file).unwrap_or_else(|| (host, defaults.port).into()),
        connections,
        connections_per_ip: per_ip.unwrap_or(connections / 2).max(1),
    }
}

fn admin(mut section: Section, args: &ServeArgs, faults: &mut Faults) -> SocketAddr {
    let from_file = section.address("addr", faults);
    let flag = args.admin_addr.as_deref();
    let from_flag = flag.and_then(|text| parse_address(text, "admin.addr", faults));
    section.finish(faults);
    from_flag.or(from_file).unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 9090).into())
}

fn push_enabled(mut section: Section, faults: &mut Faults) -> bool {
    let enabled = section.boolean("enabled", faults);
    section.finish(faults);
    enabled.unwrap_or(true)
}

fn publisher_settings(mut section: Section, faults: &mut Faults) -> (PublisherPolicy, Duration) {
    let policy = stream::publisher_policy(&mut section, &PublisherPolicy::default(), faults);
    let range = Duration::from_secs(1)..=Duration::from_secs(600);
    let idle = section.duration("idle_timeout", range, faults);
    section.finish(faults);
    (policy, idle.unwrap_or(Duration::from_secs(15)))
}

fn log(mut section: Section, args: &ServeArgs, faults: &mut Faults) -> LogConfig {
    let filter = section.string("filter", faults);
    let path = section.path_of("format");
    let format = section.string("format", faults).and_then(|text| match text.as_str() {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => {
            faults.add(path, "expected \"text\" or \"json\"");
            None
        }
    });
    section.finish(faults);
    let filter = args.log.clone().or(filter);
    if let Some(Err(error)) = filter.as_deref().map(str::parse::<tracing_subscriber::EnvFilter>) {
        faults.add("log.filter", error);
    }
    LogConfig { filter, format: args.log_format.or(format).unwrap_or_default() }
}

fn transcoding(
    root: &mut Section,
    args: &ServeArgs,
    payments: &PaymentsConfig,
    faults: &mut Faults,
) -> Transcoding {
    let enabled = root.boolean("transcode", faults);
    let named = args.orchestrator.iter().any(|url| !url.trim().is_empty());
    if named && args.no_transcode == Some(true) {
        faults.add("no-transcode", "contradicts --orchestrator");
    }
    let enabled = args
        .no_transcode
        .map(|off| !off)
        .or(if named { Some(true) } else { enabled })
        .unwrap_or(true);
    let sections = root.sections("orchestrator", faults).into_iter();
    let mut plain: Vec<_> = sections.filter_map(|it| pool::orchestrator(it, faults)).collect();
    let mut pools = pool::pools(root, payments, faults);
    let mut limits = PoolConfig::default();
    if named {
        let urls = args.orchestrator.iter().filter(|url| !url.trim().is_empty());
        plain = urls
            .filter_map(|url| pool::address(url, "orchestrator", faults))
            .map(pool::with_default_body)
            .collect();
        limits = limits_of_default(&pools);
        pools.clear();
    }
    if !plain.is_empty() {
        limits.pool.orchestrators = plain;
        if pools.iter().any(|other| other.pool.name == limits.pool.name) {
            faults.add(
                "orchestrator",
                "the pool \"default\" has a [[pool]] section: list them there",
            );
        }
        pools.insert(0, limits);
    }
    let alone = pools.is_empty();
    let local = root.boolean("local_fallback", faults).unwrap_or(false);
    if !enabled {
        return Transcoding { pools: Vec::new(), embedded: false };
    }
    Transcoding { pools, embedded: alone || local }
}

/// What the operator says of prices and of hosts never used holds for the pool that flags put in the place
/// of the file's, too.
fn limits_of_default(pools: &[PoolConfig]) -> PoolConfig {
    let default = Pool::default();
    let configured = pools.iter().find(|it| it.pool.name == default.name);
    let Some(PoolConfig { pool, usd_cap, .. }) = configured.cloned() else {
        return PoolConfig::default();
    };
    let Pool { price_cap, deny, allow, .. } = pool;
    let pool = Pool { price_cap, deny, allow, ..default };
    PoolConfig { pool, usd_cap, ..PoolConfig::default() }
}

fn segmenter_settings(mut section: Section, faults: &mut Faults) -> SegmenterConfig {
    let default = SegmenterConfig::default();
    let second = Duration::from_secs(1);
    let goal = section.duration("goal", second / 2..=second * 12, faults);
    let video_wait = section.duration("video_wait", Duration::ZERO..=second * 60, faults);
    let path = section.path_of("long_gop");
    let long_gop = section.string("long_gop", faults).and_then(|text| match text.as_str() {
        "cut" => Some(LongGop::Cut),
        "refuse" => Some(LongGop::Refuse),
        _ => {
            faults.add(path, "expected \"cut\" or \"refuse\"");
            None
        }
    });
    section.finish(faults);
    SegmenterConfig {
        goal: goal.unwrap_or(default.goal),
        video_wait: video_wait.unwrap_or(default.video_wait),
        long_gop: long_gop.unwrap_or(default.long_gop),
        ..default
    }
}

/// Routing, what streams want of it where they don't say, the gateway's region, and where runs are
/// recorded.
fn router_settings(mut section: Section, faults: &mut Faults) -> Routing {
    let default = RouterConfig::default();
    let hold_percent = section.integer("hold_percent", 10..=1_000, faults);
    let cushion_percent = section.integer("cushion_percent", 0..=200, faults);
    let attempts = section.integer("attempts", 1..=10, faults);
    let extra = section.integer("extra_work_percent", 0..=100, faults);
    let checks = section.integer("picture_check_every", 0..=10_000, faults);
    let day = Duration::from_secs(86_400);
    let demotion = section.duration("demotion", Duration::from_secs(1)..=day, faults);
    let policy = pool::stream_policy(&mut section, &StreamPolicy::default(), faults);
    let region = section.string("region", faults);
    let record = section.string("record", faults).map(PathBuf::from);
    section.finish(faults);
    let config = RouterConfig {
        hold_percent: hold_percent.unwrap_or(default.hold_percent),
        cushion_percent: cushion_percent.unwrap_or(default.cushion_percent),
        attempts: attempts.unwrap_or(default.attempts),
        extra_work_percent: extra.unwrap_or(default.extra_work_percent),
        picture_check_every: checks.unwrap_or(default.picture_check_every),
        demotion: demotion.unwrap_or(default.demotion),
        ..default
    };
    Routing { config, policy, region, record }
}

fn window(mut section: Section, faults: &mut Faults) -> usize {
    let segments = section.integer("window_segments", 3..=1_000, faults);
    section.finish(faults);
    segments.and_then(|segments| usize::try_from(segments).ok()).unwrap_or(6)
}

fn read_file(path: &Path, faults: &mut Faults) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            faults.add(path.display().to_string(), format!("can't be read: {error}"));
            None
        }
    }
}

fn default_data_dir() -> PathBuf {
    let home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")));
    home.unwrap_or_else(|| PathBuf::from(".")).join("headgate")
}

#[cfg(test)]
mod tests;
