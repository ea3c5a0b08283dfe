//! How the gateway pays, as the operator configures it.

use std::{collections::BTreeSet, num::NonZeroU64, path::PathBuf};

use chain::FeePolicy;
use payer::{AtLimit, Budget, BudgetScope, BudgetWindow, CheaperPools};
use router::PoolName;
use signer::SignerUrl;
use tickets::{Address, SenderLimits, U256, Wei};
use toml::Value;

use super::{
    price_feed::{PriceFeedSource, price_feed},
    reader::{Faults, Section},
};
use crate::chain_settings::ChainSettings;

/// How the gateway pays.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PaymentsConfig {
    /// Who signs; `None`: nothing is paid, and orchestrators that ask for money refuse.
    pub payer: Option<PayerSource>,
    /// How tickets are made safe.
    pub chain: PaymentChainConfig,
    /// What one ticket, and one payment, may be worth.
    pub limits: SenderLimits,
    /// What may be spent.
    pub budgets: Vec<Budget>,
    /// What says how many wei a dollar is.
    pub price_feed: Option<PriceFeedSource>,
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayerSource {
    /// A key of this process.
    Key {
        /// A key file, or a directory of them.
        path: PathBuf,
        /// Where its password is.
        password: Option<PathBuf>,
        /// Whose key it must be.
        account: Option<Address>,
    },
    /// A signer elsewhere.
    Signer {
        /// Where it listens.
        url: SignerUrl,
        /// Where its bearer token is.
        token_file: Option<PathBuf>,
        /// A certificate to trust it by, in PEM.
        ca_file: Option<PathBuf>,
        /// Whom it must sign for.
        account: Option<Address>,
    },
}

/// What is known of blocks and funds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum PaymentChainConfig {
    /// Nothing: for orchestrators that check tickets offline.
    #[default]
    Offline,
    /// What nodes say.
    Nodes(ChainSettings),
}

impl PaymentChainConfig {
    /// How the chain is reached, where there is one.
    #[must_use]
    pub const fn nodes(&self) -> Option<&ChainSettings> {
        match self {
            Self::Offline => None,
            Self::Nodes(settings) => Some(settings),
        }
    }
}

/// Reads `[payments]`.
pub(super) fn payments(mut section: Section, faults: &mut Faults) -> PaymentsConfig {
    let path = section.path_of("mode");
    let mode = section.string("mode", faults);
    let payer = match mode.as_deref() {
        None | Some("free") => None,
        Some("onchain") => key(&mut section, faults),
        Some("signer") => signer(&mut section, faults),
        Some(_) => {
            faults.add(path, "expected \"free\", \"onchain\" or \"signer\"");
            None
        }
    };
    let chain = match mode.as_deref() {
        Some("onchain" | "signer") => chain(&mut section, faults),
        None | Some(_) => PaymentChainConfig::Offline,
    };
    let price_feed = price_feed(&mut section, &chain, faults);
    let limits = limits(&mut section, faults);
    let budgets = section.sections("budget", faults).into_iter();
    let budgets = budgets.filter_map(|it| budget(it, faults)).collect();
    section.finish(faults);
    PaymentsConfig { payer, chain, limits, budgets, price_feed }
}

fn key(section: &mut Section, faults: &mut Faults) -> Option<PayerSource> {
    let missing = section.path_of("eth_keystore_path");
    let path = section.string("eth_keystore_path", faults).map(PathBuf::from);
    let password = section.string("eth_password", faults).map(PathBuf::from);
    let account = account(section, faults);
    if path.is_none() && !faults.mentions(&missing) {
        faults.add(missing, "missing: the key file, or the directory of key files, of who pays");
    }
    Some(PayerSource::Key { path: path?, password, account })
}

fn signer(section: &mut Section, faults: &mut Faults) -> Option<PayerSource> {
    let path = section.path_of("signer_url");
    let url = section.string("signer_url", faults);
    let url = match url {
        Some(text) => text.parse().map_err(|error| faults.add(path, error)).ok(),
        None => {
            if !faults.mentions(&path) {
                faults.add(path, "missing: where the signer listens");
            }
            None
        }
    };
    let insecure = section.boolean("signer_insecure", faults).unwrap_or(false);
    if url.as_ref().is_some_and(|url: &SignerUrl| !url.is_tls() && !url.is_loopback()) && !insecure
    {
        faults.add(
            section.path_of("signer_url"),
            "the token and the payments could be read on the way: use https, or say signer_insecure = true",
        );
    }
    let token_file = section.string("signer_token_file", faults).map(PathBuf::from);
    let ca_file = section.string("signer_ca_file", faults).map(PathBuf::from);
    let account = account(section, faults);
    Some(PayerSource::Signer { url: url?, token_file, ca_file, account })
}

fn account(section: &mut Section, faults: &mut Faults) -> Option<Address> {
    let path = section.path_of("eth_acct_addr");
    let text = section.string("eth_acct_addr", faults)?;
    text.trim().parse().map_err(|_| faults.add(path, "not an address")).ok()
}

fn chain(section: &mut Section, faults: &mut Faults) -> PaymentChainConfig {
    let path = section.path_of("ticket_check");
    match section.string("ticket_check", faults).as_deref() {
        Some("offline") => return PaymentChainConfig::Offline,
        None | Some("chain") => {}
        Some(_) => faults.add(path, "expected \"chain\" or \"offline\""),
    }
    let urls = section.texts("eth_url", "URLs", faults).unwrap_or_default();
    let network = section.string("network", faults);
    let network = network.unwrap_or_else(|| crate::chain_settings::DEFAULT_NETWORK.to_owned());
    let controller = section.string("eth_controller", faults);
    let chain_id = section.integer("eth_chain_id", 1..=u32::MAX, faults).map(u64::from);
    let (urls, controller) = (urls.iter().map(String::as_str), controller.as_deref());
    let fees = FeePolicy::default();
    match ChainSettings::new(urls, &network, controller, chain_id, fees) {
        Ok(settings) => PaymentChainConfig::Nodes(settings),
        Err(error) => {
            faults.add(section.path_of("eth_url"), error);
            PaymentChainConfig::Offline
        }
    }
}

fn limits(section: &mut Section, faults: &mut Faults) -> SenderLimits {
    let usual = SenderLimits::default();
    let mut whole = |key: &str, usual: U256| {
        let path = section.path_of(key);
        let Some(text) = amount_text(section, key, faults) else { return usual };
        text.parse().unwrap_or_else(|_| {
            faults.add(path, "expected whole wei");
            usual
        })
    };
    let max_ticket_ev = whole("max_ticket_ev", usual.max_ticket_ev);
    let max_total_ev = whole("max_total_ev", usual.max_total_ev);
    let multiplier = section.integer("deposit_multiplier", 1..=1_000_000, faults);
    let multiplier = multiplier.and_then(|it| NonZeroU64::new(it.into()));
    let deposit_multiplier = multiplier.unwrap_or(usual.deposit_multiplier);
    SenderLimits { max_ticket_ev, max_total_ev, deposit_multiplier }
}

/// Digits as text, or as a number where TOML has room for it.
fn amount_text(section: &mut Section, key: &str, faults: &mut Faults) -> Option<String> {
    let path = section.path_of(key);
    match section.value(key)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Integer(number) if number >= 0 => Some(number.to_string()),
        Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => {
            faults.add(path, "expected whole wei");
            None
        }
    }
}

/// `for`, `per`, one of `limit_wei` and `limit_eth`, and what happens at it.
fn budget(mut section: Section, faults: &mut Faults) -> Option<Budget> {
    let scope = scope(&mut section, faults);
    let path = section.path_of("per");
    let window = match section.string("per", faults).as_deref() {
        Some("hour") => Some(BudgetWindow::Hour),
        Some("day") => Some(BudgetWindow::Day),
        Some("total") => Some(BudgetWindow::Total),
        _ => {
            faults.add(path, "expected \"hour\", \"day\" or \"total\"");
            None
        }
    };
    let limit = limit(&mut section, faults);
    let path = section.path_of("then");
    let at_limit = match section.string("then", faults).as_deref() {
        None | Some("source_only") => AtLimit::SourceOnly,
        Some("stop") => AtLimit::Stop,
        Some(_) => {
            faults.add(path, "expected \"source_only\" or \"stop\"");
            AtLimit::SourceOnly
        }
    };
    let cheaper = cheaper(&mut section, limit.as_ref(), faults);
    section.finish(faults);
    Some(Budget { cheaper, at_limit, ..Budget::new(scope?, window?, limit?) })
}

fn scope(section: &mut Section, faults: &mut Faults) -> Option<BudgetScope> {
    let path = section.path_of("for");
    let text = section.string("for", faults);
    let scope = match text.as_deref() {
        Some("all") => Some(BudgetScope::Fleet),
        Some("each-stream") => Some(BudgetScope::EachStream),
        Some(text) => match text.split_once(':') {
            Some(("stream", name)) if !name.is_empty() => {
                Some(BudgetScope::Stream(name.to_owned()))
            }
            Some(("owner", name)) if !name.is_empty() => Some(BudgetScope::Owner(name.to_owned())),
            Some(_) | None => None,
        },
        None => None,
    };
    if scope.is_none() {
        faults.add(path, "expected \"all\", \"each-stream\", \"stream:NAME\" or \"owner:NAME\"");
    }
    scope
}

fn limit(section: &mut Section, faults: &mut Faults) -> Option<Wei> {
    let path = section.path_of("limit_wei");
    let wei = amount_text(section, "limit_wei", faults);
    let eth = section.string("limit_eth", faults);
    let limit = match (wei, eth) {
        (Some(wei), None) => wei.parse::<U256>().ok(),
        (None, Some(eth)) => chain::parse_ether(&eth),
        (Some(_), Some(_)) | (None, None) => None,
    };
    if limit.is_none() && !faults.mentions(&path) {
        faults.add(path, "expected whole wei, or limit_eth = \"0.05\" in its place");
    }
    limit.map(Wei::new)
}

/// `cheaper_pools` get what is left above `cheaper_from_percent` of the limit.
fn cheaper(
    section: &mut Section,
    limit: Option<&Wei>,
    faults: &mut Faults,
) -> Option<CheaperPools> {
    let path = section.path_of("cheaper_pools");
    let pools = section.texts("cheaper_pools", "pool names", faults).unwrap_or_default();
    let percent = section.integer("cheaper_from_percent", 0..=100, faults);
    if pools.iter().any(|name| PoolName::new(name).is_none()) {
        faults.add(path, "expected names of pools");
        return None;
    }
    if pools.is_empty() {
        if percent.is_some() {
            faults.add(path, "missing: whom cheaper_from_percent leaves the rest to");
        }
        return None;
    }
    let limit = limit?.to_u256()?;
    let share = U256::from(percent.unwrap_or(80));
    // A limit is below 2^256 / 100 wei by far, or keeps nothing back.
    let from = limit.checked_mul(share).map_or(limit, |it| it / U256::from(100));
    Some(CheaperPools { from: Wei::new(from), pools: pools.into_iter().collect::<BTreeSet<_>>() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chain::PriceFeedConfig;

    use super::*;

    fn read(text: &str) -> Result<PaymentsConfig, String> {
        let mut faults = Faults::default();
        let section = Section::at("payments".to_owned(), text.parse().unwrap());
        let config = payments(section, &mut faults);
        match faults.into_result() {
            Ok(()) => Ok(config),
            Err(faults) => Err(faults.iter().map(|it| format!("{it}\n")).collect()),
        }
    }

    #[test]
    fn nothing_is_paid_where_nothing_is_said() {
        assert_eq!(read(""), Ok(PaymentsConfig::default()));
        assert_eq!(read("mode = \"free\""), Ok(PaymentsConfig::default()));
    }

    #[test]
    fn a_key_and_budgets_are_read() {
        let config = read(
            r#"
            mode = "onchain"
            eth_keystore_path = "/etc/key"
            eth_url = ["http://127.0.0.1:8545", "https://node.example/s3cret"]
            max_ticket_ev = "5000000000000"
            [[budget]]
            for = "each-stream"
            per = "day"
            limit_eth = "0.5"
            cheaper_pools = ["cheap"]
            [[budget]]
            for = "owner:me"
            per = "hour"
            limit_wei = "123"
            then = "stop"
            "#,
        )
        .unwrap();
        assert!(matches!(&config.payer, Some(PayerSource::Key { account: None, .. })));
        assert!(matches!(&config.chain, PaymentChainConfig::Nodes(it) if it.urls.len() == 2));
        assert_eq!(config.limits.max_ticket_ev, U256::from(5_000_000_000_000_u64));
        let [day, hour] = &config.budgets[..] else { panic!("two budgets") };
        assert_eq!(day.limit.to_string(), "500000000000000000");
        assert_eq!(day.cheaper.as_ref().unwrap().from.to_string(), "400000000000000000");
        assert_eq!(hour.scope, BudgetScope::Owner("me".to_owned()));
        assert_eq!((hour.window, hour.at_limit), (BudgetWindow::Hour, AtLimit::Stop));
    }

    #[test]
    fn a_signer_needs_no_key() {
        let text = "mode = \"signer\"\nsigner_url = \"127.0.0.1:8936\"\nticket_check = \"offline\"";
        let config = read(text).unwrap();
        assert!(matches!(&config.payer, Some(PayerSource::Signer { token_file: None, .. })));
        assert_eq!(config.chain, PaymentChainConfig::Offline);
        let both = read(&format!("{text}\neth_keystore_path = \"k\"")).unwrap_err();
        assert_eq!(both, "payments.eth_keystore_path: unknown setting\n");
    }

    const NODES: &str = "mode = \"onchain\"\neth_keystore_path = \"k\"\n\
        eth_url = \"http://127.0.0.1:8545\"\n";
    const FEED: &str = "0x639Fe6ab55C921f74e7fac1ee960C0B6293ba612";

    #[test]
    fn a_price_feed_is_read() {
        let hour = Duration::from_secs(3_600);
        for (more, max_age) in [("", hour * 25), ("max_age = \"90m\"\n", hour * 3 / 2)] {
            let text = format!("{NODES}[price_feed]\naddress = \"{FEED}\"\n{more}");
            let feed = read(&text).unwrap().price_feed.unwrap();
            assert_eq!(feed.contract.to_string(), FEED);
            assert_eq!(feed.rules, PriceFeedConfig { max_age, ..PriceFeedConfig::default() });
        }
        let said = read(&format!("{NODES}[price_feed]\nmax_age = \"1s\"\n")).unwrap_err();
        assert!(said.contains("payments.price_feed.address: missing"), "{said}");
        assert!(said.contains("payments.price_feed.max_age: expected a duration from"), "{said}");
        let said = read(&format!("{NODES}[price_feed]\naddress = \"eth\"\nfoo = 1")).unwrap_err();
        assert!(said.contains("payments.price_feed.address: not an address"), "{said}");
        assert!(said.contains("payments.price_feed.foo: unknown"), "{said}");
    }

    #[test]
    fn a_price_feed_needs_a_chain() {
        let feed = format!("[price_feed]\naddress = \"{FEED}\"\n");
        let offline = "mode = \"onchain\"\neth_keystore_path = \"k\"\nticket_check = \"offline\"\n";
        for text in [&feed, &format!("{offline}{feed}")] {
            let said = read(text).unwrap_err();
            assert!(said.starts_with("payments.price_feed: there is no chain"), "{said}");
        }
        let said = read(&NODES.replace("http", "ws")).unwrap_err();
        let more = read(&format!("{}{feed}", NODES.replace("http", "ws"))).unwrap_err();
        assert_eq!(said, more, "one fault, said once");
    }

    #[test]
    fn faults_name_their_place() {
        let said = read(
            "mode = \"onchain\"\nmax_ticket_ev = -1\n[[budget]]\nfor = \"stream:\"\nper = \"week\"\nlimit_wei = 1.5\nthen = \"go\"\ncheaper_from_percent = 50\n",
        )
        .unwrap_err();
        for wanted in [
            "payments.eth_keystore_path: missing",
            "payments.eth_url: no node",
            "payments.max_ticket_ev",
            "payments.budget[0].for",
            "payments.budget[0].per",
            "payments.budget[0].limit_wei",
            "payments.budget[0].then",
            "payments.budget[0].cheaper_pools",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
    }
}
