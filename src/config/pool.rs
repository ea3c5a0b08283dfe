//! Pools of orchestrators as the operator configures them.

use std::collections::BTreeSet;

use chain::{Network, UsdPerPixel};
use orchestrator::{BodyContainer, OrchestratorAddress, PixelPrice};
use router::{ConfiguredOrchestrator, Pool, PoolName, PriceCap, StreamClass, StreamPolicy};
use toml::Value;

use super::{
    payments::PaymentsConfig,
    reader::{Faults, Section},
    webhook::{PoolWebhook, pool_webhook},
};

/// A pool, and what it takes from elsewhere while the gateway runs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PoolConfig {
    /// The pool with the orchestrators the file names.
    pub pool: Pool,
    /// A discovery webhook.
    pub webhook: Option<PoolWebhook>,
    /// Those that are registered on the chain.
    pub registered: Option<Registered>,
    /// The most that is paid, by the price feed, besides what `pool` says.
    pub usd_cap: Option<UsdPerPixel>,
}

/// Orchestrators that are registered on the chain belong to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whether they may be in private networks.
    pub allow_private: bool,
}

/// Reads `[[pool]]` sections.
pub(super) fn pools(
    root: &mut Section,
    payments: &PaymentsConfig,
    faults: &mut Faults,
) -> Vec<PoolConfig> {
    let sections = root.sections("pool", faults);
    let mut pools: Vec<PoolConfig> = Vec::with_capacity(sections.len());
    for section in sections {
        let path = section.path_of("name");
        let Some(pool) = pool(section, payments, faults) else { continue };
        if pools.iter().any(|other| other.pool.name == pool.pool.name) {
            faults.add(path, "another pool has it already");
        }
        pools.push(pool);
    }
    pools
}

fn pool(
    mut section: Section,
    payments: &PaymentsConfig,
    faults: &mut Faults,
) -> Option<PoolConfig> {
    let path = section.path_of("name");
    let name = section.string("name", faults).unwrap_or_else(|| PoolName::DEFAULT.to_owned());
    let name = PoolName::new(&name);
    if name.is_none() {
        faults.add(path, "must have 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'");
    }
    let orchestrators = section.sections("orchestrator", faults).into_iter();
    let orchestrators = orchestrators.filter_map(|it| orchestrator(it, faults)).collect();
    let allow_private = section.boolean("allow_private", faults).unwrap_or(false);
    let webhook = pool_webhook(&mut section, allow_private, faults);
    let registered = registered(&mut section, allow_private, payments, faults);
    if registered.is_some() && webhook.is_some() {
        faults.add(section.path_of("registered"), "contradicts webhook: make it another pool");
    }
    let (price_cap, usd_cap) = price_cap(&mut section, payments, faults);
    let priced = ["max_price", "max_usd_per_hour", "eth_usd"].map(|key| section.path_of(key));
    let capped = price_cap.most.is_some() || usd_cap.is_some();
    if registered.is_some() && !capped && !priced.iter().any(|path| faults.mentions(path)) {
        let [path, ..] = priced;
        faults.add(path, "missing, as is max_usd_per_hour: who is registered asks what they like");
    }
    let deny = names(&mut section, "deny", faults);
    let allow = names(&mut section, "allow", faults);
    let only_if_named = section.boolean("only_if_named", faults).unwrap_or(false);
    section.finish(faults);
    let pool = Pool { name: name?, orchestrators, price_cap, deny, allow, only_if_named };
    Some(PoolConfig { pool, webhook, registered, usd_cap })
}

/// `registered`: needs a chain, and nobody on the public one may point into private networks.
fn registered(
    section: &mut Section,
    allow_private: bool,
    payments: &PaymentsConfig,
    faults: &mut Faults,
) -> Option<Registered> {
    let path = section.path_of("registered");
    section.boolean("registered", faults).filter(|registered| *registered)?;
    let Some(settings) = payments.chain.nodes() else {
        if !faults.mentions("payments.eth_url") {
            faults.add(
                path,
                "there is no chain to ask: that takes [payments] with mode = \"onchain\" or \"signer\" and an eth_url",
            );
        }
        return None;
    };
    if allow_private && settings.network.chain_id == Network::ARBITRUM_ONE.chain_id {
        faults.add(
            section.path_of("allow_private"),
            "anybody can register on the public network, and would reach private ones through this gateway",
        );
    }
    Some(Registered { allow_private })
}

/// Reads one orchestrator, at the top level or of a pool.
pub(super) fn orchestrator(
    mut section: Section,
    faults: &mut Faults,
) -> Option<ConfiguredOrchestrator> {
    let path = section.path_of("url");
    let url = section.string("url", faults);
    if url.is_none() && !faults.mentions(&path) {
        faults.add(path.clone(), "missing");
    }
    let body_path = section.path_of("body");
    let body = section.string("body", faults).and_then(|text| match text.as_str() {
        "mpegts" => Some(BodyContainer::MpegTs),
        "cmaf" => Some(BodyContainer::Cmaf),
        _ => {
            faults.add(body_path, "expected \"mpegts\" or \"cmaf\"");
            None
        }
    });
    let weight = section.integer("weight", 1..=10_000, faults);
    let region = section.string("region", faults);
    let in_flight = section.integer("in_flight", 1..=10_000, faults);
    section.finish(faults);
    let address = address(&url?, &path, faults)?;
    let plain = with_default_body(address);
    Some(ConfiguredOrchestrator {
        container: body.unwrap_or(plain.container),
        weight: weight.unwrap_or(plain.weight),
        region,
        in_flight: in_flight.unwrap_or(plain.in_flight),
        ..plain
    })
}

/// Reads an orchestrator's address.
pub(super) fn address(url: &str, path: &str, faults: &mut Faults) -> Option<OrchestratorAddress> {
    url.trim().parse().map_err(|error: orchestrator::AddressError| faults.add(path, error)).ok()
}

/// MPEG-TS is what every orchestrator of the network reads.
pub(super) const fn with_default_body(address: OrchestratorAddress) -> ConfiguredOrchestrator {
    ConfiguredOrchestrator::new(address, BodyContainer::MpegTs)
}

/// `max_price` (wei per pixel: a number or text such as "0.5" or "3/2"), or `max_usd_per_hour` (of 720p30)
/// with `eth_usd`; the lower one, where both are there. Without `eth_usd` the price feed turns dollars into
/// wei: they come out by themselves.
fn price_cap(
    section: &mut Section,
    payments: &PaymentsConfig,
    faults: &mut Faults,
) -> (PriceCap, Option<UsdPerPixel>) {
    let mut caps = Vec::new();
    if let Some(price) = decimal(section, "max_price", faults) {
        caps.push(price);
    }
    let usd = decimal(section, "max_usd_per_hour", faults);
    let rate = decimal(section, "eth_usd", faults);
    let mut usd_cap = None;
    match (usd, rate) {
        (Some(usd), Some(rate)) => match wei_per_pixel(usd, rate) {
            Some(price) => caps.push(price),
            None => faults.add(section.path_of("max_usd_per_hour"), "out of range"),
        },
        (Some(usd), None) if payments.price_feed.is_some() => {
            usd_cap = usd_per_pixel(usd);
            if usd_cap.is_none() {
                faults.add(section.path_of("max_usd_per_hour"), "out of range");
            }
        }
        // What is wrong with the price feed was said.
        (Some(_), None) if faults.mention_below("payments.price_feed") => {}
        (Some(_), None) => faults.add(
            section.path_of("eth_usd"),
            "missing: what one ETH costs, to turn max_usd_per_hour into wei; or let [payments.price_feed] say it",
        ),
        (None, Some(_)) if !faults.mentions(&section.path_of("max_usd_per_hour")) => faults.add(
            section.path_of("eth_usd"),
            "there is no max_usd_per_hour that it could turn into wei",
        ),
        (None, _) => {}
    }
    let allows_absent = section.boolean("allow_absent_price", faults).unwrap_or(true);
    let cap = PriceCap { most: caps.into_iter().min(), allows_absent, ..PriceCap::default() };
    (cap, usd_cap)
}

/// Dollars for an hour of 720p30 as dollars for pixels.
fn usd_per_pixel(usd_per_hour: PixelPrice) -> Option<UsdPerPixel> {
    let usd = usd_per_hour.in_lowest_terms();
    let pixels = PriceCap::HOUR_OF_720P30.checked_mul(usd.pixels())?;
    UsdPerPixel::new(&usd.wei().to_string(), pixels)
}

/// Dollars for an hour of 720p30 in wei per pixel, rounded down, so that the cap is never exceeded.
fn wei_per_pixel(usd_per_hour: PixelPrice, eth_usd: PixelPrice) -> Option<PixelPrice> {
    const WEI_PER_ETH: u128 = 1_000_000_000_000_000_000;
    // What a pixel costs is below one wei for cheap caps: count in trillions of pixels.
    const PIXELS: u128 = 1_000_000_000_000;
    let usd = (u128::from(usd_per_hour.wei()), u128::from(usd_per_hour.pixels()));
    let rate = (u128::from(eth_usd.wei()), u128::from(eth_usd.pixels()));
    let wei_per_hour = usd.0.checked_mul(WEI_PER_ETH)?.checked_mul(rate.1)?;
    let wei_per_hour = wei_per_hour.checked_div(usd.1.checked_mul(rate.0)?)?;
    let hour = u128::from(PriceCap::HOUR_OF_720P30);
    let wei = wei_per_hour.checked_mul(PIXELS)?.checked_div(hour)?;
    PixelPrice::new(u64::try_from(wei).ok()?, u64::try_from(PIXELS).ok()?)
}

/// A number that must be exact: an integer, or text.
fn decimal(section: &mut Section, key: &str, faults: &mut Faults) -> Option<PixelPrice> {
    let path = section.path_of(key);
    let text = match section.value(key)? {
        Value::String(text) => text,
        Value::Integer(number) => number.to_string(),
        // Written by hand with few digits, it reads back as it was written.
        Value::Float(number) => number.to_string(),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            faults.add(path, "expected a number");
            return None;
        }
    };
    text.parse()
        .map_err(|_| faults.add(path, "expected a number such as 1200, 0.5 or \"3/2\""))
        .ok()
}

fn names(section: &mut Section, key: &str, faults: &mut Faults) -> BTreeSet<String> {
    let texts = section.texts(key, "hosts, host:ports or URLs", faults).unwrap_or_default();
    texts.into_iter().map(|text| text.trim().to_ascii_lowercase()).collect()
}

const POOL_NAMES: &str = "pool names";

/// Reads what a stream wants of routing: `pools` and `class`, at the top of `[router]` for all streams
/// and in each `[[stream]]`.
pub(super) fn stream_policy(
    section: &mut Section,
    default: &StreamPolicy,
    faults: &mut Faults,
) -> StreamPolicy {
    let path = section.path_of("pools");
    let pools = section.texts("pools", POOL_NAMES, faults).map(|texts| {
        let named = texts.iter().map(|text| PoolName::new(text)).collect::<Option<Vec<_>>>();
        named.filter(|names| !names.is_empty()).unwrap_or_else(|| {
            faults.add(path, format!("expected a list of {POOL_NAMES}"));
            Vec::new()
        })
    });
    let path = section.path_of("class");
    let class = section.string("class", faults).and_then(|text| {
        let class = StreamClass::parse(&text);
        if class.is_none() {
            faults.add(path, "expected \"low-latency\", \"balanced\" or \"cheap\"");
        }
        class
    });
    let owner = section.string("owner", faults);
    StreamPolicy {
        owner: owner.or_else(|| default.owner.clone()),
        pools: pools.unwrap_or_else(|| default.pools.clone()),
        class: class.unwrap_or(default.class),
        hold_percent: default.hold_percent,
        cushion_percent: default.cushion_percent,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        chain_settings::ChainSettings,
        config::{PaymentChainConfig, PriceFeedSource},
    };

    fn read(text: &str) -> Result<Vec<PoolConfig>, String> {
        read_with(text, &PaymentsConfig::default())
    }

    fn read_with(text: &str, payments: &PaymentsConfig) -> Result<Vec<PoolConfig>, String> {
        let mut faults = Faults::default();
        let mut root = Section::root(text.parse().unwrap());
        let read = pools(&mut root, payments, &mut faults);
        root.finish(&mut faults);
        match faults.into_result() {
            Ok(()) => Ok(read),
            Err(faults) => Err(faults.iter().map(|it| format!("{it}\n")).collect()),
        }
    }

    #[test]
    fn a_pool_with_everything() {
        let read = read(
            r#"
            [[pool]]
            name = "premium"
            max_price = "1200"
            allow_absent_price = false
            deny = ["Bad.example"]
            webhook = "https://list.example/orchestrators"
            webhook_interval = "5s"
            [[pool.orchestrator]]
            url = "http://o1:1"
            body = "cmaf"
            weight = 200
            region = "fra"
            in_flight = 3
            [[pool.orchestrator]]
            url = "o2"
            "#,
        )
        .unwrap();
        let [pool] = &read[..] else { panic!("one pool") };
        let [first, second] = &pool.pool.orchestrators[..] else { panic!("two orchestrators") };
        assert_eq!((first.weight, first.in_flight), (200, 3));
        assert_eq!(second.container, BodyContainer::MpegTs);
        assert_eq!(second.address.to_string(), "https://o2:8935");
        assert!(pool.pool.deny.contains("bad.example"));
        assert!(!pool.pool.price_cap.allows(None));
        assert!(!pool.pool.price_cap.allows(PixelPrice::new(1_201, 1).as_ref()));
        let webhook = pool.webhook.as_ref().unwrap();
        assert_eq!(webhook.endpoint.to_string(), "https://list.example/orchestrators");
        assert_eq!(webhook.interval, Duration::from_secs(5));
        assert!(!webhook.allow_private, "the list's author is not the operator");
    }

    #[test]
    fn dollars_per_hour_become_wei_per_pixel_exactly() {
        let priced = read("[[pool]]\nmax_usd_per_hour = 0.15\neth_usd = 3000\n").unwrap();
        // 0.15 USD = 5e13 wei for 99 532 800 000 pixels: 502.34... wei per pixel.
        let cap = priced[0].pool.price_cap.most.unwrap();
        assert!(cap >= PixelPrice::new(50_234, 100).unwrap());
        assert!(cap < PixelPrice::new(50_235, 100).unwrap());
        assert!(read("[[pool]]\nmax_usd_per_hour = 1\n").unwrap_err().contains("eth_usd"));
        let alone = read("[[pool]]\neth_usd = 3000\n").unwrap_err();
        assert!(alone.starts_with("pool[0].eth_usd: there is no max_usd_per_hour"), "{alone}");
        let both = "[[pool]]\nmax_usd_per_hour = \"dear\"\neth_usd = 3000\n";
        assert_eq!(read(both).unwrap_err().lines().count(), 1, "one fault, said once");
        for gone in ["max_price_per_unit", "pixels_per_unit"] {
            let unknown = read(&format!("[[pool]]\n{gone} = 1\n")).unwrap_err();
            assert_eq!(unknown, format!("pool[0].{gone}: unknown setting\n"));
        }
    }

    #[test]
    fn dollars_without_a_rate_follow_the_price_feed() {
        let rules = chain::PriceFeedConfig::default();
        let contract = tickets::Address::repeat_byte(1);
        let price_feed = Some(PriceFeedSource { contract, rules });
        let payments = PaymentsConfig { price_feed, ..PaymentsConfig::default() };
        let text = "[[pool]]\nmax_usd_per_hour = 0.15\nmax_price = 7\n";
        let followed = read_with(text, &payments).unwrap().remove(0);
        assert_eq!(followed.usd_cap, UsdPerPixel::new("3", 20 * PriceCap::HOUR_OF_720P30));
        assert_eq!(followed.pool.price_cap.most, PixelPrice::new(7, 1), "holds besides");
        let fixed = read_with(&format!("{text}eth_usd = 3000\n"), &payments).unwrap().remove(0);
        assert_eq!(fixed.usd_cap, None, "the operator's own rate wins");
        let fine = "[[pool]]\nmax_usd_per_hour = \"0.000000000000000001\"\n";
        assert_eq!(
            read_with(fine, &payments),
            Err("pool[0].max_usd_per_hour: out of range\n".into())
        );
    }

    #[test]
    fn registered_orchestrators_need_a_chain_and_stay_out_of_private_networks() {
        let on = |network: &str, controller, chain_id| {
            let (urls, fees) = (["http://127.0.0.1:8545"], chain::FeePolicy::default());
            let settings = ChainSettings::new(urls, network, controller, chain_id, fees).unwrap();
            let chain = PaymentChainConfig::Nodes(settings);
            PaymentsConfig { chain, ..PaymentsConfig::default() }
        };
        let public = on("arbitrum-one-mainnet", None, None);
        let controller = Some("0x1111111111111111111111111111111111111111");
        let lab = on("lab", controller, Some(31_337));
        let uncapped = "[[pool]]\nregistered = true\n";
        let plain = &format!("{uncapped}max_price = 1200\n");
        let private = &format!("{plain}allow_private = true\n");
        let of = |text: &str, payments: &PaymentsConfig| {
            read_with(text, payments).map(|pools| pools[0].registered)
        };
        assert_eq!(of(plain, &public), Ok(Some(Registered { allow_private: false })));
        assert_eq!(of(private, &lab), Ok(Some(Registered { allow_private: true })));
        assert_eq!(of("[[pool]]\nregistered = false\n", &PaymentsConfig::default()), Ok(None));

        let said = of(private, &public).unwrap_err();
        assert!(said.starts_with("pool[0].allow_private: anybody can register"), "{said}");
        let said = of(plain, &PaymentsConfig::default()).unwrap_err();
        assert!(said.starts_with("pool[0].registered: there is no chain to ask"), "{said}");
        let said = of(&format!("{plain}webhook = \"https://a.example/\"\n"), &public).unwrap_err();
        assert_eq!(said, "pool[0].registered: contradicts webhook: make it another pool\n");
        let said = of(uncapped, &public).unwrap_err();
        assert!(said.starts_with("pool[0].max_price: missing"), "{said}");
        let twice = of(&format!("{uncapped}max_price = true\n"), &public);
        assert!(twice.is_err_and(|said| said.lines().count() == 1));
    }

    #[test]
    fn faults_name_their_place() {
        let said = read("[[pool]]\nname='a'\nmax_price='dear'\nwebhook='ftp://x'\ndeny=1\n[[pool]]\nname='a'\nfoo=1\n").unwrap_err();
        for wanted in
            ["pool[0].max_price", "pool[0].webhook", "pool[0].deny", "pool[1].name", "pool[1].foo"]
        {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
    }
}
