//! The page to go live from, and its files.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use media::wall_clock_now;

use super::reply;
use crate::Rendered;

const PAGE: &str = include_str!("../../publisher/publish.html");
/// Files by the names under which modules import each other.
const FILES: [(&str, &str); 16] = [
    ("capture.mjs", include_str!("../../publisher/capture.mjs")),
    ("choice.mjs", include_str!("../../publisher/choice.mjs")),
    ("gateway_view.mjs", include_str!("../../publisher/gateway_view.mjs")),
    ("health.mjs", include_str!("../../publisher/health.mjs")),
    ("ingest_health.mjs", include_str!("../../publisher/ingest_health.mjs")),
    ("links.mjs", include_str!("../../publisher/links.mjs")),
    ("meter.mjs", include_str!("../../publisher/meter.mjs")),
    ("panel.mjs", include_str!("../../publisher/panel.mjs")),
    ("publish.css", include_str!("../../publisher/publish.css")),
    ("publish.mjs", include_str!("../../publisher/publish.mjs")),
    ("publisher.mjs", include_str!("../../publisher/publisher.mjs")),
    ("quality.mjs", include_str!("../../publisher/quality.mjs")),
    ("sdp.mjs", include_str!("../../publisher/sdp.mjs")),
    ("silence.mjs", include_str!("../../publisher/silence.mjs")),
    ("whip.mjs", include_str!("../../publisher/whip.mjs")),
    ("words.mjs", include_str!("../../publisher/words.mjs")),
];

/// Everything from here and nothing inline; nobody may frame what holds a camera and a key.
const SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
const DEVICES: HeaderValue = HeaderValue::from_static(
    "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self)",
);
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// The page and its files, under a path that changes with any of them: modules find each other by relative
/// names, and always those of their own version.
#[derive(Debug)]
struct PublishPage {
    page: Rendered,
    tag: String,
    files: Vec<(&'static str, Rendered)>,
}

impl PublishPage {
    fn new() -> Self {
        let now = wall_clock_now();
        let all: String = FILES.iter().flat_map(|(name, content)| [*name, *content]).collect();
        let tag = format!("{:016x}", Rendered::new(all, now).tag());
        let page = PAGE.replace("{{assets}}", &format!("/publish/assets/{tag}"));
        let files = FILES.map(|(name, content)| (name, Rendered::new(content, now)));
        Self { page: Rendered::new(page, now), tag, files: files.into() }
    }

    fn page(&self, request: &HeaderMap) -> Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let cache = HeaderValue::from_static("no-cache");
        let mut response = reply::text(request, &self.page, html, cache);
        response.headers_mut().extend([
            (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (HeaderName::from_static("permissions-policy"), DEVICES),
            (HeaderName::from_static("cross-origin-opener-policy"), SAME_ORIGIN),
        ]);
        response
    }

    fn file(&self, tag: &str, name: &str, request: &HeaderMap) -> Option<Response> {
        let (name, content) =
            self.files.iter().find(|(known, _)| *known == name).filter(|_| tag == self.tag)?;
        let kind = if name.ends_with(".css") { "text/css" } else { "text/javascript" };
        let kind = HeaderValue::try_from(format!("{kind}; charset=utf-8")).ok()?;
        Some(reply::text(request, content, kind, reply::IMMUTABLE))
    }
}

/// The page `/publish`, which goes live through `/whip` of the same origin: mount it beside that.
pub fn publish_page() -> Router {
    Router::new()
        .route("/publish", get(page))
        .route("/publish/", get(page))
        .route("/publish/assets/{tag}/{name}", get(file))
        .with_state(Arc::new(PublishPage::new()))
}

async fn page(State(publish): State<Arc<PublishPage>>, request: HeaderMap) -> Response {
    protected(publish.page(&request))
}

async fn file(
    State(publish): State<Arc<PublishPage>>,
    Path((tag, name)): Path<(String, String)>,
    request: HeaderMap,
) -> Response {
    let missing = || reply::error(StatusCode::NOT_FOUND, "no such file\n");
    protected(publish.file(&tag, &name, &request).unwrap_or_else(missing))
}

fn protected(mut response: Response) -> Response {
    response.headers_mut().extend([
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("cross-origin-resource-policy"), SAME_ORIGIN),
    ]);
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(path: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (head, body) = publish_page().oneshot(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_names_files_that_are_there_and_protects_the_key() {
        let (status, headers, page) = get("/publish").await;
        assert_eq!(status, StatusCode::OK);
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert!(!page.contains("{{"), "{page}");
        let named: Vec<_> =
            page.split('"').filter(|text| text.starts_with("/publish/assets/")).collect();
        assert_eq!(named.len(), 2, "{page}");
        for path in named {
            let (status, headers, _) = get(path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert!(headers["cache-control"].to_str().unwrap().contains("immutable"));
            assert_eq!(headers["x-content-type-options"], "nosniff");
        }
    }

    #[tokio::test]
    async fn every_module_imports_only_what_is_served_beside_it() {
        let tag = PublishPage::new().tag;
        let mut imported = 0;
        for (name, content) in FILES {
            for from in content.split("from '").skip(1) {
                let file = from.split('\'').next().unwrap().strip_prefix("./");
                let file = file.unwrap_or_else(|| panic!("{name} imports from elsewhere: {from}"));
                let (status, headers, _) = get(&format!("/publish/assets/{tag}/{file}")).await;
                assert_eq!(status, StatusCode::OK, "{name} imports {file}");
                assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
                imported += 1;
            }
        }
        assert!(imported > 10, "{imported}");
        let (status, ..) = get(&format!("/publish/assets/{tag}/other.mjs")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        // Files of another version must not be mixed with these.
        let (status, ..) = get("/publish/assets/0000000000000000/whip.mjs").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_page_needs_nothing_inline_and_nothing_from_elsewhere() {
        let is_handler = |text: &str| text.trim_start_matches(char::is_alphabetic).starts_with('=');
        assert!(!PAGE.split(" on").skip(1).any(is_handler), "a handler in the page");
        assert!(!PAGE.contains("<style") && !PAGE.contains(" style="));
        assert!(!PAGE.contains("<script>") && !PAGE.contains("http:") && !PAGE.contains("https:"));
        for (name, content) in FILES {
            assert!(!content.contains("url(") && !content.contains("@import"), "{name}");
            assert!(!content.contains("innerHTML") && !content.contains("eval("), "{name}");
        }
    }
}
