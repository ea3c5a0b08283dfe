//! Calls to the server.

mod client;
mod transport;

pub use client::{AcmeAccount, AcmeClient, AcmeSettings};
