//! Form parameters, from the body and the query, as Go reads them.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use url::form_urlencoded;

/// Longest body that is read, in bytes.
const BYTES_MAX: usize = 64 << 10;
/// Longest wait for it.
const LIMIT: Duration = Duration::from_secs(10);

/// The parameters of a request; those of the body come before those of the query.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a request to its end.
    ///
    /// # Errors
    /// The answer, when the body is too long, too late, or breaks off.
    pub(super) async fn read(request: Request<Body>) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(LIMIT, to_bytes(body, BYTES_MAX)).await;
        let body = body.map_err(|_late| {
            (StatusCode::REQUEST_TIMEOUT, "the form did not come in time\n").into_response()
        })?;
        let body = body.map_err(|_| {
            let text = format!("the form broke off, or has more than {BYTES_MAX} bytes\n");
            (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
        })?;
        let query = head.uri.query().unwrap_or_default();
        let pairs = |bytes| form_urlencoded::parse(bytes).into_owned();
        Ok(Self(pairs(&body).chain(pairs(query.as_bytes())).collect()))
    }

    /// A parameter's value; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}
