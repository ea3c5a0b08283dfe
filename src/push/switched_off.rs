//! What pushed segments get where the operator takes none.

use std::time::Duration;

use axum::{Router, body::Body, http::StatusCode, routing::any};
use http_body_util::BodyExt as _;

const SWITCHED_OFF: &str =
    "HTTP push is switched off on this gateway ([push] enabled in its configuration)\n";
/// How much of a segment is read, and for how long: a client sees an answer only once it has sent its
/// body.
const DRAIN_BYTES: usize = 16 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Answers 404 where segments would be pushed, as go-livepeer's gateway does with `-httpIngest=false`.
pub(crate) fn switched_off_service() -> Router {
    Router::new().route("/live/{*segment}", any(refuse))
}

async fn refuse(mut body: Body) -> (StatusCode, &'static str) {
    let reading = async {
        let mut read = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            read = read.saturating_add(frame.data_ref().map_or(0, bytes::Bytes::len));
            if read > DRAIN_BYTES {
                return;
            }
        }
    };
    // Whether it ended or not, the refusal is sent now.
    tokio::time::timeout(DRAIN_TIME, reading).await.unwrap_or_default();
    (StatusCode::NOT_FOUND, SWITCHED_OFF)
}
