//! Fetches the renditions of a result.

use bytes::{Bytes, BytesMut};
use futures_util::future::try_join_all;
use http::{Request, StatusCode, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use media::{Chain, RenditionProfile};

use super::{
    body::ChainBody,
    config::ClientConfig,
    http_client::{HttpClient, transport_error},
};
use crate::{
    OrchestratorInfo, SegmentJob, TranscodeError, TranscodedRendition, address::origin_of,
    error::clip, proto,
};

/// Longest rendition URL followed.
const MAX_URL: usize = 2 << 10;
/// Most bytes set aside for a rendition before they have arrived.
const RESERVED: usize = 4 << 20;

/// Fetches all renditions at once; the first failure ends the others.
pub(super) async fn renditions(
    http: &HttpClient,
    config: &ClientConfig,
    info: &OrchestratorInfo,
    job: &SegmentJob,
    results: &[proto::TranscodedSegmentData],
) -> Result<Vec<TranscodedRendition>, TranscodeError> {
    let fetches = job.profiles.iter().zip(results).map(|(profile, result)| async move {
        let uri = own_uri(info, &result.url)?;
        let plausible = usize::try_from(job.max_rendition_bytes(profile)).unwrap_or(usize::MAX);
        let limit = plausible.min(config.max_rendition_bytes);
        let data = tokio::time::timeout(config.download_timeout, fetch(http, limit, uri))
            .await
            .unwrap_or_else(|_| Err(format!("took longer than {:?}", config.download_timeout)))
            .map_err(|reason| failed(profile, reason))?;
        Ok(TranscodedRendition { data, pixels: u64::try_from(result.pixels).unwrap_or(0) })
    });
    try_join_all(fetches).await
}

fn failed(profile: &RenditionProfile, reason: String) -> TranscodeError {
    TranscodeError::Download { rendition: profile.name.as_str().to_owned(), reason }
}

/// The URL, if it is on the origin that did the work: an orchestrator must not make the gateway
/// fetch from elsewhere, least of all from the gateway's own network.
fn own_uri(info: &OrchestratorInfo, url: &str) -> Result<Uri, TranscodeError> {
    let foreign = || TranscodeError::ForeignUrl(clip(url));
    if url.len() > MAX_URL {
        return Err(foreign());
    }
    let uri: Uri = url.parse().map_err(|_| foreign())?;
    if origin_of(&uri) == Some(info.transcoder().origin()) { Ok(uri) } else { Err(foreign()) }
}

/// One GET; anything but a whole body of a 200 is a failure, redirects included.
async fn fetch(http: &HttpClient, limit: usize, uri: Uri) -> Result<Bytes, String> {
    let request = Request::get(uri)
        .body(ChainBody::new(Chain::new()))
        .map_err(|error| clip(&error.to_string()))?;
    let response =
        http.request(request).await.map_err(|error| transport_error(error).to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("status {}", response.status().as_u16()));
    }
    let mut body = response.into_body();
    let announced = body.size_hint().exact().map(usize::try_from);
    let mut whole = match announced {
        Some(Ok(length)) if length <= limit => BytesMut::with_capacity(length.min(RESERVED)),
        Some(_) => return Err(format!("larger than {limit} bytes")),
        None => BytesMut::new(),
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| clip(&error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(format!("larger than {limit} bytes"));
        }
        whole.extend_from_slice(&data);
    }
    if whole.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::NetworkPolicy;

    #[test]
    fn only_the_orchestrators_own_origin_is_followed() {
        let wire = proto::OrchestratorInfo {
            transcoder: "https://Orch.example:8935/base/".into(),
            auth_token: Some(proto::AuthToken::default()),
            ..proto::OrchestratorInfo::default()
        };
        let address = "https://10.0.0.1:8935".parse().unwrap();
        let now = tokio::time::Instant::now().into_std();
        let policy = NetworkPolicy::PublicOnly;
        let info =
            OrchestratorInfo::from_discovery(&address, policy, wire, now, UNIX_EPOCH).unwrap();
        assert!(own_uri(&info, "https://orch.example:8935/stream/s/720p/1.ts").is_ok());
        for url in [
            "http://orch.example:8935/stream/s/720p/1.ts",
            "https://orch.example/stream/s/720p/1.ts",
            "https://10.0.0.1:8935/stream/s/720p/1.ts",
            "https://orch.example:8935@169.254.169.254/latest",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "/stream/s/720p/1.ts",
            "",
        ] {
            assert!(matches!(own_uri(&info, url), Err(TranscodeError::ForeignUrl(_))), "{url}");
        }
    }
}
