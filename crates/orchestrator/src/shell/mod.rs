//! Sockets: the client and its connections.

mod body;
mod client;
mod config;
mod connector;
mod download;
mod http_client;
mod resolver;
mod upload;

pub use client::OrchestratorClient;
pub use config::ClientConfig;
