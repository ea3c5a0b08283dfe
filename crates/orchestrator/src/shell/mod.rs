//! Sockets: the client and its connections.

mod body;
mod client;
mod connector;
mod download;
mod upload;

pub use client::{ClientConfig, OrchestratorClient};
