//! A gateway's end of the ports of `ingest`, for tests.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

#[allow(dead_code, reason = "not every test runs FFmpeg")]
pub(crate) mod ffmpeg;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ingest::{
    Activity, Admission, BoxFuture, ConnectionContext, ConnectionId, ConnectionOutcome, Departure,
    IngestHealth, IngestMetrics, PublishRequest, PublisherEvent, PublisherSeat, Refusal,
    RtmpConfig, Transport, serve_rtmp_connection,
};
use media::StreamName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Lets everyone in who knows the key `secret`, or passes on a fixed refusal.
pub(crate) struct TestAdmission {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) events: Mutex<Option<mpsc::Sender<PublisherEvent>>>,
    pub(crate) ended: CancellationToken,
    pub(crate) activity: Arc<Activity>,
    pub(crate) requests: Mutex<Vec<PublishRequest>>,
}

impl Admission for TestAdmission {
    fn admit(&self, request: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>> {
        Box::pin(async move {
            let known = request.key.expose() == "secret";
            self.requests.lock().unwrap().push(request);
            if let Some(refusal) = &self.refusal {
                return Err(refusal.clone());
            }
            if !known {
                return Err(Refusal::UnknownKey);
            }
            let events = self.events.lock().unwrap().take().ok_or(Refusal::AlreadyPublishing)?;
            Ok(PublisherSeat {
                stream: StreamName::new("test").unwrap(),
                events,
                ended: self.ended.clone(),
                activity: Arc::clone(&self.activity),
                health: IngestHealth::new(now()),
                watch_page: None,
            })
        })
    }
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// One connection's surroundings.
pub(crate) struct Gateway {
    pub(crate) admission: Arc<TestAdmission>,
    pub(crate) events: mpsc::Receiver<PublisherEvent>,
    pub(crate) departure: Departure,
    pub(crate) shutdown: CancellationToken,
    pub(crate) config: RtmpConfig,
}

impl Gateway {
    pub(crate) fn new() -> Self {
        Self::with_refusal(None)
    }

    pub(crate) fn with_refusal(refusal: Option<Refusal>) -> Self {
        let (sender, events) = mpsc::channel(65_536);
        let admission = Arc::new(TestAdmission {
            refusal,
            events: Mutex::new(Some(sender)),
            ended: CancellationToken::new(),
            activity: Arc::new(Activity::new(now())),
            requests: Mutex::default(),
        });
        let config = RtmpConfig { linger: Duration::from_millis(500), ..RtmpConfig::default() };
        Self {
            admission,
            events,
            departure: Departure::default(),
            shutdown: CancellationToken::new(),
            config,
        }
    }

    pub(crate) fn context(&self) -> ConnectionContext {
        ConnectionContext {
            id: ConnectionId(7),
            peer: ([127, 0, 0, 1], 1).into(),
            transport: Transport::Plain,
            config: Arc::new(self.config.clone()),
            admission: Arc::clone(&self.admission) as Arc<dyn Admission>,
            metrics: Arc::new(IngestMetrics::default()),
            departure: self.departure.clone(),
            shutdown: self.shutdown.clone(),
        }
    }

    /// A loopback port to publish to, and what serves its first connection.
    #[allow(dead_code, reason = "not every test listens")]
    pub(crate) async fn listen<T>(
        &self,
        wrap: impl FnOnce(TcpStream) -> T + Send + 'static,
    ) -> (u16, JoinSet<ConnectionOutcome>)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let context = self.context();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            serve_rtmp_connection(wrap(socket), context).await
        });
        (port, tasks)
    }

    /// Every event up to the last.
    #[allow(dead_code, reason = "not every test reads events")]
    pub(crate) fn drain(&mut self) -> Vec<PublisherEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}
