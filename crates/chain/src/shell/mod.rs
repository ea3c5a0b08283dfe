//! Sockets and tasks: nodes, contracts, transactions, polling.

mod chain_client;
mod http;
mod rpc_client;
mod rpc_url;
mod spending;
mod transactions;
mod watcher;

pub use chain_client::ChainClient;
pub use rpc_client::{EndpointStatus, RpcClient, RpcConfig};
pub use rpc_url::{RpcUrl, RpcUrlError};
pub use transactions::Patience;
pub use watcher::ChainWatcher;
