//! Why AAC bytes can't be read or written.

use thiserror::Error;

/// Why AAC bytes can't be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AacError {
    /// The `AudioSpecificConfig` ends too early.
    #[error("AudioSpecificConfig of {len} bytes is cut short")]
    TruncatedConfig {
        /// Its length.
        len: usize,
    },
    /// The `AudioSpecificConfig` is longer than any sensible one.
    #[error("AudioSpecificConfig of {len} bytes is longer than {limit}")]
    ConfigTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// An audio object type other than AAC Main, LC, SSR and LTP, alone or under HE-AAC.
    #[error("audio object type {object_type} is not supported, only AAC and HE-AAC are")]
    ObjectType {
        /// The audio object type (ISO/IEC 14496-3 Table 1.17).
        object_type: u8,
    },
    /// A reserved sampling frequency index, or a rate that no AAC has.
    #[error("sampling frequency index {index}, rate {rate} Hz")]
    SamplingRate {
        /// `samplingFrequencyIndex`; 15 for a rate that is spelled out.
        index: u8,
        /// The rate, in Hz; 0 for a reserved index.
        rate: u32,
    },
    /// A reserved channel configuration, or more than 8 channels.
    #[error("channel configuration {configuration}, {channels} channels")]
    Channels {
        /// `channelConfiguration`; 0 for a program config element.
        configuration: u8,
        /// The number of channels; 0 for a reserved configuration.
        channels: u32,
    },
    /// ADTS has no way to say this configuration.
    #[error("ADTS can't carry {0}")]
    NotInAdts(
        /// What it is about the configuration.
        &'static str,
    ),
    /// An ADTS frame has 1 to 8191 bytes with its header.
    #[error("frame of {len} bytes does not fit ADTS")]
    FrameLength {
        /// Bytes of the frame without its header.
        len: usize,
    },
    /// There is no ADTS header where one should be.
    #[error("no ADTS syncword")]
    AdtsSync,
    /// An ADTS frame length that leaves no room for data.
    #[error("ADTS frame of {frame_len} bytes, header included")]
    AdtsFrameLength {
        /// `aac_frame_length`.
        frame_len: usize,
    },
    /// Several AAC frames under one ADTS header, which can't be told apart without decoding them.
    #[error("ADTS frame of {blocks} raw data blocks")]
    AdtsRawDataBlocks {
        /// Raw data blocks in the frame.
        blocks: u8,
    },
}
