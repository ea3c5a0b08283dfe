//! The child's work: one picture in, a stretch of every rendition that shows nothing else out.

mod encoder;
mod picture;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use media::VideoCodec;

use self::picture::Still;
use crate::{
    FillerJob, FillerProfile, FillerRendition,
    error::{FaultCause, TranscodeFault},
    library::fault,
};

/// A job as the child sees it.
pub(crate) struct Request<'a> {
    pub(crate) input: Bytes,
    /// The input is an image, not segments.
    pub(crate) slate: bool,
    pub(crate) profiles: &'a [FillerProfile],
    pub(crate) pictures: u16,
    pub(crate) frame_rate: u8,
    /// Set when nobody waits for the result any more.
    pub(crate) abandoned: &'a AtomicBool,
}

impl Request<'_> {
    /// An error when nobody waits for the result any more.
    fn check_abandoned(&self) -> Result<(), TranscodeFault> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(fault(FaultCause::Other, "abandoned"));
        }
        Ok(())
    }
}

/// Encodes the picture for every profile. An error is the picture's; a rendition's own stands in its
/// place.
pub(crate) fn fill(
    request: &Request<'_>,
) -> Result<Vec<Result<FillerRendition, TranscodeFault>>, TranscodeFault> {
    check(request)?;
    let still = if request.slate {
        Still::of_image(&request.input)?
    } else {
        Still::last_of(&request.input, || request.check_abandoned())?
    };
    let mut renditions = Vec::with_capacity(request.profiles.len());
    for profile in request.profiles {
        request.check_abandoned()?;
        let rendition = check_profile(profile).and_then(|()| {
            let deep = still.is_deep() && profile.codec != VideoCodec::H264;
            let mut picture = still.in_size(profile, deep)?;
            encoder::encode(request, profile, &mut picture)
        });
        renditions.push(rendition);
    }
    Ok(renditions)
}

fn check(request: &Request<'_>) -> Result<(), TranscodeFault> {
    let invalid = |what| Err(fault(FaultCause::InvalidArgument, what));
    match request.profiles.len() {
        0 => return invalid("no rendition asked for"),
        1..=FillerJob::MAX_RENDITIONS => {}
        _ => {
            return Err(fault(
                FaultCause::TooManyOutputs,
                "more renditions than a filler may have",
            ));
        }
    }
    if !(1..=FillerJob::MAX_PICTURES).contains(&request.pictures) {
        return invalid("another number of pictures than a filler may have");
    }
    if !(1..=120).contains(&request.frame_rate) {
        return invalid("frame rate out of range");
    }
    Ok(())
}

fn check_profile(profile: &FillerProfile) -> Result<(), TranscodeFault> {
    let FillerProfile { name, width, height, sample_aspect_ratio, bitrate, .. } = profile;
    let usable = |side: &u32| (16..=8192).contains(side) && side.is_multiple_of(2);
    if !usable(width) || !usable(height) {
        let detail = format!("{name}: {width}x{height}");
        return Err(fault(FaultCause::InvalidResolution, detail));
    }
    if sample_aspect_ratio.0 == 0 || sample_aspect_ratio.1 == 0 {
        return Err(fault(FaultCause::InvalidArgument, format!("{name}: shape of samples")));
    }
    if !(10_000..=200_000_000).contains(bitrate) {
        return Err(fault(FaultCause::InvalidArgument, format!("{name}: {bitrate} bit/s")));
    }
    Ok(())
}
