use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;

fn read_with(
    method: Method,
    uri: &str,
    fields: &[(&'static str, &str)],
) -> Result<PushRequest, PushRefusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    PushRequest::read(&method, &uri.parse().unwrap(), &headers, None)
}

fn read(fields: &[(&'static str, &str)]) -> Result<PushRequest, PushRefusal> {
    read_with(Method::PUT, "/live/m/7.ts", fields)
}

#[test]
fn a_bare_segment_has_the_defaults_of_the_network() {
    let request = read(&[]).unwrap();
    assert_eq!(request.sequence, 7);
    assert_eq!(request.container, PushContainer::MpegTs);
    assert_eq!(request.declared_duration, Duration::from_secs(2));
    assert!(!request.wants_renditions);
    assert!(request.configuration.is_none());
    assert!(request.bearer.is_none() && request.query.is_none());
}

#[test]
fn what_mist_sends_is_understood() {
    let request = read_with(
        Method::POST,
        "/live/random%2Bname/3.mp4?token=secret",
        &[
            ("accept", "multipart/mixed"),
            ("content-duration", "1960"),
            ("content-resolution", "1920x1080"),
            ("livepeer-transcode-configuration", r#"{"profiles":[]}"#),
            ("authorization", "Bearer secret-token"),
            ("x-forwarded-for", "203.0.113.7, 10.0.0.1"),
        ],
    )
    .unwrap();
    assert!(request.wants_renditions);
    assert_eq!(request.container, PushContainer::Mp4);
    assert_eq!(request.declared_duration, Duration::from_millis(1_960));
    assert!(request.configuration.as_ref().unwrap().ladder.as_ref().unwrap().is_empty());
    assert_eq!(request.bearer.as_ref().unwrap().expose(), "secret-token");
    assert_eq!(request.query.as_ref().unwrap().expose(), "token=secret");
    let shown = format!("{request:?}");
    assert!(!shown.contains("secret") && !shown.contains("random"), "{shown}");
}

#[test]
fn only_the_exact_type_asks_for_renditions() {
    let wants = |accept| read(&[("accept", accept)]).unwrap().wants_renditions;
    assert!(wants("multipart/mixed"));
    assert!(!wants("*/*") && !wants("multipart/mixed, text/plain"));
}

#[test]
fn other_methods_are_405_before_anything_else() {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
        let refusal = read_with(method, "/live/nonsense", &[]).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[test]
fn every_faulty_field_is_named() {
    for (name, value) in [
        ("content-duration", "0"),
        ("content-duration", "-5"),
        ("content-duration", "300001"),
        ("content-duration", "NaN"),
        ("content-duration", "inf"),
        ("content-duration", "two"),
        ("content-slice-from", "x"),
        ("livepeer-transcode-configuration", "{"),
    ] {
        let refusal = read(&[(name, value)]).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::BAD_REQUEST, "{name}: {value}");
        let text = refusal.to_string().to_ascii_lowercase();
        assert!(text.starts_with(name), "{text}");
    }
    let millis = |value| read(&[("content-duration", value)]).unwrap().declared_duration;
    assert_eq!(millis("300000"), Duration::from_secs(300));
    assert_eq!(millis("2002.5"), Duration::from_micros(2_002_500));
    assert_eq!(millis(""), DEFAULT_DURATION);
}

#[test]
fn slices_are_refused_by_what_is_wrong_with_them() {
    let status = |fields: &[(&'static str, &str)]| read(fields).unwrap_err().status();
    let (from, to) = ("content-slice-from", "content-slice-to");
    assert_eq!(status(&[(from, "9"), (to, "8")]), StatusCode::BAD_REQUEST);
    assert_eq!(status(&[(from, "8"), (to, "8")]), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(status(&[(to, "8")]), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(status(&[(from, "8")]), StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn object_stores_are_refused_before_a_byte_is_sent_there() {
    let json = r#"{"objectStore":"s3://key:secret@host/bucket"}"#;
    let refusal = read(&[("livepeer-transcode-configuration", json)]).unwrap_err();
    assert_eq!(refusal.status(), StatusCode::NOT_IMPLEMENTED);
    assert!(!refusal.to_string().contains("secret"));
}

#[test]
fn only_bearer_tokens_authorize() {
    for value in ["Basic dXNlcjpwYXNz", "Bearer", "Bearer  ", "secret"] {
        let refusal = read(&[("authorization", value)]).unwrap_err();
        assert_eq!(refusal.status(), StatusCode::FORBIDDEN, "{value}");
    }
    assert!(read(&[("authorization", "bearer x")]).unwrap().bearer.is_some());
}

proptest! {
    #[test]
    fn any_field_values_are_read_or_refused(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 6..7),
    ) {
        let names = [
            CONTENT_DURATION, CONFIGURATION, SLICE_FROM, SLICE_TO,
            "Authorization", "Accept",
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in names.iter().zip(values) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
        }
        let uri = "/live/m/1.ts".parse().unwrap();
        if let Ok(request) = PushRequest::read(&Method::PUT, &uri, &headers, None) {
            prop_assert!(request.declared_duration <= Duration::from_secs(300));
            prop_assert!(!request.declared_duration.is_zero());
        }
    }
}
