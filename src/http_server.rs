//! Serves an axum router on accepted connections: HTTP/1.1 and HTTP/2, with deadlines.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::extract::ConnectInfo;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::listener::{Accepted, Listener};

/// How long a client may take to send a request's head, and an idle connection may stay.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long a connection may take for the answer it is in when the listener closes.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);
/// HTTP/2 keep-alive: a ping this often, answered within as long.
const PING: Duration = Duration::from_secs(20);
/// Requests one HTTP/2 connection may have open.
const CONCURRENT_REQUESTS: u32 = 128;
/// Most bytes of an HTTP/2 request's head.
const HEAD_BYTES_MAX: u32 = 32 * 1024;
/// What HTTP/1 gathers before a write: a run of media pieces leaves in one vectored call.
const WRITE_BUFFER: usize = 400 * 1024;

/// Accepts until `closed`; connections then finish the request they are in and end.
pub(crate) async fn serve(
    listener: Listener,
    router: axum::Router,
    closed: CancellationToken,
    connections: TaskTracker,
) {
    let until = closed.clone();
    listener
        .run(closed, move |accepted| {
            let (router, until) = (router.clone(), until.clone());
            connections.spawn(serve_accepted(accepted, router, until));
        })
        .await;
}

async fn serve_accepted(accepted: Accepted, router: axum::Router, closed: CancellationToken) {
    let Accepted { stream, peer, slot, tls } = accepted;
    let _slot = slot;
    let router = NoteRequests::of(router, Some(peer));
    match tls {
        None => serve_noted(stream, router, closed, HEAD_BYTES_MAX).await,
        Some(tls) => {
            if let Some(stream) = tls.shake(stream, peer, &closed).await {
                serve_noted(stream, router, closed, HEAD_BYTES_MAX).await;
            }
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_connection(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    closed: CancellationToken,
) {
    serve_connection_with_heads(io, router, closed, HEAD_BYTES_MAX).await;
}

/// Serves one connection whose HTTP/2 requests may have heads of so many bytes.
pub(crate) async fn serve_connection_with_heads(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    closed: CancellationToken,
    head_bytes: u32,
) {
    serve_noted(io, NoteRequests::of(router, None), closed, head_bytes).await;
}

async fn serve_noted(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: NoteRequests,
    closed: CancellationToken,
    head_bytes: u32,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(WRITE_BUFFER);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
    http2.max_concurrent_streams(CONCURRENT_REQUESTS).max_header_list_size(head_bytes);
    let spoke = Arc::clone(&router.spoke);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    // hyper's own limit on a head begins once it has told HTTP/1 from HTTP/2 by the first bytes.
    let silent = async {
        tokio::time::sleep(HEAD_LIMIT).await;
        if spoke.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return tracing::trace!("closed a connection without a request"),
        () = closed.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GOODBYE_LIMIT, connection).await {
                Ok(ended) => ended,
                Err(_late) => return tracing::debug!("closed a connection that did not finish in time"),
            }
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended");
    }
}

/// Notes that a request has come, and tells it where from.
#[derive(Clone)]
struct NoteRequests {
    spoke: Arc<AtomicBool>,
    client: Option<SocketAddr>,
    router: axum::Router,
}

impl NoteRequests {
    fn of(router: axum::Router, client: Option<SocketAddr>) -> Self {
        Self { spoke: Arc::new(AtomicBool::new(false)), client, router }
    }
}

impl<B> tower::Service<http::Request<B>> for NoteRequests
where
    axum::Router: tower::Service<http::Request<B>>,
{
    type Response = <axum::Router as tower::Service<http::Request<B>>>::Response;
    type Error = <axum::Router as tower::Service<http::Request<B>>>::Error;
    type Future = <axum::Router as tower::Service<http::Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        tower::Service::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        self.spoke.store(true, Ordering::Relaxed);
        if let Some(client) = self.client {
            request.extensions_mut().insert(ConnectInfo(client));
        }
        tower::Service::call(&mut self.router, request)
    }
}
