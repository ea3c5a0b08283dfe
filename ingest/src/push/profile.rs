//! Rendition profiles as JSON carries them.

use media::{FrameRate, H264Profile, NameError, ProfileError, RenditionName, RenditionProfile};
use serde::Deserialize;

/// Why a profile of a configuration can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    /// Its name, size or bitrate.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// Something that no rendition here can be.
    #[error("profile {name:?}: {field} {value:?} is not supported")]
    Unsupported {
        /// The profile's name, as it came.
        name: String,
        /// The field.
        field: &'static str,
        /// What it asks for.
        value: String,
    },
}

/// A profile as it came. Fields nobody knows are passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JsonProfile {
    #[serde(default)]
    name: Option<String>,
    width: u32,
    height: u32,
    bitrate: u32,
    #[serde(default)]
    fps: Option<u32>,
    #[serde(default)]
    fps_den: Option<u32>,
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    gop: Option<String>,
    #[serde(default)]
    encoder: Option<String>,
    #[serde(default)]
    color_depth: Option<u32>,
    #[serde(default)]
    chroma_format: Option<u32>,
    #[serde(default)]
    quality: Option<u32>,
}

impl JsonProfile {
    /// Whether it says something that renditions don't follow: their key frames are the source's, and
    /// their bitrate is the target.
    pub(super) fn ignored(&self) -> impl Iterator<Item = &'static str> {
        let gop = self.gop.as_ref().is_some_and(|gop| !gop.is_empty()).then_some("gop");
        let quality = self.quality.is_some_and(|quality| quality > 0).then_some("quality");
        gop.into_iter().chain(quality)
    }

    /// The profile as the house speaks of it. Odd sides become even: the picture keeps its own shape
    /// within them anyhow.
    pub(super) fn into_profile(self) -> Result<RenditionProfile, ProfileFault> {
        let name = match self.name.as_deref() {
            None | Some("") => format!("custom_{}x{}_{}", self.width, self.height, self.bitrate),
            Some(name) => name.to_owned(),
        };
        let fault = |field, value: &str| ProfileFault::Unsupported {
            name: name.clone(),
            field,
            value: value.to_owned(),
        };
        let encoder = self.encoder.as_deref().unwrap_or_default();
        if !["", "h.264", "h264"].contains(&encoder.to_ascii_lowercase().as_str()) {
            return Err(fault("encoder", encoder));
        }
        if let Some(depth) = self.color_depth.filter(|depth| ![0, 8].contains(depth)) {
            return Err(fault("colorDepth", &depth.to_string()));
        }
        if let Some(format) = self.chroma_format.filter(|format| *format != 0) {
            return Err(fault("chromaFormat", &format.to_string()));
        }
        let h264_profile = self.profile.as_deref().unwrap_or_default();
        let h264_profile =
            parse_h264_profile(h264_profile).ok_or_else(|| fault("profile", h264_profile))?;
        let frame_rate = FrameRate::new(self.fps.unwrap_or(0), self.fps_den.unwrap_or(1).max(1));
        let bad_name = |error: NameError| ProfileError::Name { name: name.clone(), error };
        let profile = RenditionProfile {
            name: RenditionName::new(&name).map_err(bad_name)?,
            width: self.width & !1,
            height: self.height & !1,
            bitrate: self.bitrate,
            frame_rate,
            h264_profile,
        };
        profile.validate()?;
        Ok(profile)
    }
}

fn parse_h264_profile(text: &str) -> Option<H264Profile> {
    match text.to_ascii_lowercase().as_str() {
        "" | "none" => Some(H264Profile::EncoderDefault),
        "h264baseline" => Some(H264Profile::Baseline),
        "h264main" => Some(H264Profile::Main),
        "h264high" => Some(H264Profile::High),
        "h264constrainedhigh" => Some(H264Profile::ConstrainedHigh),
        _ => None,
    }
}
