//! What a decoder must know before the first access unit.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Av1Parameters, FrameRate, HevcParameters, OpusParameters, PictureFormat, TrackKind};

/// Codec and its out-of-band parameters. Cheap to clone; equal when a decoder would see no change.
#[derive(Clone, Debug, PartialEq)]
pub enum CodecParameters {
    /// H.264/AVC (ISO/IEC 14496-10).
    H264(Arc<H264Parameters>),
    /// H.265/HEVC (ISO/IEC 23008-2).
    Hevc(Arc<HevcParameters>),
    /// AV1 (AOMedia, "AV1 Bitstream & Decoding Process").
    Av1(Arc<Av1Parameters>),
    /// AAC-LC, HE-AAC or HE-AACv2 (ISO/IEC 14496-3).
    Aac(Arc<AacParameters>),
    /// Opus (RFC 6716).
    Opus(Arc<OpusParameters>),
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
            Self::Hevc(hevc) => hevc.profile.rfc6381(),
            Self::Av1(av1) => av1.rfc6381(),
            Self::Aac(aac) => format!("mp4a.40.{}", aac.object_type),
            Self::Opus(_) => "opus".to_owned(),
        }
    }

    /// What the track carries.
    #[must_use]
    pub const fn kind(&self) -> TrackKind {
        match self {
            Self::H264(_) | Self::Hevc(_) | Self::Av1(_) => TrackKind::Video,
            Self::Aac(_) | Self::Opus(_) => TrackKind::Audio,
        }
    }

    /// The video codec and the pictures of a video track; `None` for sound.
    #[must_use]
    pub fn picture(&self) -> Option<(VideoCodec, PictureFormat)> {
        match self {
            Self::H264(h264) => Some((VideoCodec::H264, h264.picture())),
            Self::Hevc(hevc) => Some((VideoCodec::Hevc, hevc.picture)),
            Self::Av1(av1) => Some((VideoCodec::Av1, av1.picture)),
            Self::Aac(_) | Self::Opus(_) => None,
        }
    }

    /// Rate, channels and frames of an audio track; `None` for pictures.
    #[must_use]
    pub fn sound(&self) -> Option<SoundFormat> {
        match self {
            Self::H264(_) | Self::Hevc(_) | Self::Av1(_) => None,
            Self::Aac(aac) => Some(SoundFormat {
                sampling_rate: aac.sampling_rate,
                channels: aac.channels,
                frame_samples: aac.frame_samples,
            }),
            Self::Opus(opus) => Some(SoundFormat {
                sampling_rate: OpusParameters::SAMPLING_RATE,
                channels: opus.channels,
                frame_samples: opus.packet_samples,
            }),
        }
    }
}

/// How pictures are coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// H.264/AVC.
    #[default]
    H264,
    /// H.265/HEVC.
    Hevc,
    /// AV1.
    Av1,
}

impl VideoCodec {
    /// A short name for people and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
        }
    }
}

/// Rate, channels and frames of an audio track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundFormat {
    /// Ticks per second of its timestamps, in Hz.
    pub sampling_rate: u32,
    /// Output channels, 1 to 8.
    pub channels: u8,
    /// Samples in a frame, in ticks.
    pub frame_samples: u32,
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
    /// Size, shape and rate of the pictures. Colours are left to the decoder.
    #[must_use]
    pub const fn picture(&self) -> PictureFormat {
        PictureFormat {
            width: self.width,
            height: self.height,
            sample_aspect_ratio: self.sample_aspect_ratio,
            frame_rate: self.frame_rate,
            colour: None,
        }
    }

    /// Width and height as shown: cropped, and stretched by the sample aspect ratio.
    #[must_use]
    pub fn display_size(&self) -> (u32, u32) {
        self.picture().display_size()
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
