//! Wire to access units: RTMP and WHIP sessions, pushed segments, admission, and the clock that repairs
//! publishers' timestamps.
//!
//! A publisher's bytes become [`PublisherEvent`]s in three cores without I/O: [`rtmp::RtmpSession`]
//! speaks the protocol, [`demux::Demux`] reads the FLV bodies it delivers, and [`timeline::Timeline`]
//! gives every access unit its place in time. [`serve_rtmp_connection`] drives them over a socket.
//! Who may publish is not decided here but by the [`Admission`] that the root implements; listeners,
//! TLS and limits per address are the root's as well.
//!
//! Media bytes are copied once, from the read buffer into a message's own buffer; access units are
//! slices of it.
//!
//! Publishers that cut their stream themselves push whole segments over HTTP ([`push`]) and get the
//! renditions back: [`push_service`], with [`PushAdmission`] as the port.
//!
//! Browsers publish over WebRTC ([`whip`]): [`whip_service`] takes their offers, `peers` carries the
//! packets, and `rtp` makes access units of them.
//!
//! How well all of it arrives is measured on the way ([`health`]), and shown to those who have the key.
//!
//! Start reading at [`serve_rtmp_connection`], then [`rtmp::RtmpSession`].

pub mod demux;
mod event;
pub mod fuzzing;
pub mod health;
mod printable;
mod publish;
pub mod push;
pub mod rtmp;
mod shell;
pub mod timeline;
pub mod whip;

pub use event::{DiscontinuityReason, EndReason, PublisherEvent};
pub use publish::{ConnectionId, PublishRequest, Refusal, StreamKey};
pub use shell::{
    Activity, Admission, BoxFuture, ConnectionContext, ConnectionEnd, ConnectionError,
    ConnectionFault, ConnectionOutcome, Departure, HealthContext, HealthMetrics, IngestHealth,
    IngestMetrics, OwnedStream, PublisherSeat, PushAdmission, PushConfig, PushContext, PushMetrics,
    RtmpConfig, Sound, SoundEncoding, SoundLine, StreamOwners, Transport, WhipConfig, WhipContext,
    WhipMetrics, health_service, push_service, serve_rtmp_connection, whip_service,
};
