//! The switches.

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State, http::StatusCode};

use super::proxy::Shared;
use crate::{Faults, Stats};

/// `GET /_faults`.
pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    Json(Faults::clone(&shared.faults()))
}

/// `PUT /_faults`: all at once; what is not named is healed.
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<Json<Faults>, (StatusCode, String)> {
    let faults = Faults::from_json(&body)
        .map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")))?;
    shared.set_faults(faults);
    Ok(show(State(shared)).await)
}

/// `DELETE /_faults`.
pub(super) async fn heal(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    shared.set_faults(Faults::default());
    show(State(shared)).await
}

/// `GET /_stats`.
pub(super) async fn stats(State(shared): State<Arc<Shared>>) -> Json<Stats> {
    Json(shared.counters.snapshot())
}
