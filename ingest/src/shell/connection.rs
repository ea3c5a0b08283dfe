//! One publisher's connection: an RTMP session over a byte stream.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use media::{Redacted, StreamName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};
use tracing::{debug, info, warn};

use super::{Admission, Departure, IngestMetrics, event_queue::Closed, now, publisher::Publisher};
use crate::{
    demux::DemuxError,
    event::EndReason,
    publish::{ConnectionId, PublishRequest, Refusal, StreamKey},
    rtmp::{
        MediaMessage, Output, PublishAttempt, RtmpSession, SessionConfig, SessionEnd, SessionError,
    },
};

/// Read buffer of a connection that has not published yet: there may be thousands.
const READ_BUFFER_BEFORE_PUBLISH: usize = 4 * 1024;
/// Read buffer of a publisher. A system call then takes all that 4 Mbit/s bring in 130 ms.
const READ_BUFFER: usize = 64 * 1024;

/// Deadlines and limits of RTMP connections.
#[derive(Clone, Debug)]
pub struct RtmpConfig {
    /// Deadlines and limits of the protocol.
    pub session: SessionConfig,
    /// How long Admission may take.
    pub admission_timeout: Duration,
    /// How long the peer may take to read what is sent to it.
    pub write_timeout: Duration,
    /// How long to wait, after the last bytes are sent, for the peer to read them and close.
    pub linger: Duration,
}

impl Default for RtmpConfig {
    fn default() -> Self {
        Self {
            session: SessionConfig::default(),
            admission_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(1),
        }
    }
}

/// What carries a connection's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// TCP: `rtmp://`.
    #[default]
    Plain,
    /// TLS: `rtmps://`.
    Tls,
}

impl Transport {
    /// The scheme of its URLs, which metrics and logs show.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "rtmp",
            Self::Tls => "rtmps",
        }
    }
}

/// What a connection needs to know of the rest of the gateway.
#[derive(Clone)]
pub struct ConnectionContext {
    /// Its number.
    pub id: ConnectionId,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// What carries it.
    pub transport: Transport,
    /// Deadlines and limits.
    pub config: Arc<RtmpConfig>,
    /// Who may publish.
    pub admission: Arc<dyn Admission>,
    /// What is counted.
    pub metrics: Arc<IngestMetrics>,
    /// How publishers that can reconnect are asked to, before the gateway ends.
    pub departure: Departure,
    /// Cancelled when the gateway ends: the publisher is told, and the connection closed.
    pub shutdown: CancellationToken,
}

impl std::fmt::Debug for ConnectionContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectionContext")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// How a connection ended without a fault of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The peer closed it.
    PeerClosed,
    /// Its publish was refused.
    Refused(Refusal),
    /// It wanted to play, which is not offered.
    PlayRefused,
    /// The root ended its seat, or the stream is gone.
    Dismissed,
    /// The gateway shuts down.
    ShutDown,
}

/// What went wrong on a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionFault {
    /// The peer broke the protocol, or a deadline passed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The publisher's media can't be read.
    #[error(transparent)]
    Demux(#[from] DemuxError),
    /// The socket failed.
    #[error("connection broke: {0}")]
    Io(#[from] io::Error),
    /// The peer closed before the handshake was complete.
    #[error("closed during the handshake")]
    ClosedInHandshake,
    /// The peer does not read what is sent to it.
    #[error("peer did not read for {0:?}")]
    WriteTimeout(Duration),
}

impl ConnectionFault {
    /// A short, bounded name for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session(SessionError::Handshake(_)) | Self::ClosedInHandshake => "handshake",
            Self::Session(SessionError::Chunk(_)) => "chunk",
            Self::Session(SessionError::Command { .. }) => "command",
            Self::Session(SessionError::Reply(_)) => "reply",
            Self::Session(
                SessionError::HandshakeTimeout(_)
                | SessionError::PublishTimeout(_)
                | SessionError::Silent(_),
            )
            | Self::WriteTimeout(_) => "timeout",
            Self::Demux(_) => "media",
            Self::Io(_) => "io",
        }
    }
}

/// A fault, with where it happened.
#[derive(Debug, thiserror::Error)]
#[error("connection {connection}{}, byte {position}: {fault}", StreamSuffix(stream))]
pub struct ConnectionError {
    /// The connection.
    pub connection: ConnectionId,
    /// The stream it published to.
    pub stream: Option<StreamName>,
    /// Bytes read from the connection up to the fault.
    pub position: u64,
    /// What went wrong.
    #[source]
    pub fault: ConnectionFault,
}

struct StreamSuffix<'a>(&'a Option<StreamName>);

impl std::fmt::Display for StreamSuffix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |stream| write!(f, ", stream {stream}"))
    }
}

/// How a connection went.
#[derive(Debug)]
pub struct ConnectionOutcome {
    /// The stream it published to last.
    pub stream: Option<StreamName>,
    /// Bytes received.
    pub received: u64,
    /// How it ended.
    pub result: Result<ConnectionEnd, ConnectionError>,
}

/// Serves one accepted connection, plain or inside TLS, until it ends.
///
/// The caller owns the task, the limits per address, and `TCP_NODELAY`. Dropping the future closes
/// the connection without a word and without the publisher's last event: cancel `shutdown` instead.
pub async fn serve_rtmp_connection(
    io: impl AsyncRead + AsyncWrite + Unpin + Send,
    context: ConnectionContext,
) -> ConnectionOutcome {
    let session = RtmpSession::new(context.config.session.clone(), now());
    let (id, metrics) = (context.id, Arc::clone(&context.metrics));
    let transport = context.transport;
    debug!(connection = %id, peer = %context.peer, over = transport.scheme(), "connection accepted");
    metrics.connections(transport).inc();
    let mut connection = Connection {
        io,
        session,
        buffer: vec![0; READ_BUFFER_BEFORE_PUBLISH],
        received: 0,
        publisher: None,
        stream: None,
        end: None,
        departing: None,
        asked_to_leave: false,
        context,
    };
    let result = connection.run().await;
    let outcome = connection.finish(result).await;
    metrics.connections(transport).dec();
    match &outcome.result {
        Ok(end) => {
            debug!(connection = %id, received = outcome.received, ?end, "connection closed");
            metrics.connection_ended("orderly");
        }
        Err(error) => {
            if outcome.stream.is_some() {
                warn!("{error}");
            } else {
                // Strangers who speak something else are no reason to act.
                info!("{error}");
            }
            metrics.connection_ended(error.fault.kind());
        }
    }
    outcome
}

struct Connection<T> {
    io: T,
    session: RtmpSession,
    buffer: Vec<u8>,
    received: u64,
    publisher: Option<Publisher>,
    stream: Option<StreamName>,
    /// Set when the connection is to be closed once everything is written.
    end: Option<(ConnectionEnd, EndReason)>,
    /// Held while the publisher can be asked to connect anew.
    departing: Option<TaskTrackerToken>,
    asked_to_leave: bool,
    context: ConnectionContext,
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection<T> {
    async fn run(&mut self) -> Result<ConnectionEnd, ConnectionFault> {
        let shutdown = self.context.shutdown.clone();
        let mut shutdown = pin!(shutdown.cancelled());
        let departure = self.context.departure.clone();
        let mut departure = pin!(departure.asked().cancelled());
        let mut timer = pin!(sleep_until(self.deadline()));
        loop {
            self.write().await?;
            if let Some((end, _)) = &self.end {
                let end = end.clone();
                self.linger().await;
                return Ok(end);
            }
            // The deadline moves with every byte. The timer is set back only when it would ring too
            // late, and set forward when it rings, which is far rarer than bytes.
            let deadline = self.deadline();
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                biased;
                () = &mut shutdown => self.shut_down()?,
                () = &mut departure, if self.publisher.is_some() && !self.asked_to_leave => {
                    self.ask_to_leave()?;
                }
                () = dismissed(&mut self.publisher) => self.dismiss()?,
                read = self.io.read(&mut self.buffer) => {
                    match read {
                        Ok(0) => return self.closed_by_peer(),
                        Ok(length) => self.handle_read(length).await?,
                        Err(_) if self.has_unpublished() => return Ok(ConnectionEnd::PeerClosed),
                        // TLS without its good-bye. RTMP has one of its own, so nothing is cut off unseen.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                            return self.closed_by_peer();
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                () = &mut timer => {
                    self.session.handle_timeout(now())?;
                    timer.as_mut().reset(self.deadline());
                }
            }
        }
    }

    fn deadline(&self) -> tokio::time::Instant {
        let far = || now() + Duration::from_secs(86_400);
        self.session.poll_timeout().unwrap_or_else(far).into()
    }

    /// Reads everything in the buffer, then hands the events on.
    async fn handle_read(&mut self, length: usize) -> Result<(), ConnectionFault> {
        let now = now();
        let bytes = u64::try_from(length).unwrap_or(0);
        self.received += bytes;
        self.context.metrics.received_bytes.inc_by(bytes);
        if let Some(publisher) = &self.publisher {
            publisher.touch(now);
        }
        let buffer = std::mem::take(&mut self.buffer);
        let result = self.handle_input(now, buffer.get(..length).unwrap_or(&[])).await;
        self.buffer = buffer;
        // A larger buffer is for those who were let in.
        if self.publisher.is_some() && self.buffer.len() < READ_BUFFER {
            self.buffer.resize(READ_BUFFER, 0);
        }
        self.deliver()?;
        result
    }

    async fn handle_input(
        &mut self,
        now: Instant,
        mut input: &[u8],
    ) -> Result<(), ConnectionFault> {
        loop {
            let consumed = self.session.handle_input(now, input);
            // What came before a fault still counts.
            while let Some(output) = self.session.poll_output() {
                self.handle_output(now, output).await?;
            }
            input = input.get(consumed?..).unwrap_or(&[]);
            if input.is_empty() || self.end.is_some() {
                return Ok(());
            }
        }
    }

    async fn handle_output(&mut self, now: Instant, output: Output) -> Result<(), ConnectionFault> {
        match output {
            Output::Media(message) => self.handle_media(now, &message),
            Output::Publish(attempt) => self.admit(attempt).await,
            Output::Encoder(encoder) => {
                if let Some(publisher) = &mut self.publisher {
                    publisher.tell_encoder(encoder);
                }
                Ok(())
            }
            Output::FrameRate(thousandths) => {
                if let Some(publisher) = &self.publisher {
                    publisher.announce_rate(thousandths);
                }
                Ok(())
            }
            Output::Unpublished => {
                self.end_publish(EndReason::Unpublished).await;
                Ok(())
            }
            Output::Close(end) => {
                let end = match end {
                    SessionEnd::Refused(refusal) => ConnectionEnd::Refused(refusal),
                    SessionEnd::Play => ConnectionEnd::PlayRefused,
                    SessionEnd::Closed => ConnectionEnd::Dismissed,
                };
                self.end.get_or_insert((end, EndReason::ProtocolError));
                Ok(())
            }
        }
    }

    fn handle_media(
        &mut self,
        now: Instant,
        message: &MediaMessage,
    ) -> Result<(), ConnectionFault> {
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        if self.end.is_some() {
            return Ok(());
        }
        if let Err(error) = publisher.push(now, message) {
            let refusal = Refusal::Rejected(error.to_string());
            warn!(connection = %self.context.id, stream = %publisher.stream, "publish stopped: {error}");
            self.session.close(refusal.status_code(), &error.to_string())?;
            self.end = Some((ConnectionEnd::Refused(refusal.clone()), EndReason::Refused(refusal)));
        }
        Ok(())
    }

    async fn admit(&mut self, attempt: PublishAttempt) -> Result<(), ConnectionFault> {
        let (id, peer) = (self.context.id, self.context.peer);
        let name = attempt.name;
        let decision = match StreamKey::new(name.key) {
            None => Err(Refusal::UnknownKey),
            Some(key) => {
                let query = name.query.map(Redacted::new);
                let request = PublishRequest { connection: id, peer, app: name.app, key, query };
                tokio::select! {
                    biased;
                    decision = self.context.admission.admit(request) => decision,
                    () = self.context.shutdown.cancelled() => Err(Refusal::ShuttingDown),
                    () = sleep(self.context.config.admission_timeout) => {
                        Err(Refusal::Rejected("admission took too long".to_owned()))
                    }
                }
            }
        };
        match decision {
            Ok(seat) => {
                let transport = self.context.transport;
                debug!(connection = %id, %peer, stream = %seat.stream, over = transport.scheme(), "publishing");
                self.context.metrics.publishers(transport).inc();
                self.stream = Some(seat.stream.clone());
                let publisher = Publisher::new(id, transport, seat);
                publisher.touch(now());
                self.session.client().flash_version.iter().for_each(|it| publisher.encoded_by(it));
                self.publisher = Some(publisher);
                let able = self.session.client().reconnect;
                self.departing = able.then(|| self.context.departure.count());
                self.session.accept_publish(now())?;
            }
            Err(refusal) => {
                info!(connection = %id, %peer, "publish refused: {refusal}");
                self.context.metrics.publish_ended("refused");
                self.session.refuse_publish(refusal)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), ConnectionFault> {
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        match publisher.deliver(&self.context.metrics) {
            Ok(()) => Ok(()),
            Err(Closed) => self.dismiss(),
        }
    }

    fn dismiss(&mut self) -> Result<(), ConnectionFault> {
        let description = "The gateway ended this publish.";
        self.close(ConnectionEnd::Dismissed, EndReason::Dismissed, description)
    }

    /// Media is taken on until the publisher leaves, or the gateway ends.
    fn ask_to_leave(&mut self) -> Result<(), ConnectionFault> {
        self.asked_to_leave = true;
        if self.session.request_reconnect("The gateway is about to restart.")? {
            info!(connection = %self.context.id, "publisher is asked to connect anew");
        }
        Ok(())
    }

    fn shut_down(&mut self) -> Result<(), ConnectionFault> {
        let description = "The gateway is shutting down.";
        self.close(ConnectionEnd::ShutDown, EndReason::ShuttingDown, description)
    }

    fn close(
        &mut self,
        end: ConnectionEnd,
        reason: EndReason,
        description: &str,
    ) -> Result<(), ConnectionFault> {
        if self.end.is_none() {
            self.session.close("NetStream.Publish.Rejected", description)?;
            self.end = Some((end, reason));
        }
        Ok(())
    }

    fn closed_by_peer(&self) -> Result<ConnectionEnd, ConnectionFault> {
        if self.session.in_handshake() && self.received > 0 {
            return Err(ConnectionFault::ClosedInHandshake);
        }
        Ok(ConnectionEnd::PeerClosed)
    }

    /// Whether the publisher has said its good-bye: it need not wait for ours, and a connection that
    /// breaks then is a closed one (FFmpeg closes with our last words unread, which resets it).
    const fn has_unpublished(&self) -> bool {
        self.publisher.is_none() && self.stream.is_some()
    }

    /// Writes every waiting byte, within the deadline.
    async fn write(&mut self) -> Result<(), ConnectionFault> {
        let unpublished = self.has_unpublished();
        let writes = self.session.writes();
        if writes.is_empty() {
            return Ok(());
        }
        let limit = self.context.config.write_timeout;
        // TLS keeps what the socket has no room for until it is flushed.
        let io = &mut self.io;
        let written = async {
            io.write_all(writes).await?;
            io.flush().await
        };
        match timeout(limit, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) if unpublished => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(ConnectionFault::WriteTimeout(limit)),
        }
        writes.clear();
        Ok(())
    }

    /// Closes our side and reads on for a moment: closing with unread bytes resets the connection,
    /// and the peer would never see the status it was sent.
    async fn linger(&mut self) {
        let Self { io, buffer, context, .. } = self;
        let quiet = async {
            if io.shutdown().await.is_err() {
                return;
            }
            while io.read(buffer).await.is_ok_and(|length| length > 0) {}
        };
        // Either way the connection is over.
        drop(timeout(context.config.linger, quiet).await);
    }

    async fn end_publish(&mut self, reason: EndReason) {
        self.departing = None;
        if let Some(publisher) = self.publisher.take() {
            publisher.end(reason, &self.context.metrics).await;
        }
    }

    async fn finish(mut self, result: Result<ConnectionEnd, ConnectionFault>) -> ConnectionOutcome {
        let reason = match (&result, self.end.take()) {
            (Ok(_), Some((_, reason))) => reason,
            (Ok(_), None) | (Err(ConnectionFault::Io(_) | ConnectionFault::WriteTimeout(_)), _) => {
                EndReason::ConnectionLost
            }
            (Err(ConnectionFault::Session(SessionError::Silent(_))), _) => EndReason::Silent,
            (Err(_), _) => EndReason::ProtocolError,
        };
        self.end_publish(reason).await;
        let position = self.session.position();
        let stream = self.stream;
        let result = result.map_err(|fault| ConnectionError {
            connection: self.context.id,
            stream: stream.clone(),
            position,
            fault,
        });
        ConnectionOutcome { stream, received: self.received, result }
    }
}

/// Resolves when the root wants the publisher gone; never without one.
async fn dismissed(publisher: &mut Option<Publisher>) {
    match publisher {
        Some(publisher) => publisher.dismissed.as_mut().await,
        None => std::future::pending().await,
    }
}
