//! The extended header of Enhanced RTMP v2: modifiers, tracks, and a codec by FourCC.
//!
//! Sound and pictures share everything but the numbers of their packet types and what a packet holds.

use bytes::Bytes;
use media::VideoCodec;

use super::{
    AudioTag, FRAME_TYPE_COMMAND, FRAME_TYPE_KEY, FlvCodec, FlvError, FlvMessage, TrackTag,
    VideoTag,
    codec::{audio_codec, video_codec},
};

/// Modifiers before a packet: one kind exists.
const MAX_MODIFIERS: usize = 8;
/// Tracks in a packet: their numbers have eight bits.
const MAX_TRACKS: usize = 256;
/// `TimestampOffsetNano`.
const MODIFIER_NANOSECONDS: u8 = 0;
/// A millisecond less one.
const MAX_NANOS: u32 = 999_999;

const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const SEQUENCE_END: u8 = 2;
const VIDEO_CODED_FRAMES_X: u8 = 3;
const VIDEO_METADATA: u8 = 4;
const VIDEO_MPEG2TS_SEQUENCE_START: u8 = 5;
const AUDIO_CHANNEL_ORDER: u8 = 4;
const VIDEO_MULTITRACK: u8 = 6;
const AUDIO_MULTITRACK: u8 = 5;
const MODIFIER: u8 = 7;

const ONE_TRACK: u8 = 0;
const MANY_TRACKS_MANY_CODECS: u8 = 2;

pub(super) fn video(first: u8, body: &Bytes) -> Result<FlvMessage<VideoTag>, FlvError> {
    let frame_type = first >> 4 & 0x07;
    let mut cursor = Cursor { media: "video", body, at: 1 };
    let (packet, offset_nanos) = cursor.modifiers(first)?;
    if frame_type == FRAME_TYPE_COMMAND && packet.kind != VIDEO_METADATA {
        return Ok(FlvMessage::single(Ok(VideoTag::Command)));
    }
    let keyframe_hint = frame_type == FRAME_TYPE_KEY;
    let read = |piece| video_tag(piece, keyframe_hint, body.len());
    let message = cursor.tracks(packet, VIDEO_MULTITRACK, read)?;
    Ok(message.offset_by(offset_nanos))
}

pub(super) fn audio(first: u8, body: &Bytes) -> Result<FlvMessage<AudioTag>, FlvError> {
    let mut cursor = Cursor { media: "audio", body, at: 1 };
    let (packet, offset_nanos) = cursor.modifiers(first)?;
    let message = cursor.tracks(packet, AUDIO_MULTITRACK, audio_tag)?;
    Ok(message.offset_by(offset_nanos))
}

/// A packet type, and the byte it is in.
#[derive(Clone, Copy, Debug)]
struct Packet {
    kind: u8,
    at: usize,
}

/// What a packet says of one track.
#[derive(Debug)]
struct Piece {
    packet: Packet,
    fourcc: [u8; 4],
    /// Where its payload starts.
    at: usize,
    payload: Bytes,
}

struct Cursor<'a> {
    media: &'static str,
    body: &'a Bytes,
    at: usize,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], FlvError> {
        let (media, at, len) = (self.media, self.at, self.body.len());
        let rest = self.body.get(at..).unwrap_or_default();
        let &array = rest.first_chunk::<N>().ok_or(FlvError::Truncated { media, at, len })?;
        self.at += N;
        Ok(array)
    }

    /// The next `length` bytes, as a slice.
    fn take(&mut self, length: usize) -> Result<Bytes, FlvError> {
        let (media, at, len) = (self.media, self.at, self.body.len());
        let end = at.checked_add(length).filter(|end| *end <= len);
        let end = end.ok_or(FlvError::Truncated { media, at, len })?;
        self.at = end;
        Ok(self.body.slice(at..end))
    }

    fn rest(&mut self) -> Bytes {
        let start = self.at.min(self.body.len());
        self.at = self.body.len();
        self.body.slice(start..)
    }

    /// Reads modifiers up to the packet type after them. Unknown ones are passed over by their size.
    fn modifiers(&mut self, first: u8) -> Result<(Packet, u32), FlvError> {
        let mut packet = Packet { kind: first & 0x0F, at: 0 };
        let (mut nanos, mut count) = (0, 0);
        while packet.kind == MODIFIER {
            count += 1;
            if count > MAX_MODIFIERS {
                return Err(FlvError::TooManyModifiers { limit: MAX_MODIFIERS, at: packet.at });
            }
            let [size] = self.array()?;
            let mut size = usize::from(size) + 1;
            if size == 256 {
                size = usize::from(u16::from_be_bytes(self.array()?)) + 1;
            }
            let data_at = self.at;
            let data = self.take(size)?;
            packet.at = self.at;
            let [kinds] = self.array()?;
            packet.kind = kinds & 0x0F;
            if kinds >> 4 == MODIFIER_NANOSECONDS {
                let &[high, middle, low] = data.first_chunk::<3>().ok_or(FlvError::Truncated {
                    media: self.media,
                    at: data_at,
                    len: self.body.len(),
                })?;
                nanos = u32::from_be_bytes([0, high, middle, low]);
                if nanos > MAX_NANOS {
                    return Err(FlvError::NanosecondOffset { nanos, at: data_at });
                }
            }
        }
        Ok((packet, nanos))
    }

    /// Reads the tag of the one track, or those of all.
    fn tracks<T>(
        &mut self,
        packet: Packet,
        multitrack: u8,
        read: impl Fn(Piece) -> Result<T, FlvError>,
    ) -> Result<FlvMessage<T>, FlvError> {
        let mut message = FlvMessage::empty();
        if packet.kind != multitrack {
            let fourcc = self.array()?;
            let piece = Piece { packet, fourcc, at: self.at, payload: self.rest() };
            let tag = settled(read(piece))?;
            message.push(TrackTag { track: FlvMessage::<T>::DEFAULT_TRACK, tag });
            return Ok(message);
        }
        let at = self.at;
        let [kinds] = self.array()?;
        let (kind, packet) = (kinds >> 4, Packet { kind: kinds & 0x0F, at });
        if kind > MANY_TRACKS_MANY_CODECS {
            return Err(FlvError::MultitrackType { kind, at });
        }
        if packet.kind == multitrack || packet.kind == MODIFIER {
            let (media, packet_type) = (self.media, packet.kind);
            return Err(FlvError::PacketType { media, packet_type, at });
        }
        let shared = if kind == MANY_TRACKS_MANY_CODECS { None } else { Some(self.array()?) };
        for _ in 0..MAX_TRACKS {
            let fourcc = match shared {
                Some(fourcc) => fourcc,
                None => self.array()?,
            };
            let [track] = self.array()?;
            let size = if kind == ONE_TRACK { None } else { Some(self.array::<3>()?) };
            let start = self.at;
            let payload = match size {
                Some([high, middle, low]) => {
                    let size = u32::from_be_bytes([0, high, middle, low]);
                    self.take(usize::try_from(size).unwrap_or(usize::MAX))?
                }
                None => self.rest(),
            };
            let piece = Piece { packet, fourcc, at: start, payload };
            message.push(TrackTag { track, tag: settled(read(piece))? });
            if self.at >= self.body.len() {
                return Ok(message);
            }
        }
        Err(FlvError::TooManyTracks { limit: MAX_TRACKS, at: self.at })
    }
}

/// What is not supported is the track's fault; all else is the message's.
fn settled<T>(tag: Result<T, FlvError>) -> Result<Result<T, FlvError>, FlvError> {
    match tag {
        Err(error) if !error.is_unsupported() => Err(error),
        tag => Ok(tag),
    }
}

fn video_tag(piece: Piece, keyframe_hint: bool, body_len: usize) -> Result<VideoTag, FlvError> {
    let Piece { packet, fourcc, at, payload } = piece;
    let codec = || {
        let codec = FlvCodec::FourCc(fourcc);
        video_codec(fourcc).ok_or(FlvError::UnsupportedVideo { codec })
    };
    match packet.kind {
        SEQUENCE_START => Ok(VideoTag::SequenceHeader { codec: codec()?, record: payload }),
        CODED_FRAMES | VIDEO_CODED_FRAMES_X => {
            let codec = codec()?;
            let stamped = packet.kind == CODED_FRAMES && codec != VideoCodec::Av1;
            let (composition_time_ms, payload) =
                if stamped { composition_time(&payload, at, body_len)? } else { (0, payload) };
            Ok(VideoTag::AccessUnit { codec, composition_time_ms, payload, keyframe_hint })
        }
        SEQUENCE_END => Ok(VideoTag::EndOfSequence),
        VIDEO_METADATA => Ok(VideoTag::Metadata(payload)),
        VIDEO_MPEG2TS_SEQUENCE_START => {
            codec()?;
            Err(FlvError::Mpeg2TsSequenceStart { at: packet.at })
        }
        packet_type => Err(FlvError::PacketType { media: "video", packet_type, at: packet.at }),
    }
}

/// Signed, 24 bits, before the NAL units of the codecs that have them.
fn composition_time(payload: &Bytes, at: usize, len: usize) -> Result<(i32, Bytes), FlvError> {
    let &[high, middle, low] = payload.first_chunk::<3>().ok_or(FlvError::Truncated {
        media: "video",
        at: at + payload.len(),
        len,
    })?;
    Ok((i32::from_be_bytes([high, middle, low, 0]) >> 8, payload.slice(3..)))
}

fn audio_tag(piece: Piece) -> Result<AudioTag, FlvError> {
    let Piece { packet, fourcc, payload, .. } = piece;
    let codec = || {
        let codec = FlvCodec::FourCc(fourcc);
        audio_codec(fourcc).ok_or(FlvError::UnsupportedAudio { codec })
    };
    match packet.kind {
        SEQUENCE_START => Ok(AudioTag::SequenceHeader { codec: codec()?, config: payload }),
        CODED_FRAMES => {
            let codec = codec()?;
            if payload.is_empty() {
                return Ok(AudioTag::Silence);
            }
            Ok(AudioTag::Frame { codec, payload })
        }
        SEQUENCE_END => Ok(AudioTag::Silence),
        AUDIO_CHANNEL_ORDER => Ok(AudioTag::ChannelOrder(payload)),
        packet_type => Err(FlvError::PacketType { media: "audio", packet_type, at: packet.at }),
    }
}
