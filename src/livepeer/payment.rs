//! Flags of accounts, tickets and signers, as the section `[payments]` (livepeer-gateway §2, §13–§15).

use std::{fmt::Display, io, path::Path, str::FromStr};

use chain::{Network, RpcUrl};
use signer::SignerUrl;
use tickets::Address;
use toml::{Table, Value};
use url::Url;

use super::draft::Secrets;

/// The network on which nothing is paid.
pub(super) const OFFCHAIN: &str = "offchain";
/// Most for `-depositMultiplier`.
const MULTIPLIER_MAX: u32 = 1_000_000;
/// Most digits of an amount of wei: all of these fit.
const DIGITS_MAX: usize = 77;

const NO_KEY: &str = "missing on-chain: the key file, or the directory of key files, of who pays; without it -dataDir/keystore is taken";
const NO_NODE: &str = "missing: payments need a node to ask, and so do those that a signer signs: blocks and deposits are followed here";
const OTHER_NETWORK: &str = "expected \"offchain\" or \"arbitrum-one-mainnet\"; for another, start with --config and a [payments] that names network, eth_controller and eth_chain_id";
const PASSWORD: &str = "expected a file that can be read: a password is never taken from a flag";

/// What the flags say, as they say it.
#[derive(Clone, Default)]
pub(super) struct PaymentFlags {
    pub(super) network: Option<String>,
    pub(super) eth_url: Option<String>,
    pub(super) keystore_path: Option<String>,
    pub(super) password: Option<String>,
    pub(super) account: Option<String>,
    pub(super) controller: Option<String>,
    pub(super) max_ticket_ev: Option<String>,
    pub(super) max_total_ev: Option<String>,
    pub(super) deposit_multiplier: Option<String>,
    pub(super) signer_url: Option<String>,
}

/// The section, with what of it may be shown to people.
#[derive(Clone)]
pub(super) struct PaymentDraft {
    table: Table,
    node: String,
}

/// A flag that can't be followed, by its name, and why; values are not quoted.
pub(super) type PaymentFault = (&'static str, String);

impl PaymentFlags {
    /// Whether anything is to be paid. As in go-livepeer that is on-chain, or by a remote signer.
    pub(super) fn asks_to_pay(&self) -> bool {
        self.is_on_chain() || self.signer_url.is_some()
    }

    /// Whether a network is named on which is paid.
    pub(super) fn is_on_chain(&self) -> bool {
        self.network.as_deref().is_some_and(|network| network != OFFCHAIN)
    }

    /// Reads them; `data_dir` is where go-livepeer keeps keys that no flag names.
    ///
    /// # Errors
    /// Everything that can't be followed.
    pub(super) fn read(
        &self,
        data_dir: Option<&str>,
        read_file: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<PaymentDraft, Vec<PaymentFault>> {
        let mut reading = Reading { table: Table::new(), faults: Vec::new() };
        match &self.signer_url {
            Some(url) => {
                reading.set("mode", "signer");
                let read = url.parse::<SignerUrl>();
                reading.checked("remoteSignerUrl", "signer_url", read.map(|it| it.to_string()));
            }
            None => {
                reading.set("mode", "onchain");
                self.read_key(data_dir, read_file, &mut reading);
            }
        }
        reading.read_text::<Address>("ethAcctAddr", "eth_acct_addr", self.account.as_deref());
        let node = self.read_node(&mut reading);
        for (flag, key, text) in [
            ("maxTicketEV", "max_ticket_ev", &self.max_ticket_ev),
            ("maxTotalEV", "max_total_ev", &self.max_total_ev),
        ] {
            if let Some(text) = text {
                reading.checked(flag, key, wei(text));
            }
        }
        if let Some(text) = &self.deposit_multiplier {
            let number = text.parse().ok().filter(|it: &u32| (1..=MULTIPLIER_MAX).contains(it));
            let number = number
                .map(i64::from)
                .ok_or_else(|| format!("expected a whole number from 1 to {MULTIPLIER_MAX}"));
            reading.checked("depositMultiplier", "deposit_multiplier", number);
        }
        let Reading { table, faults } = reading;
        if faults.is_empty() { Ok(PaymentDraft { table, node }) } else { Err(faults) }
    }

    fn read_key(
        &self,
        data_dir: Option<&str>,
        read_file: &dyn Fn(&Path) -> io::Result<String>,
        reading: &mut Reading,
    ) {
        let usual = || data_dir.map(|it| Path::new(it).join("keystore").display().to_string());
        match self.keystore_path.clone().or_else(usual) {
            Some(path) => reading.set("eth_keystore_path", path),
            None => reading.fault("ethKeystorePath", NO_KEY),
        }
        match &self.password {
            Some(path) if read_file(Path::new(path)).is_ok() => {
                reading.set("eth_password", path.as_str());
            }
            Some(_) => reading.fault("ethPassword", PASSWORD),
            None => {}
        }
    }

    /// Node, network and contract; and the node for people. With a signer go-livepeer is off-chain, so
    /// that the network is the public one where none is named.
    fn read_node(&self, reading: &mut Reading) -> String {
        if let Some(network) = self.network.as_deref().filter(|it| *it != OFFCHAIN) {
            match Network::named(network) {
                Some(_) => reading.set("network", network),
                None => reading.fault("network", OTHER_NETWORK),
            }
        }
        reading.read_text::<Address>("ethController", "eth_controller", self.controller.as_deref());
        let Some(text) = &self.eth_url else {
            reading.fault("ethUrl", NO_NODE);
            return String::new();
        };
        match text.parse::<RpcUrl>() {
            Ok(url) => {
                reading.set("eth_url", text.as_str());
                let whole = Url::parse(text).ok();
                let plain = whole.is_some_and(|it| it.path() == "/" && it.query().is_none());
                format!("{}{}", url.as_shown(), if plain { "" } else { "/***" })
            }
            Err(error) => {
                reading.fault("ethUrl", error);
                String::new()
            }
        }
    }
}

impl PaymentDraft {
    /// The section. A node's URL often holds a key.
    pub(super) fn to_toml(&self, secrets: Secrets) -> Table {
        let mut table = self.table.clone();
        if secrets == Secrets::Hidden {
            table.insert("eth_url".to_owned(), self.node.as_str().into());
        }
        table
    }
}

struct Reading {
    table: Table,
    faults: Vec<PaymentFault>,
}

impl Reading {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.table.insert(key.to_owned(), value.into());
    }

    fn fault(&mut self, flag: &'static str, problem: impl Display) {
        self.faults.push((flag, problem.to_string()));
    }

    fn checked(
        &mut self,
        flag: &'static str,
        key: &str,
        value: Result<impl Into<Value>, impl Display>,
    ) {
        match value {
            Ok(value) => self.set(key, value),
            Err(problem) => self.fault(flag, problem),
        }
    }

    /// A text of the form of `T`, as it is.
    fn read_text<T: FromStr>(&mut self, flag: &'static str, key: &str, text: Option<&str>) {
        let Some(text) = text else { return };
        self.checked(flag, key, text.parse::<T>().map(|_| text).map_err(|_| "not an address"));
    }
}

/// Whole wei above zero, in digits.
fn wei(text: &str) -> Result<&str, &'static str> {
    let is_number = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_some = text.bytes().any(|byte| byte != b'0');
    if is_number && is_some { Ok(text) } else { Err("expected whole wei, more than none") }
}
