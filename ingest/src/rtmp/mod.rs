//! RTMP, server side (Adobe's "Real Time Messaging Protocol" 1.0, cited here as `rtmp`).
//!
//! [`ChunkReader`] turns bytes into messages, [`amf0`] reads their commands, and [`RtmpSession`] is
//! the server's state machine over both. Handshake and message serialisation are `rml_rtmp`'s; its
//! chunk reader and its AMF0 decoder are not used, because hostile bytes can bring them down.

pub mod amf0;
mod chunk;
mod chunk_header;
mod command;
mod control;
mod enhanced;
mod publish_name;
mod reply;
mod session;

pub use chunk::{ChunkError, ChunkErrorKind, ChunkLimits, ChunkReader, Message};
pub use command::CommandError;
pub use enhanced::ClientCapabilities;
pub use publish_name::{PublishName, publish_name};
pub use reply::ReplyError;
pub use session::{
    MediaKind, MediaMessage, Output, PublishAttempt, RtmpSession, SessionConfig, SessionEnd,
    SessionError,
};
