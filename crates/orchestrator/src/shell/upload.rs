//! One segment up, one result back.

use std::time::Instant;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use prost::Message;
use tickets::B256;
use tokio::time::timeout_at;

use super::{
    body::ChainBody,
    http_client::{HttpClient, transport_error},
};
use crate::{
    OrchestratorInfo, PaymentFate, SegmentJob, SegmentPayment, TranscodeError,
    error::clip,
    keccak::Hash,
    proto::{self, transcode_result},
    segment_credentials,
};

/// Largest result read: twelve renditions with the longest URLs followed, and a session's update, take a
/// fifth of it.
const MAX_RESULT: usize = 256 << 10;
/// How much of a refusal's body is read.
const MAX_REFUSAL: usize = 4 << 10;
/// More than this is hashed off the executor's threads: some milliseconds per megabyte.
const HASH_INLINE: usize = 64 << 10;

/// A result whose renditions are still at the orchestrator.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub(super) first_byte_sent: Instant,
    pub(super) uploaded: Instant,
    pub(super) transcoded: Instant,
    /// Bytes of the segment sent.
    pub(super) bytes_sent: u64,
    /// As many as the job has profiles.
    pub(super) renditions: Vec<proto::TranscodedSegmentData>,
    pub(super) info: Option<proto::OrchestratorInfo>,
}

/// Sends the segment, with a payment or off-chain, and waits for the result (livepeer-wire §3.1,
/// §3.5).
pub(super) async fn upload(
    http: &HttpClient,
    info: &OrchestratorInfo,
    job: &SegmentJob,
    payment: Option<&SegmentPayment>,
) -> Result<Uploaded, TranscodeError> {
    let begun = tokio::time::Instant::now();
    let hash = match payment {
        Some(payment) => payment.hash.0,
        None => job.hash_in_background().await?.0,
    };
    let body = ChainBody::new(job.body.clone());
    let progress = body.progress();
    let request = request(info, job, &hash, body, payment)?;

    let headers_due = begun + job.upload_timeout.min(job.timeout);
    let response = respond(http, request, payment);
    let response = timeout_at(headers_due, response)
        .await
        .map_err(|_| TranscodeError::UploadTimeout(job.upload_timeout))??;
    let uploaded = tokio::time::Instant::now().into_std();

    let result = timeout_at(begun + job.timeout, read(response))
        .await
        .map_err(|_| TranscodeError::TranscodeTimeout(job.timeout))??;
    let transcoded = tokio::time::Instant::now().into_std();

    let proto::TranscodeResult { seq, result, info } = result;
    // Orchestrators echo the number; test doubles and older ones leave it out.
    if seq != 0 && u64::try_from(seq) != Ok(job.sequence) {
        return Err(TranscodeError::BadResult(format!("it is of segment {seq}")));
    }
    let renditions = check(result, job.profiles.len())?;
    let first_byte_sent = progress.started().unwrap_or(uploaded);
    let bytes_sent = progress.sent();
    Ok(Uploaded { first_byte_sent, uploaded, transcoded, bytes_sent, renditions, info })
}

/// Waits for the response headers, and keeps track of where the payment is.
async fn respond(
    http: &HttpClient,
    request: Request<ChainBody>,
    payment: Option<&SegmentPayment>,
) -> Result<Response<Incoming>, TranscodeError> {
    let note = |fate| payment.map_or((), |payment| payment.progress.set(fate));
    // From here on this future may be dropped at any time.
    note(PaymentFate::InDoubt);
    match http.request(request).await {
        Ok(response) => {
            note(PaymentFate::Arrived);
            Ok(response)
        }
        Err(error) => {
            let error = transport_error(error);
            if matches!(error, TranscodeError::Connect(_) | TranscodeError::ForbiddenAddress(_)) {
                note(PaymentFate::Unsent);
            }
            Err(error)
        }
    }
}

impl SegmentJob {
    /// As [`Self::hash`]; a body of which much isn't hashed yet is hashed off the executor's threads.
    ///
    /// # Errors
    /// When the process is ending.
    pub async fn hash_in_background(&self) -> Result<B256, TranscodeError> {
        let (body, hashed) = (self.body.clone(), self.hashed.clone());
        let hash = if body.len().saturating_sub(hashed.len()) <= HASH_INLINE {
            hashed.finish(&body)
        } else {
            tokio::task::spawn_blocking(move || hashed.finish(&body))
                .await
                .map_err(|_| TranscodeError::InvalidJob("its body could not be hashed"))?
        };
        Ok(B256::new(hash))
    }
}

fn request(
    info: &OrchestratorInfo,
    job: &SegmentJob,
    hash: &Hash,
    body: ChainBody,
    payment: Option<&SegmentPayment>,
) -> Result<Request<ChainBody>, TranscodeError> {
    let signature = payment.map(|payment| payment.signature.to_bytes());
    let sig = signature.map(|bytes| Bytes::copy_from_slice(&bytes)).unwrap_or_default();
    let data = segment_credentials::seg_data(job, info.token(), hash, sig)?;
    let unpaid = HeaderValue::from_static("");
    let payment = payment.map_or(unpaid, |payment| payment.header.value().clone());
    Request::builder()
        .method(Method::POST)
        .uri(info.segment_url())
        .header("Livepeer-Segment", segment_credentials::header(&data))
        .header("Livepeer-Payment", payment)
        // Whatever the body is: orchestrators look into it.
        .header(CONTENT_TYPE, HeaderValue::from_static("video/MP2T"))
        .header(CONTENT_LENGTH, job.body.len())
        .body(body)
        .map_err(|_| TranscodeError::InvalidJob("its request can't be written"))
}

/// Reads the answer's body: the result, or why there is none.
async fn read(response: Response<Incoming>) -> Result<proto::TranscodeResult, TranscodeError> {
    let status = response.status();
    if status != StatusCode::OK {
        let text = collect(response, MAX_REFUSAL).await.unwrap_or_default();
        let text = clip(&String::from_utf8_lossy(&text));
        return Err(TranscodeError::from_status(status.as_u16(), &text));
    }
    let body = collect(response, MAX_RESULT)
        .await
        .map_err(|error| TranscodeError::Transport(clip(&error.to_string())))?;
    proto::TranscodeResult::decode(body)
        .map_err(|error| TranscodeError::BadResult(clip(&error.to_string())))
}

async fn collect(
    response: Response<Incoming>,
    limit: usize,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    Ok(Limited::new(response.into_body(), limit).collect().await?.to_bytes())
}

/// One rendition per profile, each with a URL: an orchestrator that could not store them all sends a
/// shorter list, and calls it a success.
fn check(
    result: Option<transcode_result::Result>,
    profiles: usize,
) -> Result<Vec<proto::TranscodedSegmentData>, TranscodeError> {
    let bad = |text: &str| Err(TranscodeError::BadResult(text.to_owned()));
    match result {
        None => bad("neither renditions nor an error"),
        Some(transcode_result::Result::Error(text)) => Err(TranscodeError::from_result(&text)),
        Some(transcode_result::Result::Data(data)) if data.segments.len() != profiles => {
            bad(&format!("{} renditions for {profiles} profiles", data.segments.len()))
        }
        Some(transcode_result::Result::Data(data)) => {
            if data.segments.iter().any(|segment| segment.url.is_empty() || segment.pixels < 0) {
                return bad("a rendition without URL, or with a negative pixel count");
            }
            Ok(data.segments)
        }
    }
}
