//! The gateway put together: build, bind, run, drain.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use ingest::{
    ConnectionContext, ConnectionId, IngestMetrics, PushConfig, PushContext, PushMetrics,
    RtmpConfig, push_service, serve_rtmp_connection,
};
use media::wall_clock_now;
use orchestrator::{ClientConfig, OrchestratorClient};
use playback::{Directory, Epoch, PlaybackConfig, PlaybackMetrics};
use prometheus_client::registry::Registry;
use router::{PictureCheck, Router, RouterMetrics, RouterPorts};
use store::Store;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::Addresses,
    admin::{self, Readiness},
    config::{Config, ListenerConfig},
    config_watch,
    default_ladder::DefaultLadder,
    discovery::Discovery,
    embedded,
    gateway_facts::Facts,
    http_server,
    listener::Listener,
    livepeer, livepeer_api,
    metrics::{MetricsPage, StreamMetrics},
    operator::{self, Operator},
    pool_feed::PoolFeed,
    publish_auth::PublishAuth,
    push,
    sequences::Sequences,
    stream_task::StreamParts,
    streams::{OtherKeys, Streams},
    webhook::{AuthWebhook, HookClient},
};

/// Connections of the admin page at the same time.
const ADMIN_CONNECTIONS: usize = 256;

/// A running gateway.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    readiness: Readiness,
    streams: Streams,
    store: Store,
    stages: Stages,
    grace: std::time::Duration,
    data_dir: PathBuf,
    /// Held for as long as the data directory is ours.
    _lock: File,
}

/// What shutdown ends, in this order, and the tasks that hang on each.
#[derive(Debug, Default)]
struct Stages {
    /// Publishers: the RTMP listener and its connections.
    publishers: Stage,
    /// Viewers: the HTTP listener and its connections.
    viewers: Stage,
    /// Calls that end sessions at orchestrators, and what keeps what was learned.
    sessions: Stage,
    /// The embedded orchestrator and the admin page.
    support: Stage,
}

#[derive(Clone, Debug, Default)]
struct Stage {
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl Stage {
    async fn end(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl App {
    /// Builds every part, binds every address, and serves. `program` is what child processes run:
    /// this same binary.
    ///
    /// # Errors
    /// When the data directory or an address can't be had.
    pub async fn start(config: Config, program: PathBuf) -> anyhow::Result<Self> {
        let lock = take_data_dir(&config.data_dir)?;
        Addresses::clear(&config.data_dir).context("can't write the data directory")?;
        let listeners = Listeners::bind(&config)?;
        let addresses = listeners.addresses()?;
        let mut registry = Registry::with_prefix("headgate");
        let stages = Stages::default();
        let ingest_metrics = Arc::new(IngestMetrics::default());
        ingest_metrics.register(&mut registry);
        let store = Store::open(&config.data_dir.join("headgate.db"))
            .await
            .context("can't open the store in the data directory")?;
        let sequences = keep_sequences(&store, &stages.sessions);
        let ports = RouterPorts {
            memory: Some(Arc::new(store.clone())),
            picture_check: picture_check(&config, &program),
            recording: config.routing.record.clone(),
        };
        let router = build_router(&config, &stages.sessions, ports, &mut registry).await?;
        let region = config.routing.region.clone();
        let feed = PoolFeed::new(router.clone(), config.transcoding.clone(), region);
        let directory = build_directory(&config, &mut registry);
        let metrics = StreamMetrics::default();
        metrics.register(&mut registry);
        let ladder = DefaultLadder::new(config.ladder.clone());
        let parts = StreamParts {
            segmenter: config.segmenter.clone(),
            router: router.clone(),
            routing: config.routing.policy.clone(),
            sequences: sequences.clone(),
            ladder: ladder.clone(),
            directory: directory.clone(),
            metrics,
            grace: config.grace,
        };
        let other_keys = other_keys(&config, &listeners)?;
        let streams = Streams::new(parts, config.streams.clone(), other_keys, config.streams_max);
        let readiness = Readiness::waiting_for("starting");

        serve_publishers(listeners.rtmp, &config, &streams, ingest_metrics, &stages.publishers);
        let push = push_routes(&config, &streams, &stages.publishers, &mut registry);
        stages.viewers.tasks.spawn(http_server::serve(
            listeners.http,
            viewers_service(directory, push),
            stages.viewers.closed.clone(),
            stages.viewers.tasks.clone(),
        ));
        let admin = admin::service(readiness.clone(), MetricsPage::new(registry));
        let facts = Facts::new(streams.clone(), feed.clone(), router.clone(), ladder, &config.log);
        let operator = Operator { streams: streams.clone(), router, store: store.clone() };
        let admin = admin.merge(operator::service(operator));
        stages.support.tasks.spawn(http_server::serve(
            listeners.admin,
            admin.merge(livepeer_api::service(Arc::new(facts))),
            stages.support.closed.clone(),
            stages.support.tasks.clone(),
        ));
        start_transcoding(&config, program, &feed, &readiness, &stages.support)?;
        follow_pools(&config, feed, &stages.support);
        addresses.write(&config.data_dir).context("can't write the data directory")?;
        Ok(Self {
            addresses,
            readiness,
            streams,
            store,
            stages,
            grace: config.grace,
            data_dir: config.data_dir,
            _lock: lock,
        })
    }

    /// Where the gateway listens.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Whether the gateway can serve.
    #[must_use]
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Ends everything, upstream first, within the configured grace: publishers, then streams with what
    /// they have under way, then viewers.
    pub async fn shut_down(self) {
        self.readiness.drain();
        let drained = tokio::time::timeout(self.grace + GRACE_SLACK, async {
            self.stages.publishers.closed.cancel();
            self.streams.drain().await;
            self.stages.publishers.end().await;
            self.stages.viewers.end().await;
            self.stages.sessions.end().await;
            self.stages.support.end().await;
            self.store.close().await;
        });
        let drained = drained.await;
        if let Err(error) = Addresses::clear(&self.data_dir) {
            tracing::warn!(%error, "can't remove the addresses");
        }
        if drained.is_err() {
            tracing::warn!(grace = ?self.grace, "not everything ended in time; leaving it");
        }
    }
}

/// What ending connections and children may take beyond the grace that viewers get.
const GRACE_SLACK: std::time::Duration = std::time::Duration::from_secs(6);

struct Listeners {
    rtmp: Listener,
    http: Listener,
    admin: Listener,
}

impl Listeners {
    fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |name, listener: &ListenerConfig| {
            Listener::bind(name, listener)
                .with_context(|| format!("can't listen on {} ({name}-addr)", listener.addr))
        };
        let admin = ListenerConfig {
            addr: config.admin_addr,
            connections: ADMIN_CONNECTIONS,
            connections_per_ip: ADMIN_CONNECTIONS,
        };
        Ok(Self {
            rtmp: bind("rtmp", &config.rtmp)?,
            http: bind("http", &config.http)?,
            admin: bind("admin", &admin)?,
        })
    }

    fn addresses(&self) -> anyhow::Result<Addresses> {
        let addresses = Addresses {
            rtmp: Some(self.rtmp.local_addr()?),
            http: Some(self.http.local_addr()?),
            admin: Some(self.admin.local_addr()?),
            orchestrator: None,
        };
        let shown = |addr: Option<SocketAddr>| addr.map(tracing::field::display);
        tracing::info!(
            rtmp = shown(addresses.rtmp),
            http = shown(addresses.http),
            admin = shown(addresses.admin),
            "listening"
        );
        Ok(addresses)
    }
}

/// Makes the data directory and takes it for this process.
fn take_data_dir(data_dir: &Path) -> anyhow::Result<File> {
    let directory = data_dir.display();
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("can't make the data directory {directory}"))?;
    let lock =
        File::create(data_dir.join("lock")).with_context(|| format!("can't write {directory}"))?;
    lock.try_lock()
        .with_context(|| format!("another gateway uses the data directory {directory}"))?;
    Ok(lock)
}

/// Where each stream goes on counting, kept in the store.
fn keep_sequences(store: &Store, sessions: &Stage) -> Sequences {
    let sequences = Sequences::new(store.clone());
    sessions.tasks.spawn(sequences.clone().keep(sessions.closed.clone()));
    sequences
}

async fn build_router(
    config: &Config,
    sessions: &Stage,
    ports: RouterPorts,
    registry: &mut Registry,
) -> anyhow::Result<Router> {
    let metrics = RouterMetrics::register(registry);
    let client = OrchestratorClient::new(ClientConfig::default())?;
    let (tasks, closed) = (sessions.tasks.clone(), sessions.closed.clone());
    Ok(Router::start(config.routing.config.clone(), client, tasks, metrics, ports, closed).await)
}

/// Needs FFmpeg, and somebody to check.
fn picture_check(config: &Config, program: &Path) -> Option<Arc<dyn PictureCheck>> {
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

/// What becomes of publishers that the configuration does not name.
fn other_keys(config: &Config, listeners: &Listeners) -> anyhow::Result<OtherKeys> {
    let policy = config.publisher.clone();
    let Some(webhook) = config.auth_webhook.clone() else {
        return Ok(if config.open { OtherKeys::Open(policy) } else { OtherKeys::Unknown });
    };
    let client = HookClient::new([&webhook.endpoint]).context("auth_webhook can't be asked")?;
    tracing::info!(hook = %webhook.endpoint, signed = webhook.secret.is_some(), "auth webhook");
    let webhook = AuthWebhook::new(client, webhook.endpoint, webhook.secret);
    let (rtmp, http) = (listeners.rtmp.local_addr()?, listeners.http.local_addr()?);
    Ok(OtherKeys::Webhook { auth: PublishAuth::new(webhook, rtmp, http), policy })
}

fn build_directory(config: &Config, registry: &mut Registry) -> Directory {
    let metrics = Arc::new(PlaybackMetrics::default());
    metrics.register(registry);
    let playback = PlaybackConfig {
        window_segments: config.window_segments,
        independent_segments: config.segmenter.long_gop == segmenter::LongGop::Refuse,
        ..PlaybackConfig::new(Epoch::starting_at(wall_clock_now()))
    };
    Directory::new(playback, metrics)
}

/// What the HTTP address answers: playback, HTTP push, and what is not built.
fn viewers_service(directory: Directory, push: axum::Router) -> axum::Router {
    // go-livepeer's players find streams below /stream.
    playback::service(directory.clone())
        .nest("/stream", playback::service(directory))
        .merge(push)
        .merge(livepeer::absent_service())
}

fn push_routes(
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

fn serve_publishers(
    listener: Listener,
    config: &Config,
    streams: &Streams,
    metrics: Arc<IngestMetrics>,
    stage: &Stage,
) {
    let mut rtmp = RtmpConfig::default();
    rtmp.session.idle_timeout = config.publisher_idle_timeout;
    let template = ConnectionContext {
        id: ConnectionId(0),
        peer: ([0, 0, 0, 0], 0).into(),
        config: Arc::new(rtmp),
        admission: Arc::new(streams.clone()),
        metrics,
        shutdown: stage.closed.clone(),
    };
    let connections = stage.tasks.clone();
    let mut last = 0;
    let accept = listener.run(stage.closed.clone(), move |accepted| {
        last += 1;
        let context =
            ConnectionContext { id: ConnectionId(last), peer: accepted.peer, ..template.clone() };
        connections.spawn(async move {
            let _slot = accepted.slot;
            // How it went is logged where it ended.
            drop(Box::pin(serve_rtmp_connection(accepted.stream, context)).await);
        });
    });
    stage.tasks.spawn(accept);
}

/// From the file, and from the webhooks in it.
fn follow_pools(config: &Config, feed: PoolFeed, stage: &Stage) {
    let mut discovery = Discovery::new(feed.clone());
    discovery.set_pools(&config.transcoding.pools);
    let (args, closed) = (config.args.clone(), stage.closed.clone());
    stage.tasks.spawn(config_watch::follow(args, feed, discovery, closed));
}

fn start_transcoding(
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
