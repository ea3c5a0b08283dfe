//! `-transcodingOptions`: preset names, or a file of profiles (livepeer-gateway §7).

use std::{io, path::Path};

use ingest::push::TranscodeConfiguration;
use media::{H264Profile, Ladder, ProfileError, RenditionProfile};
use toml::{Table, Value};

/// go-livepeer's ladder where nobody names one.
pub(super) const DEFAULT: &str = "P240p30fps16x9,P360p30fps16x9";

/// A ladder as the configuration file spells it.
#[derive(Debug)]
pub(super) struct FileLadder {
    pub(super) renditions: Vec<Value>,
    /// What the profiles ask for and renditions don't follow.
    pub(super) ignored: Vec<&'static str>,
}

/// Reads what the flag says: preset names, or the name of a file. go-livepeer passes over names nobody
/// knows; here they are faults.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn read(
    options: &str,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<FileLadder, String> {
    let unknown = match Ladder::of_presets(options) {
        Ok(ladder) => {
            let renditions = ladder.profiles().iter().map(|it| it.name.as_str().into()).collect();
            return Ok(FileLadder { renditions, ignored: vec![] });
        }
        Err(error) if matches!(error, ProfileError::UnknownPreset(_)) => error,
        Err(error) => return Err(error.to_string()),
    };
    let text = read_file(Path::new(options.trim()))
        .map_err(|error| format!("{unknown}; and no file of that name can be read: {error}"))?;
    from_json(&text).map_err(|problem| format!("the file of profiles: {problem}"))
}

/// A list of profiles, or an object with `profiles`.
fn from_json(text: &str) -> Result<FileLadder, String> {
    let text = text.trim();
    let is_list = text.starts_with('[');
    let object = if is_list { format!("{{\"profiles\":{text}}}") } else { text.to_owned() };
    let read = TranscodeConfiguration::read(object.as_bytes()).map_err(|it| it.to_string())?;
    let ladder = read.ladder.ok_or("there are none")?;
    let renditions = ladder.profiles().iter().map(rendition).collect();
    Ok(FileLadder { renditions, ignored: read.ignored })
}

fn rendition(profile: &RenditionProfile) -> Value {
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    put("name", profile.name.as_str().into());
    put("width", i64::from(profile.width).into());
    put("height", i64::from(profile.height).into());
    put("bitrate", i64::from(profile.bitrate).into());
    if let Some(rate) = profile.frame_rate {
        put("fps", format!("{}/{}", rate.num(), rate.den()).into());
    }
    match profile.h264_profile {
        H264Profile::EncoderDefault => {}
        H264Profile::Baseline => put("profile", "baseline".into()),
        H264Profile::Main => put("profile", "main".into()),
        H264Profile::High => put("profile", "high".into()),
        H264Profile::ConstrainedHigh => put("profile", "constrained-high".into()),
    }
    Value::Table(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_file(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn presets_stay_names() {
        let ladder = read(" P720p30fps16x9,P360p30fps16x9,", &no_file).unwrap();
        assert_eq!(ladder.renditions, ["P720p30fps16x9", "P360p30fps16x9"].map(Value::from));
        let fault = read("P720p30fps16x9,P9p", &no_file).unwrap_err();
        assert!(fault.contains("P9p") && fault.contains("no file"), "{fault}");
        let twice = read("P720p30fps16x9,P720p30fps16x9", &no_file).unwrap_err();
        assert!(twice.contains("twice"), "{twice}");
    }

    #[test]
    fn a_file_holds_a_list_or_an_object_with_profiles() {
        let list = r#"[{"name":"low","width":427,"height":240,"bitrate":400000,"fps":30000,
            "fpsDen":1001,"profile":"H264ConstrainedHigh","gop":"2.0"}]"#;
        for text in [list.to_owned(), format!("{{\"profiles\":{list}}}")] {
            let ladder = read("ladder.json", &|_| Ok(text.clone())).unwrap();
            let expected: Table = "name = \"low\"\nwidth = 426\nheight = 240\nbitrate = 400000\n\
                fps = \"30000/1001\"\nprofile = \"constrained-high\"\n"
                .parse()
                .unwrap();
            assert_eq!(ladder.renditions, [Value::Table(expected)]);
            assert_eq!(ladder.ignored, ["gop"]);
        }
        for bad in ["", "{}", "[{}]", "[{\"width\":1}]", "7"] {
            let fault = read("ladder.json", &|_| Ok(bad.to_owned())).unwrap_err();
            assert!(fault.starts_with("the file of profiles: "), "{bad}: {fault}");
        }
    }
}
