//! The HTTP service viewers talk to (HLS rules §6).

use std::{ops::Range, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::State, response::Response};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use media::PlaybackId;

use super::{
    conditional,
    directory::{Directory, FindError, FoundPlaylist},
    media_body::MediaBody,
    metrics::ResourceKind,
    range::{self, RangeReply},
    reply,
    resource::{PathError, Resource},
    watch::WatchPage,
};
use crate::{FileContent, FileName, MediaFile, RenditionId, date};

/// Shortest time that a viewer has to take a file.
const SEND_LIMIT_MIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Service {
    directory: Directory,
    watch: WatchPage,
}

/// Playlists, media and the watch page of every presentation in `directory`.
///
/// The router answers every path, those that lead nowhere with 404: merge it where nothing else
/// has a fallback.
pub fn service(directory: Directory) -> Router {
    let service = Service { directory, watch: WatchPage::new() };
    Router::new().fallback(respond).with_state(Arc::new(service))
}

async fn respond(State(service): State<Arc<Service>>, request: Request<Body>) -> Response {
    let (kind, mut response) = service.respond(&request);
    reply::finish(&mut response);
    let metrics = service.directory.metrics();
    metrics.count_request(kind, response.status());
    if request.method() == Method::HEAD {
        // The header fields of a GET, its length included, and no body.
        *response.body_mut() = Body::empty();
    }
    response
}

impl Service {
    fn respond(&self, request: &Request<Body>) -> (ResourceKind, Response) {
        let resource = Resource::parse(request.uri().path());
        let kind = resource.as_ref().map_or(ResourceKind::Other, Resource::kind);
        let response = match *request.method() {
            Method::GET | Method::HEAD => match resource {
                Ok(resource) => self.send(resource, request),
                Err(PathError::Unknown) => reply::error(StatusCode::NOT_FOUND, "no such page\n"),
                Err(PathError::Malformed) => {
                    reply::error(StatusCode::BAD_REQUEST, "no path here has such characters\n")
                }
            },
            Method::OPTIONS => reply::preflight(),
            _ => {
                let text = "only GET, HEAD and OPTIONS\n";
                let mut response = reply::error(StatusCode::METHOD_NOT_ALLOWED, text);
                response.headers_mut().insert(header::ALLOW, reply::METHODS);
                response
            }
        };
        (kind, response)
    }

    fn send(&self, resource: Resource<'_>, request: &Request<Body>) -> Response {
        let kind = resource.kind();
        match resource {
            Resource::Multivariant(id) => {
                self.playlist(request, kind, self.directory.multivariant_playlist(&id))
            }
            Resource::MediaPlaylist(id, rendition) => {
                self.playlist(request, kind, self.directory.media_playlist(&id, &rendition))
            }
            Resource::File(id, rendition, name) => self.file(request, &id, &rendition, &name),
            Resource::WatchPage(_) => {
                self.counted(request, kind, self.watch.page(request.headers()))
            }
            Resource::WatchAsset(name) => match self.watch.asset(name, request.headers()) {
                Some(response) => self.counted(request, kind, response),
                None => reply::error(StatusCode::NOT_FOUND, "no such file\n"),
            },
        }
    }

    fn playlist(
        &self,
        request: &Request<Body>,
        kind: ResourceKind,
        found: Result<FoundPlaylist, FindError>,
    ) -> Response {
        match found {
            Ok(FoundPlaylist { playlist, target_duration }) => {
                let cache = format!("max-age={}", (target_duration / 2).max(1));
                let cache = HeaderValue::try_from(cache).unwrap_or(reply::ERROR_CACHE);
                let content_type = HeaderValue::from_static("application/vnd.apple.mpegurl");
                let response = reply::text(request.headers(), &playlist, content_type, cache);
                self.counted(request, kind, response)
            }
            Err(FindError::Unknown) => reply::error(StatusCode::NOT_FOUND, "no such stream\n"),
            Err(FindError::NotYet) => {
                reply::error(StatusCode::PRECONDITION_FAILED, "the stream is not live yet\n")
            }
        }
    }

    /// Adds a whole body's length to the metrics.
    fn counted(&self, request: &Request<Body>, kind: ResourceKind, response: Response) -> Response {
        if request.method() == Method::GET {
            let length = http_body::Body::size_hint(response.body()).lower();
            self.directory.metrics().sent_bytes(kind).inc_by(length);
        }
        response
    }

    fn file(
        &self,
        request: &Request<Body>,
        id: &PlaybackId,
        rendition: &RenditionId,
        name: &FileName<'_>,
    ) -> Response {
        let Ok(file) = self.directory.file(id, rendition, name) else {
            return reply::error(StatusCode::NOT_FOUND, "no such segment\n");
        };
        let kind = match name {
            FileName::Segment { .. } => ResourceKind::Segment,
            FileName::Init { .. } => ResourceKind::Init,
        };
        let etag = file_tag(name);
        if conditional::is_unchanged(request.headers(), &etag) {
            let mut response = reply::empty(StatusCode::NOT_MODIFIED);
            describe(response.headers_mut(), etag, &file);
            return response;
        }
        let length = file.content.len();
        let (status, bytes) = match requested_range(request, &etag, length) {
            RangeReply::Whole => (StatusCode::OK, 0..length),
            RangeReply::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
            RangeReply::Unsatisfiable => return unsatisfiable(length),
        };
        let counter = self.directory.metrics().sent_bytes(kind);
        let limit = send_limit(&file);
        let body = MediaBody::new(file.content.clone(), bytes.clone(), limit, counter);
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type(rendition, &file.content));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        if status == StatusCode::PARTIAL_CONTENT {
            let Range { start, end } = bytes;
            let range = format!("bytes {start}-{}/{length}", end.saturating_sub(1));
            reply::insert(headers, header::CONTENT_RANGE, range);
        }
        describe(headers, etag, &file);
        response
    }
}

/// How long a viewer may take for a file: one that needs longer than playlists promise the file for
/// can't keep up with the stream anyhow (HLS rule H-11).
fn send_limit(file: &MediaFile) -> Duration {
    file.retention.saturating_mul(2).max(SEND_LIMIT_MIN)
}

/// Ranges are defined for GET only (RFC 9110 §14.2).
fn requested_range(request: &Request<Body>, etag: &str, length: usize) -> RangeReply {
    let field = request.headers().get(header::RANGE).and_then(|field| field.to_str().ok());
    match field {
        Some(field)
            if request.method() == Method::GET
                && conditional::range_holds(request.headers(), etag) =>
        {
            range::parse(field, length)
        }
        _ => RangeReply::Whole,
    }
}

fn unsatisfiable(length: usize) -> Response {
    let mut response = reply::error(StatusCode::RANGE_NOT_SATISFIABLE, "no such range\n");
    reply::insert(response.headers_mut(), header::CONTENT_RANGE, format!("bytes */{length}"));
    response
}

/// A file's URI never names other content, so its name is tag enough.
fn file_tag(name: &FileName<'_>) -> String {
    match name {
        FileName::Segment { epoch, sequence } => format!("\"{epoch}-{sequence}\""),
        FileName::Init { epoch, number } => format!("\"{epoch}-init-{number}\""),
    }
}

fn content_type(rendition: &RenditionId, content: &FileContent) -> HeaderValue {
    HeaderValue::from_static(match (rendition, content) {
        (RenditionId::Audio, _) => "audio/mp4",
        (_, FileContent::Segment(_)) => "video/iso.segment",
        (_, FileContent::Init(_)) => "video/mp4",
    })
}

/// Fields of a file, sent with it and with 304.
fn describe(headers: &mut HeaderMap, etag: String, file: &MediaFile) {
    reply::insert(headers, header::ETAG, etag);
    reply::insert(headers, header::LAST_MODIFIED, date::http_date(file.published));
    headers.insert(header::CACHE_CONTROL, reply::IMMUTABLE);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
}

#[cfg(test)]
mod tests;
