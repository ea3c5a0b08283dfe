//! A sender's money: what it has, and what can be done with it.

use std::fmt;

use alloy_primitives::{Address, U256};
use tickets::SenderFunds;

use crate::{ContractCall, Contracts, abi::TicketBroker, ether};

/// All that is to be known about a sender before its money is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletStatus {
    /// The sender.
    pub address: Address,
    /// Wei that its account holds.
    pub balance: U256,
    /// Wei that it has in the TicketBroker.
    pub funds: SenderFunds,
    /// Wei that orchestrators claimed from its reserve in this round.
    pub claimed_in_round: U256,
    /// The protocol's round.
    pub current_round: U256,
    /// Whether somebody has initialized that round: tickets can't be redeemed before.
    pub round_initialized: bool,
    /// Rounds between unlocking and withdrawing.
    pub unlock_period: U256,
    /// L1 blocks of a round.
    pub round_length: U256,
    /// Whether the protocol is paused: nothing can be done then.
    pub paused: bool,
    /// Latest L1 block.
    pub l1_block: u64,
}

/// Something to do with a sender's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalletAction {
    /// Add wei to the deposit.
    Deposit(U256),
    /// Add wei to the reserve.
    Reserve(U256),
    /// Add wei to both, at once.
    DepositAndReserve {
        /// To the deposit.
        deposit: U256,
        /// To the reserve.
        reserve: U256,
    },
    /// Start the wait after which the funds can be withdrawn.
    Unlock,
    /// End that wait: the funds stay.
    CancelUnlock,
    /// Take everything back.
    Withdraw,
}

/// Why an action would fail, said before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletRefusal {
    /// An amount of nothing.
    #[error("the amount is zero")]
    Nothing,
    /// More wei than the account has, with what the transaction may cost.
    #[error("{} ETH are needed, the account has {} ETH", ether(*needed), ether(*balance))]
    Balance {
        /// Value and highest cost.
        needed: U256,
        /// What the account has.
        balance: U256,
    },
    /// The protocol is paused.
    #[error("the protocol is paused: try again later")]
    Paused,
    /// There is neither a deposit nor a reserve.
    #[error("there is neither a deposit nor a reserve")]
    NoFunds,
    /// The wait has been started already.
    #[error("already unlocking: the funds can be withdrawn from round {0} on")]
    AlreadyUnlocking(U256),
    /// The wait has not been started.
    #[error("not unlocking: unlock first")]
    NotUnlocking,
    /// The wait isn't over.
    #[error("still locked until round {withdraw_round}; this is round {current_round}")]
    TooEarly {
        /// First round in which the funds can be withdrawn.
        withdraw_round: U256,
        /// The present one.
        current_round: U256,
    },
}

impl WalletStatus {
    /// Whether the funds are on their way out.
    #[must_use]
    pub fn is_unlocking(&self) -> bool {
        !self.funds.withdraw_round.is_zero()
    }

    fn has_funds(&self) -> bool {
        !(self.funds.deposit.is_zero() && self.funds.reserve.is_zero())
    }
}

impl WalletAction {
    /// Wei that go with it.
    #[must_use]
    pub const fn value(&self) -> U256 {
        match self {
            Self::Deposit(amount) | Self::Reserve(amount) => *amount,
            Self::DepositAndReserve { deposit, reserve } => deposit.saturating_add(*reserve),
            Self::Unlock | Self::CancelUnlock | Self::Withdraw => U256::ZERO,
        }
    }

    /// Checks it by the contract's rules, but for what it costs.
    pub fn check(&self, status: &WalletStatus) -> Result<(), WalletRefusal> {
        if status.paused {
            return Err(WalletRefusal::Paused);
        }
        let funds = &status.funds;
        match self {
            Self::Deposit(_) | Self::Reserve(_) | Self::DepositAndReserve { .. } => {
                self.check_amount(status)
            }
            Self::Unlock if status.is_unlocking() => {
                Err(WalletRefusal::AlreadyUnlocking(funds.withdraw_round))
            }
            Self::Unlock | Self::Withdraw if !status.has_funds() => Err(WalletRefusal::NoFunds),
            Self::CancelUnlock | Self::Withdraw if !status.is_unlocking() => {
                Err(WalletRefusal::NotUnlocking)
            }
            Self::Withdraw if status.current_round < funds.withdraw_round => {
                Err(WalletRefusal::TooEarly {
                    withdraw_round: funds.withdraw_round,
                    current_round: status.current_round,
                })
            }
            Self::Unlock | Self::CancelUnlock | Self::Withdraw => Ok(()),
        }
    }

    fn check_amount(&self, status: &WalletStatus) -> Result<(), WalletRefusal> {
        let (needed, balance) = (self.value(), status.balance);
        if needed.is_zero() {
            return Err(WalletRefusal::Nothing);
        }
        if needed > balance { Err(WalletRefusal::Balance { needed, balance }) } else { Ok(()) }
    }

    /// The funds once it is done. Adding to them ends a running unlock.
    #[must_use]
    pub fn funds_after(&self, status: &WalletStatus) -> SenderFunds {
        let mut funds = status.funds;
        let (deposit, reserve) = match *self {
            Self::Deposit(amount) => (amount, U256::ZERO),
            Self::Reserve(amount) => (U256::ZERO, amount),
            Self::DepositAndReserve { deposit, reserve } => (deposit, reserve),
            Self::Unlock => {
                funds.withdraw_round = status.current_round.saturating_add(status.unlock_period);
                return funds;
            }
            Self::CancelUnlock => (U256::ZERO, U256::ZERO),
            Self::Withdraw => return SenderFunds::default(),
        };
        SenderFunds {
            deposit: funds.deposit.saturating_add(deposit),
            reserve: funds.reserve.saturating_add(reserve),
            withdraw_round: U256::ZERO,
        }
    }

    /// What is sent.
    #[must_use]
    pub fn call(&self, contracts: &Contracts) -> ContractCall {
        let (broker, value) = (contracts.ticket_broker, self.value());
        match *self {
            Self::Deposit(_) => ContractCall::new(broker, value, &TicketBroker::fundDepositCall {}),
            Self::Reserve(_) => ContractCall::new(broker, value, &TicketBroker::fundReserveCall {}),
            Self::DepositAndReserve { deposit, reserve } => {
                let call = TicketBroker::fundDepositAndReserveCall {
                    depositAmount: deposit,
                    reserveAmount: reserve,
                };
                ContractCall::new(broker, value, &call)
            }
            Self::Unlock => ContractCall::new(broker, value, &TicketBroker::unlockCall {}),
            Self::CancelUnlock => {
                ContractCall::new(broker, value, &TicketBroker::cancelUnlockCall {})
            }
            Self::Withdraw => ContractCall::new(broker, value, &TicketBroker::withdrawCall {}),
        }
    }
}

impl fmt::Display for WalletAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Deposit(amount) => write!(f, "add {} ETH to the deposit", ether(amount)),
            Self::Reserve(amount) => write!(f, "add {} ETH to the reserve", ether(amount)),
            Self::DepositAndReserve { deposit, reserve } => {
                let (deposit, reserve) = (ether(deposit), ether(reserve));
                write!(f, "add {deposit} ETH to the deposit and {reserve} ETH to the reserve")
            }
            Self::Unlock => f.write_str("unlock deposit and reserve"),
            Self::CancelUnlock => f.write_str("cancel the unlock"),
            Self::Withdraw => f.write_str("withdraw deposit and reserve"),
        }
    }
}

#[cfg(test)]
mod tests;
