//! gRPC calls, passed on as HTTP/2.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Full};
use prost::Message;

use super::{
    forward::{self, FOREVER, Protocol, bad_gateway},
    proxy::Shared,
};
use crate::{Faults, grpc_message, proto::OrchestratorInfo, rewrite, stats::count};

/// Largest message passed on.
const MAX_MESSAGE: usize = 1 << 20;

/// One unary call. The answer to `GetOrchestrator` leads back to the proxy.
pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    let faults = shared.faults();
    let discovers = method == "GetOrchestrator";
    if discovers {
        count(&shared.counters.discoveries);
        if faults.capped {
            return capped();
        }
        if faults.hang_discovery {
            tokio::time::sleep(FOREVER).await;
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
    }
    let (head, body) = match forward::send(&shared, Protocol::Http2, request).await {
        Ok(answer) => answer,
        Err(refusal) => return refusal,
    };
    let collected = match forward::collect(body, MAX_MESSAGE).await {
        Ok(collected) => collected,
        Err(error) => return bad_gateway(&error),
    };
    let trailers = collected.trailers().cloned();
    let body = collected.to_bytes();
    let body = discovers.then(|| info(&shared, &faults, &body)).flatten().unwrap_or(body);
    forward::with_body(head, unary(body, trailers))
}

fn unary(message: Bytes, trailers: Option<HeaderMap>) -> Body {
    match trailers {
        Some(trailers) => Body::new(Full::new(message).with_trailers(async { Some(Ok(trailers)) })),
        None => Body::from(message),
    }
}

/// `None` when there is no message, as in a refusal.
fn info(shared: &Shared, faults: &Faults, body: &Bytes) -> Option<Bytes> {
    let mut info = OrchestratorInfo::decode(grpc_message::unframe(body)?).ok()?;
    if let Some(token) = &info.auth_token {
        shared.sessions().issued(&token.session_id);
    }
    rewrite::info(&mut info, &shared.base, faults);
    grpc_message::frame(&info.encode_to_vec())
}

/// The refusal of a full orchestrator: code Unknown, told apart by its text.
fn capped() -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/grpc"),
        ("grpc-status", "2"),
        ("grpc-message", "OrchestratorCapped"),
    ];
    headers.into_response()
}
