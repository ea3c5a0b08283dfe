//! One attempt on the wire, up to renditions on the source's timeline.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media::{Ladder, RenditionName, Segment, StreamName, TrackSegment};
use orchestrator::{
    BodyContainer, OrchestratorClient, OrchestratorInfo, OutputFormat, PixelPrice, QuoteError,
    SegmentJob, TranscodeError, TranscodeResult, TranscodedRendition,
};

use tokio::sync::mpsc;

use super::{
    metrics::RouterMetrics,
    payments::{AttemptPayment, Bill, PaymentRefused, Payments},
    picture_check::{MaybePictureCheck, PictureFinding, PicturesToCompare},
};
use crate::{
    attempt::AttemptId,
    decision::{AttemptFacts, PaymentFacts},
    fault::{AttemptFault, FaultClass},
    pool::PoolName,
    rendition::{BadRendition, place_rendition},
};

/// Results above this are checked off the executor's threads, in bytes: about 1 ms of work.
const CHECK_INLINE: usize = 1 << 20;
/// Longest a comparison of pictures may keep a good result.
const COMPARISON_LIMIT: Duration = Duration::from_millis(800);

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AttemptError {
    #[error(transparent)]
    Transcode(#[from] TranscodeError),
    #[error("rendition {name}: {error}")]
    BadRendition { name: RenditionName, error: BadRendition },
    #[error("rendition {name}: {found} pixels where {claimed} are claimed")]
    Pixels { name: RenditionName, found: u64, claimed: u64 },
    #[error("{found} renditions for {asked} profiles")]
    RenditionCount { found: usize, asked: usize },
    #[error("rendition {name} is false work: {}", .finding.detail)]
    FalseWork { name: RenditionName, finding: Box<PictureFinding> },
    #[error("the segment can't be written as MPEG-TS: {0}")]
    Mux(#[from] container::ts::TsError),
    #[error(transparent)]
    Unpaid(#[from] PaymentRefused),
    #[error("{0}")]
    Terms(QuoteError),
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl AttemptError {
    /// A bounded label for metrics.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Transcode(error) => error.kind(),
            Self::BadRendition { .. } | Self::RenditionCount { .. } => "bad_result",
            Self::Pixels { .. } => "pixels",
            Self::FalseWork { .. } => "false_work",
            Self::Mux(_) => "mux",
            Self::Unpaid(refused) => refused.kind,
            Self::Terms(_) => "terms",
            Self::Internal(_) => "internal",
        }
    }

    pub(super) fn fault(&self) -> AttemptFault {
        AttemptFault::new(self.class(), self.to_string())
    }

    const fn class(&self) -> FaultClass {
        match self {
            Self::Transcode(error) => class_of(error),
            Self::BadRendition { .. } | Self::RenditionCount { .. } | Self::Pixels { .. } => {
                FaultClass::WrongWork
            }
            Self::FalseWork { .. } => FaultClass::FalseWork,
            Self::Unpaid(refused) => refused.class.fault(),
            Self::Terms(_) => FaultClass::Terms,
            Self::Mux(_) | Self::Internal(_) => FaultClass::Internal,
        }
    }
}

const fn class_of(error: &TranscodeError) -> FaultClass {
    match error {
        TranscodeError::InvalidJob(_) => FaultClass::Internal,
        TranscodeError::Media(_) => FaultClass::Media,
        TranscodeError::TokenRejected(_) => FaultClass::ExpiredSession,
        TranscodeError::Capped => FaultClass::Capacity,
        TranscodeError::Busy => FaultClass::Busy,
        TranscodeError::UploadTimeout(_) | TranscodeError::TranscodeTimeout(_) => {
            FaultClass::Timeout
        }
        TranscodeError::Connect(_) | TranscodeError::Transport(_) => FaultClass::Network,
        TranscodeError::Refused { .. }
        | TranscodeError::Failed(_)
        | TranscodeError::Download { .. } => FaultClass::Orchestrator,
        TranscodeError::BadResult(_)
        | TranscodeError::ForeignUrl(_)
        | TranscodeError::ForbiddenAddress(_) => FaultClass::WrongWork,
    }
}

/// How the renditions of an orchestrator come back: as what it is sent.
pub(super) const fn output_of(container: BodyContainer) -> OutputFormat {
    match container {
        BodyContainer::Cmaf => OutputFormat::Mp4,
        BodyContainer::MpegTs => OutputFormat::MpegTs,
    }
}

/// How an attempt is paid.
#[derive(Debug)]
pub(super) struct Paying {
    pub(super) payments: Arc<dyn Payments>,
    pub(super) stream: StreamName,
    pub(super) owner: Option<String>,
    pub(super) attempt: AttemptId,
    pub(super) pool: PoolName,
    pub(super) price_cap: Option<PixelPrice>,
    /// Told once it is paid; as many fit as there can be attempts.
    pub(super) told: mpsc::Sender<Paid>,
}

/// An attempt that is paid for.
#[derive(Debug)]
pub(super) struct Paid {
    pub(super) attempt: AttemptId,
    pub(super) facts: Option<PaymentFacts>,
}

impl Paying {
    /// Tells that it is paid, and sent now.
    fn tell(&self, paid: Option<&AttemptPayment>) {
        let facts = paid.map(|paid| paid.facts().clone());
        if self.told.try_send(Paid { attempt: self.attempt, facts }).is_err() {
            tracing::debug!("the stream is behind, or over");
        }
    }

    /// Pays for the job; `None` where it costs nothing.
    async fn pay(
        &self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
    ) -> Result<Option<AttemptPayment>, AttemptError> {
        let free = info.price().is_none_or(|price| price.wei() == 0);
        let quote = match info.quote() {
            Ok(quote) => quote,
            Err(QuoteError::NoParams | QuoteError::NoPrice) if free => return Ok(None),
            Err(error) => return Err(AttemptError::Terms(*error)),
        };
        let bill = Bill {
            stream: &self.stream,
            owner: self.owner.as_deref(),
            attempt: self.attempt,
            orchestrator: info.address(),
            pool: &self.pool,
            quote,
            price_cap: self.price_cap,
            job,
        };
        Ok(Some(self.payments.pay(bill).await?))
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
    /// How it is paid; `None`: not at all.
    pub(super) paying: Option<Paying>,
    /// The segment's first attempt.
    pub(super) first: bool,
    /// Compares pictures, when this attempt's are to be compared.
    pub(super) picture_check: MaybePictureCheck,
}

/// A successful attempt.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) renditions: Vec<TrackSegment>,
    pub(super) info: Option<OrchestratorInfo>,
    pub(super) facts: AttemptFacts,
    /// When the last byte of the last rendition came.
    pub(super) received: Instant,
}

impl Attempting {
    /// Pays, sends the segment, waits, fetches, checks.
    pub(super) async fn run(self) -> Result<Attempted, AttemptError> {
        let _in_flight = self.metrics.begin_attempt();
        let begun = now();
        let paid = self.pay().await?;
        let sent = now();
        let result = self.send(paid.as_ref()).await?;
        if self.first {
            let first_byte = result.timing.first_byte_sent;
            let delay = first_byte.saturating_duration_since(self.segment.closed);
            self.metrics.request_delay(delay);
            tracing::debug!(delay_us = delay.as_micros(), "request began");
        }
        let checking = now();
        let files: Vec<Bytes> = result.renditions.iter().map(|it| it.data.clone()).collect();
        let pixels = result.renditions.iter().map(|it| it.pixels).fold(0, u64::saturating_add);
        let size = files.iter().map(Bytes::len).sum::<usize>();
        let renditions = self.checked(result.renditions, size).await?;
        if let Some(paid) = paid {
            paid.done(pixels);
        }
        let similarity_permille = self.compare(files).await?;
        let done = now();
        self.metrics.delivered(done - begun, done - checking);
        let timing = result.timing;
        let facts = AttemptFacts {
            upload_micros: micros(sent, timing.uploaded),
            transcode_micros: micros(timing.uploaded, timing.transcoded),
            download_micros: micros(timing.transcoded, timing.downloaded),
            check_micros: micros(checking, done),
            bytes_sent: result.bytes_sent,
            bytes_received: result.bytes_received,
            pixels,
            similarity_permille,
        };
        Ok(Attempted { renditions, info: result.info, facts, received: timing.downloaded })
    }

    /// Pays where anything is paid, and tells the stream: from now on the time is the orchestrator's.
    async fn pay(&self) -> Result<Option<AttemptPayment>, AttemptError> {
        let Some(paying) = &self.paying else { return Ok(None) };
        let paid = paying.pay(&self.info, &self.job).await?;
        paying.tell(paid.as_ref());
        Ok(paid)
    }

    async fn send(&self, paid: Option<&AttemptPayment>) -> Result<TranscodeResult, TranscodeError> {
        match paid {
            Some(paid) => self.client.transcode_paid(&self.info, &self.job, paid.payment()).await,
            None => self.client.transcode(&self.info, &self.job).await,
        }
    }

    async fn checked(
        &self,
        results: Vec<TranscodedRendition>,
        size: usize,
    ) -> Result<Vec<TrackSegment>, AttemptError> {
        let (segment, ladder) = (Arc::clone(&self.segment), Arc::clone(&self.ladder));
        if size <= CHECK_INLINE {
            return check(&results, &segment, &ladder);
        }
        let check = move || check(&results, &segment, &ladder);
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|_| AttemptError::Internal("the check panicked"))?
    }

    /// Compares pictures where that is asked for; how alike the worst rendition is.
    async fn compare(&self, renditions: Vec<Bytes>) -> Result<Option<u32>, AttemptError> {
        let Some(check) = &self.picture_check else { return Ok(None) };
        // One at a time, in turn: decoding costs more than everything else the gateway does.
        let count = u64::try_from(renditions.len()).unwrap_or(1).max(1);
        let turn = usize::try_from(self.segment.sequence.0 % count).unwrap_or(0);
        let Some(rendition) = renditions.into_iter().nth(turn) else { return Ok(None) };
        let source = self.job.body.clone();
        let comparing = check.compare(PicturesToCompare { source, renditions: vec![rendition] });
        let Ok(Some(findings)) = tokio::time::timeout(COMPARISON_LIMIT, comparing).await else {
            tracing::debug!("pictures were not compared");
            return Ok(None);
        };
        let worst = findings.iter().map(|finding| finding.similarity_permille).min();
        let profiles = self.ladder.profiles().iter().skip(turn);
        let wrong = profiles.zip(findings).find(|(_, it)| it.wrong.is_some());
        match wrong {
            Some((profile, finding)) => Err(AttemptError::FalseWork {
                name: profile.name.clone(),
                finding: Box::new(finding),
            }),
            None => Ok(worst),
        }
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
    let source = segment.to_transcode().ok_or(AttemptError::Internal("no video to compare"))?;
    let pairs = results.iter().zip(ladder.profiles());
    pairs
        .map(|(result, profile)| {
            let name = || profile.name.clone();
            let placed = place_rendition(&result.data, source, profile, segment.sequence)
                .map_err(|error| AttemptError::BadRendition { name: name(), error })?;
            // What is charged for has to be there; zero is what an orchestrator says that does not charge.
            let (found, claimed) = (placed.pixels, result.pixels);
            if claimed > found {
                return Err(AttemptError::Pixels { name: name(), found, claimed });
            }
            Ok(placed.track)
        })
        .collect()
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
}

/// Monotonic time, as the runtime counts it.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
