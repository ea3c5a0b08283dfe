//! Uploads and their results.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use tokio::time::Instant;

use super::{
    echo,
    forward::{self, FOREVER, Protocol},
    proxy::Shared,
};
use crate::{Faults, rewrite, stats::count};

/// Largest result passed on.
const MAX_RESULT: usize = 1 << 20;

/// Passes an upload on. The status comes when the upstream's does, the result when the faults let it.
pub(super) async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    count(&shared.counters.segments);
    let faults = shared.faults();
    if let Some(refusal) = refusal(&shared, &faults, request.headers()) {
        forward::drain(request.into_body()).await;
        return refusal;
    }
    if faults.hang {
        forward::drain(request.into_body()).await;
        tokio::time::sleep(FOREVER).await;
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    let begun = Instant::now();
    if faults.echo {
        return match echo::answer(&shared, request).await {
            Ok(answer) => {
                let result = result(shared, faults, begun, Body::from(answer));
                Body::from_stream(futures_util::stream::once(result)).into_response()
            }
            Err(refusal) => refusal,
        };
    }
    match forward::send(&shared, Protocol::Http1, request).await {
        Ok((head, body)) if head.status == StatusCode::OK => {
            let result = result(shared, faults, begun, body);
            forward::with_body(head, Body::from_stream(futures_util::stream::once(result)))
        }
        Ok((head, body)) => forward::with_body(head, body),
        Err(refusal) => refusal,
    }
}

async fn result(
    shared: Arc<Shared>,
    faults: Arc<Faults>,
    begun: Instant,
    body: Body,
) -> Result<axum::body::Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let body = forward::collect(body, MAX_RESULT).await?.to_bytes();
    tokio::time::sleep(faults.extra_delay(begun.elapsed())).await;
    let rewritten = rewrite::result(body, &shared.base, &faults);
    if rewritten.transcoded {
        count(&shared.counters.transcoded);
    }
    Ok(rewritten.body)
}

/// The answer of an orchestrator that does not take the segment at all.
fn refusal(shared: &Shared, faults: &Faults, headers: &HeaderMap) -> Option<Response> {
    if faults.stale_token && !shared.sessions().is_fresh(headers) {
        return Some((StatusCode::FORBIDDEN, "invalid auth token\n").into_response());
    }
    if faults.capped {
        return Some((StatusCode::FORBIDDEN, "OrchestratorCapped\n").into_response());
    }
    let status = StatusCode::from_u16(faults.status?).ok()?;
    let text = status.canonical_reason().unwrap_or("no reason");
    Some((status, format!("{text}\n")).into_response())
}
