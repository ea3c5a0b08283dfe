//! What a message says.

use bytes::Bytes;
use media::VideoCodec;

use super::{AudioCodec, FlvError};

/// What one track of a video message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoTag {
    /// The codec's configuration record (`avcC`, `hvcC`, `av1C`); it holds for the access units after it.
    SequenceHeader {
        /// How the pictures are coded.
        codec: VideoCodec,
        /// The record; a slice of the body.
        record: Bytes,
    },
    /// One access unit.
    AccessUnit {
        /// How it is coded.
        codec: VideoCodec,
        /// Presentation minus decoding time, in milliseconds; signed, 24 bits.
        composition_time_ms: i32,
        /// Length-prefixed NAL units, or OBUs; a slice of the body.
        payload: Bytes,
        /// The sender calls it a key frame. Not to be trusted: look for a random access point.
        keyframe_hint: bool,
    },
    /// The end of a sequence. It says nothing about the connection.
    EndOfSequence,
    /// AMF values about the pictures, such as `colorInfo`; a slice of the body.
    Metadata(Bytes),
    /// Nothing to decode: a command for players (frame type 5), or an empty message.
    Command,
}

/// What one track of an audio message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioTag {
    /// The codec's configuration: an `AudioSpecificConfig`, or an Opus identification header, which may
    /// be left empty. It holds for the frames after it.
    SequenceHeader {
        /// How the sound is coded.
        codec: AudioCodec,
        /// The configuration; a slice of the body.
        config: Bytes,
    },
    /// One raw AAC frame or one Opus packet; a slice of the body.
    Frame {
        /// How it is coded.
        codec: AudioCodec,
        /// Its bytes.
        payload: Bytes,
    },
    /// Nothing sounds from its timestamp on, until the next frame.
    Silence,
    /// How the channels are ordered; a slice of the body.
    ChannelOrder(Bytes),
}

/// A message: one tag, or one for each of several tracks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlvMessage<T> {
    /// Added to the presentation time of this message alone, in nanoseconds: 0 to 999 999.
    pub offset_nanos: u32,
    first: Option<TrackTag<T>>,
    /// Empty, and so without an allocation, where there is one track.
    more: Vec<TrackTag<T>>,
}

/// What a message says of one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackTag<T> {
    /// The track's number; [`FlvMessage::DEFAULT_TRACK`] is what players take where they don't choose.
    pub track: u8,
    /// What is said; an error for a codec or a packet that is not supported.
    pub tag: Result<T, FlvError>,
}

impl<T> FlvMessage<T> {
    /// The number of the track that all see who know of no others.
    pub const DEFAULT_TRACK: u8 = 0;

    pub(super) const fn single(tag: Result<T, FlvError>) -> Self {
        let first = TrackTag { track: Self::DEFAULT_TRACK, tag };
        Self { offset_nanos: 0, first: Some(first), more: Vec::new() }
    }

    pub(super) const fn empty() -> Self {
        Self { offset_nanos: 0, first: None, more: Vec::new() }
    }

    pub(super) fn offset_by(self, offset_nanos: u32) -> Self {
        Self { offset_nanos, ..self }
    }

    pub(super) fn push(&mut self, tag: TrackTag<T>) {
        if self.first.is_none() {
            self.first = Some(tag);
        } else {
            self.more.push(tag);
        }
    }

    /// Every track's tag, in the order of the body.
    pub fn tags(&self) -> impl Iterator<Item = &TrackTag<T>> + '_ {
        self.first.iter().chain(&self.more)
    }
}

impl<T> IntoIterator for FlvMessage<T> {
    type Item = TrackTag<T>;
    type IntoIter =
        std::iter::Chain<std::option::IntoIter<TrackTag<T>>, std::vec::IntoIter<TrackTag<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}
