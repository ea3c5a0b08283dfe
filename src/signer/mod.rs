//! `headgate signer`: the process that holds the key.
//!
//! What is signed decides [`signer::SigningDesk`]. Here are its files (`journal.rs`, `audit_file.rs`), who
//! may ask (`tokens.rs`), and the listener. A grant is on the disk, and in the audit, before a signature
//! leaves.

mod api;
mod args;
mod audit_file;
mod journal;
mod tls;
mod tokens;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use signer::{SigningDesk, SigningLimits};
use tickets::{PrivateKey, U256};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::args::{LimitArgs, SignerArgs};
use self::{
    api::{Api, Peer},
    audit_file::AuditFile,
    journal::Journal,
    tokens::Tokens,
};
use crate::{
    addresses::Addresses,
    config::ListenerConfig,
    eth_key, http_server,
    listener::{Accepted, Listener},
    tls::shake_hands,
};

/// Connections at the same time: without TLS a gateway needs one for each payment under way.
const CONNECTIONS: usize = 1_024;
const CONNECTIONS_PER_IP: usize = 512;
/// How long requests under way may take at shutdown.
const GRACE: Duration = Duration::from_secs(5);

/// Runs until `stopped`.
///
/// # Errors
/// When the key, the files or the address can't be had, or others could reach an address that nothing
/// protects.
pub(crate) async fn run(args: SignerArgs, stopped: CancellationToken) -> anyhow::Result<()> {
    let found = tokio::net::lookup_host(&args.addr).await;
    let found = found.with_context(|| {
        format!("{:?} is not an address to listen on; write HOST:PORT", args.addr)
    });
    let addr = found?.next().with_context(|| format!("{:?} has no address", args.addr))?;
    let tokens = args.tokens.as_deref().map(Tokens::read).transpose()?.unwrap_or_default();
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    check_exposure(addr, &args, &tokens, tls.is_some())?;
    std::fs::create_dir_all(&args.data_dir).context("can't make the data directory")?;
    Addresses::clear(&args.data_dir).context("can't write the data directory")?;
    let key = load_key(&args).await?;
    let desk = SigningDesk::new(key.address(), limits(&args.limits));
    let (journal, desk, writer) = Journal::open(&args.data_dir, desk)?;
    let audit = AuditFile::open(&args.data_dir).context("can't open the audit")?;
    let listener =
        ListenerConfig { addr, connections: CONNECTIONS, connections_per_ip: CONNECTIONS_PER_IP };
    let listener =
        Listener::bind("signer", &listener).with_context(|| format!("can't listen on {addr}"))?;
    let bound = listener.local_addr()?;
    announce(&args, bound, &key, &desk, tls.is_some());
    let api = Arc::new(Api { key, desk, journal, audit, tokens });

    serve(listener, api::router(api), tls, &args, bound, stopped).await?;
    // The last connection has let go of the journal, unless it was left.
    tokio::task::spawn_blocking(move || writer.join()).await?.ok().context("the journal's thread")
}

async fn serve(
    listener: Listener,
    router: axum::Router,
    tls: Option<TlsAcceptor>,
    args: &SignerArgs,
    bound: SocketAddr,
    stopped: CancellationToken,
) -> anyhow::Result<()> {
    let closed = CancellationToken::new();
    let connections = TaskTracker::new();
    let accept = listener.run(closed.clone(), {
        let (connections, closed) = (connections.clone(), closed.clone());
        move |accepted| {
            let router = router.clone().layer(axum::Extension(Peer(accepted.peer.ip())));
            connections.spawn(serve_connection(accepted, router, tls.clone(), closed.clone()));
        }
    });
    let accepting = connections.spawn(accept);
    Addresses { signer: Some(bound), ..Addresses::default() }
        .write(&args.data_dir)
        .context("can't write the data directory")?;
    stopped.cancelled().await;
    closed.cancel();
    connections.close();
    if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
        anyhow::bail!("requests under way did not end in time; left them");
    }
    accepting.await.context("the listener's task")
}

async fn serve_connection(
    accepted: Accepted,
    router: axum::Router,
    tls: Option<TlsAcceptor>,
    closed: CancellationToken,
) {
    let _slot = accepted.slot;
    let Some(tls) = tls else {
        return http_server::serve_connection(accepted.stream, router, closed).await;
    };
    if let Some(stream) = shake_hands(&tls, accepted.stream, accepted.peer).await {
        http_server::serve_connection(stream, router, closed).await;
    }
}

fn announce(
    args: &SignerArgs,
    bound: SocketAddr,
    key: &PrivateKey,
    desk: &journal::SharedDesk,
    tls: bool,
) {
    let spent = journal::lock(desk).total().floor();
    let address = key.address();
    tracing::info!(addr = %bound, %address, %spent, tls, "signer ready");
    let LimitArgs { hour_limit, day_limit, total_limit, .. } = &args.limits;
    if hour_limit.is_none() && day_limit.is_none() && total_limit.is_none() {
        tracing::warn!(
            "nothing limits what may be spent: set --hour-limit, --day-limit or --total-limit"
        );
    }
}

/// An address others can reach needs both tokens and TLS.
fn check_exposure(
    addr: SocketAddr,
    args: &SignerArgs,
    tokens: &Tokens,
    tls: bool,
) -> anyhow::Result<()> {
    let protected = tls && !tokens.is_open();
    if addr.ip().is_loopback() || protected {
        return Ok(());
    }
    ensure!(
        args.insecure,
        "others can reach {addr}: whoever does can spend. Give --tokens, --tls-cert and --tls-key, or say --insecure"
    );
    tracing::warn!(%addr, "others can reach this signer, and tokens or TLS are missing");
    Ok(())
}

async fn load_key(args: &SignerArgs) -> anyhow::Result<PrivateKey> {
    let account = args
        .eth_acct_addr
        .as_deref()
        .map(|text| text.trim().parse().with_context(|| format!("--eth-acct-addr {text}")));
    let account = account.transpose()?;
    let (path, password) = (args.eth_keystore_path.clone(), args.eth_password.clone());
    let key =
        tokio::task::spawn_blocking(move || eth_key::load(&path, password.as_deref(), account));
    key.await.context("can't open the key")?
}

fn limits(args: &LimitArgs) -> SigningLimits {
    SigningLimits {
        ticket_ev: U256::from(args.max_ticket_ev),
        call_ev: U256::from(args.max_total_ev),
        face_value: args.max_face_value.map(U256::from),
        hour: args.hour_limit.map(U256::from),
        day: args.day_limit.map(U256::from),
        stream: args.stream_limit.map(U256::from),
        total: args.total_limit.map(U256::from),
    }
}
