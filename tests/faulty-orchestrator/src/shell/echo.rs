//! Uploads that are answered here, with themselves.

use axum::{
    body::Bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    forward::{self, bad_gateway},
    proxy::Shared,
};
use crate::sessions::segment_data;

/// Largest segment taken.
const MAX_SEGMENT: usize = 64 << 20;

/// Takes the segment; the result to send.
pub(super) async fn answer(shared: &Shared, request: Request) -> Result<Bytes, Response> {
    let (head, body) = request.into_parts();
    let segment = forward::collect(body, MAX_SEGMENT).await.map_err(|error| bad_gateway(&error))?;
    let Some(asked) = segment_data(&head.headers) else {
        return Err((StatusCode::BAD_REQUEST, "no readable Livepeer-Segment\n").into_response());
    };
    Ok(shared.echoes().keep(&shared.base, &asked, &segment.to_bytes()))
}
