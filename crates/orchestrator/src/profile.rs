//! Renditions as the wire names them.

use media::{H264Profile, RenditionProfile};

use crate::{
    job::OutputFormat,
    proto::{
        SegData, VideoProfile,
        video_profile::{Format, Profile},
    },
};

/// Writes one profile. `None` when a number does not fit the wire's type.
fn to_wire(profile: &RenditionProfile, output: OutputFormat) -> Option<VideoProfile> {
    let format = match output {
        OutputFormat::MpegTs => Format::Mpegts,
        OutputFormat::Mp4 => Format::Mp4,
    };
    let encoder_profile = match profile.h264_profile {
        H264Profile::EncoderDefault => Profile::EncoderDefault,
        H264Profile::Baseline => Profile::H264Baseline,
        H264Profile::Main => Profile::H264Main,
        H264Profile::High => Profile::H264High,
        H264Profile::ConstrainedHigh => Profile::H264ConstrainedHigh,
    };
    // Whole rates leave the denominator at 0, which means 1: older orchestrators know no other.
    let (fps, fps_den) = match profile.frame_rate {
        None => (0, 0),
        Some(rate) if rate.den() == 1 => (rate.num(), 0),
        Some(rate) => (rate.num(), rate.den()),
    };
    Some(VideoProfile {
        name: profile.name.as_str().to_owned(),
        width: i32::try_from(profile.width).ok()?,
        height: i32::try_from(profile.height).ok()?,
        bitrate: i32::try_from(profile.bitrate).ok()?,
        fps,
        format: format.into(),
        fps_den,
        profile: encoder_profile.into(),
        ..VideoProfile::default()
    })
}

/// Puts the profiles into the oldest field that can express them (livepeer-wire §3.3). `None` when a
/// number does not fit the wire's type.
pub(crate) fn fill(
    data: &mut SegData,
    profiles: &[RenditionProfile],
    output: OutputFormat,
) -> Option<()> {
    let wire: Vec<_> = profiles.iter().map(|p| to_wire(p, output)).collect::<Option<_>>()?;
    let needs_newest = wire.iter().any(|p| p.fps_den != 0 || p.profile != 0 || p.gop != 0);
    if needs_newest {
        data.full_profiles3 = wire;
    } else if output == OutputFormat::Mp4 {
        data.full_profiles2 = wire;
    } else {
        data.full_profiles = wire;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use media::FrameRate;

    use super::*;

    fn preset() -> RenditionProfile {
        RenditionProfile::preset("P240p30fps16x9").unwrap()
    }

    fn fields(profiles: &[RenditionProfile], output: OutputFormat) -> [usize; 3] {
        let mut data = SegData::default();
        fill(&mut data, profiles, output).unwrap();
        [data.full_profiles.len(), data.full_profiles2.len(), data.full_profiles3.len()]
    }

    #[test]
    fn oldest_field_that_can_say_it_is_used() {
        let main = RenditionProfile { h264_profile: H264Profile::Main, ..preset() };
        let ntsc = RenditionProfile { frame_rate: FrameRate::new(30_000, 1_001), ..preset() };
        assert_eq!(fields(&[preset()], OutputFormat::MpegTs), [1, 0, 0]);
        assert_eq!(fields(&[preset()], OutputFormat::Mp4), [0, 1, 0]);
        assert_eq!(fields(&[preset(), main], OutputFormat::Mp4), [0, 0, 2]);
        assert_eq!(fields(&[ntsc, preset()], OutputFormat::MpegTs), [0, 0, 2]);
    }

    #[test]
    fn source_frame_rate_is_zero_on_the_wire() {
        let kept = RenditionProfile { frame_rate: None, ..preset() };
        let wire = to_wire(&kept, OutputFormat::MpegTs).unwrap();
        assert_eq!((wire.fps, wire.fps_den), (0, 0));
    }

    #[test]
    fn numbers_beyond_the_wire_are_refused() {
        let huge = RenditionProfile { bitrate: u32::MAX, ..preset() };
        assert_eq!(to_wire(&huge, OutputFormat::MpegTs), None);
    }
}
