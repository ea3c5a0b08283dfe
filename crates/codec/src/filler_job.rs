//! What a worker is asked for to fill the time while there is no media, and what it gives back.

use bytes::Bytes;
use media::{Chain, VideoCodec};

use crate::{TranscodeFault, TranscodeJob};

/// One picture that stands still, to be encoded for every rendition of a stream.
///
/// A rendition's pictures begin with one that decodes by itself; the others repeat it and cost next to
/// nothing. Played again and again from the first on, they last for as long as wanted.
#[derive(Clone, Debug)]
pub struct FillerJob {
    /// What is shown.
    pub picture: FillerPicture,
    /// What it is encoded for; 1 to [`FillerJob::MAX_RENDITIONS`].
    pub renditions: Vec<FillerProfile>,
    /// Pictures of each rendition; 1 to [`FillerJob::MAX_PICTURES`].
    pub pictures: u16,
    /// Pictures per second; 1 to 120. Encoders spend bits by it.
    pub frame_rate: u8,
}

impl FillerJob {
    /// Most bytes of segments or of an image.
    pub const MAX_INPUT: usize = TranscodeJob::MAX_INPUT;
    /// Most renditions of one job: a ladder, and a publisher's layers.
    pub const MAX_RENDITIONS: usize = TranscodeJob::MAX_RENDITIONS + 4;
    /// Most pictures of one rendition.
    pub const MAX_PICTURES: u16 = 240;
    /// Most bytes of all renditions together.
    pub const MAX_OUTPUT: usize = 64 << 20;

    /// Bytes of input.
    pub(crate) fn input_len(&self) -> usize {
        match &self.picture {
            FillerPicture::LastOf(segments) => segments.len(),
            FillerPicture::Slate(image) => image.len(),
        }
    }
}

/// What is shown.
#[derive(Clone, Debug)]
pub enum FillerPicture {
    /// The picture shown last of these segments: an MP4 whose fragments follow one another and begin with
    /// a key frame. It fills each rendition.
    LastOf(Chain),
    /// A PNG or JPEG image, which keeps its shape, between black bars where a rendition has another.
    Slate(Bytes),
}

/// What one rendition's pictures have to be, so that players take them for the rendition's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillerProfile {
    /// Name for errors and logs.
    pub name: String,
    /// How they are coded. A machine without that encoder gives a fault for this rendition.
    pub codec: VideoCodec,
    /// Profile and level of H.264: `profile_idc`, constraint flags and `level_idc`; what comes out needs no
    /// more of a decoder.
    pub h264_profile_level: Option<[u8; 3]>,
    /// Width in samples; even, 16 to 8192.
    pub width: u32,
    /// Height in samples; even, 16 to 8192.
    pub height: u32,
    /// Shape of a sample; not zero.
    pub sample_aspect_ratio: (u16, u16),
    /// Most bits per second; 10 000 to 200 000 000.
    pub bitrate: u32,
}

/// What a job gives back.
#[derive(Clone, Debug)]
pub struct FillerOutput {
    /// One for each profile asked for, in that order; its own fault where it has one.
    pub renditions: Vec<Result<FillerRendition, TranscodeFault>>,
}

/// One rendition's pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillerRendition {
    /// Coded pictures in the order of decoding and showing, as many as asked for: access units with start
    /// codes (H.264, HEVC; annex B of each), or temporal units (AV1). The first has the parameter sets.
    pub pictures: Vec<Bytes>,
}
