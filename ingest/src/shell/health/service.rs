//! `GET /ingest-health`: a publisher's health, for who has its key.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse as _, Response},
    routing::any,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use super::{OwnedStream, StreamOwners};
use crate::{
    StreamKey,
    health::{Guesses, HealthReport},
    shell::now,
    whip::Bearer,
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// A page of another origin may ask: what it sees is the key's to say.
const CORS: [(HeaderName, HeaderValue); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization")),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After")),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];

/// What the service is made with.
#[derive(Clone)]
pub struct HealthContext {
    /// Whose stream a key opens.
    pub owners: Arc<dyn StreamOwners>,
}

impl fmt::Debug for HealthContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthContext").finish_non_exhaustive()
    }
}

struct Service {
    owners: Arc<dyn StreamOwners>,
    guesses: Mutex<Guesses>,
}

#[derive(Serialize)]
struct Answer {
    playback_id: String,
    #[serde(flatten)]
    report: HealthReport,
}

/// Answers owners how their streams arrive: merge it with other routers.
///
/// For limits on wrong keys, the listener puts a `ConnectInfo<SocketAddr>` into each request's extensions.
pub fn health_service(context: HealthContext) -> Router {
    let service = Service { owners: context.owners, guesses: Mutex::default() };
    Router::new().route("/ingest-health", any(respond)).with_state(Arc::new(service))
}

async fn respond(State(service): State<Arc<Service>>, request: Request) -> Response {
    let mut response = match *request.method() {
        Method::GET | Method::HEAD => {
            let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
            service.look(client.map(|ConnectInfo(client)| client.ip()), request.headers())
        }
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS"),
    };
    let headers = response.headers_mut();
    headers.extend(CORS);
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl Service {
    fn look(&self, client: Option<IpAddr>, headers: &HeaderMap) -> Response {
        let now = now();
        let Some(key) = Bearer::of(headers).and_then(|it| StreamKey::new(it.expose().to_owned()))
        else {
            return unauthorized("stream key missing: send it as a bearer token");
        };
        let lock = || self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(wait)) = client.map(|client| lock().may_try(now, client)) {
            return too_many(wait);
        }
        match self.owners.owned(&key) {
            OwnedStream::Live { playback_id, report } => {
                Json(Answer { playback_id, report: *report }).into_response()
            }
            OwnedStream::OffAir => refuse(StatusCode::NOT_FOUND, "the stream is not live"),
            OwnedStream::Unknown => {
                client.into_iter().for_each(|client| lock().wrong(now, client, key.expose()));
                unauthorized("no live stream has this key")
            }
        }
    }
}

fn unauthorized(text: &str) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn too_many(wait: Duration) -> Response {
    let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, "too many wrong keys; wait a moment");
    let seconds = HeaderValue::from(wait.as_secs().max(1));
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, Json(serde_json::json!({ "error": text }))).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::shell::IngestHealth;

    struct Owners;

    impl StreamOwners for Owners {
        fn owned(&self, key: &StreamKey) -> OwnedStream {
            match key.expose() {
                "live" => OwnedStream::Live {
                    playback_id: "cam".to_owned(),
                    report: Box::new(IngestHealth::new(now()).report(now(), true)),
                },
                "off" => OwnedStream::OffAir,
                _ => OwnedStream::Unknown,
            }
        }
    }

    async fn ask(
        service: &Router,
        method: Method,
        key: Option<&str>,
    ) -> (StatusCode, HeaderMap, serde_json::Value) {
        let mut request = http::Request::builder().method(method).uri("/ingest-health");
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let client: SocketAddr = ([10, 0, 0, 1], 1).into();
        let request = request.extension(ConnectInfo(client)).body(Body::empty()).unwrap();
        let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn only_the_key_shows_a_stream() {
        let service = health_service(HealthContext { owners: Arc::new(Owners) });
        let (status, headers, body) = ask(&service, Method::GET, Some("live")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&body["playback_id"], &body["health"]), (&"cam".into(), &"good".into()));
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["access-control-allow-origin"], "*");
        let (status, _, body) = ask(&service, Method::GET, Some("off")).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::NOT_FOUND, &"the stream is not live".into())
        );
        for key in [None, Some("wrong"), Some("")] {
            let (status, headers, body) = ask(&service, Method::GET, key).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{key:?}");
            assert_eq!(headers["www-authenticate"], "Bearer");
            assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        }
        let (status, headers, _) = ask(&service, Method::OPTIONS, None).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(headers["access-control-allow-headers"], "Authorization");
        let (status, ..) = ask(&service, Method::POST, Some("live")).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_has_to_wait() {
        let service = health_service(HealthContext { owners: Arc::new(Owners) });
        for number in 0..20 {
            let (status, ..) = ask(&service, Method::GET, Some(&format!("guess-{number}"))).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        let (status, headers, _) = ask(&service, Method::GET, Some("live")).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(headers["retry-after"], "60");
        tokio::time::advance(Duration::from_secs(61)).await;
        let (status, ..) = ask(&service, Method::GET, Some("live")).await;
        assert_eq!(status, StatusCode::OK);
    }
}
