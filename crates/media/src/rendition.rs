//! Transcoded renditions: their names, profiles and ladders.

use std::{fmt, sync::Arc};

use crate::name::{self, NameError};

/// Frames per second as a fraction. Neither half is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameRate {
    num: u32,
    den: u32,
}

impl FrameRate {
    /// `None` when either half is zero.
    #[must_use]
    pub const fn new(num: u32, den: u32) -> Option<Self> {
        if num == 0 || den == 0 { None } else { Some(Self { num, den }) }
    }

    /// Numerator, such as 30 000.
    #[must_use]
    pub const fn num(self) -> u32 {
        self.num
    }

    /// Denominator, such as 1 001.
    #[must_use]
    pub const fn den(self) -> u32 {
        self.den
    }

    /// Thousandths of a frame per second, rounded: 29 970 for 30000/1001.
    #[must_use]
    pub fn millihertz(self) -> u64 {
        (u64::from(self.num) * 1_000 + u64::from(self.den) / 2) / u64::from(self.den)
    }
}

/// Frames per second with three decimals (`FRAME-RATE`): `29.970`.
impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millihertz = self.millihertz();
        write!(f, "{}.{:03}", millihertz / 1_000, millihertz % 1_000)
    }
}

/// Name of a rendition, part of its URLs: 1 to 64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionName(Arc<str>);

impl RenditionName {
    /// Names the presentation uses for what comes from the publisher; no ladder may use them.
    pub const RESERVED: &'static [&'static str] = &["source", "audio"];

    /// How names of a publisher's further layers and audio tracks begin; no ladder may use such ones.
    const FURTHER: &'static [&'static str] = &["source-", "audio-"];

    /// Checks and wraps the name of a ladder's rung.
    ///
    /// # Errors
    /// When it is empty, too long, reserved, or holds another character.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let name = Self::parse(text)?;
        let lower = text.to_ascii_lowercase();
        if Self::FURTHER.iter().any(|start| lower.starts_with(start)) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(name)
    }

    /// Checks and wraps a name that a rung, a further layer or a further audio track may have.
    ///
    /// # Errors
    /// When it is empty, too long, holds another character, or is one of [`Self::RESERVED`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        name::check(text, 64)?;
        if Self::RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// Name of a publisher's layer beside `source`, by its picture's short side in pixels: `source-540p`,
    /// and `source-540p-2` for the second one with that side. `nth` counts from 1.
    #[must_use]
    pub fn of_layer(short_side: u32, nth: usize) -> Self {
        let name = match nth {
            0 | 1 => format!("source-{short_side}p"),
            _ => format!("source-{short_side}p-{nth}"),
        };
        Self(name.into())
    }

    /// Name of a publisher's audio track beside `audio`: `audio-2` for its second one.
    #[must_use]
    pub fn of_audio(nth: usize) -> Self {
        Self(format!("audio-{nth}").into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// H.264 profile asked of an encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum H264Profile {
    /// The orchestrator's choice.
    #[default]
    EncoderDefault,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// High.
    High,
    /// Constrained High.
    ConstrainedHigh,
}

/// What a transcoded rendition should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionProfile {
    /// Its name on the wire and in URLs.
    pub name: RenditionName,
    /// Width of the box the picture is fitted into, in pixels; even, 16 to 8192.
    pub width: u32,
    /// Height of that box, in pixels; even, 16 to 8192.
    pub height: u32,
    /// Target bitrate, in bit/s.
    pub bitrate: u32,
    /// Output frame rate; `None` keeps the source's.
    pub frame_rate: Option<FrameRate>,
    /// Encoder profile.
    pub h264_profile: H264Profile,
}

/// Why a profile or ladder was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Its name can't be used.
    #[error("rendition name {name:?} {error}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// Not one of the network's presets.
    #[error("unknown preset {0:?}; one of {names}", names = preset_list())]
    UnknownPreset(String),
    /// Out of range, or odd.
    #[error("rendition {name}: {width}x{height} must be even and within 16 to 8192")]
    Size {
        /// Rendition.
        name: RenditionName,
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// Out of range.
    #[error("rendition {name}: bitrate {bitrate} must be within 10000 and 200000000 bit/s")]
    Bitrate {
        /// Rendition.
        name: RenditionName,
        /// Bitrate asked for.
        bitrate: u32,
    },
    /// Two renditions share a name.
    #[error("rendition {0} appears twice in the ladder")]
    Duplicate(RenditionName),
    /// More than [`Ladder::MAX_RENDITIONS`].
    #[error("a ladder has at most {max} renditions, not {0}", max = Ladder::MAX_RENDITIONS)]
    TooMany(usize),
}

/// The network's presets: name, width, height, frames per second, bit/s.
const PRESETS: &[(&str, u32, u32, u32, u32)] = &[
    ("P720p60fps16x9", 1280, 720, 60, 6_000_000),
    ("P720p30fps16x9", 1280, 720, 30, 4_000_000),
    ("P720p25fps16x9", 1280, 720, 25, 3_500_000),
    ("P720p30fps4x3", 960, 720, 30, 3_500_000),
    ("P576p30fps16x9", 1024, 576, 30, 1_500_000),
    ("P576p25fps16x9", 1024, 576, 25, 1_500_000),
    ("P360p30fps16x9", 640, 360, 30, 1_200_000),
    ("P360p25fps16x9", 640, 360, 25, 1_000_000),
    ("P360p30fps4x3", 480, 360, 30, 1_000_000),
    ("P240p30fps16x9", 426, 240, 30, 600_000),
    ("P240p25fps16x9", 426, 240, 25, 600_000),
    ("P240p30fps4x3", 320, 240, 30, 600_000),
    ("P144p30fps16x9", 256, 144, 30, 400_000),
    ("P144p25fps16x9", 256, 144, 25, 400_000),
];

/// The presets' names, for people.
fn preset_list() -> String {
    RenditionProfile::preset_names().collect::<Vec<_>>().join(", ")
}

impl RenditionProfile {
    /// Every name that [`preset`](Self::preset) knows, the largest picture first.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.0)
    }

    /// The profile the network knows under this name.
    ///
    /// # Errors
    /// When there is no such preset.
    pub fn preset(name: &str) -> Result<Self, ProfileError> {
        let unknown = || ProfileError::UnknownPreset(name.to_owned());
        let &(name, width, height, fps, bitrate) =
            PRESETS.iter().find(|preset| preset.0 == name).ok_or_else(unknown)?;
        Ok(Self {
            name: RenditionName(name.into()),
            width,
            height,
            bitrate,
            frame_rate: FrameRate::new(fps, 1),
            h264_profile: H264Profile::EncoderDefault,
        })
    }

    /// Checks the ranges its fields state.
    ///
    /// # Errors
    /// When the size or the bitrate is out of range.
    pub fn validate(&self) -> Result<(), ProfileError> {
        let good = |side: u32| (16..=8192).contains(&side) && side.is_multiple_of(2);
        if !good(self.width) || !good(self.height) {
            let (name, width, height) = (self.name.clone(), self.width, self.height);
            return Err(ProfileError::Size { name, width, height });
        }
        if !(10_000..=200_000_000).contains(&self.bitrate) {
            return Err(ProfileError::Bitrate { name: self.name.clone(), bitrate: self.bitrate });
        }
        Ok(())
    }
}

/// The renditions a stream is transcoded to, highest first. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder(Vec<RenditionProfile>);

impl Ladder {
    /// Most renditions one ladder may have.
    pub const MAX_RENDITIONS: usize = 12;

    /// Checks each profile, and that no two share a name.
    ///
    /// # Errors
    /// The first fault found.
    pub fn new(profiles: Vec<RenditionProfile>) -> Result<Self, ProfileError> {
        if profiles.len() > Self::MAX_RENDITIONS {
            return Err(ProfileError::TooMany(profiles.len()));
        }
        let mut names = std::collections::HashSet::new();
        for profile in &profiles {
            profile.validate()?;
            if !names.insert(&profile.name) {
                return Err(ProfileError::Duplicate(profile.name.clone()));
            }
        }
        Ok(Self(profiles))
    }

    /// Reads preset names with commas between them; empty ones are passed over.
    ///
    /// # Errors
    /// The first name that is no preset, or what [`Ladder::new`] refuses.
    pub fn of_presets(names: &str) -> Result<Self, ProfileError> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        Self::new(names.map(RenditionProfile::preset).collect::<Result<_, _>>()?)
    }

    /// The default for a source of this size and frame rate: the rungs below it, never upscaled.
    ///
    /// Rungs are named by the picture's short side (`720p`), so a portrait source gets portrait
    /// renditions. A frame rate above 30 is kept on the highest rung and capped at half (or 30) below.
    #[must_use]
    pub fn for_source(width: u32, height: u32, frame_rate: Option<FrameRate>) -> Self {
        const RUNGS: &[(u32, u32)] = &[
            (1080, 5_000_000),
            (720, 2_800_000),
            (480, 1_200_000),
            (360, 800_000),
            (240, 400_000),
            (144, 200_000),
        ];
        const RUNGS_USED: usize = 3;
        let short = width.min(height);
        let high_rate = frame_rate.filter(|rate| rate.millihertz() > 31_000);
        let below = RUNGS.iter().filter(|(rung, _)| *rung < short).take(RUNGS_USED);
        let profiles = below.enumerate().filter_map(|(index, &(rung, bitrate))| {
            let (width, height) = fit_short_side(width, height, rung);
            let frame_rate = high_rate.filter(|_| index > 0).and_then(halve);
            let bitrate = if high_rate.is_some() && index == 0 { bitrate * 3 / 2 } else { bitrate };
            let name = RenditionName::new(&format!("{rung}p")).ok()?;
            let h264_profile = H264Profile::EncoderDefault;
            Some(RenditionProfile { name, width, height, bitrate, frame_rate, h264_profile })
        });
        Self(profiles.collect())
    }

    /// The profiles, highest first.
    #[must_use]
    pub fn profiles(&self) -> &[RenditionProfile] {
        &self.0
    }

    /// The rungs that `is_left_out` does not name, in the same order.
    #[must_use]
    pub fn without(&self, is_left_out: impl Fn(&RenditionProfile) -> bool) -> Self {
        Self(self.0.iter().filter(|profile| !is_left_out(profile)).cloned().collect())
    }

    /// Whether there is nothing to transcode to.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The even size with this short side and (nearly) the source's shape.
fn fit_short_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    let (source_long, source_short) = (u64::from(width.max(height)), u64::from(width.min(height)));
    let exact = u64::from(short) * source_long;
    let even = (exact + source_short) / (2 * source_short).max(1) * 2;
    let long = u32::try_from(even).unwrap_or(short).clamp(16, 8192);
    if width >= height { (long, short) } else { (short, long) }
}

fn halve(rate: FrameRate) -> Option<FrameRate> {
    FrameRate::new(rate.num, rate.den.checked_mul(2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(ladder: &Ladder) -> Vec<(&str, u32, u32)> {
        ladder.profiles().iter().map(|p| (p.name.as_str(), p.width, p.height)).collect()
    }

    #[test]
    fn default_ladder_stays_below_the_source() {
        let full_hd = Ladder::for_source(1920, 1080, FrameRate::new(30, 1));
        assert_eq!(sizes(&full_hd), [("720p", 1280, 720), ("480p", 854, 480), ("360p", 640, 360)]);
        let portrait = Ladder::for_source(1080, 1920, None);
        assert_eq!(sizes(&portrait), [("720p", 720, 1280), ("480p", 480, 854), ("360p", 360, 640)]);
        assert!(Ladder::for_source(192, 108, None).is_empty());
    }

    #[test]
    fn high_frame_rate_is_kept_on_the_highest_rung_only() {
        let ladder = Ladder::for_source(1920, 1080, FrameRate::new(60_000, 1_001));
        let rates: Vec<_> = ladder.profiles().iter().map(|p| p.frame_rate).collect();
        let half = FrameRate::new(60_000, 2_002);
        assert_eq!(rates, [None, half, half]);
        assert_eq!(half.unwrap().to_string(), "29.970");
    }

    #[test]
    fn presets_are_the_networks() {
        let preset = RenditionProfile::preset("P720p30fps16x9").unwrap();
        assert_eq!((preset.width, preset.height, preset.bitrate), (1280, 720, 4_000_000));
        for name in RenditionProfile::preset_names() {
            RenditionProfile::preset(name).unwrap().validate().unwrap();
        }
        let error = RenditionProfile::preset("P1080p").unwrap_err();
        assert!(error.to_string().contains("P720p60fps16x9"), "{error}");
        assert!(error.to_string().ends_with(", P144p30fps16x9, P144p25fps16x9"), "{error}");
    }

    #[test]
    fn a_ladder_of_presets_is_written_with_commas() {
        let names = |text: &str| -> Result<Vec<_>, _> {
            let ladder = Ladder::of_presets(text)?;
            Ok(ladder.profiles().iter().map(|it| it.name.to_string()).collect())
        };
        assert_eq!(
            names(" P720p30fps16x9,P360p30fps4x3 ,"),
            Ok(vec!["P720p30fps16x9".to_owned(), "P360p30fps4x3".to_owned()])
        );
        assert_eq!(names(" ,"), Ok(Vec::new()));
        let unknown = ProfileError::UnknownPreset("P1080p".to_owned());
        assert_eq!(names("P720p30fps16x9,P720p30fps16x9,P1080p"), Err(unknown));
        assert!(matches!(names("P720p30fps16x9,P720p30fps16x9"), Err(ProfileError::Duplicate(_))));
    }

    #[test]
    fn ladder_refuses_duplicates_odd_sizes_and_reserved_names() {
        let preset = RenditionProfile::preset("P360p30fps16x9").unwrap();
        assert!(matches!(
            Ladder::new(vec![preset.clone(), preset.clone()]),
            Err(ProfileError::Duplicate(_))
        ));
        let odd = RenditionProfile { width: 641, ..preset };
        assert!(matches!(Ladder::new(vec![odd]), Err(ProfileError::Size { .. })));
        assert!(RenditionName::new("Source").is_err());
        for further in [RenditionName::of_layer(540, 2), RenditionName::of_audio(3)] {
            assert!(RenditionName::new(further.as_str()).is_err(), "{further}");
            assert_eq!(RenditionName::parse(further.as_str()), Ok(further));
        }
        assert_eq!(RenditionName::of_layer(540, 1).as_str(), "source-540p");
        assert!(RenditionName::parse("audio").is_err());
    }
}
