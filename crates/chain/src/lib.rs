//! The chain that the Livepeer network is paid on.
//!
//! This crate owns the way to it: JSON-RPC over several nodes with their health ([`Endpoints`]), the
//! network's [`Contracts`], what the gateway believes of blocks, rounds and funds and for how long
//! ([`ChainTracker`]), a sender's money ([`WalletAction`], [`WalletPlan`], [`Runway`]),
//! [`Transaction`]s with their price ([`FeePolicy`]), and what an ether is worth ([`PriceFeed`]).
//!
//! It deliberately knows no tickets' rules (those are `tickets`'), keeps no keys, asks nobody to confirm
//! anything, and stores nothing. The cores take time and answers as input; sockets and tasks are in
//! `shell`: [`RpcClient`], [`ChainClient`], [`ChainWatcher`].
//!
//! On Arbitrum contracts see the L1 block, nodes number their own: every L1 number here is named so, and
//! comes from the block's field `l1BlockNumber` where there is one.
//!
//! Start reading at [`Endpoints`] and [`ChainTracker`], then [`WalletAction`].

#![warn(missing_docs)]

mod abi;
mod block;
mod broker_event;
mod contract_call;
mod contracts;
mod endpoints;
mod error;
mod fees;
mod funds_forecast;
mod json_rpc;
mod plan;
mod price_feed;
mod runway;
mod service_uri;
mod shell;
mod tracker;
mod transaction;
mod units;
mod wallet;

pub use block::{Block, Log, Receipt};
pub use broker_event::BrokerEvent;
pub use contract_call::ContractCall;
pub use contracts::{ContractName, Contracts, Network};
pub use endpoints::{Demotion, EndpointFault, EndpointRules, EndpointState, Endpoints};
pub use error::ChainError;
pub use fees::{FeeError, FeePolicy, Fees};
pub use funds_forecast::{ForecastConfig, FundsForecast, RunwayWarning};
pub use json_rpc::{AnswerError, BlockTag, RpcError, RpcRequest, read_answer};
pub use plan::{RedemptionPlan, WalletPlan};
pub use price_feed::{
    EtherPrice, PriceFeed, PriceFeedConfig, PriceFeedError, PriceReading, PriceRefusal, UsdPerPixel,
};
pub use runway::{Runway, Spend};
pub use service_uri::{RegisteredOrchestrator, RegisteredPool, read_service_uri};
pub use shell::{
    ChainClient, ChainWatcher, EndpointStatus, Patience, RpcClient, RpcConfig, RpcUrl, RpcUrlError,
};
pub use tracker::{ChainTracker, Observation, TrackedView, TrackerConfig, ViewError};
pub use transaction::{SignedTransaction, Transaction};
pub use units::{AmountError, ether, parse_amount, parse_ether};
pub use wallet::{WalletAction, WalletRefusal, WalletStatus};
