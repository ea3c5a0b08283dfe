//! What the chain says, told to the payer.

use std::time::{Duration, SystemTime};

use chain::{ChainWatcher, ForecastConfig, FundsForecast, TrackedView, TrackerConfig, ether};
use media::wall_clock_now;
use tickets::{Address, ChainView, SenderFunds, U256};

use super::service::PaymentService;
use crate::chain_line::ChainLine;

/// How often the payer is told what is known.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long after a failure to reach the contracts they are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often accounts nobody uses are closed.
const CLOSE_EVERY: Duration = Duration::from_secs(30);
/// Length of an offline block: what orchestrators with `--ticket-check offline` count by.
const OFFLINE_BLOCK: u64 = 12;

/// Closes accounts nobody uses.
pub(super) async fn close_unused(service: PaymentService) {
    loop {
        tokio::time::sleep(CLOSE_EVERY).await;
        service.handle_timeout();
    }
}

/// Follows no chain: blocks are counted by the clock, and funds are not checked.
pub(super) async fn offline(service: PaymentService) {
    let funds = SenderFunds { deposit: U256::MAX, reserve: U256::MAX, withdraw_round: U256::ZERO };
    loop {
        let l1_block = seconds(wall_clock_now()) / OFFLINE_BLOCK;
        let view = ChainView { l1_block, ..ChainView::default() };
        service.handle_chain(Some(view), Some(funds));
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Follows the nodes: until they answer, and when they have not answered for too long, nothing is paid.
pub(super) async fn nodes(service: PaymentService, line: ChainLine, sender: Address) {
    let mut failed = false;
    let client = loop {
        match line.client().await {
            Ok(client) => break client.clone(),
            Err(detail) => {
                service.set_figures(|figures| figures.chain_fault = Some(detail.clone()));
                if !std::mem::replace(&mut failed, true) {
                    tracing::error!("nothing is paid: {detail}");
                    service.note("chain", &detail);
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    let watcher = ChainWatcher::new(client, Some(sender), TrackerConfig::default());
    let tell = async {
        let mut teller = Teller::new(service);
        loop {
            teller.turn(&watcher);
            tokio::time::sleep(TELL_EVERY).await;
        }
    };
    tokio::join!(watcher.run(), tell);
}

/// What was told last.
struct Teller {
    service: PaymentService,
    known: bool,
    forecast: FundsForecast,
    spent: U256,
}

impl Teller {
    fn new(service: PaymentService) -> Self {
        let mut forecast = FundsForecast::new(&ForecastConfig::default());
        forecast.handle_spend(seconds(wall_clock_now()), U256::ZERO);
        let spent = service.spent();
        Self { service, known: false, forecast, spent }
    }

    fn turn(&mut self, watcher: &ChainWatcher) {
        match watcher.view() {
            Ok(view) => self.tell(&view),
            Err(error) => self.lost(&error.to_string()),
        }
    }

    fn tell(&mut self, view: &TrackedView) {
        self.service.handle_chain(Some(view.chain), Some(view.funds));
        if !std::mem::replace(&mut self.known, true) {
            let (deposit, reserve) = (ether(view.funds.deposit), ether(view.funds.reserve));
            tracing::info!(%deposit, %reserve, "the chain is known; funds in ETH");
            if view.funds.deposit.is_zero() || view.funds.reserve.is_zero() {
                let detail = "without a deposit and a reserve orchestrators take no tickets";
                tracing::warn!("{detail}: `headgate wallet deposit`, `headgate wallet reserve`");
                self.service.note("funds", detail);
            }
        }
        self.forecast(&view.funds);
    }

    fn lost(&mut self, detail: &str) {
        self.service.handle_chain(None, None);
        self.service.set_figures(|figures| figures.chain_fault = Some(detail.to_owned()));
        if std::mem::take(&mut self.known) {
            tracing::error!("nothing is paid: {detail}");
            self.service.note("chain", detail);
        }
    }

    /// Tickets cost what they are worth on average; by the present rate of that the deposit lasts so long.
    fn forecast(&mut self, funds: &SenderFunds) {
        let now = seconds(wall_clock_now());
        let spent = self.service.spent();
        self.forecast.handle_spend(now, spent.saturating_sub(self.spent));
        self.spent = spent;
        let (runway, warning) = self.forecast.check(funds.deposit, now);
        self.service.set_figures(|figures| {
            figures.deposit_wei = Some(funds.deposit.to_string());
            figures.reserve_wei = Some(funds.reserve.to_string());
            figures.withdraw_round = Some(funds.withdraw_round.to_string());
            figures.runway = runway.as_ref().map(ToString::to_string);
            figures.runway_seconds = runway.and_then(|runway| runway.left);
            figures.chain_fault = None;
        });
        if let Some(warning) = warning {
            tracing::warn!("{warning}: add to it with `headgate wallet deposit`");
            self.service.note("runway", &warning.to_string());
        }
    }
}

pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
