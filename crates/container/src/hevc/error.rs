//! Why H.265 bytes can't be read.

use thiserror::Error;

use crate::nalu::{NaluError, ParameterSetError};

/// Why H.265 bytes can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HevcError {
    /// The configuration record ends too early.
    #[error("configuration record of {len} bytes is cut short at byte {position}")]
    TruncatedConfiguration {
        /// Where something is missing.
        position: usize,
        /// Bytes of the record.
        len: usize,
    },
    /// A version of the configuration record other than 1.
    #[error("configuration record version {version} at byte 0")]
    ConfigurationVersion {
        /// The version.
        version: u8,
    },
    /// The parameter sets are not what a decoder needs.
    #[error(transparent)]
    ParameterSets(#[from] ParameterSetError),
    /// A sequence parameter set that ends too early, or says what can't be.
    #[error("sequence parameter set: {0}")]
    Sps(
        /// The syntax element at fault.
        &'static str,
    ),
    /// A picture that is empty after cropping, or larger than any level allows.
    #[error("picture of {width}x{height}")]
    PictureSize {
        /// Width, in samples.
        width: u64,
        /// Height, in samples.
        height: u64,
    },
    /// An access unit that can't be taken apart.
    #[error(transparent)]
    Nalu(#[from] NaluError),
}
