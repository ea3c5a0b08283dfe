//! Asks the operator's list of orchestrators, again and again (livepeer-gateway §9).

use std::{ops::RangeInclusive, time::Duration};

use axum::body::Bytes;
use http::Method;
use tokio::sync::watch;

use super::{
    client::{HookClient, HookError, Question},
    discovery_list::{BYTES_MAX, DiscoveredOrchestrator, DiscoveryList, Dropped, ListError},
    endpoint::HookEndpoint,
};

/// How often a list is asked for where nothing is said.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
/// How often a list may be asked for.
pub const INTERVAL_RANGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3_600);
/// The wait after a first failure; it doubles with each, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Why there is no new list.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("status {0}")]
    Status(http::StatusCode),
    #[error(transparent)]
    List(#[from] ListError),
}

/// Follows a list of orchestrators at an operator's server.
#[derive(Debug)]
pub struct DiscoveryWebhook {
    client: HookClient,
    endpoint: HookEndpoint,
    interval: Duration,
    list: DiscoveryList,
    /// Failures since the last good answer.
    failures: u32,
    found: watch::Sender<Option<Vec<DiscoveredOrchestrator>>>,
}

impl DiscoveryWebhook {
    /// A list at `endpoint`, asked for once in `interval` (clamped to [`INTERVAL_RANGE`]). What it names
    /// appears in the channel, and only when it has changed; until the first good answer there is `None`.
    #[must_use]
    pub fn new(
        client: HookClient,
        endpoint: HookEndpoint,
        interval: Duration,
    ) -> (Self, watch::Receiver<Option<Vec<DiscoveredOrchestrator>>>) {
        let (found, receiver) = watch::channel(None);
        let interval = interval.clamp(*INTERVAL_RANGE.start(), *INTERVAL_RANGE.end());
        let list = DiscoveryList::default();
        (Self { client, endpoint, interval, list, failures: 0, found }, receiver)
    }

    /// Asks at once, then again and again, until it is dropped. While the webhook fails, the last good list
    /// stays.
    pub async fn run(mut self) {
        loop {
            match self.ask().await {
                Ok(dropped) => self.note_success(dropped),
                Err(error) => self.note_failure(&error),
            }
            tokio::time::sleep(pause(self.failures, self.interval)).await;
        }
    }

    async fn ask(&mut self) -> Result<Dropped, AskError> {
        let question = Question {
            method: Method::GET,
            body: Bytes::new(),
            signature: None,
            answer_max: BYTES_MAX,
        };
        let answer = self.client.ask(&self.endpoint, question).await?;
        if !answer.status.is_success() {
            return Err(AskError::Status(answer.status));
        }
        Ok(self.list.take(&answer.body)?)
    }

    fn note_success(&mut self, dropped: Dropped) {
        if self.failures > 0 {
            tracing::info!(hook = %self.endpoint, failures = self.failures, "discovery webhook answers again");
            self.failures = 0;
        }
        let orchestrators = self.list.orchestrators();
        let is_news = self.found.send_if_modified(|known| {
            let is_news = known.as_deref() != Some(orchestrators);
            if is_news {
                *known = Some(orchestrators.to_vec());
            }
            is_news
        });
        if is_news {
            tracing::info!(
                hook = %self.endpoint,
                orchestrators = orchestrators.len(),
                bad_addresses = dropped.addresses,
                bad_scores = dropped.scores,
                duplicates = dropped.duplicates,
                surplus = dropped.surplus,
                "discovery webhook named orchestrators"
            );
        }
    }

    /// The first failure in a row is logged; so is what ends them.
    fn note_failure(&mut self, error: &AskError) {
        if self.failures == 0 {
            let kept = self.list.orchestrators().len();
            tracing::warn!(hook = %self.endpoint, %error, kept, "discovery webhook failed; its last list stays");
        }
        self.failures = self.failures.saturating_add(1);
    }
}

/// How long to wait for the next question.
fn pause(failures: u32, interval: Duration) -> Duration {
    match failures {
        0 => interval,
        failures => FIRST_RETRY.saturating_mul(1 << (failures - 1).min(16)).min(interval),
    }
}

#[cfg(test)]
mod tests;
