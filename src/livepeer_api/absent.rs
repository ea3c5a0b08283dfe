//! Endpoints of go-livepeer's gateway that have no counterpart here: each says why.

use axum::{Router, http::StatusCode, routing::any};

const NO_CHAIN: &str =
    "not implemented: this gateway works off-chain, without an account, deposits or transactions\n";
const NO_AI: &str = "not implemented: this gateway has no AI pipelines\n";
const NO_LOG_LEVEL: &str =
    "not implemented: what is logged is set when the gateway starts (--log, or [log] filter)\n";
const NO_DEBUG: &str =
    "not implemented: GET /v1/streams and /v1/streams/{id}/decisions show what this did\n";

const ENDPOINTS: &[(&str, &str)] = &[
    ("/senderInfo", NO_CHAIN),
    ("/fundDepositAndReserve", NO_CHAIN),
    ("/fundDeposit", NO_CHAIN),
    ("/unlock", NO_CHAIN),
    ("/cancelUnlock", NO_CHAIN),
    ("/withdraw", NO_CHAIN),
    ("/ticketBrokerParams", NO_CHAIN),
    ("/protocolParameters", NO_CHAIN),
    ("/contractAddresses", NO_CHAIN),
    ("/currentRound", NO_CHAIN),
    ("/currentBlock", NO_CHAIN),
    ("/ethAddr", NO_CHAIN),
    ("/ethBalance", NO_CHAIN),
    ("/tokenBalance", NO_CHAIN),
    ("/transferTokens", NO_CHAIN),
    ("/signMessage", NO_CHAIN),
    ("/maxGasPrice", NO_CHAIN),
    ("/setMaxGasPrice", NO_CHAIN),
    ("/minGasPrice", NO_CHAIN),
    ("/setMinGasPrice", NO_CHAIN),
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
