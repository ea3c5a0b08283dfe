//! FLV tag bodies, as RTMP messages of type 9 (video) and 8 (audio) carry them.
//!
//! The 11-byte header that a tag has in a file is not here: RTMP has its fields in the message header.
//! Layout: Adobe Flash Video File Format Specification 10.1, annex E.4; the extended header of
//! Enhanced RTMP is recognised to name its codec in the error.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

const CODEC_AVC: u8 = 7;
const SOUND_FORMAT_AAC: u8 = 10;
const SOUND_FORMAT_EXTENDED: u8 = 9;
const FRAME_TYPE_KEY: u8 = 1;
const FRAME_TYPE_COMMAND: u8 = 5;
/// The first bit of a video body with the extended header.
const EXTENDED_HEADER: u8 = 0x80;
/// Frame type and codec, packet type, composition time.
const AVC_HEADER_LEN: usize = 5;
/// Sound format, packet type.
const AAC_HEADER_LEN: usize = 2;

/// The body of a video message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTag {
    /// An `AVCDecoderConfigurationRecord`; it holds for the access units after it.
    SequenceHeader(Bytes),
    /// One access unit.
    AccessUnit {
        /// Presentation minus decoding time, in milliseconds; signed, 24 bits.
        composition_time_ms: i32,
        /// Length-prefixed NAL units; a slice of the body.
        payload: Bytes,
        /// The sender calls it a key frame. Not to be trusted: look for an IDR picture.
        keyframe_hint: bool,
    },
    /// The end of a sequence. It says nothing about the connection.
    EndOfSequence,
    /// Nothing to decode: a command for players (frame type 5), or an empty message.
    Command,
}

/// The body of an audio message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioTag {
    /// An `AudioSpecificConfig`; it holds for the frames after it.
    SequenceHeader(Bytes),
    /// One raw AAC frame; a slice of the body.
    Frame(Bytes),
    /// A message without data: nothing sounds from its timestamp on, until the next frame.
    Silence,
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
    /// The extended header, in a form that has several tracks or modifiers before the FourCC.
    Extended {
        /// The packet type.
        packet_type: u8,
    },
}

/// Why a body can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlvError {
    /// Video that is not H.264 under the classic header.
    #[error("video codec {codec} is not supported, only H.264 (classic RTMP) is")]
    UnsupportedVideo {
        /// What it is.
        codec: FlvCodec,
    },
    /// Audio that is not AAC under the classic header.
    #[error("audio codec {codec} is not supported, only AAC (classic RTMP) is")]
    UnsupportedAudio {
        /// What it is.
        codec: FlvCodec,
    },
    /// The body ends inside its header.
    #[error("{media} body of {len} bytes ends inside its header")]
    Truncated {
        /// `video` or `audio`.
        media: &'static str,
        /// Bytes of the body.
        len: usize,
    },
    /// A packet type that AVC or AAC does not have.
    #[error("{media} packet type {packet_type}")]
    PacketType {
        /// `AVC` or `AAC`.
        media: &'static str,
        /// The type.
        packet_type: u8,
    },
}

/// Reads the body of a video message.
///
/// # Errors
///
/// [`FlvError::UnsupportedVideo`] for anything but H.264 under the classic header; `Truncated` and
/// `PacketType` for malformed bodies.
pub fn parse_video(body: &Bytes) -> Result<VideoTag, FlvError> {
    let Some(&first) = body.first() else { return Ok(VideoTag::Command) };
    if first & EXTENDED_HEADER != 0 {
        return parse_extended_video(first, body);
    }
    let (frame_type, codec) = (first >> 4, first & 0x0F);
    if frame_type == FRAME_TYPE_COMMAND {
        return Ok(VideoTag::Command);
    }
    if codec != CODEC_AVC {
        return Err(FlvError::UnsupportedVideo { codec: FlvCodec::Video(codec) });
    }
    let truncated = FlvError::Truncated { media: "video", len: body.len() };
    let Some(&[_, packet_type, high, middle, low]) = body.first_chunk::<AVC_HEADER_LEN>() else {
        // Some encoders end a sequence with the two bytes that say so.
        return if body.get(1) == Some(&2) { Ok(VideoTag::EndOfSequence) } else { Err(truncated) };
    };
    let payload = body.slice(AVC_HEADER_LEN..);
    match packet_type {
        0 => Ok(VideoTag::SequenceHeader(payload)),
        1 => Ok(VideoTag::AccessUnit {
            composition_time_ms: i32::from_be_bytes([high, middle, low, 0]) >> 8,
            payload,
            keyframe_hint: frame_type == FRAME_TYPE_KEY,
        }),
        2 => Ok(VideoTag::EndOfSequence),
        _ => Err(FlvError::PacketType { media: "AVC", packet_type }),
    }
}

/// Frame type in 3 bits, packet type in 4, then a FourCC, save for commands, several tracks and
/// modifiers.
fn parse_extended_video(first: u8, body: &[u8]) -> Result<VideoTag, FlvError> {
    const MULTITRACK: u8 = 6;
    let (frame_type, packet_type) = (first >> 4 & 0x07, first & 0x0F);
    if frame_type == FRAME_TYPE_COMMAND {
        return Ok(VideoTag::Command);
    }
    Err(match fourcc_after(first & 0x0F, MULTITRACK, body) {
        Some(codec) => FlvError::UnsupportedVideo { codec },
        None if packet_type >= MULTITRACK => {
            FlvError::UnsupportedVideo { codec: FlvCodec::Extended { packet_type } }
        }
        None => FlvError::Truncated { media: "video", len: body.len() },
    })
}

fn fourcc_after(packet_type: u8, multitrack: u8, body: &[u8]) -> Option<FlvCodec> {
    if packet_type >= multitrack {
        return None;
    }
    let &[_, fourcc @ ..] = body.first_chunk::<5>()?;
    Some(FlvCodec::FourCc(fourcc))
}

/// Reads the body of an audio message. Rate, size and channels of its first byte mean nothing for AAC.
///
/// # Errors
///
/// [`FlvError::UnsupportedAudio`] for anything but AAC under the classic header; `Truncated` and
/// `PacketType` for malformed bodies.
pub fn parse_audio(body: &Bytes) -> Result<AudioTag, FlvError> {
    const MULTITRACK: u8 = 5;
    let Some(&first) = body.first() else { return Ok(AudioTag::Silence) };
    let truncated = FlvError::Truncated { media: "audio", len: body.len() };
    match first >> 4 {
        SOUND_FORMAT_AAC => {}
        SOUND_FORMAT_EXTENDED => {
            let packet_type = first & 0x0F;
            return Err(match fourcc_after(packet_type, MULTITRACK, body) {
                Some(codec) => FlvError::UnsupportedAudio { codec },
                None if packet_type >= MULTITRACK => {
                    FlvError::UnsupportedAudio { codec: FlvCodec::Extended { packet_type } }
                }
                None => truncated,
            });
        }
        format => return Err(FlvError::UnsupportedAudio { codec: FlvCodec::Audio(format) }),
    }
    let Some(&packet_type) = body.get(1) else { return Err(truncated) };
    let data = body.slice(AAC_HEADER_LEN..);
    match packet_type {
        0 => Ok(AudioTag::SequenceHeader(data)),
        1 if data.is_empty() => Ok(AudioTag::Silence),
        1 => Ok(AudioTag::Frame(data)),
        _ => Err(FlvError::PacketType { media: "AAC", packet_type }),
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
                    12 => "HEVC",
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
                    13 => "Opus",
                    14 => "MP3 8 kHz",
                    15 => "device-specific",
                    _ => "unknown",
                };
                write!(f, "{name} (SoundFormat {format})")
            }
            Self::FourCc(fourcc) => write!(f, "{} (Enhanced RTMP)", fourcc.escape_ascii()),
            Self::Extended { packet_type } => {
                write!(f, "behind Enhanced RTMP packet type {packet_type}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(bytes)
    }

    fn composition_time(bytes: [u8; 3]) -> i32 {
        let [high, middle, low] = bytes;
        match parse_video(&body(&[0x27, 1, high, middle, low, 9])) {
            Ok(VideoTag::AccessUnit { composition_time_ms, keyframe_hint: false, .. }) => {
                composition_time_ms
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn composition_time_is_signed() {
        assert_eq!(composition_time([0, 0, 80]), 80);
        assert_eq!(composition_time([0xFF, 0xFF, 0xFF]), -1);
        assert_eq!(composition_time([0x80, 0, 0]), -8_388_608);
        assert_eq!(composition_time([0x7F, 0xFF, 0xFF]), 8_388_607);
    }

    #[test]
    fn payloads_are_slices_of_the_body() {
        let video = body(&[0x17, 1, 0, 0, 0, 1, 2, 3]);
        let Ok(VideoTag::AccessUnit { payload, keyframe_hint: true, .. }) = parse_video(&video)
        else {
            panic!("an access unit");
        };
        assert_eq!(payload.as_ptr(), video[5..].as_ptr());
        let audio = body(&[0xAF, 1, 0x21, 0x10]);
        let Ok(AudioTag::Frame(frame)) = parse_audio(&audio) else { panic!("a frame") };
        assert_eq!(frame.as_ptr(), audio[2..].as_ptr());
    }

    #[test]
    fn headers_ends_commands_and_nothing() {
        let video = |bytes: &[u8]| parse_video(&body(bytes));
        assert_eq!(
            video(&[0x17, 0, 0, 0, 0, 1, 100]),
            Ok(VideoTag::SequenceHeader(Bytes::from_static(&[1, 100])))
        );
        assert_eq!(video(&[0x17, 2, 0, 0, 0]), Ok(VideoTag::EndOfSequence));
        assert_eq!(video(&[0x17, 2]), Ok(VideoTag::EndOfSequence));
        assert_eq!(video(&[0x57, 0]), Ok(VideoTag::Command));
        assert_eq!(video(&[0xD1, 0]), Ok(VideoTag::Command));
        assert_eq!(video(&[]), Ok(VideoTag::Command));
        assert_eq!(video(&[0x17, 1, 0]), Err(FlvError::Truncated { media: "video", len: 3 }));
        assert_eq!(
            video(&[0x17, 3, 0, 0, 0]),
            Err(FlvError::PacketType { media: "AVC", packet_type: 3 })
        );
    }

    #[test]
    fn audio_without_data_is_silence() {
        let audio = |bytes: &[u8]| parse_audio(&body(bytes));
        assert_eq!(audio(&[]), Ok(AudioTag::Silence));
        assert_eq!(audio(&[0xAF, 1]), Ok(AudioTag::Silence));
        assert_eq!(audio(&[0xAF]), Err(FlvError::Truncated { media: "audio", len: 1 }));
        assert_eq!(
            audio(&[0xAF, 0, 0x11, 0x90]),
            Ok(AudioTag::SequenceHeader(Bytes::from_static(&[0x11, 0x90])))
        );
    }

    #[test]
    fn errors_name_the_codec() {
        let video = |bytes: &[u8]| parse_video(&body(bytes)).unwrap_err().to_string();
        let audio = |bytes: &[u8]| parse_audio(&body(bytes)).unwrap_err().to_string();
        assert!(video(&[0x1C, 1, 0, 0, 0]).contains("HEVC"), "HEVC as CodecID 12");
        assert!(video(&[0x12, 0]).contains("Sorenson"));
        assert!(video(b"\x90hvc1").contains("hvc1"));
        assert!(video(b"\x90\x00\xFF\"\n").contains(r#"\x00\xff\""#));
        assert!(video(b"\x96\x00hvc1").contains("packet type 6"));
        assert!(audio(b"\x2F").contains("MP3"));
        assert!(audio(b"\x90Opus").contains("Opus"));
        assert_eq!(
            parse_video(&body(b"\x90av")),
            Err(FlvError::Truncated { media: "video", len: 3 })
        );
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            crate::fuzzing::flv(&data);
        }
    }
}
