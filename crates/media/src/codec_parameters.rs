//! What a decoder must know before the first access unit.

use std::sync::Arc;

use bytes::Bytes;

use crate::FrameRate;

/// Codec and its out-of-band parameters. Cheap to clone; equal when a decoder would see no change.
#[derive(Clone, Debug, PartialEq)]
pub enum CodecParameters {
    /// H.264/AVC (ISO/IEC 14496-10).
    H264(Arc<H264Parameters>),
    /// AAC-LC, HE-AAC or HE-AACv2 (ISO/IEC 14496-3).
    Aac(Arc<AacParameters>),
}

impl CodecParameters {
    /// The RFC 6381 `codecs` value, such as `avc1.64001f` or `mp4a.40.2`.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        match self {
            Self::H264(h264) => {
                let [profile, constraints, level] = h264.profile_level;
                format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
            }
            Self::Aac(aac) => format!("mp4a.40.{}", aac.object_type),
        }
    }
}

/// H.264 parameter sets and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct H264Parameters {
    /// Sequence parameter sets, each one whole NAL unit without start code.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, each one whole NAL unit without start code.
    pub pps: Vec<Bytes>,
    /// `profile_idc`, constraint flags and `level_idc` of the first SPS.
    pub profile_level: [u8; 3],
    /// Coded width after cropping, in samples.
    pub width: u32,
    /// Coded height after cropping, in samples.
    pub height: u32,
    /// Sample aspect ratio, `(1, 1)` where the SPS is silent.
    pub sample_aspect_ratio: (u16, u16),
    /// Frame rate of the VUI timing, where present and fixed; a hint, never a clock.
    pub frame_rate: Option<FrameRate>,
    /// Whether pictures may be reordered (B-frames), as far as the SPS tells.
    pub may_reorder: bool,
}

impl H264Parameters {
    /// Width and height as shown: cropped, and stretched by the sample aspect ratio.
    #[must_use]
    pub fn display_size(&self) -> (u32, u32) {
        let (num, den) = self.sample_aspect_ratio;
        if num == 0 || den == 0 || num == den {
            return (self.width, self.height);
        }
        let width = (u64::from(self.width) * u64::from(num) + u64::from(den) / 2) / u64::from(den);
        (u32::try_from(width).unwrap_or(self.width), self.height)
    }
}

/// An `AudioSpecificConfig` and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AacParameters {
    /// The `AudioSpecificConfig` as the publisher sent it.
    pub audio_specific_config: Bytes,
    /// Audio object type to announce: 2 LC, 5 HE-AAC (SBR), 29 HE-AACv2 (PS).
    pub object_type: u8,
    /// Sampling rate of the core coder, in Hz: the track's timescale. Half the output rate with SBR.
    pub sampling_rate: u32,
    /// Output channels, 1 to 8.
    pub channels: u8,
    /// Samples of the core coder per frame: 1024, or 960.
    pub frame_samples: u32,
}
