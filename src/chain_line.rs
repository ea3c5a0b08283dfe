//! The gateway's one way to the chain.

use std::sync::Arc;

use chain::ChainClient;
use tokio::sync::OnceCell;

use crate::chain_settings::{ChainSettings, connect};

/// Shared by all that ask the chain: who follows funds, the price feed, the registered orchestrators. What is
/// known of the nodes' health serves all of them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ChainLine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ChainSettings,
    client: OnceCell<ChainClient>,
}

impl ChainLine {
    /// A line that is not connected yet.
    pub(crate) fn new(settings: ChainSettings) -> Self {
        Self(Arc::new(Shared { settings, client: OnceCell::new() }))
    }

    /// The nodes, after the contracts were found once.
    ///
    /// # Errors
    /// When that fails, with the reason for people. The next call tries again.
    pub(crate) async fn client(&self) -> Result<&ChainClient, String> {
        let connect = || async { connect(&self.0.settings).await };
        let client = self.0.client.get_or_try_init(connect).await;
        client.map_err(|error| format!("{error:#}"))
    }
}
