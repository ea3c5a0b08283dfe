//! One attempt on the wire, up to renditions on the source's timeline.

use std::{sync::Arc, time::Instant};

use media::{Ladder, RenditionName, Segment, TrackSegment};
use orchestrator::{
    BodyContainer, OrchestratorClient, OrchestratorInfo, OutputFormat, Retry, SegmentJob,
    TranscodeError, TranscodedRendition,
};

use super::metrics::RouterMetrics;
use crate::{
    attempt::{AttemptFault, Blame},
    rendition::{BadRendition, place_rendition},
};

/// Results above this are checked off the executor's threads, in bytes: about 1 ms of work.
const CHECK_INLINE: usize = 1 << 20;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Transcode(#[from] TranscodeError),
    #[error("rendition {name}: {error}")]
    BadRendition { name: RenditionName, error: BadRendition },
    #[error("{found} renditions for {asked} profiles")]
    RenditionCount { found: usize, asked: usize },
    #[error("the segment can't be written as MPEG-TS: {0}")]
    Mux(#[from] container::ts::TsError),
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl AttemptError {
    pub(super) const fn fault(&self) -> AttemptFault {
        let (retry, blame, kind) = match self {
            Self::Transcode(error) => {
                let blame = if matches!(error, TranscodeError::Capped) {
                    Blame::Capped
                } else if matches!(error, TranscodeError::Busy) {
                    Blame::Busy
                } else if error.is_fault() {
                    Blame::Orchestrator
                } else {
                    Blame::Nobody
                };
                (error.retry(), blame, error.kind())
            }
            Self::BadRendition { .. } | Self::RenditionCount { .. } => {
                return AttemptFault::BAD_RESULT;
            }
            Self::Mux(_) => (Retry::Never, Blame::Nobody, "mux"),
            Self::Internal(_) => (Retry::Other, Blame::Nobody, "internal"),
        };
        AttemptFault { retry, blame, kind }
    }
}

/// How the renditions of an orchestrator come back: as what it is sent.
pub(super) const fn output_of(container: BodyContainer) -> OutputFormat {
    match container {
        BodyContainer::Cmaf => OutputFormat::Mp4,
        BodyContainer::MpegTs => OutputFormat::MpegTs,
    }
}

/// An attempt about to be made.
#[derive(Debug)]
pub(super) struct Attempting {
    pub(super) client: OrchestratorClient,
    pub(super) metrics: RouterMetrics,
    pub(super) info: Arc<OrchestratorInfo>,
    pub(super) job: SegmentJob,
    pub(super) segment: Arc<Segment>,
    pub(super) ladder: Arc<Ladder>,
    /// The segment's first attempt.
    pub(super) first: bool,
}

/// A successful attempt.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) renditions: Vec<TrackSegment>,
    pub(super) info: Option<OrchestratorInfo>,
}

impl Attempting {
    /// Sends the segment, waits, fetches, checks.
    pub(super) async fn run(self) -> Result<Attempted, AttemptError> {
        let _in_flight = self.metrics.begin_attempt();
        let begun = now();
        let result = self.client.transcode(&self.info, &self.job).await?;
        if self.first {
            let sent = result.timing.first_byte_sent;
            let delay = sent.saturating_duration_since(self.segment.closed);
            self.metrics.request_delay(delay);
            tracing::debug!(delay_us = delay.as_micros(), "request began");
        }
        let checking = now();
        let size = result.renditions.iter().map(|rendition| rendition.data.len()).sum::<usize>();
        let (segment, ladder) = (Arc::clone(&self.segment), Arc::clone(&self.ladder));
        let renditions = if size > CHECK_INLINE {
            let check = move || check(&result.renditions, &segment, &ladder);
            let checked = tokio::task::spawn_blocking(check).await;
            checked.map_err(|_| AttemptError::Internal("the check panicked"))??
        } else {
            check(&result.renditions, &segment, &ladder)?
        };
        let done = now();
        self.metrics.delivered(done - begun, done - checking);
        Ok(Attempted { renditions, info: result.info })
    }
}

fn check(
    results: &[TranscodedRendition],
    segment: &Segment,
    ladder: &Ladder,
) -> Result<Vec<TrackSegment>, AttemptError> {
    let (found, asked) = (results.len(), ladder.profiles().len());
    if found != asked {
        return Err(AttemptError::RenditionCount { found, asked });
    }
    let source = segment.video.as_deref().ok_or(AttemptError::Internal("no video to compare"))?;
    let pairs = results.iter().zip(ladder.profiles());
    pairs
        .map(|(result, profile)| {
            place_rendition(&result.data, source, profile, segment.sequence)
                .map_err(|error| AttemptError::BadRendition { name: profile.name.clone(), error })
        })
        .collect()
}

/// Monotonic time, as the runtime counts it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
