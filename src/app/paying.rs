//! Payments as a part of the gateway.

use std::sync::Arc;

use media::StreamName;
use orchestrator::GatewayIdentity;
use prometheus_client::registry::Registry;
use router::Payments;
use store::Store;
use tokio::sync::mpsc;

use super::stages::Stage;
use crate::{
    chain_line::ChainLine,
    config::Config,
    gateway_facts::Payer,
    payments::{self, PaymentService},
    pool_feed::PoolFeed,
    streams::Streams,
};

/// Who pays, with what.
pub(super) struct Paying {
    identity: GatewayIdentity,
    service: PaymentService,
    /// Streams that have met a limit that ends them.
    stopped: mpsc::Receiver<StreamName>,
    /// To the chain, where it is followed.
    line: Option<ChainLine>,
}

impl Paying {
    /// Makes ready what pays; `None` where nothing is paid.
    pub(super) async fn start(
        config: &Config,
        store: &Store,
        sessions: &Stage,
        registry: &mut Registry,
    ) -> anyhow::Result<Option<Self>> {
        let Some(prepared) = payments::prepare(&config.payments).await? else { return Ok(None) };
        let identity = prepared.identity();
        let record = Arc::new(store.clone());
        let stage = (&sessions.tasks, &sessions.closed);
        let line = config.payments.chain.nodes().cloned().map(ChainLine::new);
        let started = prepared.start(&config.payments, line.clone(), record, registry, stage);
        let (service, stopped) = started.await?;
        Ok(Some(Self { identity, service, stopped, line }))
    }

    /// What orchestrators are told.
    pub(super) const fn identity(&self) -> GatewayIdentity {
        self.identity
    }

    /// For the router.
    pub(super) fn port(&self) -> Arc<dyn Payments> {
        Arc::new(self.service.clone())
    }

    /// For the operator.
    pub(super) fn service(&self) -> PaymentService {
        self.service.clone()
    }

    /// To the chain, where it is followed.
    pub(super) fn line(&self) -> Option<ChainLine> {
        self.line.clone()
    }

    /// Does what payments ask of the rest: caps in dollars follow the price, streams end at their limits.
    pub(super) fn attend(self, config: &Config, pools: &PoolFeed, streams: Streams, stage: &Stage) {
        self.follow_price(config, pools, stage);
        self.stop_at_limits(streams, stage);
    }

    /// Tells the pools what an ether costs, where a feed says it.
    fn follow_price(&self, config: &Config, pools: &PoolFeed, stage: &Stage) {
        let Some(line) = self.line() else { return };
        let Some(source) = config.payments.price_feed else { return };
        let follow = payments::follow_price(self.service(), line, source, pools.clone());
        stage.tasks.spawn(stage.closed.clone().run_until_cancelled_owned(follow));
    }

    /// For scripts that ask who pays.
    pub(super) fn payer(&self, config: &Config) -> Payer {
        Payer { service: self.service.clone(), chain: config.payments.chain.clone() }
    }

    /// Ends the streams that meet a limit that ends them.
    fn stop_at_limits(self, streams: Streams, stage: &Stage) {
        let (mut stopped, closed) = (self.stopped, stage.closed.clone());
        stage.tasks.spawn(closed.run_until_cancelled_owned(async move {
            while let Some(stream) = stopped.recv().await {
                if streams.stop(&stream) {
                    tracing::warn!(%stream, "stopped: the stream's budget is used up");
                }
            }
        }));
    }
}
