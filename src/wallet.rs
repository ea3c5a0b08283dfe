//! `headgate wallet`: the deposit and reserve that tickets are paid from.
//!
//! Nothing is sent before a plan was printed and somebody said yes to it: typed, or with `--yes`.
//! Exit codes: 0 done, 1 refused or failed, 2 used wrongly.

mod args;
mod confirm;
mod report;

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::{Context as _, bail};
use chain::{ChainClient, Patience, WalletAction, WalletPlan};
use tickets::{Address, PrivateKey};

use crate::{
    chain_settings::{ChainSettings, connect},
    eth_key,
};

pub use args::{FundArgs, KeyArgs, MoveArgs, ReserveArgs, StatusArgs, WalletArgs, WalletCommand};
use confirm::{Consent, consent};
use report::Report;

/// Exit code of wrong use, as for flags that can't be read.
const EXIT_USAGE: u8 = 2;

/// Runs the command to its end.
///
/// # Errors
/// When the chain can't be reached, the action is refused or fails, or nobody said yes.
pub async fn run(args: &WalletArgs) -> anyhow::Result<ExitCode> {
    let settings = match (args.command.chain().settings(), args.command.missing()) {
        (Ok(settings), None) => settings,
        (Ok(_), Some(missing)) => return misused(missing),
        (Err(error), _) => return misused(&error.to_string()),
    };
    match &args.command {
        WalletCommand::Status(args) => status(args, &settings).await?,
        WalletCommand::Deposit(args) => {
            let action = match args.reserve {
                Some(reserve) => WalletAction::DepositAndReserve { deposit: args.amount, reserve },
                None => WalletAction::Deposit(args.amount),
            };
            act(action, &args.act, &settings).await?;
        }
        WalletCommand::Reserve(args) => {
            act(WalletAction::Reserve(args.amount), &args.act, &settings).await?;
        }
        WalletCommand::Unlock(args) => act(WalletAction::Unlock, args, &settings).await?,
        WalletCommand::CancelUnlock(args) => {
            act(WalletAction::CancelUnlock, args, &settings).await?;
        }
        WalletCommand::Withdraw(args) => act(WalletAction::Withdraw, args, &settings).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn misused(how: &str) -> anyhow::Result<ExitCode> {
    say(&mut std::io::stderr(), &format!("headgate: {how}\n"))?;
    Ok(ExitCode::from(EXIT_USAGE))
}

async fn status(args: &StatusArgs, settings: &ChainSettings) -> anyhow::Result<()> {
    let address = account(&args.key).await?;
    let client = connect(settings).await?;
    let report = Report::gather(&client, address, args.lookback_blocks).await?;
    let text = if args.json { report.to_json() } else { report.to_string() };
    say(&mut std::io::stdout(), &text)
}

async fn act(
    action: WalletAction,
    args: &MoveArgs,
    settings: &ChainSettings,
) -> anyhow::Result<()> {
    // Without a key nothing can be sent, so it is opened before anything is asked.
    let (address, key) = if args.dry_run {
        (account(&args.key).await?, None)
    } else {
        let key = open(&args.key).await?;
        (key.address(), Some(key))
    };
    let client = connect(settings).await?;
    let plan = client.plan(address, action, &settings.fees).await?;
    let mut out = std::io::stdout();
    say(&mut out, &plan.to_string())?;
    let Some(key) = key else {
        return say(&mut out, "dry run: nothing was sent\n");
    };
    let stdin = std::io::stdin();
    let given = tokio::task::spawn_blocking({
        let yes = args.yes;
        move || consent(yes, stdin.is_terminal(), &mut stdin.lock(), &mut std::io::stdout())
    });
    match given.await.context("can't ask for confirmation")?? {
        Consent::Given => {}
        Consent::Refused => bail!("not confirmed: nothing was sent"),
        Consent::NobodyToAsk => {
            bail!(
                "nobody can confirm this here: nothing was sent; say --yes to send without asking"
            )
        }
    }
    carry_out(&client, &plan, &key, settings).await
}

async fn carry_out(
    client: &ChainClient,
    plan: &WalletPlan,
    key: &PrivateKey,
    settings: &ChainSettings,
) -> anyhow::Result<()> {
    let receipt = client.carry_out(plan, key, &settings.fees, &Patience::default()).await?;
    let mut out = std::io::stdout();
    let cost = chain::ether(receipt.fee());
    let done =
        format!("done in transaction {}, block {}, for {cost} ETH\n", receipt.hash, receipt.block);
    say(&mut out, &done)?;
    let after = client.wallet_status(plan.status.address).await;
    let after = after.context("the transaction is done; what came of it can't be read")?;
    say(&mut out, &report::funds(&after))
}

/// The account by its address, or else its key's.
async fn account(args: &KeyArgs) -> anyhow::Result<Address> {
    match args.eth_acct_addr {
        Some(address) => Ok(address),
        None => Ok(open(args).await?.address()),
    }
}

async fn open(args: &KeyArgs) -> anyhow::Result<PrivateKey> {
    let account = args.eth_acct_addr;
    let path = args.eth_keystore_path.clone().context("--eth-keystore-path is missing")?;
    let password = args.eth_password.clone();
    let opening = move || eth_key::load(&path, password.as_deref(), account);
    tokio::task::spawn_blocking(opening).await.context("can't open the key")?
}

fn say(out: &mut impl std::io::Write, text: &str) -> anyhow::Result<()> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write the answer")
}
