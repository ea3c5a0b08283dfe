//! The remote signer: a process of its own that holds the key of whoever pays, so that gateways hold
//! none.
//!
//! [`SigningDesk`] decides what is signed: nonces, each once; what a ticket and a call may be worth; how
//! much may be spent in an hour, a day, and in all. It is a core: requests and time are inputs, and a
//! [`Record`] comes out that has to be kept before a signature is given away. [`messages`] are what goes
//! over the wire: a call of ours that pays for one segment of video, and go-livepeer's calls for live
//! jobs. [`SignerClient`] is the gateway's side, and trusts a signer with nothing it can check itself.
//!
//! The server, its files and its flags are the root's.
//!
//! Start reading at [`SigningDesk`], then [`SegmentRequest`], then `shell/client.rs`.

#![warn(missing_docs)]

mod audit;
mod client_error;
mod desk;
mod limits;
mod live;
mod live_state;
pub mod messages;
mod record;
mod refusal;
mod shell;
mod spending;
mod url;
mod used_nonces;

pub use audit::{AuditEntry, audited};
pub use client_error::{Distrust, SignerError, SignerErrorKind};
pub use desk::{SegmentGrant, SigningDesk};
pub use limits::{SigningLimits, SpendLimit};
pub use live::{LiveGrant, LiveRefusal};
pub use messages::segment::{RequestFault, SegmentRequest};
pub use record::{Record, RecordFault, Signed};
pub use refusal::Refusal;
pub use shell::client::{PayRequest, SignerClient, SignerClientConfig, SignerSetupError, Trust};
pub use url::{SignerUrl, SignerUrlError};
