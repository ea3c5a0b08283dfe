//! How this program reaches the chain: nodes, the network's contracts, limits of fees.

use std::str::FromStr as _;

use anyhow::Context as _;
use chain::{ChainClient, FeePolicy, Network, RpcClient, RpcConfig, RpcUrl, RpcUrlError};
use clap::Args;
use media::Redacted;
use rustls::RootCertStore;
use tickets::{Address, U256};

use crate::cli::redacted;

/// The network that is meant where none is named.
pub const DEFAULT_NETWORK: &str = "arbitrum-one-mainnet";
/// Most nodes: all of them are asked for their latest block at every poll.
const NODES_MAX: usize = 16;

/// Flags of whatever reaches the chain.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Reaching the chain")]
pub struct ChainArgs {
    /// A node to ask, `https://…` or `http://…`; repeat it, or separate with commas. The first that is
    /// well is used.
    #[arg(long, value_name = "URL", env = "HEADGATE_ETH_URL", hide_env_values = true, value_delimiter = ',', value_parser = redacted)]
    pub eth_url: Vec<Redacted<String>>,
    /// The network, such as `arbitrum-one-mainnet`; any other name needs --eth-controller and
    /// --eth-chain-id.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NETWORK, env = "HEADGATE_NETWORK")]
    pub network: String,
    /// The contract that knows the others.
    #[arg(long, value_name = "ADDRESS", env = "HEADGATE_ETH_CONTROLLER")]
    pub eth_controller: Option<String>,
    /// The chain's number; nodes of another chain are refused.
    #[arg(long, value_name = "N", env = "HEADGATE_ETH_CHAIN_ID")]
    pub eth_chain_id: Option<u64>,
    /// Most wei per unit of gas that a transaction of ours offers [default: 10 gwei].
    #[arg(long, value_name = "WEI", env = "HEADGATE_MAX_GAS_PRICE")]
    pub max_gas_price: Option<u64>,
    /// Most wei of these for the block's producer [default: 1 gwei].
    #[arg(long, value_name = "WEI", env = "HEADGATE_MAX_GAS_TIP")]
    pub max_gas_tip: Option<u64>,
    /// Most gas of one transaction [default: 5000000].
    #[arg(long, value_name = "GAS", env = "HEADGATE_MAX_GAS")]
    pub max_gas: Option<u64>,
}

/// The same, checked; the default fee limits are [`FeePolicy`]'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// Nodes in the order in which they are preferred; at least one.
    pub urls: Vec<RpcUrl>,
    /// The chain, and the contract that knows the others.
    pub network: Network,
    /// Limits of what transactions may cost.
    pub fees: FeePolicy,
}

/// Why settings can't be used. URLs are not repeated: they often hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainSettingsError {
    /// No node.
    #[error("no node is named: say with --eth-url which one to ask")]
    NoNode,
    /// More nodes than are asked.
    #[error("{0} nodes are named, the most is {NODES_MAX}")]
    TooManyNodes(usize),
    /// A node's address that can't be used.
    #[error("node {place}: {error}")]
    Url {
        /// Which of the list, from 1 on.
        place: usize,
        /// What is wrong with it.
        error: RpcUrlError,
    },
    /// A network of one's own without its contract.
    #[error("{0:?} is not a network known here: name its --eth-controller and --eth-chain-id")]
    UnknownNetwork(String),
    /// No address.
    #[error("the controller {0:?} is not an address")]
    Controller(String),
    /// The chain's number contradicts the network's.
    #[error("{network} is chain {wanted}, not {given}")]
    OtherChain {
        /// The network's name.
        network: String,
        /// Its chain.
        wanted: u64,
        /// What was given.
        given: u64,
    },
}

impl ChainSettings {
    /// Checks what flags or a configuration file say. A known network needs no controller; one that is
    /// named all the same wins, on that network's chain.
    ///
    /// # Errors
    /// When something is missing, contradictory, or not of its form.
    pub fn new<'a>(
        urls: impl IntoIterator<Item = &'a str>,
        network: &str,
        controller: Option<&str>,
        chain_id: Option<u64>,
        fees: FeePolicy,
    ) -> Result<Self, ChainSettingsError> {
        let urls = urls.into_iter().filter(|url| !url.trim().is_empty());
        let read = |(place, url)| {
            RpcUrl::from_str(url).map_err(|error| ChainSettingsError::Url { place, error })
        };
        let urls: Vec<RpcUrl> = (1..).zip(urls).map(read).collect::<Result<_, _>>()?;
        match urls.len() {
            0 => return Err(ChainSettingsError::NoNode),
            1..=NODES_MAX => {}
            more => return Err(ChainSettingsError::TooManyNodes(more)),
        }
        let controller = controller.map(read_address).transpose()?;
        let network = match (Network::named(network), controller, chain_id) {
            (Some(known), _, Some(given)) if given != known.chain_id => {
                let (network, wanted) = (network.to_owned(), known.chain_id);
                return Err(ChainSettingsError::OtherChain { network, wanted, given });
            }
            (Some(known), controller, _) => {
                Network { controller: controller.unwrap_or(known.controller), ..known }
            }
            (None, Some(controller), Some(chain_id)) => Network { chain_id, controller },
            (None, _, _) => return Err(ChainSettingsError::UnknownNetwork(network.to_owned())),
        };
        Ok(Self { urls, network, fees })
    }
}

fn read_address(text: &str) -> Result<Address, ChainSettingsError> {
    text.trim().parse().map_err(|_| ChainSettingsError::Controller(text.to_owned()))
}

impl ChainArgs {
    /// What the flags say, checked.
    ///
    /// # Errors
    /// As [`ChainSettings::new`].
    pub fn settings(&self) -> Result<ChainSettings, ChainSettingsError> {
        let usual = FeePolicy::default();
        let fees = FeePolicy {
            max_fee_per_gas: self.max_gas_price.map_or(usual.max_fee_per_gas, U256::from),
            max_tip: self.max_gas_tip.map_or(usual.max_tip, U256::from),
            max_gas: self.max_gas.unwrap_or(usual.max_gas),
        };
        let urls = self.eth_url.iter().map(|url| url.expose().as_str());
        let controller = self.eth_controller.as_deref();
        ChainSettings::new(urls, &self.network, controller, self.eth_chain_id, fees)
    }
}

/// Connects: a node answers, it is of the right chain, and the contracts are where the controller says.
///
/// # Errors
/// When no node of the chain answers within some 20 seconds, or there are no such contracts.
pub async fn connect(settings: &ChainSettings) -> anyhow::Result<ChainClient> {
    let Network { chain_id, controller } = settings.network;
    let roots =
        if settings.urls.iter().any(RpcUrl::is_tls) { roots()? } else { RootCertStore::empty() };
    let config = RpcConfig::new(settings.urls.clone(), chain_id, media::wall_clock_now);
    let rpc = RpcClient::new(config, roots).context("can't set up TLS")?;
    let client = ChainClient::connect(rpc, controller).await;
    client.with_context(|| format!("can't reach the contracts of chain {chain_id}"))
}

/// This machine's trusted certificates.
fn roots() -> anyhow::Result<RootCertStore> {
    let roots = https::system_roots();
    anyhow::ensure!(
        !roots.is_empty(),
        "this machine trusts no certificates, an https node needs them"
    );
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "https://rpc.example/v2/s3cret";
    const OURS: &str = "0x1111111111111111111111111111111111111111";

    fn settings(
        urls: &[&str],
        network: &str,
        controller: Option<&str>,
        chain_id: Option<u64>,
    ) -> Result<ChainSettings, String> {
        let urls = urls.iter().copied();
        ChainSettings::new(urls, network, controller, chain_id, FeePolicy::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_public_network_needs_a_node_only() {
        let known =
            settings(&[NODE, "http://127.0.0.1:8545"], DEFAULT_NETWORK, None, None).unwrap();
        assert_eq!((known.network, known.urls.len()), (Network::ARBITRUM_ONE, 2));
        assert!(!format!("{known:?}").contains("s3cret"));
        let other = settings(&[NODE], DEFAULT_NETWORK, Some(OURS), Some(42_161)).unwrap();
        assert_eq!(other.network.controller, Address::repeat_byte(0x11));
    }

    #[test]
    fn a_network_of_ones_own_needs_all() {
        let ours = settings(&[NODE], "lab", Some(OURS), Some(31_337)).unwrap();
        assert_eq!(ours.network.chain_id, 31_337);
        for (controller, chain_id) in [(None, Some(1)), (Some(OURS), None)] {
            let error = settings(&[NODE], "lab", controller, chain_id).unwrap_err();
            assert!(error.contains("--eth-controller and --eth-chain-id"), "{error}");
        }
        let error = settings(&[NODE], DEFAULT_NETWORK, None, Some(1)).unwrap_err();
        assert_eq!(error, "arbitrum-one-mainnet is chain 42161, not 1");
    }

    #[test]
    fn bad_nodes_are_refused_without_their_secrets() {
        for (urls, text) in [
            (&[][..], "no node is named"),
            (&["", " "], "no node is named"),
            (&[NODE, "wss://rpc.example/s3cret"], "node 2: a node's address begins with https://"),
            (&["https://me:s3cret@rpc.example"], "node 1: a node's address can't hold a user name"),
            (&["s3cret"], "node 1: not an address"),
            (&[NODE; 17], "17 nodes are named"),
        ] {
            let error = settings(urls, DEFAULT_NETWORK, None, None).unwrap_err();
            assert!(error.contains(text) && !error.contains("s3cret"), "{error}");
        }
    }
}
