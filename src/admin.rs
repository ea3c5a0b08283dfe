//! The operator's pages: health, readiness, metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::metrics::MetricsPage;

/// Whether the gateway can serve, and if not, why. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<Condition>>);

#[derive(Debug)]
struct Condition {
    waiting_for: Option<&'static str>,
    draining: bool,
}

impl Readiness {
    /// Not ready for this reason.
    #[must_use]
    pub fn waiting_for(reason: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Condition { waiting_for: Some(reason), draining: false })))
    }

    /// Ready from now on, or (with a reason) not. Says nothing any more once the gateway drains.
    pub fn set(&self, waiting_for: Option<&'static str>) {
        self.state().waiting_for = waiting_for;
    }

    /// Not ready any more, whatever else is said.
    pub fn drain(&self) {
        self.state().draining = true;
    }

    /// `None` when ready, else why not.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        let state = self.state();
        if state.draining { Some("draining") } else { state.waiting_for }
    }

    fn state(&self) -> MutexGuard<'_, Condition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/healthz` (the process answers), `/readyz` (it can serve), `/metrics`.
pub fn service(readiness: Readiness, metrics: MetricsPage) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready).with_state(readiness))
        .route("/metrics", get(show).with_state(metrics))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness.reason() {
        None => "ready\n".into_response(),
        Some(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response()
        }
    }
}

async fn show(State(metrics): State<MetricsPage>) -> Response {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, openmetrics)], metrics.render()).into_response()
}
