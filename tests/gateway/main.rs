//! The whole gateway in-process on free ports, with ffmpeg as publisher and the rule watcher as viewer.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

mod acme;
mod admission;
mod browser;
mod chain_pools;
mod codecs;
mod filler;
mod fleet;
mod health;
mod hostile;
mod layers;
mod livepeer;
mod onchain;
mod paid;
mod payments;
mod pointers;
mod prove;
mod prove_return;
mod prove_whip;
mod publish_page;
mod push;
mod push_doors;
mod push_fleet;
mod reconnect;
mod secured;
mod shapes;
mod signing;
mod source;
mod support;
mod transcoding;
mod webhooks;
mod whip;
mod why;
