//! Publishers whose key is not in the configuration: the operator's auth webhook says who may publish,
//! and what.

use std::net::SocketAddr;

use http::StatusCode;
use ingest::{
    ConnectionId, PublishRequest, Refusal, StreamKey,
    push::{PushRefusal, PushRequest},
};
use media::{Ladder, Redacted};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::webhook::{Admitted, AuthError, AuthWebhook, Manifest};

/// Applications that stand for none: what follows them is the manifest (livepeer-gateway §3).
const PLAIN_APPLICATIONS: [&str; 2] = ["live/", "stream/"];
/// What a manifest has escaped in a URL (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks the auth webhook about publish URLs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PublishAuth {
    webhook: AuthWebhook,
    /// Hosts and ports of the URLs that are asked about: of RTMP, and of pushed segments.
    rtmp: String,
    http: String,
}

/// What a publisher was let in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishTerms {
    /// The stream, and the id under which it plays. Never the publisher's key.
    pub(crate) manifest: Manifest,
    /// `None`: the default; an empty one: nothing is transcoded.
    pub(crate) ladder: Option<Ladder>,
}

/// Why a publisher is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denial {
    /// The webhook does not know it.
    Unknown,
    /// Too many are asked about.
    Busy,
    /// The webhook can't be asked, or makes no sense; the log says why. A publisher need not know the
    /// operator's servers.
    Unchecked,
}

const BUSY: &str = "too many publishers are being checked; try again";
const UNCHECKED: &str = "the stream key can't be checked now; try again later";

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unknown => Self::UnknownKey,
            Denial::Busy => Self::Rejected(BUSY.to_owned()),
            Denial::Unchecked => Self::Rejected(UNCHECKED.to_owned()),
        }
    }
}

impl From<Denial> for PushRefusal {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::Unknown => Self::Forbidden("the auth webhook refuses this stream".to_owned()),
            Denial::Busy => Self::Full(BUSY),
            Denial::Unchecked => Self::Transient(UNCHECKED.to_owned()),
        }
    }
}

/// Why the webhook's word can't be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum TermsError {
    #[error("neither the answer nor the URL (rtmp://host/manifest/key) names a stream")]
    Nameless,
    #[error("the URL's manifest can't be a playback id; answer a manifestID")]
    Unfit,
    #[error("manifestID is the publisher's key: whoever watches could publish")]
    KeyAsName,
}

/// What a publisher comes with.
struct Presented<'a> {
    /// The manifest that its URL names beside the key.
    manifest: Option<&'a str>,
    /// What can be its key.
    keys: Vec<&'a str>,
}

impl PublishAuth {
    /// `rtmp` is where publishers connect, `http` where they push segments.
    #[must_use]
    pub fn new(webhook: AuthWebhook, rtmp: SocketAddr, http: SocketAddr) -> Self {
        Self { webhook, rtmp: host(rtmp), http: host(http) }
    }

    /// What this publisher may publish. Answers within the webhook's deadline.
    ///
    /// # Errors
    /// `UnknownKey` when the webhook refuses it, `Rejected` when it can't be asked or makes no sense;
    /// then the log says why.
    pub(crate) async fn ask(&self, request: &PublishRequest) -> Result<PublishTerms, Refusal> {
        let (url, path) = (publish_url(&self.rtmp, request), request.path());
        let presented = Presented::over_rtmp(path.expose(), &request.key);
        Ok(self.check(Some(request.connection), &url, &presented).await?)
    }

    /// What the client may push that sends its first segment. Answers within the webhook's deadline.
    ///
    /// # Errors
    /// `Forbidden` when the webhook refuses it, `Full` when it asks about many already, `Transient` when
    /// it can't be asked or makes no sense; then the log says why.
    pub(crate) async fn ask_push(
        &self,
        request: &PushRequest,
    ) -> Result<PublishTerms, PushRefusal> {
        let url = push_url(&self.http, request);
        let presented = Presented::by_push(request);
        Ok(self.check(None, &url, &presented).await?)
    }

    async fn check(
        &self,
        connection: Option<ConnectionId>,
        url: &Redacted<String>,
        presented: &Presented<'_>,
    ) -> Result<PublishTerms, Denial> {
        let connection = connection.map(tracing::field::display);
        let admitted = match self.webhook.admit(url).await {
            Ok(admitted) => admitted,
            Err(AuthError::Refused(status)) if means_unknown(status) => {
                return Err(Denial::Unknown);
            }
            Err(AuthError::Busy) => {
                tracing::warn!(connection, "{}", AuthError::Busy);
                return Err(Denial::Busy);
            }
            Err(error) => {
                tracing::warn!(connection, kind = error.as_str(), "auth webhook: {error}");
                return Err(Denial::Unchecked);
            }
        };
        let (stream_id, session_id) = (admitted.stream_id.clone(), admitted.session_id.clone());
        let terms = terms(presented, admitted).map_err(|error| {
            tracing::warn!(connection, kind = "unfit", "auth webhook: {error}");
            Denial::Unchecked
        })?;
        tracing::info!(
            connection,
            stream = %terms.manifest.name,
            stream_id = stream_id.as_deref(),
            session_id = session_id.as_deref(),
            "admitted by the auth webhook"
        );
        Ok(terms)
    }
}

impl<'a> Presented<'a> {
    fn over_rtmp(path: &'a str, key: &'a StreamKey) -> Self {
        let whole = key.expose();
        let last = whole.rsplit('/').next().unwrap_or(whole);
        Self { manifest: manifest_of(path), keys: vec![whole, last] }
    }

    /// Whoever knows a manifest may push it: it is the key.
    fn by_push(request: &'a PushRequest) -> Self {
        let bearer = request.bearer.as_ref().map(StreamKey::expose);
        Self {
            manifest: None,
            keys: bearer.into_iter().chain([request.manifest.expose()]).collect(),
        }
    }
}

fn host(addr: SocketAddr) -> String {
    match addr.ip() {
        ip if ip.is_unspecified() => format!("localhost:{}", addr.port()),
        _ => addr.to_string(),
    }
}

/// The URL as it was typed into the encoder, query included; the host is the gateway's.
fn publish_url(host: &str, request: &PublishRequest) -> Redacted<String> {
    with_query(format!("rtmp://{host}/{}", request.path().expose()), request.query.as_ref())
}

/// The URL of a segment, query included; the host is the gateway's.
fn push_url(host: &str, request: &PushRequest) -> Redacted<String> {
    let manifest = utf8_percent_encode(request.manifest.expose(), ESCAPED);
    let (number, extension) = (request.sequence, request.container.extension());
    let url = format!("http://{host}/live/{manifest}/{number}.{extension}");
    with_query(url, request.query.as_ref())
}

fn with_query(mut url: String, query: Option<&Redacted<String>>) -> Redacted<String> {
    if let Some(query) = query {
        url.push('?');
        url.push_str(query.expose());
    }
    Redacted::new(url)
}

/// Whether a status is about the publisher, and not about the webhook's own trouble.
fn means_unknown(status: StatusCode) -> bool {
    let trouble = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !trouble.contains(&status)
}

fn terms(presented: &Presented<'_>, admitted: Admitted) -> Result<PublishTerms, TermsError> {
    let manifest = match admitted.manifest {
        Some(manifest) => manifest,
        None => {
            let named = presented.manifest.ok_or(TermsError::Nameless)?;
            Manifest::new(named).map_err(|_| TermsError::Unfit)?
        }
    };
    let replaced = admitted.stream_key.as_ref().map(StreamKey::expose);
    let name = manifest.name.as_str();
    if presented.keys.contains(&name) || replaced == Some(name) {
        return Err(TermsError::KeyAsName);
    }
    Ok(PublishTerms { manifest, ladder: admitted.ladder })
}

/// The manifest of `manifest/key`; a single name is the key, and stays secret.
fn manifest_of(path: &str) -> Option<&str> {
    let plain = PLAIN_APPLICATIONS.iter().find_map(|application| path.strip_prefix(application));
    let (manifest, _key) = plain.unwrap_or(path).split_once('/')?;
    Some(manifest)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    use super::*;

    fn request(app: &str, key: &str, query: Option<&str>) -> PublishRequest {
        PublishRequest {
            connection: ConnectionId(1),
            peer: ([127, 0, 0, 1], 1).into(),
            app: app.to_owned(),
            key: StreamKey::new(key.to_owned()).unwrap(),
            query: query.map(|query| Redacted::new(query.to_owned())),
        }
    }

    fn answer(json: &str) -> Admitted {
        Admitted::read(json.as_bytes()).unwrap()
    }

    fn named(app: &str, key: &str, json: &str) -> Result<String, TermsError> {
        let request = request(app, key, None);
        let path = request.path();
        let presented = Presented::over_rtmp(path.expose(), &request.key);
        terms(&presented, answer(json)).map(|it| it.manifest.playback_id.to_string())
    }

    fn push(uri: &str, bearer: Option<&str>) -> PushRequest {
        let mut headers = HeaderMap::new();
        if let Some(bearer) = bearer {
            headers.insert("authorization", format!("Bearer {bearer}").parse().unwrap());
        }
        PushRequest::read(&Method::PUT, &uri.parse().unwrap(), &headers, None).unwrap()
    }

    #[test]
    fn the_url_is_the_publishers_with_its_query() {
        let url =
            |app, key, query| publish_url("h:1935", &request(app, key, query)).expose().to_owned();
        assert_eq!(url("live", "K", Some("t=1")), "rtmp://h:1935/live/K?t=1");
        assert_eq!(url("", "K", None), "rtmp://h:1935/K");
        assert_eq!(url("live", "M/K", None), "rtmp://h:1935/live/M/K");
    }

    #[test]
    fn a_pushed_segments_url_is_the_clients_with_its_query() {
        let url = |uri| push_url("h:1", &push(uri, None)).expose().to_owned();
        assert_eq!(url("/live/M/12.ts?t=1"), "http://h:1/live/M/12.ts?t=1");
        assert_eq!(url("/live/a%20b%3F/0.mp4"), "http://h:1/live/a%20b%3F/0.mp4");
    }

    #[test]
    fn a_pushed_manifest_is_a_key_and_needs_another_name() {
        let named = |json: &str| {
            let request = push("/live/M/0.ts", Some("B"));
            let terms = terms(&Presented::by_push(&request), answer(json));
            terms.map(|it| it.manifest.playback_id.to_string())
        };
        assert_eq!(named(r#"{"manifestID":"match"}"#), Ok("match".to_owned()));
        assert_eq!(named(""), Err(TermsError::Nameless));
        for key in ["M", "B"] {
            let echo = format!("{{\"manifestID\":\"{key}\"}}");
            assert_eq!(named(&echo), Err(TermsError::KeyAsName), "{key}");
        }
    }

    #[test]
    fn the_answers_manifest_is_the_stream() {
        assert_eq!(named("live", "K", r#"{"manifestID":"match"}"#), Ok("match".to_owned()));
        assert_eq!(named("M", "K", r#"{"manifestID":"match"}"#), Ok("match".to_owned()));
    }

    #[test]
    fn without_one_the_urls_manifest_is_and_never_the_key() {
        assert_eq!(named("M", "K", ""), Ok("M".to_owned()));
        assert_eq!(named("live/M", "K", ""), Ok("M".to_owned()));
        assert_eq!(named("live", "M/K", ""), Ok("M".to_owned()));
        assert_eq!(named("live", "K", ""), Err(TermsError::Nameless));
        assert_eq!(named("", "K", ""), Err(TermsError::Nameless));
        assert_eq!(named("watch", "K", ""), Err(TermsError::Unfit));
        assert_eq!(named("M N", "K", ""), Err(TermsError::Unfit));
    }

    #[test]
    fn a_key_is_no_playback_id() {
        let echo = r#"{"manifestID":"K"}"#;
        for (app, key) in [("live", "K"), ("M", "K"), ("live", "M/K"), ("K", "K")] {
            assert_eq!(named(app, key, echo), Err(TermsError::KeyAsName), "{app}/{key}");
        }
        let replaced = r#"{"manifestID":"M","streamKey":"M"}"#;
        assert_eq!(named("live", "K", replaced), Err(TermsError::KeyAsName));
    }

    #[test]
    fn a_webhook_in_trouble_does_not_condemn_a_key() {
        for status in [401, 403, 404, 410] {
            assert!(means_unknown(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [204, 302, 408, 429, 500, 503] {
            assert!(!means_unknown(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }

    proptest! {
        #[test]
        fn no_url_makes_its_key_public(app in "[a-z/]{0,12}", key in "[a-z/]{1,12}") {
            let last = key.rsplit('/').next().unwrap();
            if let Ok(name) = named(app.trim_matches('/'), &key, "") {
                prop_assert_ne!(name, last);
            }
        }
    }
}
