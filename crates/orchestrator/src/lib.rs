//! The Livepeer wire between a gateway and an orchestrator: messages, client, server.
//!
//! The client half ([`OrchestratorClient`]) opens sessions, uploads segments and fetches renditions.
//! The server half (`server`, feature `server`; with FFmpeg workers behind it, feature
//! `local`) is an orchestrator that any Livepeer gateway can use. Both speak the off-chain mode:
//! zero addresses, empty signatures, no payments.
//!
//! This crate knows the wire; it deliberately does not know which orchestrator to choose, how often
//! to retry, or what a rendition should look like once it is back. It owns no listener.
//!
//! Start reading at [`SegmentJob`], then `shell/client.rs`; for the other side at `server/mod.rs`.

mod address;
mod capabilities;
mod error;
mod eth_address;
mod info;
mod job;
mod keccak;
mod media_fault;
mod network_policy;
mod pixel_price;
mod profile;
mod proto;
mod segment_credentials;
#[cfg(feature = "server")]
pub mod server;
mod shell;
mod transcode_result;

pub use address::{AddressError, OrchestratorAddress};
pub use capabilities::{Capabilities, Capability, JobCapabilities};
pub use error::{ClientSetupError, DiscoveryError, Retry, SessionError, TranscodeError};
pub use eth_address::{EthAddress, EthAddressError};
pub use info::OrchestratorInfo;
pub use job::{BodyContainer, OutputFormat, SegmentJob};
pub use keccak::BodyHash;
pub use media_fault::MediaFault;
pub use network_policy::{ForbiddenAddress, NetworkPolicy};
pub use pixel_price::{PixelPrice, PriceError};
pub use shell::{ClientConfig, OrchestratorClient};
pub use transcode_result::{AttemptTiming, TranscodeResult, TranscodedRendition};
