//! The operator's pages: health, readiness, metrics.

use std::sync::{Arc, Mutex, PoisonError};

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
pub struct Readiness(Arc<Mutex<Option<&'static str>>>);

impl Readiness {
    /// Not ready for this reason.
    #[must_use]
    pub fn waiting_for(reason: &'static str) -> Self {
        Self(Arc::new(Mutex::new(Some(reason))))
    }

    /// Ready from now on, or (with a reason) not.
    pub fn set(&self, not_ready: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = not_ready;
    }

    /// `None` when ready, else why not.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
