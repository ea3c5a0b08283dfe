//! How `headgate orchestrator` is paid, from its flags.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, ensure};
use orchestrator::server::{
    OfflineChain, OrchestratorServer, PaidConfig, PaymentChain, ServerConfig, Transcoder,
};
use tickets::{Address, Price, TicketPolicy, U256};

use crate::{
    cli::{PaidArgs, TicketCheck},
    eth_key,
    winning_tickets::WinningTickets,
};

/// The orchestrator that the flags describe: paid when a price is named, off-chain otherwise.
///
/// # Errors
/// When a flag is missing or can't be used, or the key can't be opened.
pub(crate) async fn server(
    args: PaidArgs,
    data_dir: Option<&Path>,
    config: ServerConfig,
    transcoder: Arc<dyn Transcoder>,
) -> anyhow::Result<OrchestratorServer> {
    let Some(wei) = args.price_per_unit else {
        return Ok(OrchestratorServer::new(config, transcoder));
    };
    let price = Price::new(wei, args.pixels_per_unit).context("--pixels-per-unit is 0")?;
    let data_dir = data_dir.context("an orchestrator that is paid needs --data-dir")?;
    let won = WinningTickets::open(data_dir).context("can't keep winning tickets")?;
    let chain: Arc<dyn PaymentChain> = match args.ticket_check {
        Some(TicketCheck::Offline) => Arc::new(OfflineChain::new(media::wall_clock_now)),
        None => anyhow::bail!("say with --ticket-check how tickets are checked"),
    };
    let recipient: Option<Address> = address("--eth-orch-addr", args.eth_orch_addr.as_deref())?;
    let tickets = ticket_policy(&args)?;
    let key = tokio::task::spawn_blocking({
        let args = args.clone();
        move || {
            let account = address("--eth-acct-addr", args.eth_acct_addr.as_deref())?;
            let path = args.eth_keystore_path.context("--eth-keystore-path is missing")?;
            eth_key::load(&path, args.eth_password.as_deref(), account)
        }
    });
    let key = key.await.context("can't open the key")??;
    let recipient = recipient.unwrap_or_else(|| key.address());
    tracing::info!(%price, ticket_ev = %tickets.ticket_ev, signer = %key.address(), %recipient, "this orchestrator is paid");
    tracing::warn!(
        "tickets are checked offline: signatures, terms, prices, nonces, ages and credit are; deposits, reserves, withdrawals, rounds and this orchestrator's registration are not, and winning tickets can't be redeemed"
    );
    // Offline, redeeming costs nothing that could be put on top of the price.
    let paid = PaidConfig { key, recipient, price, adjust_price: false, tickets };
    Ok(OrchestratorServer::paid(config, transcoder, paid, chain, Arc::new(won)))
}

/// Says what was earned, once it is over.
pub(crate) async fn log_totals(server: &OrchestratorServer) {
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
