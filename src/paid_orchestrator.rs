//! How `headgate orchestrator` is paid, from its flags.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use chain::{ChainWatcher, Patience, TrackerConfig};
use orchestrator::server::{
    OfflineChain, OrchestratorServer, PaidConfig, PaymentChain, Redeemer, ServerConfig, Transcoder,
};
use tickets::{Address, Price, PrivateKey, TicketPolicy, U256};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    chain_settings,
    cli::{PaidArgs, TicketCheck},
    eth_key,
    followed_chain::FollowedChain,
    redemptions::{RedemptionConfig, Redemptions},
    tickets_lock::TicketsLock,
    winning_tickets::WinningTickets,
};

/// How long the redemption that is under way may take at shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// An orchestrator, and the tasks that follow the chain for it and redeem what it wins.
#[derive(Debug)]
pub(crate) struct PaidOrchestrator {
    /// The server.
    pub(crate) server: OrchestratorServer,
    tasks: TaskTracker,
    stopped: CancellationToken,
}

/// The orchestrator that the flags describe: paid when a price is named, off-chain otherwise.
///
/// # Errors
/// When a flag is missing or can't be used, the key can't be opened, or the chain can't be reached.
pub(crate) async fn start(
    args: PaidArgs,
    data_dir: Option<&Path>,
    config: ServerConfig,
    transcoder: Arc<dyn Transcoder>,
) -> anyhow::Result<PaidOrchestrator> {
    let (tasks, stopped) = (TaskTracker::new(), CancellationToken::new());
    let Some(wei) = args.price_per_unit else {
        let server = OrchestratorServer::new(config, transcoder);
        return Ok(PaidOrchestrator { server, tasks, stopped });
    };
    let price = Price::new(wei, args.pixels_per_unit).context("--pixels-per-unit is 0")?;
    let data_dir = data_dir.context("an orchestrator that is paid needs --data-dir")?;
    let check = args.ticket_check.context("say with --ticket-check how tickets are checked")?;
    let recipient: Option<Address> = address("--eth-orch-addr", args.eth_orch_addr.as_deref())?;
    let tickets = ticket_policy(&args)?;
    let key = open_key(args.clone()).await?;
    let recipient = recipient.unwrap_or_else(|| key.address());
    tracing::info!(%price, ticket_ev = %tickets.ticket_ev, signer = %key.address(), %recipient, "this orchestrator is paid");
    // Offline, redeeming costs nothing that could be put on top of the price.
    let adjust_price = check == TicketCheck::Chain && args.auto_adjust_price;
    let lock = TicketsLock::take(data_dir).await.context("can't keep winning tickets")?;
    let (chain, redeemer) = match check {
        TicketCheck::Offline => offline(data_dir, lock)?,
        TicketCheck::Chain => {
            on_chain(&args, (data_dir, lock), (&key, recipient), (&tasks, &stopped)).await?
        }
    };
    tasks.close();
    let paid = PaidConfig { key, recipient, price, adjust_price, tickets };
    let server = OrchestratorServer::paid(config, transcoder, paid, chain, redeemer);
    Ok(PaidOrchestrator { server, tasks, stopped })
}

/// What an orchestrator that is paid needs besides its own books.
type Ports = (Arc<dyn PaymentChain>, Arc<dyn Redeemer>);

fn offline(data_dir: &Path, lock: TicketsLock) -> anyhow::Result<Ports> {
    tracing::warn!(
        "tickets are checked offline: signatures, terms, prices, nonces, ages and credit are; deposits, reserves, withdrawals, rounds and this orchestrator's registration are not, and winning tickets can't be redeemed"
    );
    let won = WinningTickets::open(data_dir, lock).context("can't keep winning tickets")?;
    Ok((Arc::new(OfflineChain::new(media::wall_clock_now)), Arc::new(won)))
}

async fn on_chain(
    args: &PaidArgs,
    (data_dir, lock): (&Path, TicketsLock),
    (key, recipient): (&PrivateKey, Address),
    (tasks, stopped): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<Ports> {
    let settings = args.chain.settings()?;
    let client = chain_settings::connect(&settings).await?;
    let watcher = Arc::new(ChainWatcher::new(client, None, TrackerConfig::default()));
    let config = RedemptionConfig {
        key: key.clone(),
        recipient,
        fees: settings.fees,
        patience: Patience::default(),
    };
    let redemptions = Redemptions::open(data_dir, lock, config, Arc::clone(&watcher));
    let redemptions = Arc::new(redemptions.context("can't keep winning tickets")?);
    let chain = FollowedChain::start(watcher, recipient, Arc::clone(&redemptions)).await;
    let chain = Arc::new(chain.context("can't follow the chain")?);
    tasks.spawn({
        let (chain, stopped) = (Arc::clone(&chain), stopped.clone());
        async move { stopped.run_until_cancelled(chain.run()).await }
    });
    tasks.spawn({
        let (redemptions, stopped) = (Arc::clone(&redemptions), stopped.clone());
        async move { redemptions.run(stopped, GRACE).await }
    });
    Ok((chain, redemptions))
}

async fn open_key(args: PaidArgs) -> anyhow::Result<PrivateKey> {
    let opening = move || {
        let account = address("--eth-acct-addr", args.eth_acct_addr.as_deref())?;
        let path = args.eth_keystore_path.context("--eth-keystore-path is missing")?;
        eth_key::load(&path, args.eth_password.as_deref(), account)
    };
    tokio::task::spawn_blocking(opening).await.context("can't open the key")?
}

impl PaidOrchestrator {
    /// Ends the tasks, once no payment comes in any more, and says what was earned. A redemption under
    /// way gets a few seconds.
    pub(crate) async fn shut_down(self) {
        self.stopped.cancel();
        if tokio::time::timeout(GRACE * 2, self.tasks.wait()).await.is_err() {
            tracing::warn!("a redemption did not end in time; it goes on with the next start");
        }
        log_totals(&self.server).await;
    }
}

async fn log_totals(server: &OrchestratorServer) {
    let Some(totals) = server.payment_totals().await else { return };
    let (credited, debited) = (totals.credited.floor(), totals.debited.floor());
    let (payments, refused) = (totals.payments, totals.refused);
    let (tickets, winning) = (totals.tickets, totals.winning);
    tracing::info!(%credited, %debited, payments, refused, tickets, winning, "payments, in wei");
}

fn ticket_policy(args: &PaidArgs) -> anyhow::Result<TicketPolicy> {
    ensure!(args.ticket_ev > 0, "--ticket-ev is 0: tickets have to be worth something");
    let ticket_ev = U256::from(args.ticket_ev);
    let max_face_value = args.max_face_value.map(U256::from);
    // Gateways refuse tickets that pay no more than they are worth.
    ensure!(
        max_face_value.is_none_or(|most| most > ticket_ev),
        "--max-face-value must be above --ticket-ev"
    );
    Ok(TicketPolicy { ticket_ev, max_face_value, ..TicketPolicy::default() })
}

fn address(flag: &str, text: Option<&str>) -> anyhow::Result<Option<Address>> {
    let read = |text: &str| text.trim().parse().with_context(|| format!("{flag} {text}"));
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, OrchestratorArgs};

    fn parsed(line: &[&str]) -> Result<OrchestratorArgs, String> {
        let line = ["headgate", "orchestrator"].iter().chain(line);
        let command = Cli::try_parse_from(line).map_err(|error| error.to_string())?.command;
        let Command::Orchestrator(args) = command else { panic!("another command") };
        Ok(args)
    }

    #[test]
    fn a_price_needs_a_key_a_check_and_a_place() {
        assert_eq!(parsed(&[]).unwrap().paid.price_per_unit, None);
        let error = parsed(&["--price-per-unit", "1200"]).unwrap_err();
        for flag in ["--eth-keystore-path", "--ticket-check", "--data-dir"] {
            assert!(error.contains(flag), "{error}");
        }
        let line = ["--price-per-unit", "1200", "--pixels-per-unit", "3", "--data-dir", "/tmp"];
        let more = ["--eth-keystore-path", "key", "--ticket-check", "offline"];
        let paid = parsed(&[&line[..], &more[..]].concat()).unwrap().paid;
        assert_eq!((paid.price_per_unit, paid.pixels_per_unit), (Some(1_200), 3));
        assert_eq!(ticket_policy(&paid).unwrap(), TicketPolicy::default());
        assert!(parsed(&[&line[..], &more[..], &["--ticket-check", "trusting"]].concat()).is_err());
        for (flag, value) in [("--price-per-unit", "-1"), ("--pixels-per-unit", "0")] {
            assert!(parsed(&[&more[..], &[flag, value]].concat()).is_err(), "{flag} {value}");
        }
    }

    #[test]
    fn the_chain_is_reached_by_flags() {
        let line =
            ["--ticket-check", "chain", "--eth-url", "http://127.0.0.1:1", "--network", "lab"];
        let paid = parsed(&line).unwrap().paid;
        assert_eq!((paid.ticket_check, paid.auto_adjust_price), (Some(TicketCheck::Chain), true));
        let error = paid.chain.settings().unwrap_err().to_string();
        assert!(error.contains("--eth-controller"), "{error}");
        let line = ["--ticket-check", "chain", "--auto-adjust-price=false"];
        assert!(!parsed(&line).unwrap().paid.auto_adjust_price);
    }

    #[test]
    fn tickets_that_nobody_would_sign_are_refused() {
        let mut paid = parsed(&[]).unwrap().paid;
        paid.ticket_ev = 0;
        assert!(ticket_policy(&paid).is_err());
        paid.ticket_ev = 5;
        paid.max_face_value = Some(5);
        assert!(ticket_policy(&paid).is_err());
        paid.max_face_value = Some(6);
        assert_eq!(ticket_policy(&paid).unwrap().max_face_value, Some(U256::from(6)));
    }
}
