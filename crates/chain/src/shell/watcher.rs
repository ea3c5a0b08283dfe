//! Follows the chain.

use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::Address;
use tokio::time::Instant;

use super::chain_client::ChainClient;
use crate::{ChainError, ChainTracker, TrackedView, TrackerConfig, ViewError};

/// Polls the chain, and says at any time what to go by.
#[derive(Debug)]
pub struct ChainWatcher {
    client: ChainClient,
    sender: Option<Address>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    tracker: ChainTracker,
    fault: Option<ChainError>,
}

impl ChainWatcher {
    /// A watcher of blocks, rounds and, where there is one, a sender's funds. It knows nothing yet.
    #[must_use]
    pub const fn new(client: ChainClient, sender: Option<Address>, config: TrackerConfig) -> Self {
        let seen = Seen { tracker: ChainTracker::new(config), fault: None };
        Self { client, sender, seen: Mutex::new(seen) }
    }

    /// The way to the chain.
    #[must_use]
    pub const fn client(&self) -> &ChainClient {
        &self.client
    }

    /// Polls until the future is dropped.
    pub async fn run(&self) {
        loop {
            let due = self.lock().tracker.poll_timeout();
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            self.poll().await;
        }
    }

    /// Polls once.
    pub async fn poll(&self) {
        let observation = self.client.observe(self.sender).await;
        let now = Instant::now().into_std();
        let mut seen = self.lock();
        seen.tracker.handle_polled(now);
        match observation {
            Ok(observation) => {
                if seen.fault.take().is_some() {
                    tracing::info!("the chain is followed again");
                }
                if !seen.tracker.handle_observation(now, observation) {
                    tracing::debug!(block = observation.block.number, "a lower block was dropped");
                }
            }
            Err(error) => {
                if seen.fault.is_none() {
                    tracing::warn!(%error, "the chain can't be followed");
                }
                seen.fault = Some(error);
            }
        }
    }

    /// What to go by now.
    ///
    /// # Errors
    /// When nothing is known, or nothing new for too long: nothing may be paid then.
    pub fn view(&self) -> Result<TrackedView, ViewError> {
        self.lock().tracker.view(Instant::now().into_std())
    }

    /// Why the last poll failed, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<ChainError> {
        self.lock().fault.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
