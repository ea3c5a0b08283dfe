//! How servers are asked that are no part of the media path: nodes, signers, hooks.
//!
//! This crate owns the client ([`HttpsClient`]), how much of an answer is read ([`read_body`]), whom this
//! machine trusts ([`system_roots`]), and what is kept of others' words ([`printable`]).
//!
//! It deliberately knows no messages, limits no calls' time (the caller does, over all of a call's steps),
//! follows no redirects, and repeats nothing. Orchestrators are reached otherwise: see `orchestrator`.

#![warn(missing_docs)]

mod shell;
mod text;

pub use shell::{Connections, HttpsClient, HttpsError, read_body, system_roots};
pub use text::printable;
