//! What the TicketBroker tells of a sender.

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolEvent;

use crate::{Log, abi::TicketBroker};

/// An event of the TicketBroker (livepeer-wire §4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerEvent {
    /// Wei were added to the deposit.
    DepositFunded {
        /// Whose.
        sender: Address,
        /// How many.
        amount: U256,
    },
    /// Wei were added to the reserve.
    ReserveFunded {
        /// Whose.
        sender: Address,
        /// How many.
        amount: U256,
    },
    /// Deposit and reserve were paid back.
    Withdrawal {
        /// Whose.
        sender: Address,
        /// Wei of the deposit.
        deposit: U256,
        /// Wei of the reserve.
        reserve: U256,
    },
    /// A winning ticket was paid, from the deposit first, then from the reserve.
    WinningTicketTransfer {
        /// Who paid.
        sender: Address,
        /// Who was paid.
        recipient: Address,
        /// Wei.
        amount: U256,
    },
    /// The sender wants its funds back.
    Unlock {
        /// Who.
        sender: Address,
        /// Round from which on it can have them.
        withdraw_round: U256,
    },
    /// The sender no longer wants its funds back.
    UnlockCancelled {
        /// Who.
        sender: Address,
    },
}

impl BrokerEvent {
    /// Reads a log; `None` for any other event.
    #[must_use]
    pub fn read(log: &Log) -> Option<Self> {
        use TicketBroker as Broker;
        let topic = *log.topics.first()?;
        Some(match topic {
            Broker::DepositFunded::SIGNATURE_HASH => {
                let event = decode::<Broker::DepositFunded>(log)?;
                Self::DepositFunded { sender: event.sender, amount: event.amount }
            }
            Broker::ReserveFunded::SIGNATURE_HASH => {
                let event = decode::<Broker::ReserveFunded>(log)?;
                Self::ReserveFunded { sender: event.reserveHolder, amount: event.amount }
            }
            Broker::Withdrawal::SIGNATURE_HASH => {
                let Broker::Withdrawal { sender, deposit, reserve } = decode(log)?;
                Self::Withdrawal { sender, deposit, reserve }
            }
            Broker::WinningTicketTransfer::SIGNATURE_HASH => {
                let Broker::WinningTicketTransfer { sender, recipient, amount } = decode(log)?;
                Self::WinningTicketTransfer { sender, recipient, amount }
            }
            Broker::Unlock::SIGNATURE_HASH => {
                let event = decode::<Broker::Unlock>(log)?;
                Self::Unlock { sender: event.sender, withdraw_round: event.endRound }
            }
            Broker::UnlockCancelled::SIGNATURE_HASH => {
                let event = decode::<Broker::UnlockCancelled>(log)?;
                Self::UnlockCancelled { sender: event.sender }
            }
            _ => return None,
        })
    }
}

fn decode<E: SolEvent>(log: &Log) -> Option<E> {
    E::decode_raw_log(log.topics.iter().copied(), &log.data).ok()
}
