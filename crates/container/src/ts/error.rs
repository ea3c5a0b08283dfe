//! Why a transport stream cannot be read or written.

use thiserror::Error;

use crate::{aac::AacError, avc::AvcError};

/// Why a transport stream cannot be read or written.
///
/// A `position` is the offset in the file of the transport packet at fault, or of the first packet
/// of the PES packet at fault.
#[derive(Debug, Error)]
pub enum TsError {
    /// The file is longer than the reader takes.
    #[error("file of {len} bytes is longer than {limit}")]
    TooLarge {
        /// Bytes in the file.
        len: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// From here to the end there is no run of transport packets.
    #[error("no transport packets from byte {position} on")]
    SyncLost {
        /// Where the sync byte was missing.
        position: usize,
    },
    /// The last packet is not whole: the file was cut.
    #[error("transport packet at byte {position} is cut short by the end of the file")]
    TruncatedPacket {
        /// Where the packet starts.
        position: usize,
    },
    /// An adaptation field is longer than its packet.
    #[error("adaptation field of PID {pid:#06x} at byte {position} is longer than its packet")]
    AdaptationField {
        /// Where the packet starts.
        position: usize,
        /// Its PID.
        pid: u16,
    },
    /// A packet is marked as damaged by whoever received it first.
    #[error("transport_error_indicator of PID {pid:#06x} at byte {position}")]
    TransportError {
        /// Where the packet starts.
        position: usize,
        /// Its PID.
        pid: u16,
    },
    /// A packet of the program is encrypted.
    #[error("scrambled packet of PID {pid:#06x} at byte {position}")]
    Scrambled {
        /// Where the packet starts.
        position: usize,
        /// Its PID.
        pid: u16,
    },
    /// Packets of the program are missing, or out of order.
    #[error(
        "continuity counter of PID {pid:#06x} at byte {position} is {found} instead of {expected}"
    )]
    Continuity {
        /// Where the packet starts.
        position: usize,
        /// Its PID.
        pid: u16,
        /// The counter after that of the packet before.
        expected: u8,
        /// The counter that came.
        found: u8,
    },
    /// Media bytes come before any PES packet starts.
    #[error("PID {pid:#06x} at byte {position} continues a PES packet that never started")]
    MissingUnitStart {
        /// Where the packet starts.
        position: usize,
        /// Its PID.
        pid: u16,
    },
    /// A PAT or PMT section is malformed.
    #[error("section at byte {position}: {reason}")]
    Section {
        /// Where the packet starts that completes the section.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A PAT or PMT section fails its CRC.
    #[error("section that ends in the packet at byte {position} fails its CRC")]
    SectionChecksum {
        /// Where the packet starts that completes the section.
        position: usize,
    },
    /// The program changes its streams in the middle of the file.
    #[error("the program changes its streams at byte {position}")]
    ProgramChanged {
        /// Where the packet starts that completes the new table.
        position: usize,
    },
    /// There is no PAT, or no PMT for its program.
    #[error("no program map")]
    NoProgram,
    /// The program has neither H.264 nor ADTS AAC.
    #[error("the program has no H.264 and no AAC stream")]
    NoMedia,
    /// The program has video, but not H.264.
    #[error("video of stream type {stream_type:#04x} is not H.264")]
    UnsupportedVideo {
        /// `stream_type` of ISO/IEC 13818-1 Table 2-34.
        stream_type: u8,
    },
    /// A PES header is malformed.
    #[error("PES packet at byte {position}: {reason}")]
    Pes {
        /// Where its first packet starts.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A PES packet is shorter than it says.
    #[error("PES packet at byte {position} has {found} bytes instead of {expected}")]
    TruncatedPes {
        /// Where its first packet starts.
        position: usize,
        /// `PES_packet_length`.
        expected: usize,
        /// Bytes after that field.
        found: usize,
    },
    /// A picture, or the first frame of an audio stream, has no timestamp.
    #[error("no timestamp for the PES packet at byte {position}")]
    MissingTimestamp {
        /// Where its first packet starts.
        position: usize,
    },
    /// Decoding times go back within a stream.
    #[error("decoding time goes back from {from} to {to} at byte {position}")]
    DecodingTimeWentBack {
        /// Where the later PES packet's first packet starts.
        position: usize,
        /// The earlier access unit's time, in ticks of the track's timescale.
        from: i64,
        /// The later one's.
        to: i64,
    },
    /// The file has more access units, or more NAL units, than the reader takes.
    #[error("more than {limit} units in a stream, at byte {position}")]
    TooManyUnits {
        /// Where the PES packet's first packet starts.
        position: usize,
        /// Units the reader takes.
        limit: usize,
    },
    /// There are pictures but no usable parameter sets.
    #[error("the video has no SPS or no PPS")]
    NoParameterSets,
    /// Parameter sets that cannot be parsed.
    #[error("parameter sets: {0}")]
    ParameterSets(#[source] AvcError),
    /// Parameter sets, or the audio's coding, change in the middle of the file.
    #[error("codec parameters change at byte {position}")]
    ParametersChanged {
        /// Where the PES packet's first packet starts.
        position: usize,
    },
    /// Malformed AAC.
    #[error("audio in the PES packet at byte {position}: {source}")]
    Audio {
        /// Where the PES packet's first packet starts.
        position: usize,
        /// What is wrong with it.
        source: AacError,
    },
    /// The last AAC frame is not whole.
    #[error("audio frame in the PES packet at byte {position} is cut short by the end of the file")]
    TruncatedAudioFrame {
        /// Where the PES packet's first packet starts.
        position: usize,
    },

    /// Neither track to be written has a sample.
    #[error("a segment without samples")]
    NothingToWrite,
    /// A track to be written is neither H.264 nor H.265 as video, or not AAC as audio.
    #[error("the {0} track is not coded as a transport stream needs it")]
    WrongCodec(&'static str),
    /// A video sample to be written is not NAL units with 4-byte lengths.
    #[error("video sample {sample} of the segment is not made of whole NAL units")]
    MalformedSample {
        /// Its number in the segment, from 0.
        sample: usize,
    },
    /// An audio sample to be written does not fit ADTS.
    #[error("audio sample {sample} of the segment: {source}")]
    AudioSample {
        /// Its number in the segment, from 0.
        sample: usize,
        /// What is wrong with it.
        source: AacError,
    },
    /// A decoding time to be written is beyond 64 bits.
    #[error("decoding time is out of range")]
    TimeOutOfRange,
}
