//! Serves an axum router on accepted connections: HTTP/1.1 and HTTP/2, with deadlines.

use std::{pin::pin, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::listener::Listener;

/// How long a client may take to send a request's head, and an idle connection may stay.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// HTTP/2 keep-alive: a ping this often, answered within as long.
const PING: Duration = Duration::from_secs(20);
/// Requests one HTTP/2 connection may have open.
const CONCURRENT_REQUESTS: u32 = 128;
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 32 * 1024;

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
            connections.spawn(async move {
                let _slot = accepted.slot;
                serve_connection(accepted.stream, router, until).await;
            });
        })
        .await;
}

/// Serves one connection to its end.
pub(crate) async fn serve_connection(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    closed: CancellationToken,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(HEAD_BYTES_MAX);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PING);
    http2.max_concurrent_streams(CONCURRENT_REQUESTS).max_header_list_size(32 * 1024);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended");
    }
}
