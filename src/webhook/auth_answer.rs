//! What the auth webhook says of a publisher.

use ingest::{
    StreamKey,
    push::{ConfigurationError, TranscodeConfiguration},
};
use media::{Ladder, NameError, PlaybackId, StreamName};
use serde::Deserialize;
use serde_json::Value;

/// Longest answer that is read, in bytes.
pub(super) const BYTES_MAX: usize = 64 << 10;

/// Why an answer can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not JSON, or a field has another type.
    #[error("JSON: {0}")]
    Json(String),
    /// A field can't be used.
    #[error(transparent)]
    Configuration(ConfigurationError),
    /// It names no stream.
    #[error("manifestID: missing")]
    NoManifest,
    /// What it names can't be a stream.
    #[error("manifestID: {0}")]
    Manifest(NameError),
}

impl From<ConfigurationError> for AnswerError {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Json(text) => Self::Json(without_values(&text)),
            error @ (ConfigurationError::TooLong
            | ConfigurationError::Text(_)
            | ConfigurationError::Profile(_)
            | ConfigurationError::Ladder(_)) => Self::Configuration(error),
        }
    }
}

/// What a JSON reader says without the value it found, which can be a key: it comes before what was
/// expected in its place.
fn without_values(text: &str) -> String {
    let expected = text.rsplit_once(", expected ").map(|(_found, expected)| expected);
    expected.map_or_else(|| text.to_owned(), |expected| format!("expected {expected}"))
}

/// A stream's internal name, and the id under which it plays: the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its name; safe to log.
    pub name: StreamName,
    /// Its public id.
    pub playback_id: PlaybackId,
}

impl Manifest {
    /// Checks a name.
    ///
    /// # Errors
    /// When it can't be a playback id.
    pub fn new(text: &str) -> Result<Self, NameError> {
        Ok(Self { name: StreamName::new(text)?, playback_id: PlaybackId::new(text)? })
    }
}

/// A publisher may publish, on these terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The stream it publishes (`manifestID`); `None`: the names of its URL hold.
    pub manifest: Option<Manifest>,
    /// A key of the stream (`streamKey`). Nobody publishes with it here; it is a secret, and must not
    /// be the name under which the stream plays.
    pub stream_key: Option<StreamKey>,
    /// The stream's id outside, for events (`streamID`).
    pub stream_id: Option<String>,
    /// The session's id outside, for logs (`sessionID`).
    pub session_id: Option<String>,
    /// Presets, then profiles. `None`: the gateway's default; an empty one: nothing is transcoded.
    pub ladder: Option<Ladder>,
    /// What the answer asks for and the gateway does not do, by the fields' names, each once.
    pub ignored: Vec<&'static str>,
}

impl Admitted {
    /// Admitted with the names of the URL, to the gateway's default ladder.
    #[must_use]
    pub const fn as_named() -> Self {
        Self {
            manifest: None,
            stream_key: None,
            stream_id: None,
            session_id: None,
            ladder: None,
            ignored: Vec::new(),
        }
    }

    /// Reads the body of an answer with status 200 (livepeer-gateway §6). An empty one admits as named.
    ///
    /// # Errors
    /// [`AnswerError`]: then nobody is admitted.
    pub fn read(body: &[u8]) -> Result<Self, AnswerError> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::as_named());
        }
        let configuration = TranscodeConfiguration::read(body)?;
        let manifest = configuration.manifest_id.as_deref().ok_or(AnswerError::NoManifest)?;
        let mut ignored = not_served(body);
        ignored.extend(configuration.ignored);
        Ok(Self {
            manifest: Some(Manifest::new(manifest).map_err(AnswerError::Manifest)?),
            stream_key: configuration.stream_key,
            stream_id: configuration.stream_id,
            session_id: configuration.session_id,
            ladder: configuration.ladder,
            ignored,
        })
    }
}

/// Fields of the contract that nothing here follows, beside those that no configuration is followed in
/// ([`TranscodeConfiguration::ignored`]). Deadlines are stretched for a client that pushes, by its
/// header; a webhook's word on them never counted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NotServed {
    object_store: Value,
    record_object_store: Value,
    record_object_store_url: Value,
    previous_sessions: Value,
    timeout_multiplier: Value,
}

/// The names of those that ask for something.
fn not_served(body: &[u8]) -> Vec<&'static str> {
    let fields: NotServed = serde_json::from_slice(body).unwrap_or_default();
    let named = [
        ("objectStore", fields.object_store),
        ("recordObjectStore", fields.record_object_store),
        ("recordObjectStoreUrl", fields.record_object_store_url),
        ("previousSessions", fields.previous_sessions),
        ("timeoutMultiplier", fields.timeout_multiplier),
    ];
    named.into_iter().filter(|(_, value)| asks(value)).map(|(name, _)| name).collect()
}

fn asks(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(json: &str) -> Result<Admitted, AnswerError> {
        Admitted::read(json.as_bytes())
    }

    #[test]
    fn every_field_of_the_contract_is_read() {
        let admitted = read(
            r#"{"manifestID":"match","streamKey":"secret-key","streamID":"s-1","sessionID":"x-2",
                "presets":["P240p30fps16x9"],"profiles":[{"width":640,"height":360,"bitrate":800000}],
                "objectStore":"s3://key:password@host/b","recordObjectStore":"s3+https://k:p@h/b",
                "recordObjectStoreUrl":"https://cdn","previousSessions":["a","b"],
                "verificationFreq":10,"timeoutMultiplier":2,"forceSessionReinit":true}"#,
        )
        .unwrap();
        let manifest = admitted.manifest.as_ref().unwrap();
        assert_eq!((manifest.name.as_str(), manifest.playback_id.as_str()), ("match", "match"));
        assert_eq!(admitted.stream_key.as_ref().unwrap().expose(), "secret-key");
        assert_eq!(admitted.stream_id.as_deref(), Some("s-1"));
        assert_eq!(admitted.session_id.as_deref(), Some("x-2"));
        let ladder = admitted.ladder.as_ref().unwrap().profiles();
        let names: Vec<_> = ladder.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["P240p30fps16x9", "custom_640x360_800000"]);
        assert_eq!(
            admitted.ignored,
            [
                "objectStore",
                "recordObjectStore",
                "recordObjectStoreUrl",
                "previousSessions",
                "timeoutMultiplier",
                "forceSessionReinit",
                "verificationFreq"
            ]
        );
        assert!(!format!("{admitted:?}").contains("secret-key"));
        assert!(!format!("{admitted:?}").contains("password"));
    }

    #[test]
    fn an_empty_body_admits_with_the_names_of_the_url() {
        for body in ["", " \r\n"] {
            assert_eq!(read(body), Ok(Admitted::as_named()));
        }
    }

    #[test]
    fn json_must_name_a_stream_that_can_play() {
        for nameless in ["{}", r#"{"manifestID":""}"#, r#"{"streamID":"s"}"#, "null"] {
            let refused = read(nameless).unwrap_err();
            assert!(
                matches!(refused, AnswerError::NoManifest | AnswerError::Json(_)),
                "{nameless}: {refused}"
            );
        }
        for unfit in ["a/b", "../x", "live", "a b"] {
            let refused = read(&format!(r#"{{"manifestID":"{unfit}"}}"#)).unwrap_err();
            assert!(matches!(refused, AnswerError::Manifest(_)), "{unfit}: {refused}");
        }
        assert!(matches!(read("yes"), Err(AnswerError::Json(_))));
        assert!(matches!(read(r#"{"manifestID":7}"#), Err(AnswerError::Json(_))));
    }

    #[test]
    fn an_error_tells_no_value() {
        for (json, said) in [
            (r#"{"manifestID":"m","streamKey":4711}"#, "expected a string at line 1"),
            (r#"{"manifestID":"m","presets":"s3cret, expected s3cret"}"#, "expected a sequence"),
            (r#"{"manifestID":"m","streamKey":"s3cret"#, "EOF while parsing a string"),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("s3cret") && !error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn no_ladder_is_the_default_and_an_empty_one_is_no_transcoding() {
        let ladder = |more: &str| read(&format!(r#"{{"manifestID":"m"{more}}}"#)).unwrap().ladder;
        assert_eq!(ladder(""), None);
        assert_eq!(ladder(r#","profiles":null"#), None);
        assert!(ladder(r#","profiles":[]"#).unwrap().is_empty());
    }

    #[test]
    fn what_asks_for_nothing_is_not_named() {
        let admitted = read(
            r#"{"manifestID":"m","objectStore":"","previousSessions":[],"timeoutMultiplier":0,"forceSessionReinit":false}"#,
        );
        assert_eq!(admitted.unwrap().ignored, Vec::<&str>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_admit_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(admitted) = Admitted::read(&bytes) {
                prop_assert!(admitted.manifest.is_some() || bytes.trim_ascii().is_empty());
            }
        }

        #[test]
        fn any_values_admit_or_are_refused(
            manifest in "[a-z/.]{0,5}", profiles in "null|\\[\\]|7|\\{\\}", store in "null|\"x\"|\\[\\]|1",
        ) {
            let json = format!(
                r#"{{"manifestID":"{manifest}","profiles":{profiles},"recordObjectStoreUrl":{store}}}"#
            );
            let _answer = read(&json);
        }
    }
}
