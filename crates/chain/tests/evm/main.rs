//! The chain crate against a real EVM: anvil, with contracts of the network's functions and rules.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a failed expectation fails the test"
)]

mod endpoints;
mod funds;
mod independent;
mod pool;
mod price;
mod redemption;
mod support;
mod tls;
