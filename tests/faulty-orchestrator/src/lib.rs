//! An orchestrator that misbehaves on request, over the real wire.
//!
//! It is a proxy in front of a real orchestrator: what it passes on is real work, and what it does to
//! it is switched at run time, with [`FaultyOrchestrator::set`] or over HTTP on the orchestrator's own
//! port:
//!
//! - `PUT /_faults` with a JSON object replaces the faults; see [`Faults`] for the fields, all optional.
//! - `GET /_faults` shows them, `DELETE /_faults` heals the orchestrator.
//! - `GET /_stats` counts what has been asked of it, see [`Stats`].
//!
//! The wire is plaintext HTTP/1.1 and HTTP/2, on loopback only: whoever reaches the port decides what
//! goes wrong. Only for tests; no part of the product.
//!
//! Start reading at `shell/proxy.rs`, then `shell/segment.rs`.

mod echo;
mod faults;
mod grpc_message;
mod proto;
mod rewrite;
mod sessions;
mod shell;
mod stats;
mod upstream;
mod video_edit;

pub use faults::{Faults, FaultsError};
pub use shell::{Args, FaultyOrchestrator, RunError, run};
pub use stats::Stats;
pub use upstream::{Upstream, UpstreamError};
