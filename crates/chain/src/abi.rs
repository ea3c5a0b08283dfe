//! The contracts' functions and events that are used, in Solidity's words (livepeer-wire §4.9).

#![allow(
    missing_docs,
    unreachable_pub,
    unnameable_types,
    clippy::all,
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    reason = "what the macro writes is not ours to style"
)]

use alloy_sol_types::sol;

sol! {
    interface Controller {
        function getContract(bytes32 id) external view returns (address);
        function paused() external view returns (bool);
    }

    #[derive(Debug)]
    struct BrokerTicket {
        address recipient;
        address sender;
        uint256 faceValue;
        uint256 winProb;
        uint256 senderNonce;
        bytes32 recipientRandHash;
        bytes auxData;
    }

    struct BrokerSender {
        uint256 deposit;
        uint256 withdrawRound;
    }

    struct BrokerReserve {
        uint256 fundsRemaining;
        uint256 claimedInCurrentRound;
    }

    interface TicketBroker {
        function fundDeposit() external payable;
        function fundReserve() external payable;
        function fundDepositAndReserve(uint256 depositAmount, uint256 reserveAmount) external payable;
        function unlock() external;
        function cancelUnlock() external;
        function withdraw() external;
        function redeemWinningTicket(BrokerTicket ticket, bytes sig, uint256 recipientRand) external;
        function getSenderInfo(address sender) external view returns (BrokerSender sender, BrokerReserve reserve);
        function unlockPeriod() external view returns (uint256);
        function ticketValidityPeriod() external view returns (uint256);
        function usedTickets(bytes32 ticketHash) external view returns (bool);
        function claimedReserve(address holder, address claimant) external view returns (uint256);
        function claimableReserve(address holder, address claimant) external view returns (uint256);
        function getTicketHash(BrokerTicket ticket) external view returns (bytes32);

        event DepositFunded(address indexed sender, uint256 amount);
        event ReserveFunded(address indexed reserveHolder, uint256 amount);
        event Withdrawal(address indexed sender, uint256 deposit, uint256 reserve);
        event WinningTicketTransfer(address indexed sender, address indexed recipient, uint256 amount);
        event Unlock(address indexed sender, uint256 startRound, uint256 endRound);
        event UnlockCancelled(address indexed sender);
    }

    interface RoundsManager {
        function lastInitializedRound() external view returns (uint256);
        function currentRound() external view returns (uint256);
        function currentRoundInitialized() external view returns (bool);
        function currentRoundStartBlock() external view returns (uint256);
        function roundLength() external view returns (uint256);
        function blockHashForRound(uint256 round) external view returns (bytes32);
    }

    interface BondingManager {
        function getTranscoderPoolSize() external view returns (uint256);
        function getFirstTranscoderInPool() external view returns (address);
        function getNextTranscoderInPool(address transcoder) external view returns (address);
        function isActiveTranscoder(address transcoder) external view returns (bool);
    }

    interface AggregatorV3 {
        function decimals() external view returns (uint8);
        function latestRoundData() external view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
    }

    interface ServiceRegistry {
        function getServiceURI(address addr) external view returns (string);
    }
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::{SolCall, SolEvent};

    use super::*;

    /// livepeer-wire §9.7.
    #[test]
    fn selectors_are_the_networks() {
        for (selector, expected) in [
            (Controller::getContractCall::SELECTOR, "e16c7d98"),
            (Controller::pausedCall::SELECTOR, "5c975abb"),
            (ServiceRegistry::getServiceURICall::SELECTOR, "214c2a4b"),
            (BondingManager::getFirstTranscoderInPoolCall::SELECTOR, "88a6c749"),
            (BondingManager::getNextTranscoderInPoolCall::SELECTOR, "235c9603"),
            (BondingManager::getTranscoderPoolSizeCall::SELECTOR, "2a4e0d55"),
            (BondingManager::isActiveTranscoderCall::SELECTOR, "08802374"),
            (RoundsManager::lastInitializedRoundCall::SELECTOR, "8807f36e"),
            (RoundsManager::currentRoundCall::SELECTOR, "8a19c8bc"),
            (RoundsManager::currentRoundInitializedCall::SELECTOR, "219bc76c"),
            (RoundsManager::currentRoundStartBlockCall::SELECTOR, "8fa148f2"),
            (RoundsManager::roundLengthCall::SELECTOR, "8b649b94"),
            (RoundsManager::blockHashForRoundCall::SELECTOR, "3aa4add4"),
            (TicketBroker::getSenderInfoCall::SELECTOR, "e1a589da"),
            (TicketBroker::fundDepositCall::SELECTOR, "6caa736b"),
            (TicketBroker::fundReserveCall::SELECTOR, "6f9c3c8f"),
            (TicketBroker::fundDepositAndReserveCall::SELECTOR, "511f4073"),
            (TicketBroker::unlockCall::SELECTOR, "a69df4b5"),
            (TicketBroker::cancelUnlockCall::SELECTOR, "c2c4c2c8"),
            (TicketBroker::withdrawCall::SELECTOR, "3ccfd60b"),
            (TicketBroker::unlockPeriodCall::SELECTOR, "20d3a0b4"),
            (TicketBroker::ticketValidityPeriodCall::SELECTOR, "856a2cf8"),
            (TicketBroker::usedTicketsCall::SELECTOR, "59a515ba"),
            (TicketBroker::claimedReserveCall::SELECTOR, "4ac826da"),
            (TicketBroker::claimableReserveCall::SELECTOR, "81779f38"),
            (TicketBroker::getTicketHashCall::SELECTOR, "b03fa864"),
        ] {
            assert_eq!(hex::encode(selector), expected);
        }
    }

    /// livepeer-wire §9.7.
    #[test]
    fn topics_are_the_networks() {
        for (topic, expected) in [
            (
                TicketBroker::DepositFunded::SIGNATURE_HASH,
                "5159e237d952190e68d5215430f305831be7c9c8776d1377c76679ae4773413f",
            ),
            (
                TicketBroker::ReserveFunded::SIGNATURE_HASH,
                "b52b99b9e83551fcbd069b559cc3e823e2a1a3bad8ece46561ea77524394c850",
            ),
            (
                TicketBroker::Withdrawal::SIGNATURE_HASH,
                "df273cb619d95419a9cd0ec88123a0538c85064229baa6363788f743fff90deb",
            ),
            (
                TicketBroker::WinningTicketTransfer::SIGNATURE_HASH,
                "8b87351a208c06e3ceee59d80725fd77a23b4129e1b51ca231fc89b40712649c",
            ),
            (
                TicketBroker::Unlock::SIGNATURE_HASH,
                "f7870c5b224cbc19873599e46ccfc7103934650509b1af0c3ce90138377c2004",
            ),
            (
                TicketBroker::UnlockCancelled::SIGNATURE_HASH,
                "fa044b7b93a40365dc68049797c2eb06918523d694e5d56e406cac3eb35578e5",
            ),
        ] {
            assert_eq!(hex::encode(topic), expected);
        }
    }
}
