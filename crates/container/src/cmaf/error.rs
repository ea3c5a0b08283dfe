//! Why tracks can't be written as CMAF, or as one MP4 file.

use thiserror::Error;

/// Why tracks can't be written as CMAF, or as one MP4 file.
#[derive(Debug, Error)]
pub enum CmafError {
    /// A fragment holds at least one sample.
    #[error("fragment without samples")]
    NoSamples,
    /// A fragment, or a sample in it, is larger than its 32-bit sizes can say.
    #[error("fragment of {len} bytes in {samples} samples is too large")]
    TooLarge {
        /// Bytes of all samples.
        len: usize,
        /// Samples in the fragment.
        samples: usize,
    },
    /// A picture is larger than a sample entry can say.
    #[error("picture of {width}x{height} is too large")]
    PictureSize {
        /// Width, in samples.
        width: u32,
        /// Height, in samples.
        height: u32,
    },
    /// A box could not be written.
    #[error("box: {0}")]
    Box(#[from] mp4_atom::Error),
}
