//! The proxy: one port, its routes, and what they share.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::HeaderValue,
    middleware::{self, Next},
    response::Response,
    routing::{any, get, post},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use super::{RunError, control, discovery, rendition, segment};
use crate::{
    Faults, FaultsError, Stats, Upstream, echo::Echoes, sessions::Sessions, stats::Counters,
};

/// Connections at a time; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 512;
/// ffmpeg processes at a time; more renditions wait.
const MAX_EDITS: usize = 2;
/// More than any HTTP library's default limit for headers.
const HUGE_HEADER: usize = 600 << 10;
/// After an accept that failed, for want of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An orchestrator that works as its upstream does, but for its [`Faults`]. It stops when dropped.
#[derive(Debug)]
pub struct FaultyOrchestrator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    _connections: JoinSet<()>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// This proxy's own origin, as clients see it.
    pub(super) base: String,
    pub(super) upstream: Upstream,
    pub(super) http: Client<HttpConnector, Body>,
    pub(super) grpc: Client<HttpConnector, Body>,
    pub(super) counters: Counters,
    pub(super) edits: Semaphore,
    faults: Mutex<Arc<Faults>>,
    sessions: Mutex<Sessions>,
    echoes: Mutex<Echoes>,
}

impl Shared {
    fn new(base: String, upstream: Upstream) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
        Self {
            base,
            upstream,
            http: builder.build_http(),
            grpc: builder.http2_only(true).build_http(),
            counters: Counters::default(),
            edits: Semaphore::new(MAX_EDITS),
            faults: Mutex::default(),
            sessions: Mutex::default(),
            echoes: Mutex::default(),
        }
    }

    /// The faults of a request that begins now.
    pub(super) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        if faults.stale_token {
            self.sessions().forget();
        }
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn echoes(&self) -> MutexGuard<'_, Echoes> {
        self.echoes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultyOrchestrator {
    /// Listens on `addr`, which is on loopback; with port 0 on any port.
    ///
    /// # Errors
    /// When the address is not on loopback, or can't be listened on.
    pub async fn start(upstream: Upstream, addr: SocketAddr) -> Result<Self, RunError> {
        if !addr.ip().is_loopback() {
            return Err(RunError::NotLoopback(addr));
        }
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::new(format!("http://{addr}"), upstream));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, router(&shared)));
        Ok(Self { addr, shared, _connections: connections })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address for a gateway, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.base
    }

    /// Replaces the faults, as `PUT /_faults` does. Requests under way keep theirs.
    ///
    /// # Errors
    /// When one is out of range; the old ones then stay.
    pub fn set(&self, faults: Faults) -> Result<(), FaultsError> {
        self.shared.set_faults(faults.check()?);
        Ok(())
    }

    /// What has been asked of it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    let wire = Router::new()
        .route("/net.Orchestrator/{method}", post(discovery::call))
        .route("/segment", post(segment::receive))
        .route("/stream/{*path}", any(rendition::fetch))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), with_huge_header));
    let control = Router::new()
        .route("/_faults", get(control::show).put(control::set).delete(control::heal))
        .route("/_stats", get(control::stats));
    wire.merge(control).with_state(Arc::clone(shared))
}

async fn with_huge_header(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let huge = shared.faults().huge_header;
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&"h".repeat(if huge { HUGE_HEADER } else { 0 }))
        && huge
    {
        response.headers_mut().insert("x-huge", value);
    }
    response
}

/// Serves HTTP/1.1 and HTTP/2 with prior knowledge, until it is dropped with all its connections.
async fn accept(listener: TcpListener, router: Router) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let _slot = slot;
            // Without it answers of several writes wait for acknowledgements; it fails on a socket that
            // is closed already.
            drop(socket.set_nodelay(true));
            // Connections end as the peer likes; how is of no interest.
            drop(
                auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await,
            );
        });
    }
}
