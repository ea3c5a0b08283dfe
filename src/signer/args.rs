//! Flags of `headgate signer`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::LogFormat;

/// Flags of `signer`. Amounts are wei of tickets' expected value.
#[derive(Clone, Debug, Args)]
pub struct SignerArgs {
    /// Where gateways connect.
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8935",
        env = "HEADGATE_SIGNER_ADDR"
    )]
    pub addr: String,
    /// Where the signer keeps its journal and audit: never share it, and never lose it.
    #[arg(long, value_name = "DIR", env = "HEADGATE_DATA_DIR")]
    pub data_dir: PathBuf,
    /// The key that pays: an encrypted key file, a file of hex digits, or a directory of such files.
    #[arg(long, value_name = "PATH", env = "HEADGATE_ETH_KEYSTORE_PATH")]
    pub eth_keystore_path: PathBuf,
    /// File with the key file's password.
    #[arg(long, value_name = "FILE", env = "HEADGATE_ETH_PASSWORD")]
    pub eth_password: Option<PathBuf>,
    /// The key's address, to pick it from a directory and to be sure.
    #[arg(long, value_name = "ADDRESS", env = "HEADGATE_ETH_ACCT_ADDR")]
    pub eth_acct_addr: Option<String>,
    /// File of bearer tokens, a line each: `NAME TOKEN`, or `NAME sha256:HEX`.
    #[arg(long, value_name = "FILE", env = "HEADGATE_SIGNER_TOKENS")]
    pub tokens: Option<PathBuf>,
    /// Certificate chain for TLS, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "HEADGATE_SIGNER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "HEADGATE_SIGNER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Listen on an address others can reach although tokens or TLS are missing.
    #[arg(long)]
    pub insecure: bool,
    /// How much is signed at most.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// What to log.
    #[arg(long, value_name = "FILTER", env = "HEADGATE_LOG")]
    pub log: Option<String>,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", env = "HEADGATE_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How much is signed at most.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// What one ticket may be worth.
    #[arg(
        long,
        value_name = "WEI",
        default_value_t = 3_000_000_000_000,
        env = "HEADGATE_MAX_TICKET_EV"
    )]
    pub max_ticket_ev: u128,
    /// What the tickets of one call may be worth.
    #[arg(
        long,
        value_name = "WEI",
        default_value_t = 20_000_000_000_000,
        env = "HEADGATE_MAX_TOTAL_EV"
    )]
    pub max_total_ev: u128,
    /// What one winning ticket may pay: no more than the deposit.
    #[arg(long, value_name = "WEI", env = "HEADGATE_SIGNER_MAX_FACE_VALUE")]
    pub max_face_value: Option<u128>,
    /// What may be spent within 60 minutes.
    #[arg(long, value_name = "WEI", env = "HEADGATE_SIGNER_HOUR_LIMIT")]
    pub hour_limit: Option<u128>,
    /// What may be spent within 24 hours.
    #[arg(long, value_name = "WEI", env = "HEADGATE_SIGNER_DAY_LIMIT")]
    pub day_limit: Option<u128>,
    /// What may be spent for one stream within 24 hours.
    #[arg(long, value_name = "WEI", env = "HEADGATE_SIGNER_STREAM_LIMIT")]
    pub stream_limit: Option<u128>,
    /// What may be spent in all, since the data directory was new.
    #[arg(long, value_name = "WEI", env = "HEADGATE_SIGNER_TOTAL_LIMIT")]
    pub total_limit: Option<u128>,
}
