//! What `headgate wallet status` says.

use std::{fmt, num::NonZeroU64};

use chain::{ChainClient, Runway, WalletStatus, ether};
use serde_json::json;
use tickets::{Address, U256};

/// A sender's money, and how long it will last.
#[derive(Clone, Debug)]
pub(super) struct Report {
    status: WalletStatus,
    chain_id: u64,
    ticket_broker: Address,
    forecast: Forecast,
}

#[derive(Clone, Debug)]
enum Forecast {
    NotAsked,
    /// From winning tickets of the blocks that were searched; `None` where these span no time.
    Made(Option<Runway>),
    /// Why there is none.
    Failed(String),
}

impl Report {
    /// Asks the chain. A forecast that can't be made is said to be missing, and doesn't fail the rest.
    pub(super) async fn gather(
        client: &ChainClient,
        address: Address,
        lookback_blocks: u64,
    ) -> anyhow::Result<Self> {
        let status = client.wallet_status(address).await?;
        let forecast = if lookback_blocks == 0 {
            Forecast::NotAsked
        } else {
            forecast(client, &status, lookback_blocks).await
        };
        let (chain_id, ticket_broker) = (client.rpc().chain_id(), client.contracts().ticket_broker);
        Ok(Self { status, chain_id, ticket_broker, forecast })
    }

    pub(super) fn to_json(&self) -> String {
        let Self { status, chain_id, ticket_broker, .. } = self;
        let (forecast, error) = match &self.forecast {
            Forecast::Made(Some(runway)) => {
                let forecast = json!({
                    "spent_wei": runway.spent.to_string(),
                    "over_seconds": runway.over,
                    "seconds_left": runway.left,
                });
                (Some(forecast), None)
            }
            Forecast::NotAsked | Forecast::Made(None) => (None, None),
            Forecast::Failed(error) => (None, Some(error)),
        };
        let report = json!({
            "address": status.address.to_string(),
            "chain_id": chain_id,
            "ticket_broker": ticket_broker.to_string(),
            "balance_wei": status.balance.to_string(),
            "deposit_wei": status.funds.deposit.to_string(),
            "reserve_wei": status.funds.reserve.to_string(),
            "claimed_in_round_wei": status.claimed_in_round.to_string(),
            "unlocking": status.is_unlocking(),
            "withdraw_round": status.funds.withdraw_round.to_string(),
            "current_round": status.current_round.to_string(),
            "round_initialized": status.round_initialized,
            "unlock_period_rounds": status.unlock_period.to_string(),
            "round_length_blocks": status.round_length.to_string(),
            "l1_block": status.l1_block,
            "paused": status.paused,
            "forecast": forecast,
            "forecast_error": error,
        });
        format!("{report:#}\n")
    }
}

async fn forecast(client: &ChainClient, status: &WalletStatus, blocks: u64) -> Forecast {
    let history = match client.recent_spends(status.address, blocks).await {
        Ok(history) => history,
        Err(error) => return Forecast::Failed(error.to_string()),
    };
    let now = match client.latest_block().await {
        Ok(block) => block.timestamp,
        Err(error) => return Forecast::Failed(error.to_string()),
    };
    // The history begins where the search did: all of it counts.
    let (deposit, window) = (status.funds.deposit, NonZeroU64::MAX);
    Forecast::Made(Runway::forecast(deposit, U256::ZERO, &history, now, window))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, chain_id, ticket_broker, .. } = self;
        writeln!(f, "account      {} on chain {chain_id}", status.address)?;
        writeln!(f, "contract     {ticket_broker}")?;
        f.write_str(&funds(status))?;
        let (round, initialized) = (status.current_round, status.round_initialized);
        let state =
            if initialized { "" } else { ", not initialized yet: no ticket can be redeemed" };
        writeln!(f, "round        {round}{state}; L1 block {}", status.l1_block)?;
        match &self.forecast {
            Forecast::NotAsked => {}
            Forecast::Made(Some(runway)) => {
                let (spent, hours) = (ether(runway.spent), runway.over.get() / 3_600);
                let minutes = runway.over.get() / 60 % 60;
                writeln!(
                    f,
                    "forecast     {runway}: winning tickets took {spent} ETH in {hours} h {minutes} min"
                )?;
            }
            Forecast::Made(None) => writeln!(f, "forecast     none: too few blocks")?,
            Forecast::Failed(error) => writeln!(f, "forecast     none: {error}")?,
        }
        if status.paused {
            writeln!(f, "note         the protocol is paused")?;
        }
        Ok(())
    }
}

/// The lines about an account's funds.
pub(super) fn funds(status: &WalletStatus) -> String {
    let funds = &status.funds;
    let (balance, deposit) = (ether(status.balance), ether(funds.deposit));
    let reserve = ether(funds.reserve);
    let mut lines = format!(
        "balance      {balance} ETH\ndeposit      {deposit} ETH\nreserve      {reserve} ETH"
    );
    if !status.claimed_in_round.is_zero() {
        lines += &format!(", {} ETH claimed in this round", ether(status.claimed_in_round));
    }
    lines.push('\n');
    if status.is_unlocking() {
        let (round, now) = (funds.withdraw_round, status.current_round);
        lines += &format!("withdrawal   from round {round} on; this is round {now}\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use tickets::SenderFunds;

    use super::*;

    fn report() -> Report {
        let wei = |number: u64| U256::from(number);
        let funds = SenderFunds {
            deposit: wei(65_000_000_000_000_000),
            reserve: wei(30_000_000_000_000_000),
            withdraw_round: wei(12),
        };
        let status = WalletStatus {
            address: Address::repeat_byte(1),
            balance: wei(5),
            funds,
            claimed_in_round: wei(1),
            current_round: wei(10),
            round_initialized: false,
            unlock_period: wei(7),
            round_length: wei(100),
            paused: true,
            l1_block: 1_000,
        };
        let runway = Runway {
            spent: wei(1_000_000_000_000_000),
            over: NonZeroU64::new(5_400).unwrap(),
            left: Some(198_720),
        };
        let forecast = Forecast::Made(Some(runway));
        Report { status, chain_id: 7, ticket_broker: Address::repeat_byte(2), forecast }
    }

    #[test]
    fn people_read_ether_and_days() {
        let text = report().to_string();
        for line in [
            "deposit      0.065 ETH\n",
            "reserve      0.03 ETH, 0.000000000000000001 ETH claimed in this round\n",
            "withdrawal   from round 12 on; this is round 10\n",
            "not initialized yet",
            "forecast     2.3 days at the present rate: winning tickets took 0.001 ETH in 1 h 30 min\n",
            "the protocol is paused\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn programs_read_wei_as_strings() {
        let value: serde_json::Value = serde_json::from_str(&report().to_json()).unwrap();
        assert_eq!(value["deposit_wei"], "65000000000000000");
        assert_eq!(value["forecast"]["seconds_left"], 198_720);
        assert_eq!((&value["unlocking"], &value["chain_id"]), (&json!(true), &json!(7)));
    }
}
