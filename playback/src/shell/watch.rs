//! The watch page and what it loads.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use media::wall_clock_now;

use super::reply;
use crate::Rendered;

/// The player library, where the build found it: `HLS_JS` and `HLS_JS_LICENSE`.
mod library {
    include!(concat!(env!("OUT_DIR"), "/player.rs"));
}

const PAGE: &str = include_str!("../../player/watch.html");
const STYLE: &str = include_str!("../../player/watch.css");
const SCRIPT: &str = include_str!("../../player/watch.js");
/// What owners see, and what it imports: by this name here, by that of its file where it is served.
const OWNER: &str = include_str!("../../player/owner.mjs");
const HEALTH: &str = include_str!("../../publisher/ingest_health.mjs");
const HEALTH_IMPORT: &str = "../publisher/ingest_health.mjs";
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");

/// Everything from here and nothing inline; media through blobs of Media Source Extensions.
const SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     media-src 'self' blob:; img-src data:; base-uri 'none'; form-action 'none'",
);
/// What the page says where the player library is not part of the build.
const NO_LIBRARY: &str = "<p class=\"notice\">This build has no player library: run \
     <code>make player</code> and build again.</p>";

/// The page, the same for every stream, and its files under names that change with their content.
#[derive(Debug)]
pub(super) struct WatchPage {
    page: Rendered,
    assets: Vec<Asset>,
}

#[derive(Debug)]
struct Asset {
    name: String,
    content_type: HeaderValue,
    content: Rendered,
}

impl Asset {
    fn new(
        stem: &str,
        extension: &str,
        content: impl Into<Bytes>,
        content_type: HeaderValue,
    ) -> Self {
        let content = Rendered::new(content, wall_clock_now());
        let name = format!("{stem}-{:016x}.{extension}", content.tag());
        Self { name, content_type, content }
    }

    fn path(&self) -> String {
        format!("/watch/assets/{}", self.name)
    }
}

impl WatchPage {
    pub(super) fn new() -> Self {
        let css = HeaderValue::from_static("text/css; charset=utf-8");
        let style = Asset::new("watch", "css", STYLE.as_bytes(), css);
        let script = Asset::new("watch", "js", SCRIPT.as_bytes(), JAVASCRIPT);
        let health = Asset::new("ingest-health", "mjs", HEALTH, JAVASCRIPT);
        let owner = OWNER.replace(HEALTH_IMPORT, &health.path());
        let owner = Asset::new("owner", "mjs", owner, JAVASCRIPT);
        let page = PAGE
            .replace("{{style}}", &style.path())
            .replace("{{script}}", &script.path())
            .replace("{{owner}}", &owner.path());
        let mut assets = vec![style, script, health, owner];
        let (mut tag, mut credit) = (String::new(), String::new());
        let mut notice = NO_LIBRARY;
        if let Some(content) = library::HLS_JS {
            let library = Asset::new("hls", "js", content, JAVASCRIPT);
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            let license = Asset::new("hls-license", "txt", library::HLS_JS_LICENSE, plain);
            tag = format!("<script src=\"{}\" defer></script>", library.path());
            credit = format!("Played with <a href=\"{}\">hls.js</a>", license.path());
            notice = "";
            assets.extend([library, license]);
        }
        let page = page
            .replace("{{library}}", &tag)
            .replace("{{credit}}", &credit)
            .replace("{{notice}}", notice);
        Self { page: Rendered::new(page, wall_clock_now()), assets }
    }

    /// The page; its script reads the playback id from the address.
    pub(super) fn page(&self, request: &HeaderMap) -> Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let cache = HeaderValue::from_static("no-cache");
        let mut response = reply::text(request, &self.page, html, cache);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, SECURITY_POLICY);
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    /// One of the page's files.
    pub(super) fn asset(&self, name: &str, request: &HeaderMap) -> Option<Response> {
        let asset = self.assets.iter().find(|asset| asset.name == name)?;
        let content_type = asset.content_type.clone();
        Some(reply::text(request, &asset.content, content_type, reply::IMMUTABLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_and_every_file_the_page_names_is_there() {
        let watch = WatchPage::new();
        let page = String::from_utf8(watch.page.body().to_vec()).unwrap();
        assert!(!page.contains("{{"), "{page}");
        let named: Vec<_> =
            page.split('"').filter_map(|t| t.strip_prefix("/watch/assets/")).collect();
        assert!(named.len() >= 2, "{page}");
        for name in named {
            assert!(watch.asset(name, &HeaderMap::new()).is_some(), "{name}");
        }
        assert_eq!(page.contains("make player"), library::HLS_JS.is_none());
    }

    #[test]
    fn what_owners_see_imports_only_what_is_served() {
        let watch = WatchPage::new();
        let owner = watch.assets.iter().find(|asset| asset.name.starts_with("owner-")).unwrap();
        assert_eq!(owner.content_type, JAVASCRIPT);
        let text = String::from_utf8(owner.content.body().to_vec()).unwrap();
        let imported: Vec<_> = text.split("from '").skip(1).collect();
        assert_eq!(imported.len(), 1, "{text}");
        for from in imported {
            let name = from.split('\'').next().unwrap().strip_prefix("/watch/assets/").unwrap();
            assert!(watch.asset(name, &HeaderMap::new()).is_some(), "{name}");
        }
        assert!(!HEALTH.contains("from '"));
        for content in [OWNER, HEALTH] {
            assert!(!content.contains("innerHTML") && !content.contains("eval("));
        }
    }

    #[test]
    fn page_needs_nothing_inline_and_nothing_from_elsewhere() {
        assert!(!PAGE.contains("<style") && !PAGE.contains(" style=") && !PAGE.contains(" on"));
        assert!(!PAGE.contains("<script>") && !PAGE.contains("http:") && !PAGE.contains("https:"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
