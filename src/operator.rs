//! The operator's API on the admin address: streams, orchestrators, and why segments went where.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use futures_util::stream;
use media::StreamName;
use orchestrator::OrchestratorAddress;
use router::DecisionRecord;
use serde::Deserialize;
use store::Store;
use tokio::sync::broadcast::error::RecvError;

use crate::{origin::refuse_other_pages, payments::PaymentService, streams::Streams};

/// Decisions listed at once.
const MOST_DECISIONS: usize = 1_000;
/// Evidence listed at once.
const MOST_EVIDENCE: usize = 100;

/// What the operator's API looks at.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) streams: Streams,
    pub(crate) router: router::Router,
    pub(crate) store: Store,
    /// Who pays; `None`: nothing is paid.
    pub(crate) payments: Option<PaymentService>,
}

/// `/v1/…` below the admin address.
pub(crate) fn service(operator: Operator) -> Router {
    let kicks = delete(kick).layer(axum::middleware::from_fn(refuse_other_pages));
    Router::new()
        .route("/v1/streams", get(list_streams))
        .route("/v1/streams/{id}", get(show_stream))
        .route("/v1/streams/{id}/health", get(show_health))
        .route("/v1/streams/{id}/publisher", kicks)
        .route("/v1/streams/{id}/decisions", get(list_decisions))
        .route("/v1/streams/{id}/segments/{number}/decision", get(show_decision))
        .route("/v1/decisions", get(follow_decisions))
        .route("/v1/orchestrators", get(list_orchestrators))
        .route("/v1/orchestrators/evidence", get(list_evidence))
        .route("/v1/payments", get(show_payments))
        .with_state(Arc::new(operator))
}

type Shared = State<Arc<Operator>>;

async fn list_streams(State(operator): Shared) -> Response {
    Json(serde_json::json!({ "streams": operator.streams.list() })).into_response()
}

async fn show_stream(State(operator): Shared, Path(id): Path<String>) -> Response {
    let found = operator.streams.list().into_iter().find(|stream| stream.id == id);
    found.map_or_else(|| no_stream(&id), |stream| Json(stream).into_response())
}

async fn show_health(State(operator): Shared, Path(id): Path<String>) -> Response {
    let found = StreamName::new(&id).ok().and_then(|name| operator.streams.health(&name));
    found.map_or_else(|| no_stream(&id), |report| Json(report).into_response())
}

async fn show_payments(State(operator): Shared) -> Response {
    match &operator.payments {
        Some(payments) => Json(payments.figures()).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "nothing is paid: payments.mode is \"free\""),
    }
}

async fn kick(State(operator): Shared, Path(id): Path<String>) -> Response {
    let Ok(name) = StreamName::new(&id) else { return no_stream(&id) };
    if operator.streams.kick(&name) {
        tracing::info!(stream = %name, "publisher ended by the operator");
        StatusCode::NO_CONTENT.into_response()
    } else {
        refusal(StatusCode::NOT_FOUND, &format!("nobody publishes {id}"))
    }
}

#[derive(Debug, Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn list_decisions(
    State(operator): Shared,
    Path(id): Path<String>,
    Query(Limit { limit }): Query<Limit>,
) -> Response {
    let Ok(name) = StreamName::new(&id) else { return no_stream(&id) };
    let most = limit.unwrap_or(20).min(MOST_DECISIONS);
    Json(serde_json::json!({ "decisions": operator.router.decisions(&name, most) })).into_response()
}

async fn show_decision(
    State(operator): Shared,
    Path((id, number)): Path<(String, String)>,
) -> Response {
    let Ok(name) = StreamName::new(&id) else { return no_stream(&id) };
    let latest = || operator.router.decisions(&name, 1).pop();
    let found = match number.as_str() {
        "latest" => latest(),
        number => match number.parse() {
            Ok(number) => operator.router.decision(&name, number),
            Err(_) => {
                return refusal(StatusCode::BAD_REQUEST, "a segment is a number, or \"latest\"");
            }
        },
    };
    match found {
        Some(record) => Json(record).into_response(),
        None => {
            let about = latest().map_or_else(
                || "there is no record of this stream".to_owned(),
                |latest| format!("the latest is {}", latest.decision.sequence),
            );
            refusal(
                StatusCode::NOT_FOUND,
                &format!("no record of segment {number} of {id}: {about}"),
            )
        }
    }
}

/// Every decision from now on, one JSON object a line. A reader that falls behind is told how many it
/// missed.
async fn follow_decisions(State(operator): Shared) -> Response {
    let records = stream::unfold(operator.router.listen(), |mut records| async move {
        let line = match records.recv().await {
            Ok(record) => line(&record),
            Err(RecvError::Lagged(missed)) => format!("{{\"missed\":{missed}}}\n"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(Bytes::from(line)), records))
    });
    let ndjson =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (ndjson, Body::from_stream(records)).into_response()
}

fn line(record: &DecisionRecord) -> String {
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.push('\n');
    line
}

async fn list_orchestrators(State(operator): Shared) -> Response {
    Json(serde_json::json!({ "orchestrators": operator.router.status() })).into_response()
}

#[derive(Debug, Deserialize)]
struct EvidenceQuery {
    orchestrator: Option<String>,
    limit: Option<usize>,
}

async fn list_evidence(State(operator): Shared, Query(query): Query<EvidenceQuery>) -> Response {
    let address = match query.orchestrator.as_deref().map(str::parse::<OrchestratorAddress>) {
        Some(Err(error)) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        Some(Ok(address)) => Some(address),
        None => None,
    };
    let most = query.limit.unwrap_or(20).min(MOST_EVIDENCE);
    match operator.store.evidence(address.as_ref(), most).await {
        Ok(found) => {
            let shown: Vec<_> = found.iter().map(shown_evidence).collect();
            Json(serde_json::json!({ "evidence": shown })).into_response()
        }
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn shown_evidence(found: &store::StoredEvidence) -> serde_json::Value {
    use base64::Engine as _;
    let encode = |picture: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(picture);
    let at = found.at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    serde_json::json!({
        "id": found.id,
        "orchestrator": found.address.to_string(),
        "at_unix_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        "stream": found.stream,
        "sequence": found.sequence.0,
        "rendition": found.rendition,
        "kind": found.kind,
        "detail": found.detail,
        "pictures_pgm_base64": found.pictures.iter().map(encode).collect::<Vec<_>>(),
    })
}

fn no_stream(id: &str) -> Response {
    refusal(StatusCode::NOT_FOUND, &format!("no stream {id:?} is live"))
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, Json(serde_json::json!({ "error": text }))).into_response()
}
