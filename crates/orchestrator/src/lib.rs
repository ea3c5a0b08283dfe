//! The Livepeer wire between a gateway and an orchestrator: messages, client, server.
//!
//! The client half ([`OrchestratorClient`]) opens sessions, uploads segments and fetches renditions.
//! The server half (`server`, feature `server`; with FFmpeg workers behind it, feature
//! `local`) is an orchestrator that any Livepeer gateway can use. Both speak the off-chain mode (zero
//! addresses, empty signatures, no payments), and the paid one: a [`GatewayIdentity`] asks for terms,
//! a [`Quote`] answers, a [`SegmentPayment`] goes along with each segment. What to pay, and whether a
//! ticket is good, is decided by `tickets` and by whoever keeps the budget.
//!
//! This crate knows the wire; it deliberately does not know which orchestrator to choose, how often
//! to retry, or what a rendition should look like once it is back. It owns no listener.
//!
//! Start reading at [`SegmentJob`], then `shell/client.rs`; for the other side at `server/mod.rs`.

mod address;
mod capabilities;
mod error;
mod eth_address;
mod gateway_identity;
mod info;
mod job;
mod keccak;
mod live_offer;
mod media_fault;
mod network_policy;
mod payment_header;
mod pixel_price;
mod profile;
mod proto;
mod quote;
mod segment_credentials;
mod segment_payment;
#[cfg(feature = "server")]
pub mod server;
mod shell;
mod ticket_fields;
mod transcode_result;

pub use address::{AddressError, OrchestratorAddress};
pub use capabilities::{Capabilities, Capability, JobCapabilities};
pub use error::{ClientSetupError, DiscoveryError, Retry, SessionError, TranscodeError};
pub use eth_address::{EthAddress, EthAddressError};
pub use gateway_identity::GatewayIdentity;
pub use info::OrchestratorInfo;
pub use job::{BodyContainer, OutputFormat, SegmentJob};
pub use keccak::BodyHash;
pub use live_offer::{LiveOffer, LiveOfferError};
pub use media_fault::MediaFault;
pub use network_policy::{ForbiddenAddress, NetworkPolicy};
pub use payment_header::{PaymentHeader, PaymentHeaderError};
pub use pixel_price::{PixelPrice, PriceError};
pub use quote::{Quote, QuoteError};
pub use segment_payment::{PaymentFate, PaymentProgress, SegmentPayment};
pub use shell::{ClientConfig, OrchestratorClient};
pub use transcode_result::{AttemptTiming, TranscodeResult, TranscodedRendition};
