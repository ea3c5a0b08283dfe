//! `headgate orchestrator`: an orchestrator that any Livepeer gateway can use.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use codec::{WorkerConfig, WorkerPool};
use orchestrator::{
    OrchestratorAddress,
    server::{ServerConfig, self_signed_certificate},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::Addresses, cli::OrchestratorArgs, config::ListenerConfig, http_server,
    listener::Listener, paid_orchestrator, tls::shake_hands,
};

/// Connections at the same time: a gateway needs two or three.
const CONNECTIONS: usize = 1_024;
/// Most bytes of a request's head: a payment of six hundred tickets has some 60 kB.
const HEAD_BYTES: u32 = 128 << 10;
/// How long segments under way may take at shutdown.
const GRACE: Duration = Duration::from_secs(8);
/// Longest time one segment may take to transcode.
const JOB_LIMIT: Duration = Duration::from_secs(60);

/// Runs until `stopped`. `program` is this same binary, for the workers.
///
/// # Errors
/// When the address or the data directory can't be had.
pub(crate) async fn run(
    args: OrchestratorArgs,
    program: PathBuf,
    stopped: CancellationToken,
) -> anyhow::Result<()> {
    if let Some(data_dir) = &args.data_dir {
        std::fs::create_dir_all(data_dir).context("can't make the data directory")?;
        Addresses::clear(data_dir).context("can't write the data directory")?;
    }
    let found = tokio::net::lookup_host(&args.addr).await;
    let found = found.with_context(|| {
        format!("{:?} is not an address to listen on; write HOST:PORT", args.addr)
    });
    let addr = found?.next().with_context(|| format!("{:?} has no address", args.addr))?;
    let limits = ListenerConfig { addr, connections: CONNECTIONS, connections_per_ip: CONNECTIONS };
    let listener = Listener::bind("orchestrator", &limits)
        .with_context(|| format!("can't listen on {addr}"))?;
    let bound = listener.local_addr()?;
    let service_uri = service_uri(&args, bound)?;
    let tls = acceptor(&args, &service_uri)?;
    let workers = start_workers(&args, program)?;
    let mut config = ServerConfig::new(service_uri.clone());
    config.max_sessions = usize::try_from(args.max_sessions).unwrap_or(usize::MAX);
    let (paid, data_dir) = (args.paid.clone(), args.data_dir.as_deref());
    let paid = paid_orchestrator::start(paid, data_dir, config, Arc::new(workers.clone())).await?;
    let router = paid.server.router();

    let closed = CancellationToken::new();
    let connections = TaskTracker::new();
    let accept = listener.run(closed.clone(), {
        let (connections, closed) = (connections.clone(), closed.clone());
        move |accepted| {
            let (router, tls, closed) = (router.clone(), tls.clone(), closed.clone());
            connections.spawn(async move {
                let _slot = accepted.slot;
                let Some(tls) = tls else {
                    return serve(accepted.stream, router, closed).await;
                };
                if let Some(stream) = shake_hands(&tls, accepted.stream, accepted.peer).await {
                    serve(stream, router, closed).await;
                }
            });
        }
    });
    connections.spawn(accept);
    if let Some(data_dir) = &args.data_dir {
        Addresses { orchestrator: Some(bound), ..Addresses::default() }
            .write(data_dir)
            .context("can't write the data directory")?;
    }
    tracing::info!(addr = %bound, %service_uri, sessions = args.max_sessions, "orchestrator ready");
    tokio::select! {
        () = stopped.cancelled() => {}
        () = parent_gone(args.exit_with_parent) => tracing::info!("the gateway that started this one is gone"),
    }
    closed.cancel();
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!("segments under way did not end in time; leaving them");
    }
    workers.shutdown().await;
    paid.shut_down().await;
    Ok(())
}

async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    closed: CancellationToken,
) {
    http_server::serve_connection_with_heads(io, router, closed, HEAD_BYTES).await;
}

/// What gateways are told to use: as the operator says, or the host they bind to, as they wrote it.
fn service_uri(args: &OrchestratorArgs, bound: SocketAddr) -> anyhow::Result<OrchestratorAddress> {
    let scheme = if args.plaintext { "http" } else { "https" };
    let uri = match &args.service_uri {
        Some(uri) => uri.clone(),
        None if bound.ip().is_unspecified() => {
            anyhow::bail!(
                "{bound} is every address of this machine: say with --service-uri which one gateways use"
            )
        }
        None => {
            let host = args.addr.rsplit_once(':').map_or(args.addr.as_str(), |(host, _port)| host);
            format!("{scheme}://{host}:{}", bound.port())
        }
    };
    uri.parse().with_context(|| format!("--service-uri {uri}"))
}

fn acceptor(
    args: &OrchestratorArgs,
    service_uri: &OrchestratorAddress,
) -> anyhow::Result<Option<TlsAcceptor>> {
    if args.plaintext {
        return Ok(None);
    }
    let tls = self_signed_certificate(service_uri.host())?;
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

fn start_workers(args: &OrchestratorArgs, program: PathBuf) -> anyhow::Result<WorkerPool> {
    let mut config = WorkerConfig::new(program, vec!["transcode-worker".into()]);
    if let Some(workers) = args.workers {
        config.workers = usize::try_from(workers).unwrap_or(usize::MAX);
    }
    let sessions = usize::try_from(args.max_sessions).unwrap_or(usize::MAX);
    config.queue = config.queue.max(sessions.saturating_mul(2));
    config.job_timeout = JOB_LIMIT;
    Ok(WorkerPool::new(config))
}

/// Ends when standard input does; never without the flag. A thread of its own reads it, so that a
/// blocked read does not hold up the runtime's end.
async fn parent_gone(watch: bool) {
    if !watch {
        std::future::pending::<()>().await;
    }
    let (gone, until_gone) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let copied = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        tracing::debug!(?copied, "standard input ended");
        gone.send(())
    });
    if until_gone.await.is_err() {
        tracing::debug!("standard input is not watched");
    }
}
