//! An orchestrator that any Livepeer gateway can use, off-chain or paid.
//!
//! It owns the orchestrator's side of the wire: tokens, sessions and their capacity, what a request
//! may ask for, and the renditions until they are fetched. It deliberately does not transcode (that is
//! the [`Transcoder`] port), and it owns no listener: [`OrchestratorServer::router`] serves gRPC and
//! HTTP on whatever port the root binds, [`self_signed_certificate`] is the TLS a gateway expects.
//!
//! Invariants:
//! - Everything a peer can make it keep has a bound: sessions, segments per session, bytes of uploads
//!   in memory, bytes and number of renditions.
//! - Paid, it begins no work that isn't signed for by a sender who has credit; free, it signs nothing.
//! - It never fetches a URL a peer names.
//! - A `200` means "the segment has arrived": success or failure is in the body that follows.
//!
//! Start reading at `shell/segment.rs`.

mod certificate;
mod config;
mod payment;
mod refusal;
mod rendition_request;
mod result_store;
mod segment_request;
mod sessions;
mod shell;
mod stats;
mod token;
mod transcoder;
#[cfg(feature = "local")]
mod worker_pool;

#[cfg(test)]
mod tests;

pub use certificate::{CertificateError, self_signed_certificate};
pub use config::ServerConfig;
pub use payment::{
    ChainState, OfflineChain, PaidConfig, PaymentChain, PaymentTotals, RedeemError, Redeemer,
    SenderAccount, StaticChain,
};
pub use rendition_request::{EncodeProfile, GopLength};
pub use shell::OrchestratorServer;
pub use stats::ServerStats;
pub use transcoder::{EncodedRendition, TranscodeFailure, TranscodeRequest, Transcoder};
