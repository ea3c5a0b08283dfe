//! What the endpoints change.

use std::{num::NonZeroU32, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use media::Ladder;
use orchestrator::PixelPrice;

use super::{
    Facts,
    facts::{GatewayFacts, SettingRefused},
    form::Form,
};
use crate::livepeer;

/// Another method than POST.
pub(super) async fn only_post() -> Response {
    let text = "this changes a setting: send it as POST\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], text).into_response()
}

/// `maxPricePerUnit` with `pixelsPerUnit` (and `currency`), `transcodingOptions`; each may be left out.
/// Nothing changes when one of them can't be used.
pub(super) async fn set_broadcast_config(State(facts): Facts, request: Request<Body>) -> Response {
    match Form::read(request).await {
        Ok(form) => answer(change_broadcast_config(&facts, &form)),
        Err(refusal) => refusal,
    }
}

/// `maxSessions`: streams that may be live.
pub(super) async fn set_max_sessions(State(facts): Facts, request: Request<Body>) -> Response {
    match Form::read(request).await {
        Ok(form) => answer(change_max_sessions(&facts, &form)),
        Err(refusal) => refusal,
    }
}

/// Why nothing was changed.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The parameters.
    Bad(String),
    /// The gateway.
    Setting(SettingRefused),
}

fn answer(changed: Result<String, Refusal>) -> Response {
    match changed {
        Ok(text) => text.into_response(),
        Err(Refusal::Bad(text)) => (StatusCode::BAD_REQUEST, text + "\n").into_response(),
        Err(Refusal::Setting(SettingRefused(text))) => {
            (StatusCode::NOT_IMPLEMENTED, text + "\n").into_response()
        }
    }
}

fn change_broadcast_config(facts: &Arc<dyn GatewayFacts>, form: &Form) -> Result<String, Refusal> {
    let price = max_price(form).map_err(Refusal::Bad)?;
    let ladder = form.get("transcodingOptions").map(ladder).transpose().map_err(Refusal::Bad)?;
    if let Some(price) = price {
        facts.set_max_price(price).map_err(Refusal::Setting)?;
        tracing::info!(price = ?price.map(|it| it.to_string()), "maximum price set by the operator");
    }
    if let Some(ladder) = ladder {
        let renditions = ladder.profiles().len();
        facts.set_ladder(ladder);
        tracing::info!(renditions, "default ladder set by the operator");
    }
    Ok(String::new())
}

fn change_max_sessions(facts: &Arc<dyn GatewayFacts>, form: &Form) -> Result<String, Refusal> {
    let bad = |text: &str| Refusal::Bad(text.to_owned());
    let text = form.get("maxSessions").ok_or_else(|| bad("missing form param: maxSessions"))?;
    if text == "auto" {
        return Err(bad("auto is for orchestrators: a gateway has a number"));
    }
    let number: NonZeroU32 =
        text.parse().map_err(|_| bad("maxSessions must be a whole number above zero"))?;
    facts.set_streams_max(number);
    tracing::info!(streams = number, "maximum of live streams set by the operator");
    Ok(format!("Max sessions set to {number}\n"))
}

/// `Some(None)`: any price.
fn max_price(form: &Form) -> Result<Option<Option<PixelPrice>>, String> {
    let (price, pixels) = match (form.get("maxPricePerUnit"), form.get("pixelsPerUnit")) {
        (Some(price), Some(pixels)) => (price, pixels),
        (None, None) => return Ok(None),
        _ => return Err("maxPricePerUnit and pixelsPerUnit belong together".to_owned()),
    };
    let currency = form.get("currency").unwrap_or_default();
    let price = livepeer::max_price(price, currency, pixels);
    price.map(Some).map_err(|fault| fault.to_string())
}

/// At least one preset.
fn ladder(text: &str) -> Result<Ladder, String> {
    let ladder = Ladder::of_presets(text);
    let ladder = ladder.map_err(|error| format!("invalid transcoding options: {error}"))?;
    if ladder.is_empty() { Err("invalid transcoding options".to_owned()) } else { Ok(ladder) }
}
