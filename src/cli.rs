//! The command line. Every flag can also be set as `HEADGATE_…` in the environment.

use std::{convert::Infallible, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use media::Redacted;

pub use crate::ledger_report::{ListPrice, PriceError, ReportDay, ReportDayError, Usd};
use crate::{chain_settings::ChainArgs, signer::SignerArgs, wallet::WalletArgs};

/// A live video gateway: RTMP in, transcoding by orchestrators, HLS out.
#[derive(Debug, Parser)]
#[command(name = "headgate", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway.
    Serve(ServeArgs),
    /// Run an orchestrator that any Livepeer gateway can use.
    Orchestrator(OrchestratorArgs),
    /// Run the signer: it holds the key and pays for gateways that hold none.
    Signer(SignerArgs),
    /// Run the gateway with a built-in test picture, and print how to publish and watch.
    Demo(ServeArgs),
    /// Read the configuration and report every fault in it.
    CheckConfig(ServeArgs),
    /// Print the configuration that a go-livepeer gateway's flags come to.
    LivepeerConfig(LivepeerConfigArgs),
    /// Say why a segment went where it went: ask a running gateway.
    Why(WhyArgs),
    /// Look at what was paid.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Make the choices of a recorded run again, and compare ([router] record = "FILE").
    Replay {
        /// The recording.
        file: PathBuf,
    },
    /// Look at, fund or take back the deposit and reserve that tickets are paid from.
    Wallet(WalletArgs),
    /// Print the version and what this build can do.
    Version,
    /// Transcode jobs from standard input (started by `orchestrator`).
    #[command(hide = true)]
    TranscodeWorker,
    /// Make AAC of Opus packets from standard input (started by `serve`).
    #[command(hide = true)]
    SoundWorker,
    /// Publish the test picture to an RTMP URL read from standard input (started by `demo`).
    #[command(hide = true)]
    TestPicture,
}

/// What to look at in the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Say where every wei went: of each stream, orchestrator or day.
    ///
    /// What tickets are worth that left the house (ev) is what work cost (debit), what was taken without a
    /// result (written off), what was sent without an answer (in doubt), what goes along with attempts
    /// under way (in flight), and what is left as credit (left; owed where it is negative). It only reads,
    /// also while a gateway runs.
    ///
    /// Amounts are often fractions of a wei. Those named _wei are whole, as decimal strings: of each part
    /// of a line (an orchestrator of a stream, a stream of an orchestrator or day) all but `left_wei` are
    /// rounded down, `left_wei` is what they leave of `ev_wei`, and a line is the sum of its parts, so that
    /// all adds up.
    /// `exact` in JSON has the amounts as they are kept: `7`, or `-3/2` where they are not whole, in lowest
    /// terms. `adds_up` is judged by these. USD are rounded to a millionth, from the exact amounts.
    ///
    /// The budget of a stream is the least that it may spend in all; where nothing limits that, in a day, or
    /// in an hour: as the gateway last started with, from the data directory.
    ///
    /// Cost is debit, written off and in doubt. Hours are those of the segments that came back; of one that
    /// came back twice, twice.
    Report(Box<LedgerReportArgs>),
}

/// Flags of `ledger report`.
#[derive(Clone, Debug, Args)]
pub struct LedgerReportArgs {
    /// The gateway's data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "HEADGATE_DATA_DIR",
        required_unless_present = "store_url"
    )]
    pub data_dir: Option<PathBuf>,
    /// The gateway's Postgres database, where it has one; wins over --data-dir.
    #[arg(long, value_name = "URL", env = "HEADGATE_STORE_URL", hide_env_values = true, value_parser = redacted)]
    pub store_url: Option<Redacted<String>>,
    /// The first day, such as 2026-11-28, by UTC.
    #[arg(long, value_name = "DATE")]
    pub since: Option<ReportDay>,
    /// What gets a line.
    #[arg(long, value_name = "WHAT", default_value = "stream")]
    pub by: ReportBy,
    /// An array of objects, with their parts.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Comma-separated values with a header.
    #[arg(long)]
    pub csv: bool,
    /// What an ether costs, in USD, such as 3123.45.
    #[arg(long, value_name = "PRICE")]
    pub eth_usd: Option<Usd>,
    /// What another service asks for an hour, in USD, such as Name=3.00; repeat it.
    #[arg(long = "list-price", value_name = "NAME=PRICE", requires = "eth_usd")]
    pub list_prices: Vec<ListPrice>,
}

/// What gets a line of the ledger's report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportBy {
    /// Each stream, with its orchestrators.
    #[default]
    Stream,
    /// Each orchestrator, with its streams.
    Orchestrator,
    /// Each day, with its streams.
    Day,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// As the flag spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Flags of `serve`, `demo` and `check-config`. Each wins over its variable, which wins over the file.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeArgs {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE", env = "HEADGATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where publishers connect [default: 0.0.0.0:1935, with --open 127.0.0.1:1935].
    #[arg(long, value_name = "ADDR", env = "HEADGATE_RTMP_ADDR")]
    pub rtmp_addr: Option<String>,
    /// Where viewers connect [default: 0.0.0.0:8080, with --open 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", env = "HEADGATE_HTTP_ADDR")]
    pub http_addr: Option<String>,
    /// Certificate chain in PEM: with it, publishers and viewers can also connect over TLS. Followed while
    /// the gateway runs.
    #[arg(long, value_name = "FILE", env = "HEADGATE_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, value_name = "FILE", env = "HEADGATE_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Where publishers connect over TLS (RTMPS) [default: 0.0.0.0:1936, with --open 127.0.0.1:1936].
    #[arg(long, value_name = "ADDR", env = "HEADGATE_RTMPS_ADDR")]
    pub rtmps_addr: Option<String>,
    /// Where viewers connect over TLS (HTTPS) [default: 0.0.0.0:8443, with --open 127.0.0.1:8443].
    #[arg(long, value_name = "ADDR", env = "HEADGATE_HTTPS_ADDR")]
    pub https_addr: Option<String>,
    /// Health and metrics [default: 127.0.0.1:9090].
    #[arg(long, value_name = "ADDR", env = "HEADGATE_ADMIN_ADDR")]
    pub admin_addr: Option<String>,
    /// Where the gateway keeps its files [default: ~/.local/share/headgate].
    #[arg(long, value_name = "DIR", env = "HEADGATE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// A Postgres database to keep what must survive a restart in, instead of a file in the data
    /// directory: `postgres://USER:PASSWORD@HOST/DATABASE`.
    #[arg(long, value_name = "URL", env = "HEADGATE_STORE_URL", hide_env_values = true, value_parser = redacted)]
    pub store_url: Option<Redacted<String>>,
    /// Accept any stream key, with the key as playback id. For labs; loopback only.
    #[arg(long, env = "HEADGATE_OPEN", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub open: Option<bool>,
    /// Allow --open on addresses others can reach.
    #[arg(long, env = "HEADGATE_OPEN_ANYWHERE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub open_anywhere: Option<bool>,
    /// Ask this URL about publishers whose key is not in the configuration file.
    #[arg(long, value_name = "URL", env = "HEADGATE_AUTH_WEBHOOK", hide_env_values = true, value_parser = redacted)]
    pub auth_webhook: Option<Redacted<String>>,
    /// Serve the source only.
    #[arg(long, env = "HEADGATE_NO_TRANSCODE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub no_transcode: Option<bool>,
    /// An orchestrator to use instead of the embedded one; repeat it, or separate with commas.
    #[arg(long, value_name = "URL", env = "HEADGATE_ORCHESTRATOR", value_delimiter = ',')]
    pub orchestrator: Vec<String>,
    /// What to log, such as `info` or `headgate=debug,ingest=trace`.
    #[arg(long, value_name = "FILTER", env = "HEADGATE_LOG")]
    pub log: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", env = "HEADGATE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Take the configuration from a go-livepeer gateway's flags, after `--`, and its LP_* variables.
    #[arg(long)]
    pub livepeer: bool,
    /// Flags of a go-livepeer gateway, such as `-orchAddr HOST:PORT`.
    #[arg(last = true, value_name = "LIVEPEER_FLAG", requires = "livepeer", value_parser = redacted)]
    pub livepeer_flags: Vec<LivepeerFlag>,
}

/// Flags of `livepeer-config`.
#[derive(Clone, Debug, Args)]
pub struct LivepeerConfigArgs {
    /// Flags of a go-livepeer gateway, such as `-orchAddr HOST:PORT`.
    #[arg(last = true, value_name = "LIVEPEER_FLAG", value_parser = redacted)]
    pub livepeer_flags: Vec<LivepeerFlag>,
}

/// One argument of a go-livepeer gateway; it can hold a password, and is printed nowhere.
pub type LivepeerFlag = Redacted<String>;

/// What can hold a password, and is printed nowhere.
pub(crate) fn redacted(text: &str) -> Result<Redacted<String>, Infallible> {
    Ok(Redacted::new(text.to_owned()))
}

/// Flags of `why`.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// The stream's name.
    pub stream: String,
    /// The segment's number, or `latest`.
    #[arg(default_value = "latest")]
    pub segment: String,
    /// The gateway's admin address.
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:9090",
        env = "HEADGATE_ADMIN_ADDR"
    )]
    pub admin: String,
    /// Print the record as it is.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `orchestrator`.
#[derive(Clone, Debug, Args)]
pub struct OrchestratorArgs {
    /// Where gateways connect.
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8935",
        env = "HEADGATE_ORCHESTRATOR_ADDR"
    )]
    pub addr: String,
    /// The address gateways are told to use, when it differs from --addr.
    #[arg(long, value_name = "URL", env = "HEADGATE_SERVICE_URI")]
    pub service_uri: Option<String>,
    /// Serve without TLS.
    #[arg(long, env = "HEADGATE_PLAINTEXT", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub plaintext: bool,
    /// Most streams transcoded at the same time.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000), env = "HEADGATE_MAX_SESSIONS")]
    pub max_sessions: u32,
    /// Transcoder processes [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256), env = "HEADGATE_WORKERS")]
    pub workers: Option<u32>,
    /// Where `addresses.json`, `winning-tickets.jsonl` and `redemptions.jsonl` go.
    #[arg(long, value_name = "DIR", env = "HEADGATE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// What to log.
    #[arg(long, value_name = "FILTER", env = "HEADGATE_LOG")]
    pub log: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", env = "HEADGATE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// How it is paid.
    #[command(flatten)]
    pub paid: PaidArgs,
    /// End when standard input ends (set by the gateway that starts this one).
    #[arg(long, hide = true)]
    pub exit_with_parent: bool,
}

/// How an orchestrator learns whether tickets are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TicketCheck {
    /// Without a chain: signatures, terms, prices, nonces, ages and credit are checked. Deposits,
    /// reserves, withdrawals, rounds and the orchestrator's registration are not, and winning tickets
    /// can't be redeemed. For labs and tests.
    Offline,
    /// By the chain: deposits, reserves, withdrawals and rounds as well, and winning tickets are
    /// redeemed. Needs --eth-url.
    Chain,
}

/// Flags of an `orchestrator` that is paid.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Being paid")]
pub struct PaidArgs {
    /// Wei for each --pixels-per-unit pixels. With it, gateways have to sign and to pay; 0 asks for
    /// signatures only. Without it, anybody is served for nothing.
    #[arg(long, value_name = "N", requires_all = ["eth_keystore_path", "ticket_check", "data_dir"], value_parser = clap::value_parser!(u64).range(..=MAX_INT64), env = "HEADGATE_PRICE_PER_UNIT")]
    pub price_per_unit: Option<u64>,
    /// Pixels that --price-per-unit is for.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=MAX_INT64), env = "HEADGATE_PIXELS_PER_UNIT")]
    pub pixels_per_unit: u64,
    /// Wei that one ticket is to be worth on average.
    #[arg(long, value_name = "N", default_value_t = 8_000_000_000, env = "HEADGATE_TICKET_EV")]
    pub ticket_ev: u128,
    /// Most wei that a winning ticket may pay [default: 100 times what redeeming it costs; 100 times
    /// --ticket-ev, while tickets are checked offline].
    #[arg(long, value_name = "N", env = "HEADGATE_MAX_FACE_VALUE")]
    pub max_face_value: Option<u128>,
    /// Ask for what redeeming winning tickets costs on top of the price, while they are checked by the
    /// chain.
    #[arg(long, env = "HEADGATE_AUTO_ADJUST_PRICE", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub auto_adjust_price: bool,
    /// How tickets are checked: by the `chain`, or, without access to one and only if you say so,
    /// `offline`.
    #[arg(long, value_name = "HOW", env = "HEADGATE_TICKET_CHECK")]
    pub ticket_check: Option<TicketCheck>,
    /// The key that signs: an encrypted key file, a file of hex digits, or a directory of such files.
    #[arg(long, value_name = "PATH", env = "HEADGATE_ETH_KEYSTORE_PATH")]
    pub eth_keystore_path: Option<PathBuf>,
    /// File with the key file's password.
    #[arg(long, value_name = "FILE", env = "HEADGATE_ETH_PASSWORD")]
    pub eth_password: Option<PathBuf>,
    /// The key's address, to pick it from a directory and to be sure.
    #[arg(long, value_name = "ADDRESS", env = "HEADGATE_ETH_ACCT_ADDR")]
    pub eth_acct_addr: Option<String>,
    /// The registered orchestrator that tickets pay [default: the key's address].
    #[arg(long, value_name = "ADDRESS", env = "HEADGATE_ETH_ORCH_ADDR")]
    pub eth_orch_addr: Option<String>,
    /// The way to the chain, with --ticket-check chain.
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// Largest number of the wire's prices.
const MAX_INT64: u64 = i64::MAX.unsigned_abs();

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn switches_stand_alone_or_take_a_value() {
        let open = |line: &[&str]| {
            let line = ["headgate", "serve"].iter().chain(line);
            let Command::Serve(args) = Cli::parse_from(line).command else { panic!("not serve") };
            args.open
        };
        assert_eq!(open(&["--open"]), Some(true));
        assert_eq!(open(&["--open=0"]), Some(false));
        assert_eq!(open(&[]), None);
        assert_eq!(open(&["--open", "--no-transcode"]), Some(true));
    }

    #[test]
    fn orchestrators_repeat_or_separate_by_commas() {
        let line = ["headgate", "serve", "--orchestrator", "a,b", "--orchestrator", "http://c:1"];
        let Command::Serve(args) = Cli::parse_from(line).command else { panic!("not serve") };
        assert_eq!(args.orchestrator, ["a", "b", "http://c:1"]);
    }
}
