//! CMAF: the header of a track, and fragments around samples that stay where they are
//! (ISO/IEC 23000-19, ISO/IEC 14496-12, HLS rules SEG-1 to SEG-5).
//!
//! One track per file. Times are the track's; composition offsets are signed and there is no edit
//! list, since players that read fragments one by one ignore edit lists.

mod error;
mod fragment;
mod init;
mod sample_entry;

pub use error::CmafError;
pub use fragment::fragment;
pub use init::init_segment;
pub(crate) use {
    fragment::{TrackRun, fragment_of},
    init::{DescribedTrack, header},
};

#[cfg(test)]
mod tests;
