//! Answers, with what browsers want in each (CORS).

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::whip::{IceServer, WhipRefusal, WhipRequest};

/// When a client that met a bound may try again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");
/// What a page of another origin may send, and see; pages come from anywhere, and what they may do is the
/// key's to say.
const CORS: [(HeaderName, HeaderValue); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, If-Match"),
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After"),
    ),
    (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
];
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// What a request came to.
#[derive(Debug)]
pub(super) enum Done {
    /// 201: an answer to an offer.
    Created { location: String, etag: String, answer: String, watch_page: Option<String> },
    /// 200: our side of a restarted ICE session.
    Restarted { etag: String, fragment: String },
    /// 204: nothing to say.
    Nothing,
    /// 200: the session has ended.
    Ended,
}

impl Done {
    pub(super) fn response(self, ice_servers: &[IceServer]) -> Response {
        match self {
            Self::Created { location, etag, answer, watch_page } => {
                let mut response = with_body(StatusCode::CREATED, "application/sdp", answer);
                set(&mut response, header::LOCATION, &location);
                set(&mut response, header::ETAG, &etag);
                // The same stream in another form, for those who look at it (RFC 8288 §3.3).
                let watch = watch_page
                    .map(|path| format!("<{path}>; rel=\"alternate\"; type=\"text/html\""));
                for link in ice_servers.iter().filter_map(IceServer::link).chain(watch) {
                    if let Ok(link) = HeaderValue::try_from(link) {
                        response.headers_mut().append(header::LINK, link);
                    }
                }
                response
            }
            Self::Restarted { etag, fragment } => {
                let kind = "application/trickle-ice-sdpfrag";
                let mut response = with_body(StatusCode::OK, kind, fragment);
                set(&mut response, header::ETAG, &etag);
                response
            }
            Self::Nothing => plain(StatusCode::NO_CONTENT),
            // FFmpeg takes an empty answer for a fault.
            Self::Ended => {
                with_body(StatusCode::OK, "text/plain", "The session has ended.\n".to_owned())
            }
        }
    }
}

pub(super) fn refused(refusal: &WhipRefusal) -> Response {
    let body = format!("{refusal}\n");
    let mut response = with_body(refusal.status(), "text/plain; charset=utf-8", body);
    if *refusal == WhipRefusal::NoKey {
        set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
    }
    if let WhipRefusal::Method(methods) = refusal {
        set(&mut response, header::ALLOW, methods);
    }
    if refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    response
}

/// What every answer says.
pub(super) fn finish(response: &mut Response, of_session: bool) {
    let methods = WhipRequest::methods(of_session);
    set(response, header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let (name, kind) = if of_session {
        (ACCEPT_PATCH, "application/trickle-ice-sdpfrag")
    } else {
        (ACCEPT_POST, "application/sdp")
    };
    set(response, name, kind);
    let headers = response.headers_mut();
    headers.extend(CORS);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn plain(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn with_body(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
