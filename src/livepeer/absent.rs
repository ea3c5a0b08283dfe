//! Clear answers to requests for what go-livepeer's gateway has and this one does not.

use axum::{Router, http::StatusCode, routing::any};

const AI: &str = "AI pipelines are not part of Headgate: it transcodes live video only\n";
const RECORDING: &str = "recording is not part of Headgate: it serves live streams only\n";

/// Paths of AI pipelines (livepeer-gateway §19).
const AI_PATHS: &[&str] = &[
    "/text-to-image",
    "/image-to-image",
    "/image-to-video",
    "/image-to-video/result",
    "/upscale",
    "/audio-to-text",
    "/llm",
    "/segment-anything-2",
    "/image-to-text",
    "/text-to-speech",
    "/live-video-to-video",
    "/live-video-to-video/{*rest}",
    "/live/video-to-video/{*rest}",
    "/process/request/{*rest}",
    "/process/stream/{*rest}",
];

/// Every such path answers 501, whatever the method. To be merged into the service of the HTTP address.
pub(crate) fn absent_service() -> Router {
    let ai = AI_PATHS.iter().fold(Router::new(), |router, path| {
        router.route(path, any(|| async { (StatusCode::NOT_IMPLEMENTED, AI) }))
    });
    ai.route("/recordings/{*rest}", any(|| async { (StatusCode::NOT_IMPLEMENTED, RECORDING) }))
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::Path, http::Request};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(router: Router, method: &str, path: &str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_absent_says_so_beside_push_and_playback() {
        let push = |Path((manifest, _)): Path<(String, String)>| async move { manifest };
        let router = Router::new()
            .route("/live/{manifest}/{seq}", any(push))
            .fallback(|| async { (StatusCode::NOT_FOUND, "no such page\n") })
            .merge(absent_service());
        for (method, path) in [
            ("POST", "/text-to-image"),
            ("POST", "/live/video-to-video/cam/start"),
            ("GET", "/live/video-to-video/status"),
            ("POST", "/live-video-to-video/cam"),
            ("POST", "/process/request/run"),
        ] {
            let (status, text) = ask(router.clone(), method, path).await;
            assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{path}");
            assert!(text.contains("AI pipelines"), "{path}: {text}");
        }
        let (status, text) = ask(router.clone(), "GET", "/recordings/m/index.m3u8").await;
        assert_eq!((status, text.contains("recording")), (StatusCode::NOT_IMPLEMENTED, true));
        assert_eq!(ask(router.clone(), "PUT", "/live/m/0.ts").await.1, "m");
        assert_eq!(ask(router, "GET", "/llm.m3u8").await.0, StatusCode::NOT_FOUND);
    }
}
