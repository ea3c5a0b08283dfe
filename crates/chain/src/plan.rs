//! A dry run: what would be sent, and what would come of it.

use std::fmt;

use alloy_primitives::U256;
use tickets::SenderFunds;

use crate::{Transaction, WalletAction, WalletRefusal, WalletStatus, ether};

/// An action that passed all checks, ready to be signed. Displayed, it tells a person what to confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletPlan {
    /// What is to be done.
    pub action: WalletAction,
    /// What is as yet.
    pub status: WalletStatus,
    /// What would be sent.
    pub transaction: Transaction,
    /// Gas that the node thinks it needs.
    pub gas_estimate: u64,
    /// Wei per unit of gas by the latest block, tip included.
    pub gas_price: U256,
}

/// A redemption of a winning ticket that the contract would accept, ready to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionPlan {
    /// What would be sent.
    pub transaction: Transaction,
    /// Gas that the node thinks it needs.
    pub gas_estimate: u64,
    /// Wei per unit of gas by the latest block, tip included.
    pub gas_price: U256,
}

impl RedemptionPlan {
    /// Wei it will cost by the latest block's price.
    #[must_use]
    pub fn likely_cost(&self) -> U256 {
        self.gas_price.saturating_mul(U256::from(self.gas_estimate))
    }
}

impl WalletPlan {
    /// Checks that the account can pay the value and the highest cost.
    pub fn check_balance(&self) -> Result<(), WalletRefusal> {
        let needed = self.action.value().saturating_add(self.transaction.fees.max_cost());
        let balance = self.status.balance;
        if needed > balance { Err(WalletRefusal::Balance { needed, balance }) } else { Ok(()) }
    }

    /// Wei it will cost by the latest block's price, besides the value.
    #[must_use]
    pub fn likely_cost(&self) -> U256 {
        self.gas_price.saturating_mul(U256::from(self.gas_estimate))
    }

    /// The sender's funds once it is done.
    #[must_use]
    pub fn funds_after(&self) -> SenderFunds {
        self.action.funds_after(&self.status)
    }

    /// Least wei of the account once it is done.
    #[must_use]
    pub fn balance_after(&self) -> U256 {
        let status = &self.status;
        let back = match self.action {
            WalletAction::Withdraw => status.funds.deposit.saturating_add(status.funds.reserve),
            WalletAction::Deposit(_)
            | WalletAction::Reserve(_)
            | WalletAction::DepositAndReserve { .. }
            | WalletAction::Unlock
            | WalletAction::CancelUnlock => U256::ZERO,
        };
        let spent = self.action.value().saturating_add(self.transaction.fees.max_cost());
        status.balance.saturating_add(back).saturating_sub(spent)
    }

    /// What whoever confirms should know besides.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        let (before, after) = (&self.status.funds, self.funds_after());
        if self.action.value() > U256::ZERO && self.status.is_unlocking() {
            warnings.push("adding funds ends the running unlock");
        }
        if self.action == WalletAction::Unlock {
            warnings
                .push("orchestrators take no more tickets from the round before the withdrawal on");
        }
        if after.deposit > U256::ZERO && after.reserve.is_zero() && before.reserve.is_zero() {
            warnings.push("without a reserve orchestrators take no tickets");
        }
        warnings
    }
}

impl fmt::Display for WalletPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, status, transaction, gas_estimate, .. } = self;
        let (call, fees) = (&transaction.call, &transaction.fees);
        let (before, after) = (&status.funds, self.funds_after());
        writeln!(f, "{action}")?;
        let (name, chain) = (call.name, transaction.chain_id);
        writeln!(f, "  transaction  {name} to {} on chain {chain}", call.to)?;
        writeln!(f, "  from         {}, nonce {}", status.address, transaction.nonce)?;
        writeln!(f, "  value        {} ETH", ether(call.value))?;
        let (likely, most) = (ether(self.likely_cost()), ether(fees.max_cost()));
        writeln!(f, "  gas          about {gas_estimate}: {likely} ETH, at most {most} ETH")?;
        let (deposit, reserve) = (ether(before.deposit), ether(before.reserve));
        writeln!(f, "  deposit      {deposit} ETH, then {} ETH", ether(after.deposit))?;
        writeln!(f, "  reserve      {reserve} ETH, then {} ETH", ether(after.reserve))?;
        let balance = ether(self.balance_after());
        writeln!(f, "  account      {} ETH, then at least {balance} ETH", ether(status.balance))?;
        match (before.withdraw_round.is_zero(), after.withdraw_round.is_zero()) {
            (_, false) => {
                let (round, now) = (after.withdraw_round, status.current_round);
                writeln!(f, "  withdrawal   from round {round} on; this is round {now}")?;
            }
            (false, true) => writeln!(f, "  withdrawal   no longer under way")?,
            (true, true) => {}
        }
        self.warnings().iter().try_for_each(|warning| writeln!(f, "  note         {warning}"))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes};

    use super::*;
    use crate::{ContractCall, Fees};

    fn plan(balance: u64, value: u64) -> WalletPlan {
        let call = ContractCall {
            name: "fundDeposit",
            to: Address::ZERO,
            value: U256::from(value),
            data: Bytes::new(),
        };
        let fees = Fees { max_fee_per_gas: U256::from(2), tip: U256::from(1), gas_limit: 1_000 };
        WalletPlan {
            action: WalletAction::Deposit(U256::from(value)),
            status: WalletStatus {
                address: Address::ZERO,
                balance: U256::from(balance),
                funds: SenderFunds::default(),
                claimed_in_round: U256::ZERO,
                current_round: U256::from(5),
                round_initialized: true,
                unlock_period: U256::from(7),
                round_length: U256::from(100),
                paused: false,
                l1_block: 500,
            },
            transaction: Transaction { chain_id: 1, nonce: 0, fees, call },
            gas_estimate: 800,
            gas_price: U256::from(2),
        }
    }

    #[test]
    fn the_highest_cost_counts() {
        assert_eq!(plan(2_100, 100).check_balance(), Ok(()));
        let (needed, balance) = (U256::from(2_100), U256::from(2_099));
        let refusal = WalletRefusal::Balance { needed, balance };
        assert_eq!(plan(2_099, 100).check_balance(), Err(refusal));
        assert_eq!(plan(2_100, 100).balance_after(), U256::ZERO);
        assert_eq!(plan(2_100, 100).likely_cost(), U256::from(1_600));
    }
}
