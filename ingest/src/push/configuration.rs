//! `Livepeer-Transcode-Configuration`: what a client asks of the gateway with each segment.

use media::{Ladder, ProfileError, RenditionProfile};
use serde::Deserialize;

use super::profile::{JsonProfile, ProfileFault};
use crate::publish::StreamKey;

/// Longest configuration that is read, in bytes.
const BYTES_MAX: usize = 64 << 10;
/// Longest of its names and ids, in bytes.
const TEXT_MAX: usize = 1024;
/// Most that a client can stretch deadlines by.
const MULTIPLIER_MAX: i64 = 100;

/// Why a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// Longer than is read.
    #[error("more than {BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON, or a field of another type.
    #[error("{0}")]
    Json(String),
    /// A name or id is too long.
    #[error("{0} has more than {TEXT_MAX} bytes")]
    Text(&'static str),
    /// A profile can't be used.
    #[error(transparent)]
    Profile(#[from] ProfileFault),
    /// The profiles are no ladder together.
    #[error(transparent)]
    Ladder(#[from] ProfileError),
}

/// What a client's configuration says, checked. Fields that nobody knows are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscodeConfiguration {
    /// The stream's internal name, used in playback URLs (`manifestID`).
    pub manifest_id: Option<String>,
    /// `streamKey`.
    pub stream_key: Option<StreamKey>,
    /// The stream's id outside (`streamID`).
    pub stream_id: Option<String>,
    /// The session's id outside, for logs (`sessionID`).
    pub session_id: Option<String>,
    /// Presets, then profiles. `None`: the stream's own; an empty one: nothing is transcoded.
    pub ladder: Option<Ladder>,
    /// Stretches the deadlines of an upload and its transcoding (`timeoutMultiplier`); 1 to 100.
    pub timeout_multiplier: u32,
    /// Results or recordings are to be put into a store of the client's (`objectStore`,
    /// `recordObjectStore`).
    pub wants_object_store: bool,
    /// What it asks for and nothing follows, by the fields' names, each once: fields of profiles,
    /// `forceSessionReinit`, `verificationFreq`.
    pub ignored: Vec<&'static str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Json {
    #[serde(rename = "manifestID")]
    manifest_id: Option<String>,
    stream_key: Option<String>,
    #[serde(rename = "streamID")]
    stream_id: Option<String>,
    #[serde(rename = "sessionID")]
    session_id: Option<String>,
    presets: Option<Vec<String>>,
    profiles: Option<Vec<JsonProfile>>,
    object_store: Option<String>,
    record_object_store: Option<String>,
    verification_freq: Option<u32>,
    timeout_multiplier: Option<i64>,
    force_session_reinit: Option<bool>,
}

impl TranscodeConfiguration {
    /// Reads the header's value.
    ///
    /// # Errors
    /// [`ConfigurationError`], for which the answer is 400.
    pub fn read(value: &[u8]) -> Result<Self, ConfigurationError> {
        if value.len() > BYTES_MAX {
            return Err(ConfigurationError::TooLong);
        }
        let json = |error: serde_json::Error| ConfigurationError::Json(error.to_string());
        // A list would be taken as the fields in their order.
        if value.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
            return Err(ConfigurationError::Json("expected an object".to_owned()));
        }
        let json: Json = serde_json::from_slice(value).map_err(json)?;
        let (ladder, mut ignored) = ladder(json.presets, json.profiles)?;
        if json.force_session_reinit == Some(true) {
            ignored.push("forceSessionReinit");
        }
        if json.verification_freq.is_some_and(|frequency| frequency > 0) {
            ignored.push("verificationFreq");
        }
        let multiplier = json.timeout_multiplier.unwrap_or(1).clamp(1, MULTIPLIER_MAX);
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        Ok(Self {
            manifest_id: text("manifestID", json.manifest_id)?,
            stream_key: text("streamKey", json.stream_key)?.and_then(StreamKey::new),
            stream_id: text("streamID", json.stream_id)?,
            session_id: text("sessionID", json.session_id)?,
            ladder,
            timeout_multiplier: u32::try_from(multiplier).unwrap_or(1),
            wants_object_store: given(&json.object_store) || given(&json.record_object_store),
            ignored,
        })
    }
}

/// An empty text is none.
fn text(field: &'static str, text: Option<String>) -> Result<Option<String>, ConfigurationError> {
    match text {
        Some(text) if text.len() > TEXT_MAX => Err(ConfigurationError::Text(field)),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// The ladder by the rules of the network: neither presets nor profiles leave it to the stream, unknown
/// presets are passed over, profiles follow the presets.
fn ladder(
    presets: Option<Vec<String>>,
    profiles: Option<Vec<JsonProfile>>,
) -> Result<(Option<Ladder>, Vec<&'static str>), ConfigurationError> {
    let presets = presets.unwrap_or_default();
    if presets.is_empty() && profiles.is_none() {
        return Ok((None, Vec::new()));
    }
    let mut ignored: Vec<&'static str> = Vec::new();
    let known = presets.iter().filter_map(|name| RenditionProfile::preset(name).ok());
    let mut ladder: Vec<RenditionProfile> = known.take(Ladder::MAX_RENDITIONS + 1).collect();
    for profile in profiles.unwrap_or_default() {
        for field in profile.ignored() {
            if !ignored.contains(&field) {
                ignored.push(field);
            }
        }
        ladder.push(profile.into_profile()?);
    }
    Ok((Some(Ladder::new(ladder)?), ignored))
}

#[cfg(test)]
mod tests;
