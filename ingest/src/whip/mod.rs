//! Browsers and others that publish over WebRTC (WHIP, RFC 9725).
//!
//! What a request says and what follows from it, without I/O: [`WhipRequest`] reads heads,
//! [`WhipSession`] says what a PATCH may do, [`WhipRefusal`] is every way in which it is turned away. What
//! is said in SDP is `peers`'.

mod ice_server;
mod refusal;
mod request;
mod session;

pub use ice_server::IceServer;
pub use refusal::WhipRefusal;
pub use request::{Bearer, WhipRequest};
pub use session::{PatchAction, WhipSession};
