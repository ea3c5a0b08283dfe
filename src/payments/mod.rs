//! Pays for the gateway's segments: the port of the router, filled.
//!
//! [`PaymentService`] owns the [`Payer`](payer::Payer): a payment is decided under one lock, put on record
//! (`ledger.rs`), signed (`signing.rs`), and only then handed to the attempt. How the attempt ends is
//! booked the same way. `follow.rs` tells the payer what the chain says,
//! `price_feed.rs` the pools what an ether costs.

mod events;
mod follow;
mod ledger;
mod metrics;
mod price_feed;
mod service;
mod setup;
mod signing;

pub(crate) use price_feed::follow_price;
pub(crate) use service::PaymentService;
pub(crate) use setup::prepare;
