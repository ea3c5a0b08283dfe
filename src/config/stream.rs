//! Streams as the operator configures them.

use std::{path::PathBuf, time::Duration};

use media::{
    FrameRate, H264Profile, Ladder, PlaybackId, Redacted, RenditionName, RenditionProfile,
    StreamName,
};
use router::StreamPolicy;
use sha2::{Digest as _, Sha256};
use toml::Value;

use super::reader::{Faults, Section};

/// SHA-256 of a stream key: what is kept and compared, so that look-ups leak no timing of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
}

impl std::fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyDigest(***)")
    }
}

/// How a stream treats publishers that leave, return or compete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherPolicy {
    /// How long the stream waits for a publisher that left before it ends.
    pub reconnect_window: Duration,
    /// A second publisher takes over once the first has been silent for this long; `None`: never.
    pub takeover_after: Option<Duration>,
    /// What viewers see and hear while there is no publisher.
    pub filler: FillerKind,
    /// The image of [`FillerKind::Slate`]: PNG or JPEG.
    pub slate: Option<PathBuf>,
}

/// What stands in for a publisher that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillerKind {
    /// Nothing: gaps.
    Off,
    /// The picture shown last, and silence.
    LastPicture,
    /// An image, and silence.
    Slate,
}

impl FillerKind {
    /// Filler takes FFmpeg, which not every build has.
    const DEFAULT: Self = if cfg!(feature = "local") { Self::LastPicture } else { Self::Off };
}

impl Default for PublisherPolicy {
    fn default() -> Self {
        let takeover_after = Some(Duration::from_secs(5));
        let reconnect_window = Duration::from_secs(30);
        Self { reconnect_window, takeover_after, filler: FillerKind::DEFAULT, slate: None }
    }
}

/// One stream that may be published.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// The operator's name for it; safe to log.
    pub name: StreamName,
    /// Digest of the key its publisher must present.
    pub key: KeyDigest,
    /// The public id under which it plays.
    pub playback_id: PlaybackId,
    /// Its renditions; `None`: the default for the source's size and frame rate.
    pub ladder: Option<Ladder>,
    /// Leaving, returning, competing.
    pub policy: PublisherPolicy,
    /// Which orchestrators, and what counts most.
    pub routing: StreamPolicy,
}

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the publisher settings that stand in `[publisher]` and in each `[[stream]]`.
pub(super) fn publisher_policy(
    section: &mut Section,
    default: &PublisherPolicy,
    faults: &mut Faults,
) -> PublisherPolicy {
    let window = section.duration("reconnect_window", Duration::ZERO..=DAY, faults);
    let takeover = section.boolean("takeover", faults);
    let after = section.duration("takeover_after", Duration::ZERO..=DAY, faults);
    let takeover_after = match takeover {
        Some(false) => None,
        Some(true) => {
            after.or(default.takeover_after).or_else(|| PublisherPolicy::default().takeover_after)
        }
        None => after.or(default.takeover_after),
    };
    let slate =
        section.string("slate", faults).map(PathBuf::from).or_else(|| default.slate.clone());
    let filler = filler(section, faults).unwrap_or(default.filler);
    if filler == FillerKind::Slate && slate.is_none() {
        faults.add(section.path_of("slate"), "missing: the PNG or JPEG image to show");
    }
    let reconnect_window = window.unwrap_or(default.reconnect_window);
    PublisherPolicy { reconnect_window, takeover_after, filler, slate }
}

fn filler(section: &mut Section, faults: &mut Faults) -> Option<FillerKind> {
    let path = section.path_of("filler");
    match section.string("filler", faults)?.as_str() {
        "off" => Some(FillerKind::Off),
        "last-picture" => Some(FillerKind::LastPicture),
        "slate" => Some(FillerKind::Slate),
        _ => {
            faults.add(path, "expected \"last-picture\", \"slate\" or \"off\"");
            None
        }
    }
}

/// Reads one `[[stream]]`; `None` when what identifies it is missing or wrong.
pub(super) fn stream(
    mut section: Section,
    default: &PublisherPolicy,
    routing: &StreamPolicy,
    faults: &mut Faults,
) -> Option<StreamConfig> {
    let name = required(&mut section, "name", faults);
    let key = required(&mut section, "stream_key", faults).map(Redacted::new);
    let playback_id = required(&mut section, "playback_id", faults);
    let ladder =
        section.value("ladder").map(|value| ladder(value, &section.path_of("ladder"), faults));
    let policy = publisher_policy(&mut section, default, faults);
    let routing = super::pool::stream_policy(&mut section, routing, faults);

    let name = name.and_then(|text| checked(StreamName::new(&text), &section, "name", faults));
    let id = playback_id.as_deref();
    let id = id.and_then(|text| checked(PlaybackId::new(text), &section, "playback_id", faults));
    let key = key.filter(|key| {
        let problem = key_problem(key.expose(), playback_id.as_deref());
        if let Some(problem) = problem {
            faults.add(section.path_of("stream_key"), problem);
        }
        problem.is_none()
    });
    section.finish(faults);
    Some(StreamConfig {
        name: name?,
        key: KeyDigest::of(key?.expose()),
        playback_id: id?,
        ladder: ladder.flatten(),
        policy,
        routing,
    })
}

fn required(section: &mut Section, key: &str, faults: &mut Faults) -> Option<String> {
    match section.value(key) {
        Some(Value::String(text)) => Some(text),
        Some(_) => {
            faults.add(section.path_of(key), "expected text");
            None
        }
        None => {
            faults.add(section.path_of(key), "missing");
            None
        }
    }
}

fn checked<T, E: std::fmt::Display>(
    result: Result<T, E>,
    section: &Section,
    key: &str,
    faults: &mut Faults,
) -> Option<T> {
    result.map_err(|error| faults.add(section.path_of(key), error)).ok()
}

/// Why a key can't be used; never quotes it.
fn key_problem(key: &str, playback_id: Option<&str>) -> Option<&'static str> {
    if !(8..=256).contains(&key.len()) {
        return Some("must have 8 to 256 characters");
    }
    if key.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '?' | '&')) {
        return Some("must not hold white space, '/', '?' or '&'");
    }
    (playback_id == Some(key)).then_some("must differ from the playback id, which is public")
}

/// Reads a ladder: preset names and tables, mixed as wanted. An empty list means source only.
pub(super) fn ladder(value: Value, path: &str, faults: &mut Faults) -> Option<Ladder> {
    let Value::Array(items) = value else {
        faults.add(
            path,
            "expected a list of preset names or of { name, width, height, bitrate, fps }",
        );
        return None;
    };
    let mut profiles = Vec::with_capacity(items.len());
    let count = items.len();
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let profile = match item {
            Value::String(name) => {
                RenditionProfile::preset(&name).map_err(|error| faults.add(path, error)).ok()
            }
            Value::Table(table) => rendition(Section::at(path, table), faults),
            Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => {
                faults.add(path, "expected a preset name or { name, width, height, bitrate, fps }");
                None
            }
        };
        profiles.extend(profile);
    }
    if profiles.len() < count {
        return None;
    }
    Ladder::new(profiles).map_err(|error| faults.add(path, error)).ok()
}

fn rendition(mut section: Section, faults: &mut Faults) -> Option<RenditionProfile> {
    let width = section.integer("width", 16..=8192, faults);
    let height = section.integer("height", 16..=8192, faults);
    let bitrate = section.integer("bitrate", 10_000..=200_000_000, faults);
    let name = section.string("name", faults);
    let h264_profile = h264_profile(&mut section, faults);
    let frame_rate = section.value("fps").and_then(|value| {
        let rate = frame_rate(&value);
        if rate.is_none() {
            faults.add(
                section.path_of("fps"),
                "expected a number such as 30, or text such as \"30000/1001\"",
            );
        }
        rate
    });
    for (key, present) in
        [("width", width.is_some()), ("height", height.is_some()), ("bitrate", bitrate.is_some())]
    {
        if !present && !faults.mentions(&section.path_of(key)) {
            faults.add(section.path_of(key), "missing");
        }
    }
    let default_name = format!("{}p", height.unwrap_or_default().min(width.unwrap_or_default()));
    let name = RenditionName::new(name.as_deref().unwrap_or(&default_name));
    let name = checked(name, &section, "name", faults);
    section.finish(faults);
    Some(RenditionProfile {
        name: name?,
        width: width?,
        height: height?,
        bitrate: bitrate?,
        frame_rate,
        h264_profile,
    })
}

fn h264_profile(section: &mut Section, faults: &mut Faults) -> H264Profile {
    let path = section.path_of("profile");
    match section.string("profile", faults).as_deref() {
        None => H264Profile::EncoderDefault,
        Some("baseline") => H264Profile::Baseline,
        Some("main") => H264Profile::Main,
        Some("high") => H264Profile::High,
        Some("constrained-high") => H264Profile::ConstrainedHigh,
        Some(_) => {
            let known = "expected \"baseline\", \"main\", \"high\" or \"constrained-high\"";
            faults.add(path, known);
            H264Profile::EncoderDefault
        }
    }
}

fn frame_rate(value: &Value) -> Option<FrameRate> {
    match value {
        Value::Integer(fps) => FrameRate::new(u32::try_from(*fps).ok()?, 1),
        Value::String(text) => {
            let (num, den) = text.split_once('/').unwrap_or((text, "1"));
            FrameRate::new(num.trim().parse().ok()?, den.trim().parse().ok()?)
        }
        Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => None,
    }
    .filter(|rate| (1_000..=240_000).contains(&rate.millihertz()))
}
