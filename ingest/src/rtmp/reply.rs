//! What the server says.

use std::collections::HashMap;

use rml_rtmp::{
    chunk_io::{ChunkSerializationError, ChunkSerializer},
    messages::{
        MessagePayload, MessageSerializationError, PeerBandwidthLimitType, RtmpMessage,
        UserControlEventType,
    },
    rml_amf0::Amf0Value,
    time::RtmpTimestamp,
};

use super::enhanced;

/// Chunk size announced to peers. FFmpeg copies it for its own direction, which makes chunks cheap.
const CHUNK_SIZE: u32 = 65_536;
/// Acknowledgement window asked of peers, and kept towards them until they say another, in bytes.
pub(super) const ACK_WINDOW: u32 = 2_500_000;

/// Why a reply could not be written; only a fault of ours can cause it.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// The message did not serialise.
    #[error("reply did not serialise: {0}")]
    Message(#[from] MessageSerializationError),
    /// Its chunks did not serialise.
    #[error("reply did not serialise: {0}")]
    Chunk(#[from] ChunkSerializationError),
}

/// Level of a status object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Status,
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Error => "error",
        }
    }
}

/// Serialises replies into a buffer that the shell empties.
pub(super) struct Replies {
    serializer: ChunkSerializer,
    pub(super) bytes: Vec<u8>,
}

impl Replies {
    pub(super) fn new() -> Self {
        Self { serializer: ChunkSerializer::new(), bytes: Vec::new() }
    }

    fn send(&mut self, message: RtmpMessage, stream_id: u32) -> Result<(), ReplyError> {
        let payload = MessagePayload::from_rtmp_message(message, RtmpTimestamp::new(0), stream_id)?;
        // Full headers always: some encoders read nothing else in the first messages.
        let packet = self.serializer.serialize(&payload, true, false)?;
        self.bytes.extend_from_slice(&packet.bytes);
        Ok(())
    }

    fn command(
        &mut self,
        name: &str,
        transaction: f64,
        object: Amf0Value,
        arguments: Vec<Amf0Value>,
        stream_id: u32,
    ) -> Result<(), ReplyError> {
        let message = RtmpMessage::Amf0Command {
            command_name: name.to_owned(),
            transaction_id: transaction,
            command_object: object,
            additional_arguments: arguments,
        };
        self.send(message, stream_id)
    }

    /// The answer to `connect`; to a client of Enhanced RTMP with what the gateway can do. The chunk size goes first: what follows is longer than 128 bytes.
    pub(super) fn connected(
        &mut self,
        transaction: f64,
        object_encoding: f64,
        enhanced: bool,
    ) -> Result<(), ReplyError> {
        self.window_ack_size()?;
        let limit_type = PeerBandwidthLimitType::Dynamic;
        self.send(RtmpMessage::SetPeerBandwidth { size: ACK_WINDOW, limit_type }, 0)?;
        let packet = self.serializer.set_max_chunk_size(CHUNK_SIZE, RtmpTimestamp::new(0))?;
        self.bytes.extend_from_slice(&packet.bytes);
        let classic =
            [("fmsVer", text("FMS/3,0,1,123")), ("capabilities", Amf0Value::Number(31.0))];
        // Old hardware that never heard of it is not told.
        let more = enhanced.then(enhanced::properties);
        let server = classic.into_iter().chain(more.into_iter().flatten());
        let server = server.map(|(name, value)| (name.to_owned(), value)).collect();
        let mut information =
            status(Level::Status, "NetConnection.Connect.Success", "Connection succeeded.");
        information.insert("objectEncoding".to_owned(), Amf0Value::Number(object_encoding));
        let server = Amf0Value::Object(server);
        self.command("_result", transaction, server, vec![Amf0Value::Object(information)], 0)
    }

    /// Announces our acknowledgement window.
    pub(super) fn window_ack_size(&mut self) -> Result<(), ReplyError> {
        self.send(RtmpMessage::WindowAcknowledgement { size: ACK_WINDOW }, 0)
    }

    /// A `_result` with one value, or none.
    pub(super) fn result(
        &mut self,
        transaction: f64,
        value: Option<f64>,
    ) -> Result<(), ReplyError> {
        let value = value.map_or(Amf0Value::Undefined, Amf0Value::Number);
        self.command("_result", transaction, Amf0Value::Null, vec![value], 0)
    }

    /// A status object, on a message stream.
    pub(super) fn status(
        &mut self,
        stream_id: u32,
        level: Level,
        code: &str,
        description: &str,
    ) -> Result<(), ReplyError> {
        let information = Amf0Value::Object(status(level, code, description));
        self.command("onStatus", 0.0, Amf0Value::Null, vec![information], stream_id)
    }

    /// Asks the client to connect anew, to the same address, at the next place that suits it.
    pub(super) fn reconnect_request(&mut self, description: &str) -> Result<(), ReplyError> {
        self.status(0, Level::Status, "NetConnection.Connect.ReconnectRequest", description)
    }

    /// `onFCPublish` or `onFCUnpublish`, which some hardware encoders wait for.
    pub(super) fn fc(&mut self, name: &str, code: &str) -> Result<(), ReplyError> {
        let information = Amf0Value::Object(status(Level::Status, code, ""));
        self.command(name, 0.0, Amf0Value::Null, vec![information], 0)
    }

    /// User control 0: the stream can be used.
    pub(super) fn stream_begin(&mut self, stream_id: u32) -> Result<(), ReplyError> {
        self.user_control(UserControlEventType::StreamBegin, Some(stream_id), None)
    }

    /// User control 7: the answer to a ping request.
    pub(super) fn pong(&mut self, stamp: u32) -> Result<(), ReplyError> {
        let stamp = RtmpTimestamp::new(stamp);
        self.user_control(UserControlEventType::PingResponse, None, Some(stamp))
    }

    fn user_control(
        &mut self,
        event_type: UserControlEventType,
        stream_id: Option<u32>,
        timestamp: Option<RtmpTimestamp>,
    ) -> Result<(), ReplyError> {
        let message =
            RtmpMessage::UserControl { event_type, stream_id, buffer_length: None, timestamp };
        self.send(message, 0)
    }

    /// Bytes received so far, modulo 2³² (`rtmp` §5.4.3).
    pub(super) fn acknowledge(&mut self, total: u32) -> Result<(), ReplyError> {
        self.send(RtmpMessage::Acknowledgement { sequence_number: total }, 0)
    }
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replies({} bytes)", self.bytes.len())
    }
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

fn status(level: Level, code: &str, description: &str) -> HashMap<String, Amf0Value> {
    [("level", level.as_str()), ("code", code), ("description", description)]
        .map(|(name, value)| (name.to_owned(), text(value)))
        .into()
}
