//! Why an MP4 file can't be read.

use thiserror::Error;

use crate::{aac::AacError, avc::AvcError};

/// Why an MP4 file can't be read.
#[derive(Debug, Error)]
pub enum Mp4Error {
    /// There is neither H.264 nor AAC in the file.
    #[error("the file has no H.264 and no AAC track")]
    NoMedia,
    /// The video's parameters make no sense.
    #[error("H.264: {0}")]
    Video(#[from] AvcError),
    /// The audio's parameters make no sense.
    #[error("AAC: {0}")]
    Audio(#[from] AacError),
}
