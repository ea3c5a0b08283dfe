//! Opus into AAC, for publishers whose sound can't go into a playlist as it is.
//!
//! A worker process of its own for each publisher: packets in, frames out, for as long as it publishes. The
//! pipe has one form in both directions: 4 bytes of length and 8 of time (both big endian), then the bytes.

mod encoder;
mod timeline;
mod worker;

use bytes::Bytes;

pub(crate) use encoder::SoundEncoder;
pub use worker::run_sound_worker;

/// Sampling rate of both sides, and the unit of their times.
pub const SOUND_RATE: u32 = 48_000;
/// Samples in one AAC frame.
pub const SOUND_FRAME_SAMPLES: u32 = 1_024;
/// AudioSpecificConfig of what comes out (ISO/IEC 14496-3 §1.6.2.1): AAC-LC, 48 kHz, two channels.
pub const SOUND_CONFIG: [u8; 2] = [0x11, 0x90];
/// Most bytes of a packet or a frame: Opus has 1275 for each of 48 frames at most, and never that many.
pub(crate) const SOUND_BYTES_MAX: usize = 16 << 10;
/// What stands before the bytes.
pub(crate) const SOUND_HEADER: usize = 12;

/// A packet of Opus, or a frame of AAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundUnit {
    /// When it begins, in samples at [`SOUND_RATE`].
    pub pts: i64,
    /// The packet (RFC 6716 §3), or the raw frame.
    pub payload: Bytes,
}

/// The head of a unit. `None` when it is too large.
pub(crate) fn write_header(pts: i64, payload: &[u8]) -> Option<[u8; SOUND_HEADER]> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= SOUND_BYTES_MAX)?;
    let mut header = [0; SOUND_HEADER];
    let (front, back) = header.split_at_mut(4);
    front.copy_from_slice(&length.to_be_bytes());
    back.copy_from_slice(&pts.to_be_bytes());
    Some(header)
}

/// Length and time of a unit. `None` when it is too large.
pub(crate) fn read_header(header: [u8; SOUND_HEADER]) -> Option<(usize, i64)> {
    let length = u32::from_be_bytes(header.first_chunk().copied()?);
    let length = usize::try_from(length).ok().filter(|length| *length <= SOUND_BYTES_MAX)?;
    Some((length, i64::from_be_bytes(header.last_chunk().copied()?)))
}

#[cfg(test)]
mod tests;
