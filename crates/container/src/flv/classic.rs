//! The classic header (annex E.4.2 and E.4.3): a codec by number, one track.

use bytes::Bytes;
use media::VideoCodec;

use super::{
    AudioCodec, AudioTag, FRAME_TYPE_COMMAND, FRAME_TYPE_KEY, FlvCodec, FlvError, FlvMessage,
    VideoTag,
    codec::{CODEC_AVC, SOUND_FORMAT_AAC},
};

/// Frame type and codec, packet type, composition time.
const AVC_HEADER_LEN: usize = 5;
/// Sound format, packet type.
const AAC_HEADER_LEN: usize = 2;

pub(super) fn video(first: u8, body: &Bytes) -> Result<FlvMessage<VideoTag>, FlvError> {
    let (frame_type, codec) = (first >> 4, first & 0x0F);
    if frame_type == FRAME_TYPE_COMMAND {
        return Ok(FlvMessage::single(Ok(VideoTag::Command)));
    }
    if codec != CODEC_AVC {
        let codec = FlvCodec::Video(codec);
        return Ok(FlvMessage::single(Err(FlvError::UnsupportedVideo { codec })));
    }
    avc(frame_type, body).map(|tag| FlvMessage::single(Ok(tag)))
}

fn avc(frame_type: u8, body: &Bytes) -> Result<VideoTag, FlvError> {
    let Some(&[_, packet_type, high, middle, low]) = body.first_chunk::<AVC_HEADER_LEN>() else {
        let len = body.len();
        // Some encoders end a sequence with the two bytes that say so.
        return if body.get(1) == Some(&2) {
            Ok(VideoTag::EndOfSequence)
        } else {
            Err(FlvError::Truncated { media: "video", at: len, len })
        };
    };
    let (codec, payload) = (VideoCodec::H264, body.slice(AVC_HEADER_LEN..));
    match packet_type {
        0 => Ok(VideoTag::SequenceHeader { codec, record: payload }),
        1 => Ok(VideoTag::AccessUnit {
            codec,
            composition_time_ms: i32::from_be_bytes([high, middle, low, 0]) >> 8,
            payload,
            keyframe_hint: frame_type == FRAME_TYPE_KEY,
        }),
        2 => Ok(VideoTag::EndOfSequence),
        _ => Err(FlvError::PacketType { media: "AVC", packet_type, at: 1 }),
    }
}

/// Rate, size and channels of the first byte mean nothing for AAC.
pub(super) fn audio(first: u8, body: &Bytes) -> Result<FlvMessage<AudioTag>, FlvError> {
    let format = first >> 4;
    if format != SOUND_FORMAT_AAC {
        let codec = FlvCodec::Audio(format);
        return Ok(FlvMessage::single(Err(FlvError::UnsupportedAudio { codec })));
    }
    let Some(&packet_type) = body.get(1) else {
        return Err(FlvError::Truncated { media: "audio", at: 1, len: body.len() });
    };
    let (codec, payload) = (AudioCodec::Aac, body.slice(AAC_HEADER_LEN..));
    let tag = match packet_type {
        0 => AudioTag::SequenceHeader { codec, config: payload },
        1 if payload.is_empty() => AudioTag::Silence,
        1 => AudioTag::Frame { codec, payload },
        _ => return Err(FlvError::PacketType { media: "AAC", packet_type, at: 1 }),
    };
    Ok(FlvMessage::single(Ok(tag)))
}
