//! The flags of `headgate wallet`.

use std::path::PathBuf;

use chain::parse_amount;
use clap::{Args, Subcommand};
use tickets::{Address, U256};

use crate::chain_settings::ChainArgs;

/// Flags of `wallet`.
#[derive(Clone, Debug, Args)]
pub struct WalletArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: WalletCommand,
}

/// What `wallet` does.
#[derive(Clone, Debug, Subcommand)]
pub enum WalletCommand {
    /// Show balance, deposit, reserve, rounds, and how long the deposit will last.
    Status(StatusArgs),
    /// Add to the deposit, which winning tickets are paid from.
    Deposit(FundArgs),
    /// Add to the reserve, which vouches for the deposit.
    Reserve(ReserveArgs),
    /// Start the wait after which deposit and reserve can be withdrawn.
    Unlock(MoveArgs),
    /// End that wait: deposit and reserve stay.
    CancelUnlock(MoveArgs),
    /// Take deposit and reserve back.
    Withdraw(MoveArgs),
}

impl WalletCommand {
    pub(super) const fn chain(&self) -> &ChainArgs {
        match self {
            Self::Status(args) => &args.chain,
            Self::Deposit(args) => &args.act.chain,
            Self::Reserve(args) => &args.act.chain,
            Self::Unlock(args) | Self::CancelUnlock(args) | Self::Withdraw(args) => &args.chain,
        }
    }

    /// What is missing to do it at all.
    pub(super) fn missing(&self) -> Option<&'static str> {
        const ACCOUNT: &str = "say with --eth-acct-addr whose wallet is meant, or name a key";
        const KEY: &str = "only --eth-keystore-path can sign: name a key, or try --dry-run";
        let (key, signs) = match self {
            Self::Status(args) => (&args.key, false),
            Self::Deposit(args) => (&args.act.key, !args.act.dry_run),
            Self::Reserve(args) => (&args.act.key, !args.act.dry_run),
            Self::Unlock(args) | Self::CancelUnlock(args) | Self::Withdraw(args) => {
                (&args.key, !args.dry_run)
            }
        };
        match (&key.eth_keystore_path, key.eth_acct_addr) {
            (Some(_), _) => None,
            (None, _) if signs => Some(KEY),
            (None, Some(_)) => None,
            (None, None) => Some(ACCOUNT),
        }
    }
}

/// Which account, and its key.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The account")]
pub struct KeyArgs {
    /// The account's key: an encrypted key file, a file of hex digits, or a directory of such files.
    #[arg(long, value_name = "PATH", env = "HEADGATE_ETH_KEYSTORE_PATH")]
    pub eth_keystore_path: Option<PathBuf>,
    /// File with the key file's password.
    #[arg(long, value_name = "FILE", env = "HEADGATE_ETH_PASSWORD")]
    pub eth_password: Option<PathBuf>,
    /// The account's address: enough to look, and to pick its key from a directory.
    #[arg(long, value_name = "ADDRESS", env = "HEADGATE_ETH_ACCT_ADDR")]
    pub eth_acct_addr: Option<Address>,
}

/// Flags of `wallet status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Print JSON; amounts are in wei, as decimal strings.
    #[arg(long)]
    pub json: bool,
    /// How many of the chain's latest blocks are searched for winning tickets, to forecast how long the
    /// deposit will last; 0 for no forecast. 100000 are about seven hours on Arbitrum.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub lookback_blocks: u64,
    /// Whose wallet.
    #[command(flatten)]
    pub key: KeyArgs,
    /// The way to the chain.
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// Flags of whatever sends a transaction.
#[derive(Clone, Debug, Args)]
pub struct MoveArgs {
    /// Print what would be sent and what would come of it, and end.
    #[arg(long)]
    pub dry_run: bool,
    /// Send without asking.
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Whose wallet.
    #[command(flatten)]
    pub key: KeyArgs,
    /// The way to the chain.
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// Flags of `wallet deposit`.
#[derive(Clone, Debug, Args)]
pub struct FundArgs {
    /// How much: `0.1` (ETH), `100gwei`, `5wei`.
    #[arg(value_parser = parse_amount)]
    pub amount: U256,
    /// Add so much to the reserve in the same transaction.
    #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
    pub reserve: Option<U256>,
    /// How.
    #[command(flatten)]
    pub act: MoveArgs,
}

/// Flags of `wallet reserve`.
#[derive(Clone, Debug, Args)]
pub struct ReserveArgs {
    /// How much: `0.1` (ETH), `100gwei`, `5wei`.
    #[arg(value_parser = parse_amount)]
    pub amount: U256,
    /// How.
    #[command(flatten)]
    pub act: MoveArgs,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parsed(line: &[&str]) -> Result<WalletCommand, i32> {
        let line = ["headgate", "wallet"].iter().chain(line);
        let command = Cli::try_parse_from(line).map_err(|error| error.exit_code())?.command;
        let Command::Wallet(args) = command else { panic!("another command") };
        Ok(args.command)
    }

    #[test]
    fn amounts_are_exact_or_wrong_use() {
        let line = ["deposit", "100 gwei", "--reserve", "0.03", "--dry-run"];
        let WalletCommand::Deposit(args) = parsed(&line).unwrap() else { panic!("another") };
        assert_eq!(args.amount, U256::from(100_000_000_000_u64));
        assert_eq!(args.reserve, Some(U256::from(30_000_000_000_000_000_u64)));
        for line in [
            &["deposit"][..],
            &["deposit", "lots"],
            &["deposit", "0.5wei"],
            &["reserve", "-1"],
            &["unlock", "--dry-run", "--yes"],
            &["unlock", "1"],
            &["status", "--eth-acct-addr", "0x12"],
        ] {
            assert_eq!(parsed(line).unwrap_err(), 2, "{line:?}");
        }
    }

    #[test]
    fn looking_needs_an_address_and_moving_a_key() {
        let key = ["--eth-keystore-path", "k"];
        let account = ["--eth-acct-addr", "0x1111111111111111111111111111111111111111"];
        let missing = |line: &[&str], more: &[&str]| {
            parsed(&[line, more].concat()).unwrap().missing().unwrap_or_default()
        };
        assert!(missing(&["status"], &[]).contains("--eth-acct-addr"));
        assert!(missing(&["unlock", "--dry-run"], &[]).contains("--eth-acct-addr"));
        assert!(missing(&["unlock", "--yes"], &account).contains("--eth-keystore-path"));
        for (line, more) in [
            (&["status"][..], account),
            (&["unlock", "--dry-run"], account),
            (&["unlock"], key),
            (&["deposit", "1"], key),
        ] {
            assert_eq!(missing(line, &more), "", "{line:?}");
        }
    }

    #[test]
    fn nodes_are_listed_and_never_shown() {
        let urls = ["status", "--eth-url", "https://a/s3cret,https://b", "--eth-url", "http://c"];
        let WalletCommand::Status(args) = parsed(&urls).unwrap() else { panic!("another") };
        assert_eq!(args.chain.eth_url.len(), 3);
        assert!(!format!("{args:?}").contains("s3cret"));
    }
}
