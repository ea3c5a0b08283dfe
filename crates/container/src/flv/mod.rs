//! FLV tag bodies, as RTMP messages of type 9 (video) and 8 (audio) carry them.
//!
//! The 11-byte header that a tag has in a file is not here: RTMP has its fields in the message header.
//! Layout: Adobe Flash Video File Format Specification 10.1, annex E.4, for the classic header; Veovera
//! Enhanced RTMP v2 for the extended one, which names its codec by FourCC, may carry several tracks and
//! may be prefixed with modifiers.

mod classic;
mod codec;
mod error;
mod extended;
mod tag;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::{
    codec::{AudioCodec, FlvCodec},
    error::FlvError,
    tag::{AudioTag, FlvMessage, TrackTag, VideoTag},
};

/// The first bit of a video body with the extended header.
const EXTENDED_VIDEO: u8 = 0x80;
/// `SoundFormat` of an audio body with the extended header.
const EXTENDED_AUDIO: u8 = 9;
const FRAME_TYPE_KEY: u8 = 1;
const FRAME_TYPE_COMMAND: u8 = 5;

/// Reads the body of a video message.
///
/// # Errors
///
/// For a header that can't be read; it names the byte. A track in a codec that is not supported is no
/// error of the message, but of its tag.
pub fn parse_video(body: &Bytes) -> Result<FlvMessage<VideoTag>, FlvError> {
    match body.first() {
        Some(first) if first & EXTENDED_VIDEO != 0 => extended::video(*first, body),
        Some(first) => classic::video(*first, body),
        None => Ok(FlvMessage::single(Ok(VideoTag::Command))),
    }
}

/// Reads the body of an audio message.
///
/// # Errors
///
/// As [`parse_video`].
pub fn parse_audio(body: &Bytes) -> Result<FlvMessage<AudioTag>, FlvError> {
    match body.first() {
        Some(first) if first >> 4 == EXTENDED_AUDIO => extended::audio(*first, body),
        Some(first) => classic::audio(*first, body),
        None => Ok(FlvMessage::single(Ok(AudioTag::Silence))),
    }
}
