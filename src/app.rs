//! The gateway put together: build, bind, run, drain.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use ingest::{ConnectionContext, ConnectionId, IngestMetrics, RtmpConfig, serve_rtmp_connection};
use media::wall_clock_now;
use orchestrator::{ClientConfig, OrchestratorClient};
use playback::{Directory, Epoch, PlaybackConfig, PlaybackMetrics};
use prometheus_client::registry::Registry;
use router::{Router, RouterMetrics};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::Addresses,
    admin::{self, Readiness},
    config::{Config, ListenerConfig, Transcode},
    embedded, http_server,
    listener::Listener,
    metrics::{MetricsPage, StreamMetrics},
    stream_task::StreamParts,
    streams::Streams,
};

/// Connections of the admin page at the same time.
const ADMIN_CONNECTIONS: usize = 256;

/// A running gateway.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    readiness: Readiness,
    streams: Streams,
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
    /// Calls that end sessions at orchestrators.
    sessions: TaskTracker,
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
    pub fn start(config: Config, program: PathBuf) -> anyhow::Result<Self> {
        let lock = take_data_dir(&config.data_dir)?;
        Addresses::clear(&config.data_dir).context("can't write the data directory")?;
        let listeners = Listeners::bind(&config)?;
        let addresses = listeners.addresses()?;
        let mut registry = Registry::with_prefix("headgate");
        let stages = Stages::default();
        let ingest_metrics = Arc::new(IngestMetrics::default());
        ingest_metrics.register(&mut registry);
        let router = build_router(&config, &stages.sessions, &mut registry)?;
        let directory = build_directory(&config, &mut registry);
        let metrics = StreamMetrics::default();
        metrics.register(&mut registry);
        let parts = StreamParts {
            segmenter: config.segmenter.clone(),
            router: router.clone(),
            directory: directory.clone(),
            metrics,
            grace: config.grace,
        };
        let open = config.open.then(|| config.publisher.clone());
        let streams = Streams::new(parts, config.streams.clone(), open, config.streams_max);
        let readiness = Readiness::waiting_for("starting");

        serve_publishers(listeners.rtmp, &config, &streams, ingest_metrics, &stages.publishers);
        let viewers = playback::service(directory);
        stages.viewers.tasks.spawn(http_server::serve(
            listeners.http,
            viewers,
            stages.viewers.closed.clone(),
            stages.viewers.tasks.clone(),
        ));
        stages.support.tasks.spawn(http_server::serve(
            listeners.admin,
            admin::service(readiness.clone(), MetricsPage::new(registry)),
            stages.support.closed.clone(),
            stages.support.tasks.clone(),
        ));
        start_transcoding(&config, program, router, &readiness, &stages.support)?;
        addresses.write(&config.data_dir).context("can't write the data directory")?;
        Ok(Self {
            addresses,
            readiness,
            streams,
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

    /// The registry of streams.
    #[must_use]
    pub const fn streams(&self) -> &Streams {
        &self.streams
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
            self.stages.sessions.close();
            self.stages.sessions.wait().await;
            self.stages.support.end().await;
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
        let shown = |addr: Option<std::net::SocketAddr>| addr.map(tracing::field::display);
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

fn build_router(
    config: &Config,
    sessions: &TaskTracker,
    registry: &mut Registry,
) -> anyhow::Result<Router> {
    let metrics = RouterMetrics::register(registry);
    let client = OrchestratorClient::new(ClientConfig::default())?;
    Ok(Router::new(config.router.clone(), client, sessions.clone(), metrics))
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

fn start_transcoding(
    config: &Config,
    program: PathBuf,
    router: Router,
    readiness: &Readiness,
    stage: &Stage,
) -> anyhow::Result<()> {
    match &config.transcode {
        Transcode::Off => readiness.set(None),
        Transcode::Remote(orchestrators) => {
            router.set_orchestrators(orchestrators.clone());
            readiness.set(None);
        }
        Transcode::Embedded if cfg!(feature = "local") => {
            readiness.set(Some("the embedded orchestrator is starting"));
            let (data_dir, log) = (config.data_dir.clone(), config.log.clone());
            let readiness = readiness.clone();
            let closed = stage.closed.clone();
            stage.tasks.spawn(async move {
                let ended =
                    embedded::run(program, &data_dir, &log, router, readiness, closed).await;
                if let Err(error) = ended {
                    tracing::error!(%error, "the embedded orchestrator can't be run");
                }
            });
        }
        Transcode::Embedded => anyhow::bail!(
            "this build has no transcoder (feature `local`): name orchestrators with --orchestrator, or say --no-transcode"
        ),
    }
    Ok(())
}
