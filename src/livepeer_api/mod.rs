//! The operator endpoints of go-livepeer's gateway that people script against (livepeer-gateway §16).
//!
//! Form parameters in, plain text or JSON out, as there; with two differences: what changes a setting is
//! taken by POST only, and never from a web page of another host (`origin.rs`). What moves funds, asks the
//! chain or needs an AI pipeline answers 501 and says so (`absent.rs`).
//!
//! [`service`] is mounted on the admin address; what it shows and sets comes through the port
//! [`GatewayFacts`].

mod absent;
mod account;
mod facts;
mod form;
mod settings;
mod status;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use media::RenditionProfile;
use serde_json::json;

pub use facts::{
    GatewayFacts, OrchestratorFacts, PayerFacts, PayerFunds, RenditionFacts, SettingRefused,
    StreamFacts,
};

type Facts = State<Arc<dyn GatewayFacts>>;

/// The endpoints, over what the gateway tells of itself.
pub fn service(facts: Arc<dyn GatewayFacts>) -> Router {
    let settings: Router<Arc<dyn GatewayFacts>> = Router::new()
        .route("/setBroadcastConfig", change(post(settings::set_broadcast_config)))
        .route("/setMaxSessions", change(post(settings::set_max_sessions)));
    Router::new()
        .route("/status", read(status))
        .route("/streamID", read(stream_id))
        .route("/manifestID", read(manifest_id))
        .route("/localStreams", read(|| async { Json(json!([])) }))
        .route("/getBroadcastConfig", read(broadcast_config))
        .route("/getAvailableTranscodingOptions", read(transcoding_options))
        .route("/registeredOrchestrators", read(registered_orchestrators))
        .route("/EthChainID", read(account::chain_id))
        .route("/ethAddr", read(account::address))
        .route("/senderInfo", read(account::sender_info))
        .route("/IsOrchestrator", read(|| async { "false" }))
        .route("/IsRedeemer", read(|| async { "false" }))
        .route("/getLogLevel", read(log_level))
        .merge(settings)
        .with_state(facts)
        .merge(absent::service())
}

/// What shows something is asked for by GET or POST alike.
fn read<H, T>(handler: H) -> MethodRouter<Arc<dyn GatewayFacts>>
where
    H: axum::handler::Handler<T, Arc<dyn GatewayFacts>>,
    T: 'static,
{
    get(handler.clone()).post(handler)
}

/// What changes something is told to by POST, and not by a page of somebody else.
fn change(route: MethodRouter<Arc<dyn GatewayFacts>>) -> MethodRouter<Arc<dyn GatewayFacts>> {
    route
        .layer(axum::middleware::from_fn(crate::origin::refuse_other_pages))
        .fallback(settings::only_post)
}

async fn status(State(facts): Facts) -> Response {
    Json(status::node_status(facts.as_ref())).into_response()
}

/// The newest stream as `manifest/source`; empty when there is none.
async fn stream_id(State(facts): Facts) -> String {
    facts.streams().last().map(|stream| format!("{}/source", stream.manifest)).unwrap_or_default()
}

async fn manifest_id(State(facts): Facts) -> String {
    facts.streams().last().map(|stream| stream.manifest.to_string()).unwrap_or_default()
}

async fn broadcast_config(State(facts): Facts) -> Response {
    let ladder = facts.ladder().unwrap_or_default();
    let names: Vec<_> = ladder.profiles().iter().map(|it| it.name.as_str()).collect();
    let config = json!({
        "MaxPrice": facts.max_price().map(status::price),
        "TranscodingOptions": names.join(","),
    });
    Json(config).into_response()
}

/// Every preset that can be set: go-livepeer's (livepeer-gateway §7) and `P144p25fps16x9`.
async fn transcoding_options() -> Response {
    Json(RenditionProfile::preset_names().collect::<Vec<_>>()).into_response()
}

async fn registered_orchestrators(State(facts): Facts) -> Response {
    Json(status::registered(facts.as_ref())).into_response()
}

/// A number from 0 to 6, as JSON.
async fn log_level(State(facts): Facts) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], facts.log_level().to_string()).into_response()
}

#[cfg(test)]
mod tests;
