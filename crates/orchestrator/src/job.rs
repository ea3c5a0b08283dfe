//! One segment to be transcoded.

use std::time::Duration;

use media::{Chain, RenditionProfile, VideoCodec};

use crate::{BodyHash, JobCapabilities};

/// How the uploaded segment is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyContainer {
    /// MPEG-TS, which every orchestrator reads.
    MpegTs,
    /// Fragmented MP4: init segment, then fragments.
    Cmaf,
}

/// How the renditions should come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// MPEG-TS.
    MpegTs,
    /// MP4.
    Mp4,
}

impl OutputFormat {
    /// Extension of the rendition's URL.
    #[cfg(feature = "server")]
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::MpegTs => "ts",
            Self::Mp4 => "mp4",
        }
    }
}

/// One segment to be transcoded, and how long it may take.
#[derive(Clone, Debug)]
pub struct SegmentJob {
    /// The stream, as the orchestrator's logs show it; at most 256 bytes.
    pub manifest_id: String,
    /// The segment's number in the stream.
    pub sequence: u64,
    /// How long it plays; at most [`SegmentJob::MAX_DURATION`].
    pub duration: Duration,
    /// How the segment's pictures are coded.
    pub source: VideoCodec,
    /// The renditions wanted, 1 to [`media::Ladder::MAX_RENDITIONS`].
    pub profiles: Vec<RenditionProfile>,
    /// How they should come back.
    pub output: OutputFormat,
    /// The segment's bytes; never copied on the way to a plaintext socket.
    pub body: Chain,
    /// What of `body` is hashed already; the default where nothing is.
    pub hashed: BodyHash,
    /// How `body` is packed.
    pub container: BodyContainer,
    /// The input's size or format differs from the session's segment before.
    pub force_session_reinit: bool,
    /// Longest wait for the response headers, which say that the upload is complete.
    pub upload_timeout: Duration,
    /// Longest wait for the transcoded result, counted from the start of the request; fetching the
    /// renditions comes on top, see [`crate::ClientConfig::download_timeout`].
    pub timeout: Duration,
}

impl SegmentJob {
    /// Longest segment the network takes.
    pub const MAX_DURATION: Duration = Duration::from_secs(300);

    /// The reference gateway's [`SegmentJob::upload_timeout`]: half the duration, at least 2 s.
    #[must_use]
    pub fn default_upload_timeout(duration: Duration) -> Duration {
        (duration / 2).max(Duration::from_secs(2))
    }

    /// The reference gateway's [`SegmentJob::timeout`]: four times the duration, at least 8 s.
    #[must_use]
    pub fn default_timeout(duration: Duration) -> Duration {
        duration.saturating_mul(4).max(Duration::from_secs(8))
    }

    /// Largest rendition of a profile that is plausible, in bytes: eight times the video its bit rate
    /// allows, all of the segment over again (the audio is copied), and a mebibyte.
    pub(crate) fn max_rendition_bytes(&self, profile: &RenditionProfile) -> u64 {
        let source = u64::try_from(self.body.len()).unwrap_or(u64::MAX);
        // Eight times the bytes of a bit rate are as many as its bits.
        let seconds = self.duration.as_secs().saturating_add(1);
        let video = u64::from(profile.bitrate).saturating_mul(seconds);
        video.saturating_add(source).saturating_add(1 << 20)
    }

    /// What an orchestrator must be able to do for it.
    #[must_use]
    pub fn capabilities(&self) -> JobCapabilities {
        JobCapabilities::new(self.source, &self.profiles, self.output)
    }
}
