//! One segment through its session.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::{Instrument, debug, debug_span, warn};

use super::{Shared, answer, live_session::LiveSession, receive::Upload, till::Paid};
use crate::{
    OutputFormat,
    proto::{AuthToken, TranscodeData, TranscodedSegmentData, transcode_result},
    server::{
        EncodedRendition, TranscodeFailure, TranscodeRequest, rendition_request::RenditionRequest,
        result_store::StoredRendition, segment_request::SegmentRequest, stats::count,
    },
};

/// A segment that has arrived and has a place in its session.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    pub(super) session: Arc<LiveSession>,
    pub(super) segment: SegmentRequest,
    pub(super) token: AuthToken,
    /// None off-chain.
    pub(super) paid: Option<Paid>,
    pub(super) upload: Upload,
    pub(super) place: OwnedSemaphorePermit,
}

impl Work {
    /// Waits for the segment's turn, transcodes it and replies. Ends early when the gateway goes away
    /// or the session ends.
    pub(super) async fn run(self, mut reply: oneshot::Sender<Bytes>) {
        let session = self.token.session_id.as_str();
        let manifest = self.segment.manifest_id.as_str();
        let span = debug_span!("segment", session, manifest, seq = self.segment.sequence);
        let outcome = tokio::select! {
            biased;
            () = self.session.ended.cancelled() => Err("session ended".to_owned()),
            () = reply.closed() => {
                count(&self.shared.counters.abandoned);
                span.in_scope(|| debug!("gateway went away"));
                return;
            }
            outcome = self.transcode().instrument(span.clone()) => outcome,
        };
        let Self { shared, segment, token, paid, upload, place, .. } = self;
        drop((upload, place));
        let now = tokio::time::Instant::now().into_std();
        shared.sessions().touch(now, &token.session_id);
        let result = match outcome {
            Ok(data) => {
                count(&shared.counters.transcoded);
                transcode_result::Result::Data(data)
            }
            Err(text) => {
                count(&shared.counters.failed);
                span.in_scope(|| warn!(error = text, "segment not transcoded"));
                transcode_result::Result::Error(text)
            }
        };
        if reply.send(answer::encode(&shared, &segment, token, paid.as_ref(), result)).is_err() {
            span.in_scope(|| debug!("gateway went away before its result"));
        }
    }

    /// Transcodes, stores and charges; the error is the wire's text.
    async fn transcode(&self) -> Result<TranscodeData, String> {
        let turn = self.session.turn.acquire().await.map_err(|_| "session ended".to_owned())?;
        let renditions = self.encode().await.map_err(|failure| failure.to_string())?;
        drop(turn);
        let pixels = renditions.iter().map(|one| one.pixels).fold(0, u64::saturating_add);
        self.shared.counters.pixels.fetch_add(pixels, Ordering::Relaxed);
        let files: Vec<_> = renditions.iter().map(|rendition| rendition.data.clone()).collect();
        let segments = self.store(renditions)?;
        let mut sig = Bytes::new();
        if let Some((till, paid)) = self.shared.till.as_ref().zip(self.paid.as_ref()) {
            till.debit(paid, pixels).await;
            let signature = till.sign_results(files).await.ok_or("can't sign the result")?;
            sig = Bytes::copy_from_slice(&signature.to_bytes());
        }
        Ok(TranscodeData { segments, sig })
    }

    /// Encodes every rendition. The transcoder makes one format at a time, so a request for both takes
    /// two runs.
    async fn encode(&self) -> Result<Vec<EncodedRendition>, TranscodeFailure> {
        let requests = &self.segment.renditions;
        let mut made: Vec<Option<EncodedRendition>> = vec![None; requests.len()];
        for output in [OutputFormat::MpegTs, OutputFormat::Mp4] {
            let wanted: Vec<_> = requests.iter().filter(|one| one.format == output).collect();
            if wanted.is_empty() {
                continue;
            }
            let profiles: Vec<_> = wanted.iter().map(|one| one.encode.clone()).collect();
            let expected = profiles.len();
            let input = self.upload.body.clone();
            let request = TranscodeRequest { input, profiles, output };
            let renditions = self.shared.transcoder.transcode(request).await?;
            if renditions.is_empty() {
                return Err(TranscodeFailure::Failed("ZeroSegments".to_owned()));
            }
            if renditions.len() != expected {
                return Err(TranscodeFailure::Failed("MismatchedSegments".to_owned()));
            }
            let places = made.iter_mut().zip(requests).filter(|(_, one)| one.format == output);
            for ((place, _), rendition) in places.zip(renditions) {
                *place = Some(rendition);
            }
        }
        let complete: Option<Vec<_>> = made.into_iter().collect();
        complete.ok_or_else(|| TranscodeFailure::Failed("MismatchedSegments".to_owned()))
    }

    fn store(
        &self,
        renditions: Vec<EncodedRendition>,
    ) -> Result<Vec<TranscodedSegmentData>, String> {
        let requests = &self.segment.renditions;
        let mut segments = Vec::with_capacity(requests.len());
        let mut objects = Vec::with_capacity(requests.len());
        for (request, rendition) in requests.iter().zip(renditions) {
            let pixels = i64::try_from(rendition.pixels).unwrap_or(i64::MAX);
            let url = self.url(request);
            segments.push(TranscodedSegmentData { url, pixels, ..Default::default() });
            objects.push(StoredRendition {
                rendition: request.encode.name.clone(),
                sequence: self.segment.sequence,
                format: request.format,
                data: rendition.data,
            });
        }
        let stored = self.session.results().put(objects);
        stored.map_err(|_| "renditions are larger than a session may keep".to_owned())?;
        Ok(segments)
    }

    fn url(&self, rendition: &RenditionRequest) -> String {
        let base = &self.shared.config.service_uri;
        let (session, name) = (&self.token.session_id, &rendition.encode.name);
        let (sequence, extension) = (self.segment.sequence, rendition.format.extension());
        format!("{base}/stream/{session}/{name}/{sequence}.{extension}")
    }
}
