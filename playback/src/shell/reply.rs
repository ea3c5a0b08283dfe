//! Responses, and the header fields they have in common.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::conditional;
use crate::{Rendered, date};

/// Cached this long when there is nothing to show (HLS rule H-4).
pub(super) const ERROR_CACHE: HeaderValue = HeaderValue::from_static("max-age=1");
/// A file whose URI never names anything else (HLS rule H-4).
pub(super) const IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=86400, immutable");
/// Request fields that a page of another origin may send.
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept-Encoding, Authorization, Cache-Control, If-None-Match, If-Range, Range",
);
/// Response fields that a page of another origin may read.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Age, Content-Encoding, Content-Length, Content-Range, Date, ETag, Last-Modified",
);
pub(super) const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// A short text that says what is wrong.
pub(super) fn error(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(header::CACHE_CONTROL, ERROR_CACHE);
    response
}

/// The answer to a preflight request.
pub(super) fn preflight() -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A text that is sent compressed where the client takes it, and not at all where it has it.
pub(super) fn text(
    request: &HeaderMap,
    text: &Rendered,
    content_type: HeaderValue,
    cache: HeaderValue,
) -> Response {
    let gzip = conditional::accepts_gzip(request);
    // Representations of one resource need tags of their own (RFC 9110 §8.8.3).
    let etag = format!("\"{:016x}{}\"", text.tag(), if gzip { "-gz" } else { "" });
    let unchanged = conditional::is_unchanged(request, &etag);
    let body = if gzip { text.gzip() } else { text.body() };
    let mut response = if unchanged { empty(StatusCode::NOT_MODIFIED) } else { whole(body) };
    let headers = response.headers_mut();
    if !unchanged {
        headers.insert(header::CONTENT_TYPE, content_type);
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    insert(headers, header::ETAG, etag);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    insert(headers, header::LAST_MODIFIED, date::http_date(text.modified()));
    response
}

fn whole(body: &Bytes) -> Response {
    let mut response = Response::new(Body::from(body.clone()));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}

/// Inserts a field whose value is ours: digits, tags and dates, always printable.
pub(super) fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Fields of every response, errors included (HLS rule H-6).
pub(super) fn finish(response: &mut Response) {
    let any = || HeaderValue::from_static("*");
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    headers.insert("timing-allow-origin", any());
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
