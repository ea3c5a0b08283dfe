//! Why a job failed: by its input, or by its worker.

use std::{fmt, io, time::Duration};

use serde::{Deserialize, Serialize};

/// What is wrong with a job. Prints the words the network's gateways know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum FaultCause {
    /// No frame of the video can be decoded by itself.
    #[error("No keyframes in input")]
    NoKeyframes,
    /// A track's codec is none of H.264, H.265, AV1 and AAC.
    #[error("Unsupported input codec")]
    UnsupportedCodec,
    /// A pixel format that can't be brought to 4:2:0 with 8 bits.
    #[error("Unsupported input pixel format")]
    UnsupportedPixelFormat,
    /// There is no video in the input.
    #[error("TranscoderInvalidVideo")]
    InvalidVideo,
    /// A rendition's width or height is out of range.
    #[error("TranscoderInvalidResolution")]
    InvalidResolution,
    /// A rendition's key frame distance is zero or too long.
    #[error("TranscoderInvalidGOP")]
    InvalidGop,
    /// More renditions than a job may have.
    #[error("Too many outputs")]
    TooManyOutputs,
    /// No rendition at all, a bitrate out of range, or a parameter that the libraries refuse.
    #[error("Invalid argument")]
    InvalidArgument,
    /// Neither MPEG-TS nor MP4, or broken beyond decoding.
    #[error("Invalid data found when processing input")]
    InvalidData,
    /// The libraries on this machine lack the input's decoder.
    #[error("Decoder not found")]
    DecoderNotFound,
    /// The libraries on this machine lack libx264.
    #[error("Encoder not found")]
    EncoderNotFound,
    /// The libraries on this machine lack the output's muxer.
    #[error("Muxer not found")]
    MuxerNotFound,
    /// The libraries on this machine don't know an option.
    #[error("Option not found")]
    OptionNotFound,
    /// Anything else the libraries report.
    #[error("Transcoding failed")]
    Other,
}

/// A job that can't be done, as a worker reports it: the job's own fault, the worker lives on.
///
/// Displays as its cause alone, so that it can go on the wire; [`TranscodeFault::detail`] is for logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscodeFault {
    /// What is wrong.
    pub cause: FaultCause,
    detail: String,
}

impl TranscodeFault {
    pub(crate) fn new(cause: FaultCause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into() }
    }

    /// Where it went wrong, with the libraries' own words. May be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for TranscodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for TranscodeFault {}

/// Why a job of a [`crate::WorkerPool`] gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscodeJobError {
    /// The job can't be done; doing it again gives the same.
    #[error("{0}")]
    Fault(#[from] TranscodeFault),
    /// Every worker is busy and the queue is full, or the job waited longer than a job may take.
    #[error("all {workers} transcode workers are busy and {waiting} jobs wait")]
    Busy {
        /// Workers of the pool.
        workers: usize,
        /// Jobs that wait for one.
        waiting: usize,
    },
    /// The worker process ended in the middle of the job.
    #[error("transcode worker {status} during the job")]
    WorkerDied {
        /// Its exit code or signal.
        status: String,
    },
    /// The job took too long; its worker was killed.
    #[error("transcode worker took longer than {after:?}")]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// No worker process could be started.
    #[error("can't start a transcode worker: {0}")]
    Start(#[source] io::Error),
    /// More input than a job may have.
    #[error("segment of {len} bytes exceeds the limit of {max}")]
    TooLarge {
        /// Bytes of input.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The worker answered with something else than a result.
    #[error("transcode worker broke the protocol: {0}")]
    Protocol(String),
    /// The pool is shutting down.
    #[error("transcode workers are shutting down")]
    ShuttingDown,
}

impl TranscodeJobError {
    /// A short name from a fixed set, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Fault(_) => "fault",
            Self::Busy { .. } => "busy",
            Self::WorkerDied { .. } => "worker_died",
            Self::TimedOut { .. } => "timed_out",
            Self::Start(_) => "start",
            Self::TooLarge { .. } => "too_large",
            Self::Protocol(_) => "protocol",
            Self::ShuttingDown => "shutting_down",
        }
    }
}
