//! Why AV1 bytes can't be read.

use thiserror::Error;

/// Why AV1 bytes can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Av1Error {
    /// The configuration record ends too early.
    #[error("configuration record of {len} bytes is cut short")]
    TruncatedConfiguration {
        /// Bytes of the record.
        len: usize,
    },
    /// A first byte of the configuration record other than marker and version 1.
    #[error("configuration record begins with {marker:#04x} instead of 0x81")]
    ConfigurationVersion {
        /// The byte.
        marker: u8,
    },
    /// An OBU reaches past the end, or its size is no number.
    #[error("OBU at byte {position} of {len} is cut short")]
    TruncatedObu {
        /// Where its header is.
        position: usize,
        /// Bytes there are.
        len: usize,
    },
    /// A header with its first bit set: these are no OBUs.
    #[error("no OBU at byte {position}: forbidden bit set")]
    ForbiddenBit {
        /// Where the header should be.
        position: usize,
    },
    /// More OBUs than any temporal unit has.
    #[error("more than {limit} OBUs in one temporal unit")]
    TooManyObus {
        /// The limit.
        limit: usize,
    },
    /// A sequence header that ends too early, or says what can't be.
    #[error("sequence header: {0}")]
    SequenceHeader(
        /// The syntax element at fault.
        &'static str,
    ),
}
