//! Endpoints of go-livepeer's gateway that have no counterpart here: each says why.

use axum::{Router, http::StatusCode, routing::any};

const NO_TRANSACTIONS: &str = "not implemented: a running gateway moves no funds and sends no transactions; `headgate wallet` deposits, adds to the reserve, unlocks, cancels that and withdraws\n";
const NO_BALANCES: &str = "not implemented: /senderInfo tells the deposit and the reserve of a gateway that pays; `headgate wallet status` tells more\n";
const NO_CHAIN_FACTS: &str = "not implemented: /EthChainID names the chain of a gateway that pays; what else is on it, ask a node\n";
const NO_SIGNATURES: &str =
    "not implemented: the key that pays signs payments and segments, and nothing else\n";
const NO_GAS: &str = "not implemented: a running gateway sends no transactions; `headgate wallet` has --max-gas-price and --max-gas-tip\n";
const NO_AI: &str = "not implemented: this gateway has no AI pipelines\n";
const NO_LOG_LEVEL: &str =
    "not implemented: what is logged is set when the gateway starts (--log, or [log] filter)\n";
const NO_DEBUG: &str =
    "not implemented: GET /v1/streams and /v1/streams/{id}/decisions show what this did\n";

const ENDPOINTS: &[(&str, &str)] = &[
    ("/fundDepositAndReserve", NO_TRANSACTIONS),
    ("/fundDeposit", NO_TRANSACTIONS),
    ("/unlock", NO_TRANSACTIONS),
    ("/cancelUnlock", NO_TRANSACTIONS),
    ("/withdraw", NO_TRANSACTIONS),
    ("/ticketBrokerParams", NO_CHAIN_FACTS),
    ("/protocolParameters", NO_CHAIN_FACTS),
    ("/contractAddresses", NO_CHAIN_FACTS),
    ("/currentRound", NO_CHAIN_FACTS),
    ("/currentBlock", NO_CHAIN_FACTS),
    ("/ethBalance", NO_BALANCES),
    ("/tokenBalance", NO_BALANCES),
    ("/transferTokens", NO_TRANSACTIONS),
    ("/signMessage", NO_SIGNATURES),
    ("/maxGasPrice", NO_GAS),
    ("/setMaxGasPrice", NO_GAS),
    ("/minGasPrice", NO_GAS),
    ("/setMinGasPrice", NO_GAS),
    ("/setMaxPriceForCapability", NO_AI),
    ("/getNetworkCapabilities", NO_AI),
    ("/getAISessionPoolsInfo", NO_AI),
    ("/setLogLevel", NO_LOG_LEVEL),
    ("/debug", NO_DEBUG),
];

/// 501 with the reason, whatever the method.
pub(super) fn service() -> Router {
    ENDPOINTS.iter().fold(Router::new(), |router, (path, reason)| {
        router.route(path, any(|| async { (StatusCode::NOT_IMPLEMENTED, *reason) }))
    })
}
