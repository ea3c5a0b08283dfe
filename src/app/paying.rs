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
        let (service, stopped) = prepared.start(&config.payments, record, registry, stage).await?;
        Ok(Some(Self { identity, service, stopped }))
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

    /// Tells the pools what an ether costs, where a feed says it.
    pub(super) fn follow_price(&self, config: &Config, pools: &PoolFeed, stage: &Stage) {
        let payments = &config.payments;
        let Some(settings) = payments.chain.nodes() else { return };
        let Some(source) = payments.price_feed else { return };
        let (service, settings) = (self.service.clone(), settings.clone());
        let follow = payments::follow_price(service, settings, source, pools.clone());
        stage.tasks.spawn(stage.closed.clone().run_until_cancelled_owned(follow));
    }

    /// For scripts that ask who pays.
    pub(super) fn payer(&self, config: &Config) -> Payer {
        Payer { service: self.service.clone(), chain: config.payments.chain.clone() }
    }

    /// Ends the streams that meet a limit that ends them.
    pub(super) fn stop_at_limits(self, streams: Streams, stage: &Stage) {
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
