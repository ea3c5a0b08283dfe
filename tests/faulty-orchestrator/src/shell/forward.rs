//! Requests to the upstream, and their answers.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderName, StatusCode, Version,
        header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE},
        response::Parts,
        uri::PathAndQuery,
    },
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Collected, Limited};

use super::proxy::Shared;

/// Longest wait for the upstream, and for anything that never comes.
pub(super) const FOREVER: Duration = Duration::from_secs(600);

/// Headers that belong to one connection.
const HOP: [HeaderName; 4] = [CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE];

/// How the upstream is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Sends the request on as it is. A body that comes in is sent on while it comes.
pub(super) async fn send(
    shared: &Shared,
    protocol: Protocol,
    request: Request,
) -> Result<(Parts, Body), Response> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().cloned();
    parts.uri = shared.upstream.url(path.unwrap_or(PathAndQuery::from_static("/")));
    remove_hop_headers(&mut parts.headers);
    let (client, version) = match protocol {
        Protocol::Http1 => (&shared.http, Version::HTTP_11),
        Protocol::Http2 => (&shared.grpc, Version::HTTP_2),
    };
    parts.version = version;
    let sent = client.request(Request::from_parts(parts, body));
    let response = tokio::time::timeout(FOREVER, sent)
        .await
        .map_err(|_| StatusCode::GATEWAY_TIMEOUT.into_response())?
        .map_err(|error| bad_gateway(&error))?;
    let (mut head, body) = response.into_parts();
    head.version = Version::default();
    remove_hop_headers(&mut head.headers);
    Ok((head, Body::new(body)))
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    for name in HOP {
        headers.remove(name);
    }
}

/// The answer with another body.
pub(super) fn with_body(mut head: Parts, body: Body) -> Response {
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, body)
}

/// The upstream failed the proxy, which is no fault anybody asked for.
pub(super) fn bad_gateway(reason: &dyn std::fmt::Display) -> Response {
    (StatusCode::BAD_GATEWAY, format!("faulty-orchestrator: {reason}\n")).into_response()
}

/// A whole body with its trailers.
pub(super) async fn collect(
    body: Body,
    limit: usize,
) -> Result<Collected<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    tokio::time::timeout(FOREVER, Limited::new(body, limit).collect()).await?
}

/// Reads an upload to its end, so that whoever sends it comes to wait for the answer.
pub(super) async fn drain(mut body: Body) {
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    // However it ends, nothing more is read.
    drop(tokio::time::timeout(FOREVER, reading).await);
}
