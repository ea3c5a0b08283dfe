//! The words every Headgate crate speaks.
//!
//! This crate owns the vocabulary of a live stream on its way from a publisher to a viewer: clocks
//! ([`Timestamp`], [`MediaDuration`]), [`Track`]s and their codec parameters, [`AccessUnit`]s,
//! [`Segment`]s and the [`PresentationSegment`] that shows one sequence number in every rendition at
//! once. It deliberately knows no container, no protocol and no socket.
//!
//! Media bytes are [`bytes::Bytes`] held in a [`Chain`]; nothing in this crate copies them.
//!
//! Start reading at [`AccessUnit`], then [`Segment`], then [`PresentationSegment`].

mod access_unit;
mod av1_parameters;
mod calendar;
mod chain;
mod clock;
mod codec_parameters;
mod hevc_parameters;
mod name;
mod opus_parameters;
mod picture_format;
mod presentation;
mod redacted;
mod rendition;
mod segment;
mod time;
mod track;

pub use access_unit::AccessUnit;
pub use av1_parameters::Av1Parameters;
pub use calendar::civil_date;
pub use chain::Chain;
pub use clock::wall_clock_now;
pub use codec_parameters::{
    AacParameters, CodecParameters, H264Parameters, SoundFormat, VideoCodec,
};
pub use hevc_parameters::{HevcParameters, HevcProfile};
pub use name::{NameError, PlaybackId, RESERVED_PLAYBACK_IDS, StreamName};
pub use opus_parameters::OpusParameters;
pub use picture_format::{Colour, PictureFormat, VideoRange};
pub use presentation::{GapReason, PresentationSegment, RenditionOutcome, RenditionSegment};
pub use redacted::Redacted;
pub use rendition::{
    FrameRate, H264Profile, Ladder, ProfileError, RenditionName, RenditionProfile,
};
pub use segment::{InitSegment, Part, ReadyMade, Sample, Segment, SequenceNumber, TrackSegment};
pub use time::{MediaDuration, Timescale, Timestamp};
pub use track::{MAX_AUDIO_TRACKS, MAX_VIDEO_TRACKS, Track, TrackId, TrackKind};
