//! FLV, MPEG-TS, CMAF and MP4 readers and writers, and codec parameter sets; bytes in, bytes out.
//!
//! This crate owns every format the gateway speaks below its protocols. It deliberately knows no
//! socket, no clock and no policy: what to do about a malformed unit is its caller's business.
//!
//! - On the way in: [`flv`] opens the message bodies of RTMP, classic and enhanced; [`avc`], [`hevc`],
//!   [`av1`], [`aac`] and [`opus`] read what they carry.
//! - On the way out: [`cmaf`] writes init segments and fragments around samples that stay where they
//!   are; [`ts`] writes transport streams for those who want them.
//! - What comes back from elsewhere: [`ts::read`] and [`mp4::read`] take whole files and answer
//!   [`Demuxed`].
//!
//! Readers take bytes of unknown origin: they never panic, allocate in proportion to their input,
//! and answer one error enum per format. Payloads are slices of the input, not copies. Writers refuse
//! what their format can't hold instead of truncating it.
//!
//! Start reading at [`cmaf::fragment()`] and [`avc::normalize()`], the media path.

pub mod aac;
mod aspect_ratio;
pub mod av1;
pub mod avc;
mod bits;
pub mod cmaf;
pub mod demuxed;
pub mod flv;
pub mod fuzzing;
pub mod hevc;
pub mod mp4;
pub mod nalu;
pub mod opus;
pub mod ts;

pub use demuxed::{Demuxed, DemuxedSample, DemuxedTrack};
