//! Where the price of an ether comes from.

use std::time::Duration;

use chain::PriceFeedConfig;
use tickets::Address;

use super::{
    payments::PaymentChainConfig,
    reader::{Faults, Section},
};

/// Ages from which on a price is worth nothing.
const MAX_AGE_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 86_400);

/// A contract that tells what an ether costs in dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceFeedSource {
    /// The contract (AggregatorV3).
    pub contract: Address,
    /// When it is believed.
    pub rules: PriceFeedConfig,
}

/// Reads `[payments.price_feed]`.
pub(super) fn price_feed(
    payments: &mut Section,
    chain: &PaymentChainConfig,
    faults: &mut Faults,
) -> Option<PriceFeedSource> {
    let path = payments.path_of("price_feed");
    let mut section = payments.optional_section("price_feed", faults)?;
    let address_path = section.path_of("address");
    let contract = section.string("address", faults);
    if contract.is_none() && !faults.mentions(&address_path) {
        faults.add(address_path.as_str(), "missing: the contract that says what one ETH costs");
    }
    let max_age = section.duration("max_age", MAX_AGE_RANGE, faults);
    section.finish(faults);
    if *chain == PaymentChainConfig::Offline && !faults.mentions("payments.eth_url") {
        faults.add(
            path,
            "there is no chain to read it from: that takes mode = \"onchain\" or \"signer\" with an eth_url",
        );
    }
    let contract = contract?.trim().parse().map_err(|_| faults.add(address_path, "not an address"));
    let usual = PriceFeedConfig::default();
    let rules = PriceFeedConfig { max_age: max_age.unwrap_or(usual.max_age), ..usual };
    Some(PriceFeedSource { contract: contract.ok()?, rules })
}
