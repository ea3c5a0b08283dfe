//! Publishers whose key is not in the configuration: the operator's auth webhook says who may publish,
//! and what.

use std::{fmt, net::SocketAddr};

use http::StatusCode;
use ingest::{PublishRequest, Refusal};
use media::{Ladder, Redacted};

use crate::webhook::{Admitted, AuthError, AuthWebhook, Manifest};

/// Applications that stand for none: what follows them is the manifest (livepeer-gateway §3).
const PLAIN_APPLICATIONS: [&str; 2] = ["live/", "stream/"];

/// Asks the auth webhook about publish URLs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PublishAuth {
    webhook: AuthWebhook,
    /// Host and port of the publish URLs that are asked about.
    host: String,
}

/// What a publisher was let in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublishTerms {
    /// The stream, and the id under which it plays. Never the publisher's key.
    pub(crate) manifest: Manifest,
    /// `None`: the default; an empty one: nothing is transcoded.
    pub(crate) ladder: Option<Ladder>,
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

impl PublishAuth {
    /// `rtmp` is where publishers connect.
    #[must_use]
    pub fn new(webhook: AuthWebhook, rtmp: SocketAddr) -> Self {
        let host = match rtmp.ip() {
            ip if ip.is_unspecified() => format!("localhost:{}", rtmp.port()),
            _ => rtmp.to_string(),
        };
        Self { webhook, host }
    }

    /// What this publisher may publish. Answers within the webhook's deadline.
    ///
    /// # Errors
    /// `UnknownKey` when the webhook refuses it, `Rejected` when it can't be asked or makes no sense;
    /// then the log says why.
    pub(crate) async fn ask(&self, request: &PublishRequest) -> Result<PublishTerms, Refusal> {
        let url = publish_url(&self.host, request);
        let admitted = match self.webhook.admit(&url).await {
            Ok(admitted) => admitted,
            Err(AuthError::Refused(status)) if means_unknown(status) => {
                return Err(Refusal::UnknownKey);
            }
            Err(AuthError::Busy) => {
                tracing::warn!(connection = %request.connection, "{}", AuthError::Busy);
                return Err(rejected("too many publishers are being checked; try again"));
            }
            Err(error) => return Err(not_checked(request, error.as_str(), &error)),
        };
        let (stream_id, session_id) = (admitted.stream_id.clone(), admitted.session_id.clone());
        let terms = terms(request, admitted);
        let terms = terms.map_err(|error| not_checked(request, "unfit", &error))?;
        tracing::info!(
            connection = %request.connection,
            stream = %terms.manifest.name,
            stream_id = stream_id.as_deref(),
            session_id = session_id.as_deref(),
            "admitted by the auth webhook"
        );
        Ok(terms)
    }
}

/// The URL as it was typed into the encoder, query included; the host is the gateway's.
fn publish_url(host: &str, request: &PublishRequest) -> Redacted<String> {
    let mut url = format!("rtmp://{host}/{}", request.path().expose());
    if let Some(query) = &request.query {
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

fn rejected(text: &str) -> Refusal {
    Refusal::Rejected(text.to_owned())
}

/// A publisher need not know the operator's servers.
fn not_checked(request: &PublishRequest, kind: &str, error: &dyn fmt::Display) -> Refusal {
    tracing::warn!(connection = %request.connection, kind, "auth webhook: {error}");
    rejected("the stream key can't be checked now; try again later")
}

fn terms(request: &PublishRequest, admitted: Admitted) -> Result<PublishTerms, TermsError> {
    let path = request.path();
    let manifest = match admitted.manifest {
        Some(manifest) => manifest,
        None => {
            let named = manifest_of(path.expose()).ok_or(TermsError::Nameless)?;
            Manifest::new(named).map_err(|_| TermsError::Unfit)?
        }
    };
    let whole = request.key.expose();
    let last = whole.rsplit('/').next().unwrap_or(whole);
    let replaced = admitted.stream_key.as_ref().map(ingest::StreamKey::expose);
    if [Some(whole), Some(last), replaced].contains(&Some(manifest.name.as_str())) {
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
    use ingest::{ConnectionId, StreamKey};
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
        terms(&request(app, key, None), answer(json)).map(|it| it.manifest.playback_id.to_string())
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
            let request = request(app.trim_matches('/'), &key, None);
            if let Ok(terms) = terms(&request, Admitted::as_named()) {
                let last = key.rsplit('/').next().unwrap();
                prop_assert_ne!(terms.manifest.playback_id.as_str(), last);
            }
        }
    }
}
