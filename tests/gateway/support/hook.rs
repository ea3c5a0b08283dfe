//! An operator's server: it says who may publish, and names orchestrators.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Hook {
    addr: SocketAddr,
    said: Arc<Said>,
    _server: JoinSet<()>,
}

/// What the hook has heard, and has to say.
#[derive(Debug, Default)]
struct Said {
    /// Publish URLs it was asked about.
    urls: Mutex<Vec<String>>,
    /// Signatures of the questions.
    signatures: Mutex<Vec<String>>,
    /// The orchestrators there are.
    list: Mutex<Value>,
}

impl Hook {
    pub(crate) async fn start() -> Self {
        let said = Arc::new(Said { list: json!([]).into(), ..Said::default() });
        let service = Router::new()
            .route("/auth", post(judge))
            .route("/orchestrators", get(list))
            .with_state(Arc::clone(&said));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { addr, said, _server: server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Names these orchestrators from now on.
    pub(crate) fn name(&self, orchestrators: &[String]) {
        let entries = orchestrators.iter().map(|it| json!({ "address": it, "score": 1 }));
        *self.said.list.lock().unwrap() = entries.collect();
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.said.urls.lock().unwrap().clone()
    }

    pub(crate) fn signatures(&self) -> Vec<String> {
        self.said.signatures.lock().unwrap().clone()
    }
}

/// The key decides.
async fn judge(
    State(said): State<Arc<Said>>,
    headers: HeaderMap,
    Json(question): Json<Value>,
) -> Response {
    let url = question["url"].as_str().unwrap().to_owned();
    let signature = headers.get("headgate-signature").map(|it| it.to_str().unwrap().to_owned());
    said.signatures.lock().unwrap().extend(signature);
    said.urls.lock().unwrap().push(url.clone());
    let path = url.split('?').next().unwrap();
    // The key of a pushed segment comes before its number.
    let path = if path.starts_with("http://") { path.rsplit_once('/').unwrap().0 } else { path };
    let tiny = json!({ "name": "tiny", "width": 160, "height": 90, "bitrate": 100_000 });
    match path.rsplit('/').next().unwrap() {
        "allowed-key" => StatusCode::OK.into_response(),
        "mapped-key" => Json(json!({ "manifestID": "match", "profiles": [tiny] })).into_response(),
        "source-key" => Json(json!({ "manifestID": "plain", "profiles": [] })).into_response(),
        "echoed-key" => Json(json!({ "manifestID": "echoed-key" })).into_response(),
        "greedy-key" => Json(json!({ "manifestID": "studio" })).into_response(),
        "hanging-key" => std::future::pending().await,
        "flooding-key" => {
            let filling = "x".repeat(1 << 20);
            Json(json!({ "manifestID": "flood", "filling": filling })).into_response()
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn list(State(said): State<Arc<Said>>) -> Json<Value> {
    Json(said.list.lock().unwrap().clone())
}
