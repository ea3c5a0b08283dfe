//! Codecs as FLV names them.

use std::fmt;

use media::VideoCodec;

pub(super) const CODEC_AVC: u8 = 7;
pub(super) const SOUND_FORMAT_AAC: u8 = 10;

/// How sound is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// Opus.
    Opus,
}

/// A codec as FLV names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlvCodec {
    /// `CodecID` of the classic video header.
    Video(u8),
    /// `SoundFormat` of the classic audio header.
    Audio(u8),
    /// The FourCC of the extended header.
    FourCc([u8; 4]),
}

/// The video codec of a FourCC, where it is supported.
pub(super) const fn video_codec(fourcc: [u8; 4]) -> Option<VideoCodec> {
    match &fourcc {
        b"avc1" => Some(VideoCodec::H264),
        b"hvc1" => Some(VideoCodec::Hevc),
        b"av01" => Some(VideoCodec::Av1),
        _ => None,
    }
}

/// The audio codec of a FourCC, where it is supported.
pub(super) const fn audio_codec(fourcc: [u8; 4]) -> Option<AudioCodec> {
    match &fourcc {
        b"mp4a" => Some(AudioCodec::Aac),
        b"Opus" => Some(AudioCodec::Opus),
        _ => None,
    }
}

impl fmt::Display for FlvCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Video(id) => {
                let name = match id {
                    1 => "JPEG",
                    2 => "Sorenson H.263",
                    3 => "Screen video",
                    4 => "VP6",
                    5 => "VP6 with alpha",
                    6 => "Screen video 2",
                    CODEC_AVC => "H.264",
                    8 => "H.263",
                    9 => "MPEG-4 part 2",
                    12 => "HEVC, not by Enhanced RTMP",
                    _ => "unknown",
                };
                write!(f, "{name} (CodecID {id})")
            }
            Self::Audio(format) => {
                let name = match format {
                    0 | 3 => "PCM",
                    1 => "ADPCM",
                    2 => "MP3",
                    4..=6 => "Nellymoser",
                    7 => "G.711 A-law",
                    8 => "G.711 mu-law",
                    SOUND_FORMAT_AAC => "AAC",
                    11 => "Speex",
                    13 => "Opus, not by Enhanced RTMP",
                    14 => "MP3 8 kHz",
                    15 => "device-specific",
                    _ => "unknown",
                };
                write!(f, "{name} (SoundFormat {format})")
            }
            Self::FourCc(fourcc) => write!(f, "{} (Enhanced RTMP)", fourcc.escape_ascii()),
        }
    }
}
