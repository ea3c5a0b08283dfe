use media::{FrameRate, H264Profile};
use proptest::prelude::*;

use super::*;

fn read(json: &str) -> Result<TranscodeConfiguration, ConfigurationError> {
    TranscodeConfiguration::read(json.as_bytes())
}

fn names(configuration: &TranscodeConfiguration) -> Option<Vec<&str>> {
    let ladder = configuration.ladder.as_ref()?;
    Some(ladder.profiles().iter().map(|profile| profile.name.as_str()).collect())
}

#[test]
fn what_catalyst_sends_is_understood() {
    let configuration = read(
        r#"{"manifestID":"m","streamID":"stream","sessionID":"session","presets":["P240p30fps16x9","nonsense"],
            "profiles":[{"name":"720p0","width":1280,"height":720,"bitrate":3000000,"fps":30000,
            "fpsDen":1001,"profile":"h264constrainedhigh","gop":"2.0","encoder":"H.264","colorDepth":8,
            "chromaFormat":0,"quality":23},{"width":427,"height":241,"bitrate":250000,"fps":0}],
            "timeoutMultiplier":10,"forceSessionReinit":true,"verificationFreq":3,"futureField":{"a":[1]}}"#,
    )
    .unwrap();
    assert_eq!(configuration.manifest_id.as_deref(), Some("m"));
    assert_eq!(configuration.stream_id.as_deref(), Some("stream"));
    assert_eq!(configuration.session_id.as_deref(), Some("session"));
    assert_eq!(configuration.timeout_multiplier, 10);
    let ignored = ["gop", "quality", "forceSessionReinit", "verificationFreq"];
    assert_eq!(configuration.ignored, ignored);
    let ladder = configuration.ladder.as_ref().unwrap();
    assert_eq!(
        names(&configuration).unwrap(),
        ["P240p30fps16x9", "720p0", "custom_427x241_250000"]
    );
    let [_, high, low] = ladder.profiles() else { panic!("three") };
    assert_eq!(high.frame_rate, FrameRate::new(30_000, 1_001));
    assert_eq!(high.h264_profile, H264Profile::ConstrainedHigh);
    assert_eq!((low.width, low.height, low.frame_rate), (426, 240, None));
}

#[test]
fn an_empty_list_is_not_a_missing_one() {
    for own in ["{}", r#"{"profiles":null,"presets":null}"#, r#"{"presets":[]}"#] {
        assert_eq!(read(own).unwrap().ladder, None, "{own}");
    }
    for nothing in [r#"{"profiles":[]}"#, r#"{"presets":["unknown"]}"#] {
        assert!(read(nothing).unwrap().ladder.unwrap().is_empty(), "{nothing}");
    }
}

#[test]
fn values_that_cannot_be_met_are_refused_with_their_name() {
    let profile = |more: &str| {
        read(&format!(
            r#"{{"profiles":[{{"name":"p","width":640,"height":360,"bitrate":800000{more}}}]}}"#
        ))
    };
    assert!(profile("").is_ok());
    for (more, named) in [
        (r#","encoder":"HEVC""#, "HEVC"),
        (r#","colorDepth":10"#, "colorDepth"),
        (r#","chromaFormat":1"#, "chromaFormat"),
        (r#","profile":"VP9""#, "VP9"),
        (r#","bitrate":1"#, "duplicate"),
    ] {
        let error = profile(more).unwrap_err().to_string();
        assert!(error.contains(named), "{more}: {error}");
    }
    for (json, named) in [
        (r#"{"profiles":[{"name":"source","width":64,"height":64,"bitrate":99999}]}"#, "source"),
        (r#"{"profiles":[{"name":"a b","width":64,"height":64,"bitrate":99999}]}"#, "a b"),
        (r#"{"profiles":[{"width":4,"height":64,"bitrate":99999}]}"#, "4x64"),
        (r#"{"profiles":[{"width":64,"height":64,"bitrate":99}]}"#, "bitrate"),
        (r#"{"profiles":[{"width":64,"height":64}]}"#, "bitrate"),
        (r#"{"presets":["P144p30fps16x9","P144p30fps16x9"]}"#, "twice"),
        (r#"{"profiles":7}"#, "sequence"),
        ("", "EOF"),
        ("[]", "object"),
    ] {
        let error = read(json).unwrap_err().to_string();
        assert!(error.contains(named), "{json}: {error}");
    }
}

#[test]
fn everything_has_a_bound() {
    let padded = |len: usize| format!("{{}}{}", " ".repeat(len - 2));
    assert!(read(&padded(BYTES_MAX)).is_ok());
    assert_eq!(read(&padded(BYTES_MAX + 1)), Err(ConfigurationError::TooLong));
    let long = format!(r#"{{"streamID":"{}"}}"#, "x".repeat(TEXT_MAX + 1));
    assert_eq!(read(&long), Err(ConfigurationError::Text("streamID")));
    let many =
        format!(r#"{{"presets":[{}"P144p30fps16x9"]}}"#, r#""P144p30fps16x9","#.repeat(3_000));
    assert!(matches!(read(&many), Err(ConfigurationError::Ladder(ProfileError::TooMany(13)))));
    assert!(read(&"[".repeat(BYTES_MAX)).is_err(), "nesting ends somewhere");
    for (given, used) in [("-4", 1), ("0", 1), ("3", 3), ("1000000", 100)] {
        let json = format!(r#"{{"timeoutMultiplier":{given}}}"#);
        assert_eq!(read(&json).unwrap().timeout_multiplier, used);
    }
}

#[test]
fn stores_and_keys_are_told() {
    let read = |json| read(json).unwrap();
    assert!(read(r#"{"objectStore":"s3://key:secret@host/bucket"}"#).wants_object_store);
    assert!(read(r#"{"recordObjectStore":"s3://x"}"#).wants_object_store);
    assert!(!read(r#"{"objectStore":"","recordObjectStore":null}"#).wants_object_store);
    let configuration = read(r#"{"streamKey":"secret-key"}"#);
    assert_eq!(configuration.stream_key.as_ref().unwrap().expose(), "secret-key");
    assert!(!format!("{configuration:?}").contains("secret-key"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _answer = TranscodeConfiguration::read(&bytes);
    }

    #[test]
    fn any_numbers_make_a_ladder_or_a_refusal(
        width in any::<u32>(), height in any::<u32>(), bitrate in any::<u32>(),
        fps in any::<u32>(), fps_den in any::<u32>(),
    ) {
        let json = format!(
            r#"{{"profiles":[{{"width":{width},"height":{height},"bitrate":{bitrate},"fps":{fps},"fpsDen":{fps_den}}}]}}"#
        );
        if let Ok(configuration) = read(&json) {
            for profile in configuration.ladder.unwrap().profiles() {
                prop_assert!(profile.validate().is_ok());
            }
        }
    }
}
