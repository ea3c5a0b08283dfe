//! Renditions a gateway asks for.

use std::{collections::HashSet, time::Duration};

use media::{FrameRate, H264Profile, Ladder};

use super::refusal::Refusal;
use crate::{
    OutputFormat,
    proto::{
        VideoProfile,
        video_profile::{Format, Profile, VideoCodec},
    },
};

/// Longest rendition name; it becomes a part of URLs.
const MAX_NAME: usize = 64;
/// Highest frame rate encoded.
const MAX_MILLIHERTZ: u64 = 240_000;
/// Longest GOP asked for, in milliseconds: the longest segment.
const MAX_GOP: u64 = 300_000;

/// Key frames of a rendition, beside the one every segment starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GopLength {
    /// The encoder's choice.
    Default,
    /// Every picture is a key frame.
    IntraOnly,
    /// One at least this often.
    Every(Duration),
}

/// How to encode one rendition. All fields are within the limits they state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeProfile {
    /// Its name in URLs and logs: 1 to 64 of `[A-Za-z0-9._-]`, not starting with a dot.
    pub name: String,
    /// Width of the box the picture is fitted into, in pixels; even, 16 to 8192.
    pub width: u32,
    /// Height of that box, in pixels; even, 16 to 8192.
    pub height: u32,
    /// Target bitrate, 10 000 to 200 000 000 bit/s.
    pub bitrate: u32,
    /// Output frame rate, at most 240 per second; `None` keeps the source's.
    pub frame_rate: Option<FrameRate>,
    /// Encoder profile.
    pub h264_profile: H264Profile,
    /// Key frames.
    pub gop: GopLength,
}

/// One rendition asked for: how it is packed, how it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RenditionRequest {
    pub(super) format: OutputFormat,
    pub(super) encode: EncodeProfile,
}

/// Reads the profiles of a request (livepeer-wire §3.3). An unusable one refuses them all.
pub(super) fn read(profiles: &[VideoProfile]) -> Result<Vec<RenditionRequest>, Refusal> {
    if profiles.is_empty() {
        return Err(Refusal::forbidden("no profiles"));
    }
    if profiles.len() > Ladder::MAX_RENDITIONS {
        let text = format!("{} profiles, at most {}", profiles.len(), Ladder::MAX_RENDITIONS);
        return Err(Refusal::forbidden(text));
    }
    let mut names = HashSet::new();
    profiles
        .iter()
        .map(|profile| {
            let rendition = read_one(profile)?;
            if names.insert(&profile.name) {
                Ok(rendition)
            } else {
                Err(Refusal::forbidden(format!("profile {} appears twice", profile.name)))
            }
        })
        .collect()
}

fn read_one(profile: &VideoProfile) -> Result<RenditionRequest, Refusal> {
    if !is_name(&profile.name) {
        let text = "a profile's name must be 1 to 64 of A-Z a-z 0-9 _ . -, not starting with a dot";
        return Err(Refusal::forbidden(text));
    }
    let format = match Format::try_from(profile.format) {
        Ok(Format::Mpegts) => OutputFormat::MpegTs,
        Ok(Format::Mp4) => OutputFormat::Mp4,
        Err(_) => return Err(Refusal::forbidden("unrecognized profile output format")),
    };
    let h264_profile = match Profile::try_from(profile.profile) {
        Ok(Profile::EncoderDefault) => H264Profile::EncoderDefault,
        Ok(Profile::H264Baseline) => H264Profile::Baseline,
        Ok(Profile::H264Main) => H264Profile::Main,
        Ok(Profile::H264High) => H264Profile::High,
        Ok(Profile::H264ConstrainedHigh) => H264Profile::ConstrainedHigh,
        Err(_) => return Err(Refusal::forbidden("unrecognized encoder profile")),
    };
    match VideoCodec::try_from(profile.encoder) {
        Ok(VideoCodec::H264) => {}
        Ok(VideoCodec::H265 | VideoCodec::Vp8 | VideoCodec::Vp9) => {
            return Err(Refusal::forbidden("incompatible capabilities"));
        }
        Err(_) => return Err(Refusal::forbidden("unrecognized video codec")),
    }
    let encode = read_encode_profile(profile, h264_profile).ok_or_else(|| {
        let VideoProfile { name, width, height, bitrate, fps, fps_den, gop, .. } = profile;
        Refusal::forbidden(format!(
            "profile {name} is out of range: {width}x{height}, {bitrate} bit/s, {fps}/{fps_den} fps, \
             gop {gop} ms"
        ))
    })?;
    Ok(RenditionRequest { format, encode })
}

/// The numbers of a profile; `None` when one is out of range.
fn read_encode_profile(profile: &VideoProfile, h264_profile: H264Profile) -> Option<EncodeProfile> {
    let side = |value: i32| {
        let value = u32::try_from(value).ok()?;
        ((16..=8192).contains(&value) && value.is_multiple_of(2)).then_some(value)
    };
    let bitrate = u32::try_from(profile.bitrate).ok()?;
    if !(10_000..=200_000_000).contains(&bitrate) {
        return None;
    }
    let frame_rate = FrameRate::new(profile.fps, profile.fps_den.max(1));
    if frame_rate.is_some_and(|rate| !(1..=MAX_MILLIHERTZ).contains(&rate.millihertz())) {
        return None;
    }
    let gop = match profile.gop {
        0 => GopLength::Default,
        -1 => GopLength::IntraOnly,
        millis => {
            let millis = u64::try_from(millis).ok().filter(|millis| *millis <= MAX_GOP)?;
            GopLength::Every(Duration::from_millis(millis))
        }
    };
    let (width, height) = (side(profile.width)?, side(profile.height)?);
    let name = profile.name.clone();
    Some(EncodeProfile { name, width, height, bitrate, frame_rate, h264_profile, gop })
}

fn is_name(text: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
    (1..=MAX_NAME).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> VideoProfile {
        VideoProfile {
            name: "P720p30fps16x9".into(),
            width: 1280,
            height: 720,
            bitrate: 4_000_000,
            fps: 30,
            ..VideoProfile::default()
        }
    }

    fn refused(profile: VideoProfile) -> String {
        read(&[profile]).unwrap_err().text.into_owned()
    }

    #[test]
    fn profiles_are_read_with_the_networks_defaults() {
        let [plain] = &read(&[profile()]).unwrap()[..] else { panic!("one") };
        assert_eq!(plain.format, OutputFormat::MpegTs);
        assert_eq!(plain.encode.frame_rate, FrameRate::new(30, 1));
        assert_eq!(plain.encode.gop, GopLength::Default);
        let full = VideoProfile {
            fps: 0,
            fps_den: 1001,
            gop: -1,
            format: 1,
            profile: 4,
            name: "x".into(),
            ..profile()
        };
        let both = read(&[full, VideoProfile { gop: 500, ..profile() }]).unwrap();
        assert_eq!(
            both[0].encode.frame_rate, None,
            "0 keeps the source's, whatever the denominator"
        );
        assert_eq!(both[0].encode.gop, GopLength::IntraOnly);
        assert_eq!(both[0].format, OutputFormat::Mp4);
        assert_eq!(both[0].encode.h264_profile, H264Profile::ConstrainedHigh);
        assert_eq!(both[1].encode.gop, GopLength::Every(Duration::from_millis(500)));
    }

    #[test]
    fn unknown_enums_are_named_as_the_network_does() {
        let text = refused(VideoProfile { format: 2, ..profile() });
        assert_eq!(text, "unrecognized profile output format");
        let text = refused(VideoProfile { profile: 9, ..profile() });
        assert_eq!(text, "unrecognized encoder profile");
        let text = refused(VideoProfile { encoder: 7, ..profile() });
        assert_eq!(text, "unrecognized video codec");
        let text = refused(VideoProfile { encoder: 1, ..profile() });
        assert_eq!(text, "incompatible capabilities");
    }

    #[test]
    fn names_that_would_leave_their_directory_are_refused() {
        for name in ["", ".", "..", ".a", "a/b", "a b", "a%2fb", "ü", &"x".repeat(65)] {
            assert!(read(&[VideoProfile { name: name.into(), ..profile() }]).is_err(), "{name:?}");
        }
        assert!(read(&[profile(), profile()]).unwrap_err().text.contains("appears twice"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for wrong in [
            VideoProfile { width: 0, ..profile() },
            VideoProfile { width: -2, ..profile() },
            VideoProfile { height: 721, ..profile() },
            VideoProfile { height: 10_000, ..profile() },
            VideoProfile { bitrate: 0, ..profile() },
            VideoProfile { bitrate: i32::MAX, ..profile() },
            VideoProfile { fps: 1_000, ..profile() },
            VideoProfile { fps: 1, fps_den: u32::MAX, ..profile() },
            VideoProfile { gop: -2, ..profile() },
            VideoProfile { gop: i32::MAX, ..profile() },
        ] {
            assert!(refused(wrong).contains("out of range"));
        }
        assert_eq!(read(&[]).unwrap_err().text, "no profiles");
        let many: Vec<_> =
            (0..13).map(|n| VideoProfile { name: format!("p{n}"), ..profile() }).collect();
        assert!(read(&many).unwrap_err().text.contains("at most 12"));
    }
}
