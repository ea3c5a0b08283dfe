//! What comes back from an orchestrator.

use std::time::Instant;

use bytes::Bytes;

use crate::OrchestratorInfo;

/// The renditions of one segment, in the order of the job's profiles.
#[derive(Clone, Debug)]
pub struct TranscodeResult {
    /// One per profile.
    pub renditions: Vec<TranscodedRendition>,
    /// The session to use from now on, where the orchestrator sent one: adopt it.
    pub info: Option<OrchestratorInfo>,
    /// Where the time went.
    pub timing: AttemptTiming,
    /// Bytes of the segment sent, headers left out.
    pub bytes_sent: u64,
    /// Bytes of all renditions received, headers left out.
    pub bytes_received: u64,
}

/// One rendition of one segment, as the orchestrator made it: not yet looked into.
#[derive(Clone, Debug)]
pub struct TranscodedRendition {
    /// The file, MPEG-TS or MP4 as the job asked.
    pub data: Bytes,
    /// Encoded pixels the orchestrator claims: frames × width × height.
    pub pixels: u64,
}

/// Instants of one attempt, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptTiming {
    /// The connection took the first byte of the body.
    pub first_byte_sent: Instant,
    /// Response headers: the orchestrator has the whole segment.
    pub uploaded: Instant,
    /// The result arrived: everything is transcoded.
    pub transcoded: Instant,
    /// The last rendition arrived.
    pub downloaded: Instant,
}
