//! WebRTC peers behind one UDP port: an offer in, an answer out, then RTP packets.
//!
//! A [`Peers`] owns the shared port. [`Peers::answer`] takes an [`Offer`] and gives the [`Answer`] with the
//! [`Peer`] that came of it, whose [`Peer::next`] yields what the publisher sends: decrypted, with
//! retransmissions turned back, unordered. Requests for key frames go the other way, an ICE restart takes a
//! [`Fragment`]. This crate alone knows the WebRTC library; HTTP, admission and payload formats are others'.
//!
//! Rules:
//! - **Peers come to us.** The gateway is ICE-lite: it uses none of a client's candidates, resolves no name
//!   and opens no connection, so an offer can't make it send anything to an address of its choosing.
//! - **Strangers are dropped.** A datagram is routed by the user name of a binding request, else by the
//!   address of an earlier one (`routes`); everything else is dropped and counted.
//! - **Bounds.** Peers, addresses, sources and every queue have a limit; what is over it is dropped and
//!   counted, and nothing waits.
//! - **One interceptor.** `ReceiveChain` is the whole chain of the library: it holds the congestion
//!   feedback, the NACK generator and the receiver reports, binds each source when its first packet comes,
//!   and keeps media from the library's tracks.
//!
//! Start reading at [`Peers::answer`], then `receive_chain` and `routes`.

pub mod fuzzing;
mod key_frame_wishes;
mod receive_chain;
mod received;
mod repair;
mod routes;
mod sdp;
mod shell;
mod stun;

pub use received::Received;
pub use sdp::{
    Answer, Credentials, FRAGMENT_BYTES_MAX, Fragment, FragmentError, LAYERS_MAX, Layer, MediaKind,
    OFFER_BYTES_MAX, Offer, OfferError, TextError,
};
pub use shell::{Peer, PeerError, PeerEvent, Peers, PeersConfig, PeersMeter, PeersStats};

/// Header extension: sequence numbers over all streams, for congestion feedback
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
pub(crate) const TRANSPORT_WIDE: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Header extension: which section a packet belongs to (RFC 8843 §15).
pub(crate) const SECTION: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Header extension: which layer a packet belongs to (RFC 8852 §4.1).
pub(crate) const LAYER: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// Header extension: which layer a retransmission belongs to (RFC 8852 §4.2).
pub(crate) const REPAIRED_LAYER: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
