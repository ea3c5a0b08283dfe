//! The port through which segments are transcoded.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use media::Chain;

use super::EncodeProfile;
use crate::{MediaFault, OutputFormat};

/// One segment, and what to make of it.
#[derive(Clone, Debug)]
pub struct TranscodeRequest {
    /// The segment as the gateway sent it: MPEG-TS or MP4.
    pub input: Chain,
    /// The renditions wanted, in order; never empty.
    pub profiles: Vec<EncodeProfile>,
    /// How they should be packed.
    pub output: OutputFormat,
}

/// One rendition of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRendition {
    /// The file.
    pub data: Bytes,
    /// Encoded pixels: frames × width × height.
    pub pixels: u64,
}

/// Why a segment was not transcoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscodeFailure {
    /// The segment's or the job's own fault: gateways won't try elsewhere.
    Media(MediaFault),
    /// No capacity to run it: gateways try elsewhere.
    Unavailable,
    /// Anything else, with a text for the gateway's log: gateways try elsewhere.
    Failed(String),
}

impl fmt::Display for TranscodeFailure {
    /// The text that goes over the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Media(fault) => f.write_str(fault.as_str()),
            Self::Unavailable => f.write_str("no transcoders available"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// Transcodes segments. Audio is copied, never transcoded.
pub trait Transcoder: Send + Sync + fmt::Debug + 'static {
    /// Makes every rendition of one segment, in the order of the profiles. Dropping the future gives
    /// the work up. It has its own deadline.
    fn transcode(
        &self,
        request: TranscodeRequest,
    ) -> BoxFuture<'_, Result<Vec<EncodedRendition>, TranscodeFailure>>;
}
