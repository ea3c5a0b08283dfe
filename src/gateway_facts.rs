//! What go-livepeer's operator endpoints show of this gateway, and change in it.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use media::{Ladder, StreamName};
use orchestrator::PixelPrice;
use router::{ConfiguredOrchestrator, OrchestratorStatus, Router, Standing};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::{
    config::{LogConfig, PaymentChainConfig},
    default_ladder::DefaultLadder,
    livepeer_api::{
        GatewayFacts, OrchestratorFacts, PayerFacts, PayerFunds, RenditionFacts, SettingRefused,
        StreamFacts,
    },
    payments::PaymentService,
    pool_feed::PoolFeed,
    streams::{Figures, LiveStream, Streams},
};

/// The running gateway's parts that the endpoints look at. What they change holds until a restart; a
/// price cap only until the configuration file changes.
#[derive(Debug)]
pub(crate) struct Facts {
    streams: Streams,
    feed: PoolFeed,
    router: Router,
    ladder: DefaultLadder,
    log_level: u8,
    payer: Option<Payer>,
}

/// Who pays, and on which chain.
#[derive(Debug)]
pub(crate) struct Payer {
    pub(crate) service: PaymentService,
    pub(crate) chain: PaymentChainConfig,
}

impl Facts {
    pub(crate) fn new(
        streams: Streams,
        feed: PoolFeed,
        router: Router,
        ladder: DefaultLadder,
        log: &LogConfig,
    ) -> Self {
        Self { streams, feed, router, ladder, log_level: log_level(log), payer: None }
    }

    /// With who pays.
    pub(crate) fn paid_by(self, payer: Option<Payer>) -> Self {
        Self { payer, ..self }
    }
}

impl GatewayFacts for Facts {
    fn streams(&self) -> Vec<StreamFacts> {
        self.streams.live_streams().iter().filter_map(stream).collect()
    }

    fn orchestrators(&self) -> Vec<OrchestratorFacts> {
        let known = self.router.status().into_iter();
        let known: HashMap<_, _> = known.map(|it| (it.address.clone(), it)).collect();
        let all = self.feed.orchestrators();
        all.iter().map(|it| orchestrator(it, known.get(&it.address.to_string()))).collect()
    }

    fn ladder(&self) -> Option<Ladder> {
        self.ladder.get()
    }

    fn max_price(&self) -> Option<PixelPrice> {
        self.feed.max_price()
    }

    fn log_level(&self) -> u8 {
        self.log_level
    }

    fn payer(&self) -> Option<PayerFacts> {
        self.payer.as_ref().map(payer)
    }

    fn set_ladder(&self, ladder: Ladder) {
        self.ladder.set(ladder);
    }

    fn set_max_price(&self, price: Option<PixelPrice>) -> Result<(), SettingRefused> {
        self.feed.set_max_price(price).map_err(|error| SettingRefused(error.to_string()))
    }

    fn set_streams_max(&self, streams: NonZeroU32) {
        let most = usize::try_from(streams.get()).unwrap_or(usize::MAX);
        self.streams.set_streams_max(most);
    }
}

fn payer(payer: &Payer) -> PayerFacts {
    let figures = payer.service.figures();
    let chain_id = match &payer.chain {
        PaymentChainConfig::Offline => None,
        PaymentChainConfig::Nodes(settings) => Some(settings.network.chain_id),
    };
    let funds = match (figures.deposit_wei, figures.reserve_wei, figures.withdraw_round) {
        (Some(deposit), Some(reserve), Some(withdraw_round)) => {
            Some(PayerFunds { deposit, reserve, withdraw_round })
        }
        _ => None,
    };
    PayerFacts { address: figures.address, chain_id, funds, fault: figures.chain_fault }
}

/// A stream under its public name; a name that differs is the operator's, never a key.
fn stream(live: &LiveStream) -> Option<StreamFacts> {
    let (name, id) = (live.name.as_str(), live.playback_id.as_str());
    let rendition = |name, figures: &Figures| RenditionFacts {
        name,
        size: figures.size,
        bandwidth: u32::try_from(figures.peak).unwrap_or(u32::MAX),
    };
    let figures = &live.figures;
    let mut renditions = vec![rendition(None, &figures.source)];
    renditions
        .extend(figures.renditions.iter().map(|(name, it)| rendition(Some(name.clone()), it)));
    Some(StreamFacts {
        manifest: StreamName::new(id).ok()?,
        pushed_as: (name != id).then(|| name.to_owned()),
        renditions,
        source_bytes: figures.source.bytes,
        transcoded_bytes: figures.transcoded_bytes(),
    })
}

fn orchestrator(
    configured: &ConfiguredOrchestrator,
    status: Option<&OrchestratorStatus>,
) -> OrchestratorFacts {
    let percent = u8::try_from(configured.weight).unwrap_or(u8::MAX).min(100);
    let round_trip = status.and_then(|it| it.round_trip_micros);
    let shunned = |it: &OrchestratorStatus| {
        matches!(it.standing, Standing::Silent | Standing::Open | Standing::Demoted)
    };
    OrchestratorFacts {
        address: configured.address.clone(),
        score: f32::from(percent) / 100.0,
        latency: round_trip.map(|micros| Duration::from_micros(micros.into())),
        price: status.and_then(|it| it.quoted),
        active: !status.is_some_and(shunned),
    }
}

/// The level of go-livepeer that logs about as much.
fn log_level(log: &LogConfig) -> u8 {
    let filter = log.filter.as_deref().unwrap_or("info");
    match EnvFilter::builder().parse_lossy(filter).max_level_hint() {
        Some(level) if level <= LevelFilter::WARN => 0,
        Some(level) if level == LevelFilter::INFO => 3,
        Some(level) if level == LevelFilter::DEBUG => 5,
        Some(_) | None => 6,
    }
}

#[cfg(test)]
mod tests {
    use orchestrator::BodyContainer;

    use super::*;

    #[test]
    fn levels_are_counted_as_go_livepeer_does() {
        let level = |filter: Option<&str>| {
            log_level(&LogConfig { filter: filter.map(str::to_owned), ..LogConfig::default() })
        };
        assert_eq!(level(None), 3);
        assert_eq!(level(Some("warn")), 0);
        assert_eq!(level(Some("info,headgate=debug")), 5);
        assert_eq!(level(Some("trace")), 6);
    }

    #[test]
    fn a_weight_is_a_score_up_to_one() {
        let address = "http://o:1".parse().unwrap();
        let plain = ConfiguredOrchestrator::new(address, BodyContainer::MpegTs);
        let score =
            |weight| orchestrator(&ConfiguredOrchestrator { weight, ..plain.clone() }, None).score;
        assert_eq!([1, 50, 100, 10_000].map(score), [0.01, 0.5, 1.0, 1.0]);
        let unknown = orchestrator(&plain, None);
        assert_eq!((unknown.active, unknown.latency), (true, None), "nothing speaks against it");
    }
}
