//! The account that pays (livepeer-gateway §16).

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{Facts, PayerFunds};

const NO_ACCOUNT: &str =
    "not implemented: this gateway pays nothing, and has no account: see [payments]\n";
const NO_CHAIN: &str =
    "not implemented: this gateway follows no chain (ticket_check = \"offline\" in [payments])\n";

/// Zero where no chain is followed, as off-chain in go-livepeer.
pub(super) async fn chain_id(State(facts): Facts) -> String {
    facts.payer().and_then(|payer| payer.chain_id).unwrap_or(0).to_string()
}

/// The account's address.
pub(super) async fn address(State(facts): Facts) -> Response {
    match facts.payer() {
        Some(payer) => payer.address.into_response(),
        None => (StatusCode::NOT_IMPLEMENTED, NO_ACCOUNT).into_response(),
    }
}

/// What it has in the payment contract, as the nodes said last.
pub(super) async fn sender_info(State(facts): Facts) -> Response {
    let Some(payer) = facts.payer() else {
        return (StatusCode::NOT_IMPLEMENTED, NO_ACCOUNT).into_response();
    };
    if payer.chain_id.is_none() {
        return (StatusCode::NOT_IMPLEMENTED, NO_CHAIN).into_response();
    }
    match payer.funds {
        Some(funds) => ([(header::CONTENT_TYPE, "application/json")], json(&funds)).into_response(),
        None => {
            let fault = payer.fault.as_deref().unwrap_or("no node has answered so far");
            let text = format!("deposit and reserve are not known yet: {fault}\n");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

/// Go writes and reads them as numbers, which have more digits than JSON libraries keep. What was claimed
/// from the reserve in this round is not followed.
fn json(PayerFunds { deposit, reserve, withdraw_round }: &PayerFunds) -> String {
    format!(
        r#"{{"Deposit":{deposit},"WithdrawRound":{withdraw_round},"Reserve":{{"FundsRemaining":{reserve},"ClaimedInCurrentRound":null}}}}"#
    )
}
