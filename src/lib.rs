//! Headgate, a live video gateway: RTMP in, GOP-aligned segments through transcoding orchestrators,
//! HLS out.
//!
//! This crate is the composition root: it reads the configuration, owns every listener, TLS and limit,
//! puts the stations together, and drains them. The stations themselves are crates of their own, and
//! only this one knows them all.
//!
//! One GOP's way through the house: an RTMP connection ([`ingest`]) hands access units to the stream's
//! task (`stream_task.rs`), which pushes them into the [`segmenter`], hands the closed segments to the
//! [`router`], and appends what the router releases to the stream's [`playback::Presentation`]. Who may
//! publish is decided in [`streams`], and nowhere else.
//!
//! Start reading at [`App::start`], then `stream_task.rs`.

pub mod addresses;
pub mod admin;
pub mod app;
mod append_log;
mod chain_line;
pub mod chain_settings;
mod child;
pub mod cli;
pub mod config;
mod config_source;
mod config_watch;
pub mod default_ladder;
mod demo;
mod discovery;
mod embedded;
mod eth_key;
mod file_replacement;
mod filler;
#[cfg(feature = "local")]
mod followed_chain;
mod gateway_facts;
mod http_server;
mod layered_ladder;
mod ledger_report;
mod listener;
mod livepeer;
pub mod livepeer_api;
pub mod metrics;
mod operator;
mod origin;
#[cfg(feature = "local")]
mod paid_orchestrator;
mod payments;
#[cfg(feature = "local")]
mod picture_check;
mod pool_feed;
pub mod publish_auth;
mod push;
#[cfg(feature = "local")]
mod redemption_journal;
#[cfg(feature = "local")]
mod redemption_queue;
#[cfg(feature = "local")]
mod redemptions;
mod run;
mod sequences;
pub mod signer;
#[cfg(feature = "local")]
mod sound;
pub mod stream_task;
pub mod streams;
mod telemetry;
#[cfg(feature = "local")]
mod tickets_lock;
mod tls;
#[cfg(feature = "local")]
mod transcoding_node;
pub mod wallet;
pub mod webhook;
mod why;
#[cfg(feature = "local")]
mod winning_tickets;

pub use app::App;
pub use run::run;
