//! Where the network's contracts are, and what can be sent to them.

use alloy_primitives::{Address, B256, U256, address};
use tickets::{WinningTicket, keccak256};

use crate::{
    ChainError, ContractCall,
    abi::{BrokerTicket, TicketBroker},
};

/// A network that the protocol runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The chain's number, which transactions are bound to.
    pub chain_id: u64,
    /// The contract that knows the others.
    pub controller: Address,
}

impl Network {
    /// Where the public network lives.
    pub const ARBITRUM_ONE: Self =
        Self { chain_id: 42_161, controller: address!("D8E8328501E9645d16Cf49539efC04f734606ee4") };

    /// A network by go-livepeer's name for it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        (name == "arbitrum-one-mainnet").then_some(Self::ARBITRUM_ONE)
    }
}

/// Contracts that the controller is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractName {
    /// Holds deposits and pays winning tickets.
    TicketBroker,
    /// Counts rounds.
    RoundsManager,
    /// Knows who is an orchestrator.
    BondingManager,
    /// Knows where orchestrators are.
    ServiceRegistry,
}

impl ContractName {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::TicketBroker, Self::RoundsManager, Self::BondingManager, Self::ServiceRegistry];

    /// As the controller knows it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TicketBroker => "TicketBroker",
            Self::RoundsManager => "RoundsManager",
            Self::BondingManager => "BondingManager",
            Self::ServiceRegistry => "ServiceRegistry",
        }
    }

    /// What the controller is asked by (livepeer-wire §9.7).
    #[must_use]
    pub fn id(self) -> B256 {
        keccak256(self.as_str())
    }
}

/// Where the contracts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contracts {
    /// Knows the others.
    pub controller: Address,
    /// Holds deposits and pays winning tickets.
    pub ticket_broker: Address,
    /// Counts rounds.
    pub rounds_manager: Address,
    /// Knows who is an orchestrator.
    pub bonding_manager: Address,
    /// Knows where orchestrators are.
    pub service_registry: Address,
}

impl Contracts {
    /// Those of the public network, which stay where they are.
    pub const ARBITRUM_ONE: Self = Self {
        controller: Network::ARBITRUM_ONE.controller,
        ticket_broker: address!("a8bB618B1520E284046F3dFc448851A1Ff26e41B"),
        rounds_manager: address!("dd6f56DcC28D3F5f27084381fE8Df634985cc39f"),
        bonding_manager: address!("35Bcf3c30594191d53231E4FF333E8A770453e40"),
        service_registry: address!("C92d3A360b8f9e083bA64DE15d95Cf8180897431"),
    };

    /// Refuses what a node made up: whoever is told another TicketBroker sends its money there. Contracts
    /// of networks that aren't known are taken as told.
    pub(crate) fn check_known(&self) -> Result<(), ChainError> {
        let known = Self::ARBITRUM_ONE;
        if self.controller != known.controller {
            return Ok(());
        }
        for (name, found, known) in [
            (ContractName::TicketBroker, self.ticket_broker, known.ticket_broker),
            (ContractName::RoundsManager, self.rounds_manager, known.rounds_manager),
            (ContractName::BondingManager, self.bonding_manager, known.bonding_manager),
            (ContractName::ServiceRegistry, self.service_registry, known.service_registry),
        ] {
            if found != known {
                return Err(ChainError::OtherContract { name, found, known });
            }
        }
        Ok(())
    }

    /// Pays a winning ticket to its recipient.
    #[must_use]
    pub fn redemption(&self, won: &WinningTicket) -> ContractCall {
        let call = TicketBroker::redeemWinningTicketCall {
            ticket: broker_ticket(&won.ticket),
            sig: won.signature.to_bytes().to_vec().into(),
            recipientRand: won.recipient_rand,
        };
        ContractCall::new(self.ticket_broker, U256::ZERO, &call)
    }
}

/// A ticket in the contract's words.
pub(crate) fn broker_ticket(ticket: &tickets::Ticket) -> BrokerTicket {
    BrokerTicket {
        recipient: ticket.recipient,
        sender: ticket.sender,
        faceValue: ticket.face_value,
        winProb: ticket.win_prob,
        senderNonce: U256::from(ticket.sender_nonce),
        recipientRandHash: ticket.recipient_rand_hash,
        auxData: ticket.expiration.aux_data().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_contract_of_the_public_network_is_refused() {
        assert_eq!(Contracts::ARBITRUM_ONE.check_known(), Ok(()));
        let made_up = Address::repeat_byte(6);
        let told = Contracts { ticket_broker: made_up, ..Contracts::ARBITRUM_ONE };
        let known = Contracts::ARBITRUM_ONE.ticket_broker;
        let refused =
            ChainError::OtherContract { name: ContractName::TicketBroker, found: made_up, known };
        assert_eq!(told.check_known(), Err(refused));
        let elsewhere = Contracts { controller: made_up, ..told };
        assert_eq!(elsewhere.check_known(), Ok(()));
    }

    /// livepeer-wire §9.7.
    #[test]
    fn ids_are_the_networks() {
        let ids = ContractName::ALL.map(|name| hex::encode(name.id()));
        assert_eq!(
            ids,
            [
                "bd1aa3e8d2464256d7fd3dcf645c16418d5d8c51d971f1ad7d57e7b1b5eee239",
                "e8438ea868df48e3fc21f2f087b993c9b1837dc0f6135064161ce7d7a1701fe8",
                "2517d59a36a86548e38734e8ab416f42afff4bca78706a66ad65750dae7f9e37",
                "79c5d2a4a07754f4bacb0ffba18ac516030ee589ebc89db8627680c4d4cdb230",
            ]
        );
    }
}
