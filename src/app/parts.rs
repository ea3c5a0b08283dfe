//! How each part of the gateway is built from the configuration.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use ingest::{
    ConnectionContext, ConnectionId, Departure, HealthContext, HealthMetrics, IngestMetrics,
    PushConfig, PushContext, PushMetrics, RtmpConfig, SoundEncoding, Transport, WhipContext,
    WhipMetrics, health_service, push_service, serve_rtmp_connection, whip_service,
};
use media::wall_clock_now;
use orchestrator::{ClientConfig, OrchestratorClient};
use peers::Peers;
use playback::{Directory, Epoch, PlaybackConfig, PlaybackMetrics};
use prometheus_client::registry::Registry;
use router::{PictureCheck, Router, RouterMetrics, RouterPorts};
use store::Store;

use super::{
    paying::Paying,
    stages::{Stage, Stages},
};
#[cfg(feature = "local")]
use crate::filler::FillerWorkers;
#[cfg(feature = "local")]
use crate::sound::SoundWorkers;
use crate::{
    addresses::Addresses,
    admin::Readiness,
    chain_line::ChainLine,
    config::{Config, FillerKind, PublisherPolicy},
    config_watch,
    discovery::Discovery,
    embedded,
    filler::FillerMaking,
    listener::{Accepted, Listener},
    livepeer,
    pool_feed::PoolFeed,
    publish_auth::PublishAuth,
    push,
    sequences::Sequences,
    stream_task::StreamParts,
    streams::{OtherKeys, Streams},
    webhook::{AuthWebhook, HookClient},
};

/// What outlives the process.
pub(super) async fn open_store(config: &Config) -> anyhow::Result<Store> {
    match &config.store_url {
        Some(url) => Store::connect(url.expose()).await.context("can't open the store"),
        None => Store::open(&config.data_dir.join(super::STORE_FILE))
            .await
            .context("can't open the store in the data directory"),
    }
}

/// Where each stream goes on counting, kept in the store.
pub(super) fn keep_sequences(store: &Store, sessions: &Stage) -> Sequences {
    let sequences = Sequences::new(store.clone());
    sessions.tasks.spawn(sequences.clone().keep(sessions.closed.clone()));
    sequences
}

pub(super) async fn start_router(
    config: &Config,
    stages: &Stages,
    client: OrchestratorClient,
    ports: RouterPorts,
    registry: &mut Registry,
) -> Router {
    let metrics = RouterMetrics::register(registry);
    let (tasks, closed) = (stages.sessions.tasks.clone(), stages.sessions.closed.clone());
    Router::start(config.routing.config.clone(), client, tasks, metrics, ports, closed).await
}

/// The way to orchestrators, who are told who pays where anything is paid.
pub(super) fn orchestrator_client(payer: Option<&Paying>) -> anyhow::Result<OrchestratorClient> {
    let client = OrchestratorClient::new(ClientConfig::default())?;
    Ok(match payer {
        Some(payer) => client.with_identity(payer.identity()),
        None => client,
    })
}

/// Where pools come from.
pub(super) fn pool_feed(config: &Config, router: &Router) -> PoolFeed {
    let region = config.routing.region.clone();
    PoolFeed::new(router.clone(), config.transcoding.clone(), region)
}

/// Needs FFmpeg, and somebody to check.
pub(super) fn picture_check(config: &Config, program: &Path) -> Option<Arc<dyn PictureCheck>> {
    let wanted = config.routing.config.picture_check_every > 0;
    let somebody = config.transcoding.embedded || !config.transcoding.pools.is_empty();
    if !(wanted && somebody) {
        return None;
    }
    #[cfg(feature = "local")]
    return Some(Arc::new(crate::picture_check::WorkerPictureCheck::new(program.to_owned())));
    #[cfg(not(feature = "local"))]
    {
        tracing::info!(program = %program.display(), "this build has no FFmpeg: pictures are not compared");
        None
    }
}

/// What makes filler; needs FFmpeg.
#[cfg(feature = "local")]
pub(super) fn filler(
    config: &Config,
    program: &Path,
) -> anyhow::Result<Option<Arc<dyn FillerMaking>>> {
    let slated = policies(config).filter(|policy| policy.filler == FillerKind::Slate);
    let slates = slated.filter_map(|policy| policy.slate.as_ref());
    let workers = FillerWorkers::new(program, slates).context("filler can't be made")?;
    Ok(Some(Arc::new(workers)))
}

#[cfg(not(feature = "local"))]
pub(super) fn filler(
    config: &Config,
    _program: &Path,
) -> anyhow::Result<Option<Arc<dyn FillerMaking>>> {
    anyhow::ensure!(
        policies(config).all(|policy| policy.filler == FillerKind::Off),
        "this build has no FFmpeg (feature `local`), and so no filler: leave `filler` out, or say \"off\""
    );
    Ok(None)
}

fn policies(config: &Config) -> impl Iterator<Item = &PublisherPolicy> {
    let streams = config.streams.iter().map(|stream| &stream.policy);
    std::iter::once(&config.publisher).chain(streams)
}

/// The registry of streams.
pub(super) fn streams(
    config: &Config,
    addresses: &Addresses,
    parts: StreamParts,
) -> anyhow::Result<Streams> {
    let other_keys = other_keys(config, addresses)?;
    Ok(Streams::new(parts, config.streams.clone(), other_keys, config.streams_max))
}

/// What becomes of publishers that the configuration does not name.
fn other_keys(config: &Config, addresses: &Addresses) -> anyhow::Result<OtherKeys> {
    let policy = config.publisher.clone();
    let Some(webhook) = config.auth_webhook.clone() else {
        return Ok(if config.open { OtherKeys::Open(policy) } else { OtherKeys::Unknown });
    };
    let client = HookClient::new([&webhook.endpoint]).context("auth_webhook can't be asked")?;
    tracing::info!(hook = %webhook.endpoint, signed = webhook.secret.is_some(), "auth webhook");
    let webhook = AuthWebhook::new(client, webhook.endpoint, webhook.secret);
    let bound = addresses.rtmp.zip(addresses.http);
    let (rtmp, http) = bound.context("RTMP and HTTP have no address")?;
    Ok(OtherKeys::Webhook { auth: PublishAuth::new(webhook, rtmp, http), policy })
}

pub(super) fn build_directory(config: &Config, registry: &mut Registry) -> Directory {
    let metrics = Arc::new(PlaybackMetrics::default());
    metrics.register(registry);
    let playback = PlaybackConfig {
        window_segments: config.window_segments,
        independent_segments: config.segmenter.long_gop == segmenter::LongGop::Refuse,
        ..PlaybackConfig::new(Epoch::starting_at(wall_clock_now()))
    };
    Directory::new(playback, metrics)
}

/// What the HTTP address answers: playback, publishing over HTTP and WebRTC, and what is not built.
pub(super) fn viewers_service(
    directory: Directory,
    push: axum::Router,
    whip: axum::Router,
) -> axum::Router {
    // go-livepeer's players find streams below /stream.
    playback::service(directory.clone())
        .nest("/stream", playback::service(directory))
        .merge(push)
        .merge(whip)
        .merge(livepeer::absent_service())
}

pub(super) fn push_routes(
    config: &Config,
    streams: &Streams,
    publishers: &Stage,
    registry: &mut Registry,
) -> axum::Router {
    if !config.push {
        return push::switched_off_service();
    }
    let metrics = Arc::new(PushMetrics::default());
    metrics.register(registry);
    push_service(PushContext {
        admission: Arc::new(streams.clone()),
        config: PushConfig::default(),
        metrics,
        tasks: publishers.tasks.clone(),
        shutdown: publishers.closed.clone(),
    })
}

/// Looks after the health of all streams, and shows each to who has its key.
pub(super) fn health_routes(
    streams: &Streams,
    publishers: &Stage,
    registry: &mut Registry,
) -> axum::Router {
    let metrics = HealthMetrics::registered(registry);
    let watch = streams.clone().watch_health(metrics, publishers.closed.clone());
    publishers.tasks.spawn(watch);
    health_service(HealthContext { owners: Arc::new(streams.clone()) })
}

/// What is counted of publishers, however they come.
pub(super) fn ingest_metrics(registry: &mut Registry) -> Arc<IngestMetrics> {
    let metrics = Arc::new(IngestMetrics::default());
    metrics.register(registry);
    metrics
}

/// What makes AAC of publishers' Opus; needs FFmpeg.
#[cfg(feature = "local")]
fn sound_encoding(program: &Path, publishers: &Stage) -> Option<Arc<dyn SoundEncoding>> {
    let workers = SoundWorkers::new(program.to_owned(), publishers.tasks.clone());
    Some(Arc::new(workers))
}

#[cfg(not(feature = "local"))]
fn sound_encoding(_program: &Path, _publishers: &Stage) -> Option<Arc<dyn SoundEncoding>> {
    tracing::info!("this build has no FFmpeg: publishers over WebRTC have no sound");
    None
}

/// Publishers over WebRTC, and the page to publish from. No routes where that is switched off.
pub(super) fn whip_routes(
    config: &Config,
    peers: Option<Peers>,
    program: &Path,
    streams: &Streams,
    publishers: &Stage,
    ingest: &Arc<IngestMetrics>,
    registry: &mut Registry,
) -> axum::Router {
    let Some((settings, peers)) = config.whip.as_ref().zip(peers) else {
        return axum::Router::new();
    };
    let metrics = Arc::new(WhipMetrics::default());
    metrics.register(registry, &peers);
    whip_service(WhipContext {
        admission: Arc::new(streams.clone()),
        peers,
        sound: sound_encoding(program, publishers),
        config: settings.sessions.clone(),
        ingest: Arc::clone(ingest),
        metrics,
        tasks: publishers.tasks.clone(),
        shutdown: publishers.closed.clone(),
    })
    .merge(playback::publish_page())
}

/// Publishers, plain or inside TLS.
pub(super) fn serve_publishers(
    listeners: impl IntoIterator<Item = Listener>,
    config: &Config,
    streams: &Streams,
    stage: &Stage,
    metrics: Arc<IngestMetrics>,
) -> Departure {
    let departure = Departure::default();
    let mut rtmp = RtmpConfig::default();
    rtmp.session.idle_timeout = config.publisher_idle_timeout;
    let template = ConnectionContext {
        id: ConnectionId(0),
        peer: ([0, 0, 0, 0], 0).into(),
        transport: Transport::Plain,
        config: Arc::new(rtmp),
        admission: Arc::new(streams.clone()),
        metrics,
        departure: departure.clone(),
        shutdown: stage.closed.clone(),
    };
    for listener in listeners {
        let connections = stage.tasks.clone();
        let template = template.clone();
        // Who connects anew must not come back here.
        let accept = listener.run(departure.asked().clone(), move |accepted| {
            let context = ConnectionContext {
                id: ConnectionId::next(),
                peer: accepted.peer,
                ..template.clone()
            };
            connections.spawn(serve_publisher(accepted, context));
        });
        stage.tasks.spawn(accept);
    }
    departure
}

/// Serves one connection to its end. How it went is logged where it ended.
async fn serve_publisher(accepted: Accepted, context: ConnectionContext) {
    let Accepted { stream, peer, slot, tls } = accepted;
    let _slot = slot;
    let Some(tls) = tls else {
        drop(Box::pin(serve_rtmp_connection(stream, context)).await);
        return;
    };
    if let Some(stream) = tls.shake(stream, peer, &context.shutdown).await {
        let context = ConnectionContext { transport: Transport::Tls, ..context };
        drop(Box::pin(serve_rtmp_connection(stream, context)).await);
    }
}

/// From the file, and from the webhooks in it and the chain.
pub(super) fn follow_pools(
    config: &Config,
    feed: PoolFeed,
    chain: Option<ChainLine>,
    stage: &Stage,
) {
    let mut discovery = Discovery::new(feed.clone(), chain);
    discovery.set_pools(&config.transcoding.pools);
    let closed = stage.closed.clone();
    stage.tasks.spawn(config_watch::follow(config.clone(), feed, discovery, closed));
}

pub(super) fn start_transcoding(
    config: &Config,
    program: PathBuf,
    feed: &PoolFeed,
    readiness: &Readiness,
    stage: &Stage,
) -> anyhow::Result<()> {
    if !config.transcoding.embedded {
        readiness.set(None);
        return Ok(());
    }
    anyhow::ensure!(
        cfg!(feature = "local"),
        "this build has no transcoder (feature `local`): name orchestrators with --orchestrator, or say --no-transcode"
    );
    readiness.set(Some("the embedded orchestrator is starting"));
    let (data_dir, log) = (config.data_dir.clone(), config.log.clone());
    let (feed, readiness, closed) = (feed.clone(), readiness.clone(), stage.closed.clone());
    stage.tasks.spawn(async move {
        let ended = embedded::run(program, &data_dir, &log, feed, readiness, closed).await;
        if let Err(error) = ended {
            tracing::error!(%error, "the embedded orchestrator can't be run");
        }
    });
    Ok(())
}
