//! The network's contracts on a local chain.

use std::{
    net::SocketAddr,
    process::Command,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use chain::{
    ChainClient, FeePolicy, Patience, Receipt, RpcClient, RpcConfig, WalletAction, WalletStatus,
    parse_ether,
};
use rustls::RootCertStore;
use serde_json::{Value, json};
use tickets::{Address, PrivateKey, U256, keccak256};

use super::{
    anvil::{Anvil, CHAIN_ID, folder},
    proxy::{Mode, Proxy, SOON},
    wall_clock,
};

/// L1 blocks of a round.
pub(crate) const ROUND_LENGTH: u64 = 100;
/// Rounds between unlocking and withdrawing.
pub(crate) const UNLOCK_PERIOD: u64 = 2;
const VALIDITY_PERIOD: u64 = 2;

/// Whether nodes tell an L1 block besides their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    One,
    Two,
}

/// A chain with the contracts, and a client of it.
pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) controller: Address,
    pub(crate) client: ChainClient,
    pub(crate) proxy: Proxy,
    deployer: Value,
    /// Blocks of a round.
    round_length: u64,
}

/// The bytecode of each contract.
fn bytecode() -> &'static Value {
    static BYTECODE: OnceLock<Value> = OnceLock::new();
    BYTECODE.get_or_init(|| {
        let output = Command::new("node").arg(folder().join("compile.mjs")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    })
}

/// A key of a test's own.
pub(crate) fn key(number: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[number; 32]).unwrap()
}

/// So many ether, in wei.
pub(crate) fn ether_of(text: &str) -> U256 {
    parse_ether(text).unwrap()
}

/// A client of nodes at these addresses, with waits that suit a test.
pub(crate) fn rpc(addresses: &[SocketAddr]) -> RpcClient {
    let urls = addresses.iter().map(|address| format!("http://{address}"));
    rpc_trusting(urls, RootCertStore::empty())
}

/// The same, of nodes at these URLs, that trusts these roots.
pub(crate) fn rpc_trusting(
    urls: impl IntoIterator<Item = String>,
    roots: RootCertStore,
) -> RpcClient {
    let urls = urls.into_iter().map(|url| url.parse().unwrap());
    let clock: fn() -> SystemTime = wall_clock;
    let config = RpcConfig {
        call_timeout: Duration::from_secs(2),
        total_timeout: Duration::from_secs(8),
        ..RpcConfig::new(urls.collect(), CHAIN_ID, clock)
    };
    RpcClient::new(config, roots).unwrap()
}

fn word(number: u64) -> Vec<u8> {
    U256::from(number).to_be_bytes_vec()
}

fn address_word(address: Address) -> Vec<u8> {
    address.into_word().to_vec()
}

impl World {
    /// Contracts deployed, and the first round initialized.
    pub(crate) async fn start(layer: Layer) -> Self {
        Self::with_rounds_of(ROUND_LENGTH, layer).await
    }

    /// The same, with rounds of so many blocks.
    pub(crate) async fn with_rounds_of(round_length: u64, layer: Layer) -> Self {
        let anvil = Anvil::start().await;
        let deployer = anvil.call("eth_accounts", json!([])).await[0].clone();
        let mode = if layer == Layer::Two { Mode::SecondLayer } else { Mode::Honest };
        let proxy = Proxy::start(anvil.address, mode).await;
        let controller = deploy(&anvil, &deployer, "Controller", Vec::new()).await;
        let broker = [word(UNLOCK_PERIOD), word(VALIDITY_PERIOD)].concat();
        for (name, arguments) in [
            ("TicketBroker", broker),
            ("RoundsManager", word(round_length)),
            ("BondingManager", Vec::new()),
            ("ServiceRegistry", Vec::new()),
        ] {
            let arguments = [address_word(controller), arguments].concat();
            let address = deploy(&anvil, &deployer, name, arguments).await;
            let id = keccak256(name).to_vec();
            let data = ("setContractInfo(bytes32,address)", [id, address_word(address)].concat());
            send(&anvil, &deployer, controller, data).await;
        }
        let client = ChainClient::connect(rpc(&[proxy.address]), controller).await.unwrap();
        let world = Self { anvil, controller, client, proxy, deployer, round_length };
        world.next_rounds(1).await;
        world
    }

    /// Mines until so many rounds later, and initializes that one.
    pub(crate) async fn next_rounds(&self, count: u64) {
        let number = self.l1_block().await;
        let target = (number / self.round_length + count) * self.round_length;
        self.mine(target - number).await;
        let rounds = self.client.contracts().rounds_manager;
        self.send(rounds, ("initializeRound()", Vec::new())).await;
    }

    /// Blocks without transactions.
    pub(crate) async fn mine(&self, count: u64) {
        self.anvil.call("anvil_mine", json!([format!("{count:#x}")])).await;
    }

    /// The number that contracts see.
    pub(crate) async fn l1_block(&self) -> u64 {
        let number = self.anvil.call("eth_blockNumber", json!([])).await;
        u64::from_str_radix(number.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// A transaction of the contracts' owner.
    pub(crate) async fn send(&self, to: Address, call: (&str, Vec<u8>)) {
        send(&self.anvil, &self.deployer, to, call).await;
    }

    /// A transaction of anybody.
    pub(crate) async fn send_as(&self, from: Address, to: Address, call: (&str, Vec<u8>)) {
        let from = json!(format!("{from:#x}"));
        self.anvil.call("anvil_impersonateAccount", json!([from])).await;
        send(&self.anvil, &from, to, call).await;
    }

    /// Gives an account so much.
    pub(crate) async fn give(&self, account: Address, wei: U256) {
        let params = json!([format!("{account:#x}"), format!("{wei:#x}")]);
        self.anvil.call("anvil_setBalance", params).await;
    }

    /// Another contract, with these arguments.
    pub(crate) async fn deploy(&self, name: &str, arguments: Vec<u8>) -> Address {
        deploy(&self.anvil, &self.deployer, name, arguments).await
    }

    /// Makes an orchestrator part of the active pool.
    pub(crate) async fn join(&self, transcoder: Address) {
        let pool = self.client.contracts().bonding_manager;
        self.send(pool, ("join(address)", address_word(transcoder))).await;
    }

    pub(crate) async fn status(&self, account: Address) -> WalletStatus {
        self.client.wallet_status(account).await.unwrap()
    }

    /// Plans and does it; what the plan foretold must be.
    pub(crate) async fn act(&self, key: &PrivateKey, action: WalletAction) -> Receipt {
        let policy = FeePolicy::default();
        let plan = self.client.plan(key.address(), action, &policy).await.unwrap();
        let patience = Patience::default();
        let receipt = self.client.carry_out(&plan, key, &policy, &patience).await.unwrap();
        let after = self.status(key.address()).await;
        assert_eq!(after.funds, plan.funds_after(), "{action}");
        assert!(after.balance >= plan.balance_after(), "{action}");
        assert!(receipt.fee() <= plan.transaction.fees.max_cost(), "{action}");
        receipt
    }
}

/// The account must be one the chain signs for.
async fn send(anvil: &Anvil, from: &Value, to: Address, (signature, arguments): (&str, Vec<u8>)) {
    let data = [keccak256(signature)[..4].to_vec(), arguments].concat();
    let data = format!("0x{}", hex::encode(data));
    let transaction = json!({"from": from, "to": format!("{to:#x}"), "data": data});
    let receipt = mined(anvil, transaction).await;
    assert_eq!(receipt["status"], "0x1", "{signature}");
}

async fn deploy(anvil: &Anvil, from: &Value, name: &str, arguments: Vec<u8>) -> Address {
    let code = bytecode()[name].as_str().unwrap();
    let data = format!("0x{code}{}", hex::encode(arguments));
    let transaction = json!({"from": from, "data": data});
    let receipt = mined(anvil, transaction).await;
    assert_eq!(receipt["status"], "0x1", "{name}");
    receipt["contractAddress"].as_str().unwrap().parse().unwrap()
}

/// Sends a transaction and gives its receipt, once a block has taken it.
async fn mined(anvil: &Anvil, transaction: Value) -> Value {
    let hash = anvil.call("eth_sendTransaction", json!([transaction])).await;
    let receipt = async {
        loop {
            let receipt = anvil.call("eth_getTransactionReceipt", json!([hash])).await;
            if !receipt.is_null() {
                return receipt;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, receipt).await.expect("a block takes the transaction")
}
