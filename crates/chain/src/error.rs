//! Why something with the chain didn't work.

use std::time::Duration;

use alloy_primitives::{Address, B256};

use crate::{ContractName, FeeError, RpcError, WalletRefusal};

/// Why a question to the chain, or a transaction, came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No node gave a usable answer in time; each with its reason.
    #[error("no node answers: {0}")]
    Unavailable(String),
    /// The chain refuses, in a node's words.
    #[error("refused: {0}")]
    Rpc(#[from] RpcError),
    /// What is at the address doesn't answer as the contract would.
    #[error("{function} at {address}: no such contract on this chain")]
    NotTheContract {
        /// What was asked.
        function: &'static str,
        /// Where.
        address: Address,
    },
    /// The controller doesn't know the contract.
    #[error("the controller knows no {}", .0.as_str())]
    NotRegistered(ContractName),
    /// A node names another contract than the public network's.
    #[error("a node says that {} is at {found}, but it is at {known}", name.as_str())]
    OtherContract {
        /// Which.
        name: ContractName,
        /// What the node says.
        found: Address,
        /// Where it is.
        known: Address,
    },
    /// A number of the protocol that can't be.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A walk through the pool didn't end.
    #[error("the pool of orchestrators has no end")]
    EndlessPool,
    /// Gas is too dear, or too much is needed.
    #[error(transparent)]
    Fees(#[from] FeeError),
    /// It would fail.
    #[error(transparent)]
    Refused(#[from] WalletRefusal),
    /// The key is of another account than the plan.
    #[error("the key is of {found}, the transaction of {wanted}")]
    OtherKey {
        /// The key's account.
        found: Address,
        /// The transaction's.
        wanted: Address,
    },
    /// A contract refused while the transaction ran; it cost its gas.
    #[error("transaction {0} failed on the chain")]
    Reverted(B256),
    /// No block took the transaction in time; one may yet.
    #[error("transaction {hash} is in no block after {} s; it may still get into one", after.as_secs())]
    NotMined {
        /// The transaction.
        hash: B256,
        /// How long was waited.
        after: Duration,
    },
}
