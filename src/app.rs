//! The gateway put together: build, bind, run, drain.

mod doors;
mod listeners;
mod parts;
mod paying;
mod securing;
mod stages;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use ingest::Departure;
use listeners::Listeners;
use paying::Paying;
use prometheus_client::registry::Registry;
use router::RouterPorts;
use securing::Securing;
use stages::{Stage, Stages};
use store::Store;

use crate::{
    addresses::Addresses,
    admin::{self, Readiness},
    config::Config,
    default_ladder::DefaultLadder,
    gateway_facts::Facts,
    http_server,
    ledger_report::StreamBudgets,
    listener::Listener,
    livepeer_api,
    metrics::{MetricsPage, StreamMetrics},
    operator::{self, Operator},
    stream_task::StreamParts,
    streams::Streams,
};

/// The store's file in a data directory.
pub(crate) const STORE_FILE: &str = "headgate.db";

/// A running gateway.
#[derive(Debug)]
pub struct App {
    addresses: Addresses,
    readiness: Readiness,
    streams: Streams,
    store: Store,
    stages: Stages,
    departure: Departure,
    grace: std::time::Duration,
    data_dir: PathBuf,
    /// Held for as long as the data directory is ours.
    _lock: File,
}

impl App {
    /// Builds every part, binds every address, and serves. `program` is what child processes run:
    /// this same binary.
    ///
    /// # Errors
    /// When the data directory or an address can't be had.
    pub async fn start(config: Config, program: PathBuf) -> anyhow::Result<Self> {
        let lock = prepare_data_dir(&config)?;
        let mut registry = Registry::with_prefix("headgate");
        let stages = Stages::default();
        let securing = Securing::new(&config, &mut registry)?;
        let listeners = Listeners::bind(&config, securing.as_ref(), &stages)?;
        let addresses = listeners.addresses()?;
        let store = parts::open_store(&config).await?;
        let paying = Paying::start(&config, &store, &stages.sessions, &mut registry).await?;
        let ports = RouterPorts {
            payments: paying.as_ref().map(Paying::port),
            memory: Some(Arc::new(store.clone())),
            picture_check: parts::picture_check(&config, &program),
            recording: config.routing.record.clone(),
        };
        let client = parts::orchestrator_client(paying.as_ref())?;
        let router = parts::start_router(&config, &stages, client, ports, &mut registry).await;
        let feed = parts::pool_feed(&config, &router);
        let directory = parts::build_directory(&config, &mut registry);
        let ladder = DefaultLadder::new(config.ladder.clone());
        let stream_parts = StreamParts {
            segmenter: config.segmenter.clone(),
            router: router.clone(),
            routing: config.routing.policy.clone(),
            sequences: parts::keep_sequences(&store, &stages.sessions),
            ladder: ladder.clone(),
            directory: directory.clone(),
            metrics: StreamMetrics::registered(&mut registry),
            filler: parts::filler(&config, &program)?,
            grace: config.grace,
        };
        let streams = parts::streams(&config, &addresses, stream_parts)?;
        let readiness = Readiness::waiting_for("starting");

        let departure =
            listeners.doors.open(&config, &program, &streams, directory, &stages, &mut registry);
        let facts = Facts::new(streams.clone(), feed.clone(), router.clone(), ladder, &config.log)
            .paid_by(paying.as_ref().map(|paying| paying.payer(&config)));
        let operator = Operator {
            streams: streams.clone(),
            router,
            store: store.clone(),
            payments: paying.as_ref().map(Paying::service),
        };
        let line = paying.as_ref().and_then(Paying::line);
        if let Some(paying) = paying {
            paying.attend(&config, &feed, streams.clone(), &stages.support);
        }
        let admin = admin::service(readiness.clone(), MetricsPage::new(registry))
            .merge(operator::service(operator))
            .merge(livepeer_api::service(Arc::new(facts)));
        serve_http(listeners.admin, admin, &stages.support);
        parts::start_transcoding(&config, program, &feed, &readiness, &stages.support)?;
        parts::follow_pools(&config, feed, line, &stages.support);
        Securing::follow(securing, &stages.support);
        addresses.write(&config.data_dir).context("can't write the data directory")?;
        Ok(Self {
            addresses,
            readiness,
            streams,
            store,
            stages,
            departure,
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
        self.departure.ask(RECONNECT_WAIT).await;
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

/// How long publishers that can connect anew on request are waited for: a GOP, and a handshake elsewhere.
const RECONNECT_WAIT: std::time::Duration = std::time::Duration::from_secs(6);

/// What ending connections and children may take beyond the grace that viewers get.
const GRACE_SLACK: std::time::Duration = std::time::Duration::from_secs(6);

/// Takes the data directory, and writes what belongs to this run in place of what an earlier one left.
fn prepare_data_dir(config: &Config) -> anyhow::Result<File> {
    let lock = take_data_dir(&config.data_dir)?;
    Addresses::clear(&config.data_dir)
        .and_then(|()| StreamBudgets::of(&config.payments.budgets).write(&config.data_dir))
        .context("can't write the data directory")?;
    Ok(lock)
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

fn serve_http(listener: Listener, service: axum::Router, stage: &Stage) {
    let (closed, connections) = (stage.closed.clone(), stage.tasks.clone());
    stage.tasks.spawn(http_server::serve(listener, service, closed, connections));
}
