//! One RTMP connection, from the first byte to the last, without I/O.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeError, HandshakeProcessResult, PeerType};

use super::{
    ChunkError, ChunkLimits, ChunkReader, ClientCapabilities, CommandError, Message, PublishName,
    chunk::split_aggregate,
    command::{Command, Metadata},
    control::{kind, ping_request, window},
    publish_name,
    reply::{ACK_WINDOW, Level, Replies, ReplyError},
};
use crate::publish::{Refusal, StreamKey};

/// C0, C1 and C2 (`rtmp` §5.2).
const HANDSHAKE_LEN: usize = 1 + 1536 + 1536;
/// Longest message before `publish`: commands only. Keeps strangers' buffers small.
const MESSAGE_LIMIT_BEFORE_PUBLISH: usize = 64 * 1024;

/// Deadlines and limits of a session.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// From the first moment to the end of the handshake.
    pub handshake_timeout: Duration,
    /// From there, or from the end of a publish, to `publish`.
    pub publish_timeout: Duration,
    /// Without any byte, while publishing.
    pub idle_timeout: Duration,
    /// What the chunk reader may hold.
    pub chunks: ChunkLimits,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(10),
            chunks: ChunkLimits::default(),
        }
    }
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// Message type 8.
    Audio,
    /// Message type 9.
    Video,
}

/// An audio or video message of the publish under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaMessage {
    /// Sound or picture.
    pub kind: MediaKind,
    /// Milliseconds, modulo 2³².
    pub timestamp: u32,
    /// FLV tag body, never empty.
    pub body: Bytes,
}

/// A publish that waits for [`RtmpSession::accept_publish`] or [`RtmpSession::refuse_publish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishAttempt {
    /// Its URL, taken apart.
    pub name: PublishName,
}

/// Why the session wants the connection closed, once its bytes are out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionEnd {
    /// The publisher was refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The peer wanted to play.
    #[error("refused: playback over RTMP is not offered")]
    Play,
    /// The shell asked for it.
    #[error("closed by the gateway")]
    Closed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A publisher asks; nothing more is read until it is answered.
    Publish(PublishAttempt),
    /// A message of the publish under way.
    Media(MediaMessage),
    /// The publisher's encoder names itself.
    Encoder(String),
    /// The frame rate that the publisher's metadata announce, in thousandths of a picture a second.
    FrameRate(u32),
    /// The publish under way ended by the publisher's own word.
    Unpublished,
    /// Write what is left, then close.
    Close(SessionEnd),
}

/// Why a connection can't go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The peer does not speak plain RTMP.
    #[error("handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// The chunk stream is broken, or passes a limit.
    #[error("{0}")]
    Chunk(#[from] ChunkError),
    /// A command can't be acted on.
    #[error("{source} (byte {position})")]
    Command {
        /// What is wrong with it.
        source: CommandError,
        /// Bytes received on the connection up to its end.
        position: u64,
    },
    /// A reply could not be written.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// No complete handshake in time.
    #[error("no complete handshake within {0:?}")]
    HandshakeTimeout(Duration),
    /// No `publish` in time.
    #[error("no publish within {0:?}")]
    PublishTimeout(Duration),
    /// No byte for too long while publishing.
    #[error("no byte for {0:?}")]
    Silent(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Handshake,
    /// Before `connect`.
    Opened,
    Connected,
    /// A publish on this message stream waits for its answer.
    Deciding(u32),
    Publishing(u32),
    Closing,
}

/// The server's side of one connection: a state machine without I/O.
pub struct RtmpSession {
    config: SessionConfig,
    state: State,
    handshake: Option<Box<Handshake>>,
    handshake_received: usize,
    reader: ChunkReader,
    replies: Replies,
    outputs: VecDeque<Output>,
    app: String,
    client: ClientCapabilities,
    next_stream_id: u32,
    /// Start of the phase whose deadline runs; while publishing, the last byte's arrival.
    since: Instant,
    ack_window: u32,
    acknowledged: u64,
}

impl RtmpSession {
    /// A session for a connection accepted at `now`.
    #[must_use]
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        let first = u64::try_from(HANDSHAKE_LEN).unwrap_or(0);
        let mut reader = ChunkReader::new(config.chunks.clone(), first);
        reader.set_message_limit(config.chunks.message.min(MESSAGE_LIMIT_BEFORE_PUBLISH));
        Self {
            config,
            state: State::Handshake,
            handshake: Some(Box::new(Handshake::new(PeerType::Server))),
            handshake_received: 0,
            reader,
            replies: Replies::new(),
            outputs: VecDeque::new(),
            app: String::new(),
            client: ClientCapabilities::default(),
            next_stream_id: 1,
            since: now,
            ack_window: ACK_WINDOW,
            acknowledged: first,
        }
    }

    /// Takes bytes of the peer and answers how many were consumed: all of them, unless a publish
    /// waits for its answer or the session is closing.
    ///
    /// # Errors
    /// When the peer breaks the protocol or a limit; the connection has to be closed.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) -> Result<usize, SessionError> {
        let mut rest = input;
        if self.state == State::Handshake {
            rest = self.handle_handshake(now, rest)?;
        }
        if matches!(self.state, State::Publishing(_)) {
            self.since = now;
        }
        while !matches!(self.state, State::Handshake | State::Deciding(_) | State::Closing) {
            let Some(message) = self.reader.read(&mut rest)? else { break };
            self.handle_message(now, message)?;
        }
        self.acknowledge()?;
        Ok(input.len() - rest.len())
    }

    /// The next thing that happened.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Bytes for the peer; the caller empties it.
    pub const fn writes(&mut self) -> &mut Vec<u8> {
        &mut self.replies.bytes
    }

    /// When [`RtmpSession::handle_timeout`] is due. Moves with every byte while publishing.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeout = match self.state {
            State::Handshake => self.config.handshake_timeout,
            State::Opened | State::Connected => self.config.publish_timeout,
            State::Publishing(_) => self.config.idle_timeout,
            State::Deciding(_) | State::Closing => return None,
        };
        self.since.checked_add(timeout)
    }

    /// Says what has run out, if anything has.
    ///
    /// # Errors
    /// When a deadline has passed; the connection has to be closed.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        let state = std::mem::replace(&mut self.state, State::Closing);
        Err(match state {
            State::Handshake => SessionError::HandshakeTimeout(self.config.handshake_timeout),
            State::Publishing(_) => SessionError::Silent(self.config.idle_timeout),
            State::Opened | State::Connected | State::Deciding(_) | State::Closing => {
                SessionError::PublishTimeout(self.config.publish_timeout)
            }
        })
    }

    /// Whether the handshake is not complete yet.
    #[must_use]
    pub fn in_handshake(&self) -> bool {
        self.state == State::Handshake
    }

    /// Bytes consumed since the connection's first.
    #[must_use]
    pub fn position(&self) -> u64 {
        if self.state == State::Handshake {
            return u64::try_from(self.handshake_received).unwrap_or(0);
        }
        self.reader.position()
    }

    /// What the client said of itself in `connect`.
    #[must_use]
    pub const fn client(&self) -> &ClientCapabilities {
        &self.client
    }

    /// Asks a publishing client that said it can to connect anew; answers whether it was asked. It goes
    /// on publishing here until it suits it, and then leaves (Enhanced RTMP v2, "Reconnect Request").
    ///
    /// # Errors
    /// When the reply does not serialise.
    pub fn request_reconnect(&mut self, description: &str) -> Result<bool, SessionError> {
        let asked = self.client.reconnect && matches!(self.state, State::Publishing(_));
        if asked {
            self.replies.reconnect_request(description)?;
        }
        Ok(asked)
    }

    /// Lets the waiting publisher in.
    ///
    /// # Errors
    /// When the reply does not serialise.
    pub fn accept_publish(&mut self, now: Instant) -> Result<(), SessionError> {
        let State::Deciding(stream_id) = self.state else { return Ok(()) };
        self.state = State::Publishing(stream_id);
        self.since = now;
        self.replies.stream_begin(stream_id)?;
        let code = "NetStream.Publish.Start";
        self.replies.status(stream_id, Level::Status, code, "Publishing.")?;
        Ok(())
    }

    /// Turns the waiting publisher away and closes.
    ///
    /// # Errors
    /// When the reply does not serialise.
    pub fn refuse_publish(&mut self, refusal: Refusal) -> Result<(), SessionError> {
        let State::Deciding(stream_id) = self.state else { return Ok(()) };
        self.refuse(stream_id, refusal)
    }

    /// Tells a publisher that its publish is over, with a NetStream status code, and closes.
    ///
    /// # Errors
    /// When the reply does not serialise.
    pub fn close(&mut self, code: &str, description: &str) -> Result<(), SessionError> {
        if let State::Publishing(stream_id) | State::Deciding(stream_id) = self.state {
            self.replies.status(stream_id, Level::Error, code, description)?;
        }
        self.end(SessionEnd::Closed);
        Ok(())
    }

    fn refuse(&mut self, stream_id: u32, refusal: Refusal) -> Result<(), SessionError> {
        let description = refusal.to_string();
        self.replies.status(stream_id, Level::Error, refusal.status_code(), &description)?;
        self.end(SessionEnd::Refused(refusal));
        Ok(())
    }

    fn end(&mut self, end: SessionEnd) {
        if self.state != State::Closing {
            self.state = State::Closing;
            self.outputs.push_back(Output::Close(end));
        }
    }

    fn handle_handshake<'a>(
        &mut self,
        now: Instant,
        input: &'a [u8],
    ) -> Result<&'a [u8], SessionError> {
        // The handshake is told no more than its own bytes: what follows C2 goes to the reader.
        let wanted = HANDSHAKE_LEN - self.handshake_received;
        let (now_bytes, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
        let Some(handshake) = &mut self.handshake else { return Ok(rest) };
        self.handshake_received += now_bytes.len();
        match handshake.process_bytes(now_bytes)? {
            HandshakeProcessResult::InProgress { response_bytes } => {
                self.replies.bytes.extend_from_slice(&response_bytes);
            }
            HandshakeProcessResult::Completed { response_bytes, .. } => {
                self.replies.bytes.extend_from_slice(&response_bytes);
                self.handshake = None;
                self.state = State::Opened;
                self.since = now;
            }
        }
        Ok(rest)
    }

    fn handle_message(&mut self, now: Instant, message: Message) -> Result<(), SessionError> {
        match message.kind {
            kind::AUDIO => self.handle_media(MediaKind::Audio, message),
            kind::VIDEO => self.handle_media(MediaKind::Video, message),
            kind::AGGREGATE => {
                for part in split_aggregate(&message) {
                    // An aggregate inside an aggregate is not looked into.
                    if part.kind != kind::AGGREGATE {
                        self.handle_message(now, part)?;
                    }
                }
            }
            kind::DATA_AMF0 | kind::DATA_AMF3 => {
                let metadata = Metadata::parse(&message.payload, message.kind == kind::DATA_AMF3);
                let metadata = metadata.unwrap_or_default();
                self.outputs.extend(metadata.encoder.map(Output::Encoder));
                self.outputs.extend(metadata.frame_rate.map(Output::FrameRate));
            }
            kind::COMMAND_AMF0 | kind::COMMAND_AMF3 => {
                let amf3 = message.kind == kind::COMMAND_AMF3;
                let command = Command::parse(&message.payload, amf3)
                    .map_err(|source| self.command_error(source))?;
                self.handle_command(now, command, message.stream_id)?;
            }
            kind::USER_CONTROL => {
                if let Some(stamp) = ping_request(&message.payload) {
                    self.replies.pong(stamp)?;
                }
            }
            kind::WINDOW_ACK_SIZE => {
                if let Some(window) = window(&message.payload) {
                    self.ack_window = window;
                }
            }
            kind::SET_PEER_BANDWIDTH => self.replies.window_ack_size()?,
            // Acknowledgements and shared objects ask for nothing.
            _ => {}
        }
        Ok(())
    }

    fn handle_media(&mut self, kind: MediaKind, message: Message) {
        let State::Publishing(stream_id) = self.state else { return };
        // Some encoders address media to the connection, message stream 0. An empty body means
        // silence, or nothing.
        if message.payload.is_empty() || ![stream_id, 0].contains(&message.stream_id) {
            return;
        }
        let (timestamp, body) = (message.timestamp, message.payload);
        self.outputs.push_back(Output::Media(MediaMessage { kind, timestamp, body }));
    }

    fn handle_command(
        &mut self,
        now: Instant,
        command: Command,
        stream_id: u32,
    ) -> Result<(), SessionError> {
        match command {
            Command::Connect { transaction, app, object_encoding, client } => {
                if self.state != State::Opened {
                    return Err(self.command_error(CommandError::ConnectedTwice));
                }
                self.app = app;
                self.state = State::Connected;
                self.replies.connected(transaction, object_encoding, client.enhanced)?;
                self.client = client;
            }
            Command::ReleaseStream { transaction } | Command::CheckBandwidth { transaction } => {
                self.replies.result(transaction, None)?
            }
            Command::FcPublish { transaction } => {
                self.replies.fc("onFCPublish", "NetStream.Publish.Start")?;
                self.replies.result(transaction, None)?;
            }
            Command::GetStreamLength { transaction } => {
                self.replies.result(transaction, Some(0.0))?;
            }
            Command::CreateStream { transaction } => {
                let stream_id = self.next_stream_id;
                self.next_stream_id = stream_id.wrapping_add(1).max(1);
                self.replies.result(transaction, Some(f64::from(stream_id)))?;
            }
            Command::Publish { name } => self.handle_publish(&name, stream_id)?,
            Command::FcUnpublish => {
                if self.unpublish(now)? {
                    self.replies.fc("onFCUnpublish", "NetStream.Unpublish.Success")?;
                }
            }
            Command::DeleteStream { stream_id: deleted } => {
                if matches!(self.state, State::Publishing(id) if f64::from(id) == deleted) {
                    self.unpublish(now)?;
                }
            }
            Command::CloseStream => {
                if self.state == State::Publishing(stream_id) {
                    self.unpublish(now)?;
                }
            }
            Command::Play => {
                let description = "Playback over RTMP is not offered; play the HLS URL.";
                self.replies.status(
                    stream_id,
                    Level::Error,
                    "NetStream.Play.Failed",
                    description,
                )?;
                self.end(SessionEnd::Play);
            }
            Command::Other => {}
        }
        Ok(())
    }

    fn handle_publish(&mut self, name: &str, stream_id: u32) -> Result<(), SessionError> {
        match self.state {
            State::Connected => {}
            State::Publishing(_) => {
                // One publish at a time; the one under way is left alone.
                let code = Refusal::AlreadyPublishing.status_code();
                let description = "This connection publishes already.";
                self.replies.status(stream_id, Level::Error, code, description)?;
                return Ok(());
            }
            State::Handshake | State::Opened | State::Deciding(_) | State::Closing => {
                return Err(self.command_error(CommandError::BeforeConnect("publish")));
            }
        }
        let name = publish_name(&self.app, name);
        if name.key.is_empty() || name.key.len() > StreamKey::MAX_LEN {
            return self.refuse(stream_id, Refusal::UnknownKey);
        }
        self.reader.set_message_limit(self.config.chunks.message);
        self.state = State::Deciding(stream_id);
        self.outputs.push_back(Output::Publish(PublishAttempt { name }));
        Ok(())
    }

    fn unpublish(&mut self, now: Instant) -> Result<bool, SessionError> {
        let State::Publishing(stream_id) = self.state else { return Ok(false) };
        self.state = State::Connected;
        self.since = now;
        self.outputs.push_back(Output::Unpublished);
        let code = "NetStream.Unpublish.Success";
        self.replies.status(stream_id, Level::Status, code, "Publishing has ended.")?;
        Ok(true)
    }

    /// Acknowledges at half the window, so that an encoder that waits for it never has to.
    fn acknowledge(&mut self) -> Result<(), SessionError> {
        let total = self.reader.position();
        if total - self.acknowledged > u64::from(self.ack_window / 2) {
            self.acknowledged = total;
            let total = u32::try_from(total & u64::from(u32::MAX)).unwrap_or(0);
            self.replies.acknowledge(total)?;
        }
        Ok(())
    }

    const fn command_error(&self, source: CommandError) -> SessionError {
        SessionError::Command { source, position: self.reader.position() }
    }
}

impl std::fmt::Debug for RtmpSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtmpSession")
            .field("state", &self.state)
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
