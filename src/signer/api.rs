//! The signer's calls over HTTP.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use orchestrator::GatewayIdentity;
use serde::{Serialize, de::DeserializeOwned};
use signer::{
    AuditEntry, Refusal, SegmentRequest, audited,
    messages::{
        error::{ErrorAnswer, ORCHESTRATOR_URL},
        identity::{self, IdentityAnswer},
        live::{self, LiveRequest},
        segment,
    },
};
use tickets::{PrivateKey, UnsignedBatch};

use super::{
    audit_file::AuditFile,
    journal::{Journal, JournalError, SharedDesk, Written, lock},
    tokens::{Denied, Tokens},
};

/// Most bytes of a request: an orchestrator's info with all its prices has some 20 kB.
const BODY_MAX: usize = 256 << 10;
/// How long a request's body may take.
const BODY_LIMIT: Duration = Duration::from_secs(5);

/// What is said where a thread failed, or the key is not the desk's.
const UNSIGNED: &str = "it can't be signed";

/// All that answers requests.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) key: PrivateKey,
    pub(crate) desk: SharedDesk,
    pub(crate) journal: Journal,
    pub(crate) audit: AuditFile,
    pub(crate) tokens: Tokens,
}

/// Who is connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// An answer that isn't the one asked for.
#[derive(Debug)]
struct Failure {
    status: StatusCode,
    body: Box<ErrorAnswer>,
    orchestrator: Option<String>,
}

type Answer = Result<Response, Failure>;

/// The calls of this signer.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route(identity::PATH, post(sign_identity))
        .route(live::PATH, post(pay_live))
        .route(segment::PATH, post(pay_segment))
        .route("/discover-orchestrators", get(discover))
        .fallback(async || failure(StatusCode::NOT_FOUND, "no such call").into_response())
        .method_not_allowed_fallback(async || {
            failure(StatusCode::METHOD_NOT_ALLOWED, "another method").into_response()
        })
        .with_state(api)
}

async fn discover(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Answer {
    api.client(&headers, peer)?;
    let text = "orchestrator discovery is not configured on this signer";
    Err(failure(StatusCode::NOT_FOUND, text))
}

async fn sign_identity(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Answer {
    let client = api.client(&headers, peer)?.to_owned();
    let identity = GatewayIdentity::sign(&api.key);
    let entry = AuditEntry { client, what: "identity", outcome: "signed", ..AuditEntry::default() };
    api.answered(entry, &IdentityAnswer::new(&identity))
}

async fn pay_segment(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let client = api.client(&headers, peer)?.to_owned();
    let mut entry = AuditEntry { client, what: "segment", ..AuditEntry::default() };
    let request: SegmentRequest = api.read(body, &mut entry).await?;
    entry.stream = audited(&request.stream);
    entry.orchestrator = audited(&request.orchestrator);
    entry.session = audited(&request.session_id);
    entry.payment = audited(&request.payment_id);
    entry.sequence = Some(request.segment.sequence);
    let granted = api.grant(|desk, journal| {
        let grant = desk.pay_segment(media::wall_clock_now(), &entry.client, &request)?;
        let waits = grant.record.is_some() || grant.repeated;
        let written = waits.then(|| journal.write(grant.record.clone())).transpose();
        Ok((grant, written))
    });
    let (grant, written) = granted.map_err(|refusal| api.refused(&mut entry, &refusal, None))?;
    note(&mut entry, grant.batch());
    entry.outcome = if grant.repeated { "repeated" } else { "signed" };
    let signed = api.signed(written, &mut entry, move |key| grant.sign(key)).await?;
    let answer = signed.ok_or_else(|| api.failed(&mut entry, UNSIGNED))?;
    api.answered(entry, &answer)
}

async fn pay_live(
    State(api): State<Arc<Api>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let client = api.client(&headers, peer)?.to_owned();
    let mut entry = AuditEntry { client, what: "live", ..AuditEntry::default() };
    let request: LiveRequest = api.read(body, &mut entry).await?;
    entry.stream = audited(&request.manifest_id);
    let fresh_id = format!("{:08x}", rand::random::<u32>());
    let granted = api.grant(|desk, journal| {
        let grant = desk.pay_live(media::wall_clock_now(), &request, &fresh_id)?;
        let written = journal.write(Some(grant.record.clone())).map(Some);
        Ok((grant, written))
    });
    let (grant, written) = granted.map_err(|refused: signer::LiveRefusal| {
        entry.orchestrator = refused.orchestrator.as_deref().and_then(audited);
        api.refused(&mut entry, &refused.refusal, refused.orchestrator)
    })?;
    entry.stream = audited(grant.manifest_id());
    note(&mut entry, Some(grant.batch()));
    entry.outcome = "signed";
    let signed = api.signed(written, &mut entry, move |key| grant.sign(key)).await?;
    let answer = signed.map_err(|refusal| api.refused(&mut entry, &refusal, None))?;
    api.answered(entry, &answer)
}

impl Api {
    /// Whose token came along.
    fn client(&self, headers: &HeaderMap, Peer(peer): Peer) -> Result<&str, Failure> {
        let presented = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let minute = now_ms() / 60_000;
        self.tokens.check(presented, peer, minute).map_err(|denied| match denied {
            Denied::Unknown => {
                let entry = AuditEntry {
                    client: peer.to_string(),
                    what: "login",
                    outcome: "refused",
                    ..AuditEntry::default()
                };
                let text = "no bearer token, or an unknown one";
                self.audited(&entry, failure(StatusCode::UNAUTHORIZED, text))
            }
            Denied::TooMany => failure(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens"),
        })
    }

    /// Reads the body. Nothing of it is quoted.
    async fn read<T: DeserializeOwned>(
        &self,
        body: Body,
        entry: &mut AuditEntry,
    ) -> Result<T, Failure> {
        let bytes = tokio::time::timeout(BODY_LIMIT, axum::body::to_bytes(body, BODY_MAX)).await;
        let bytes: Bytes = match bytes {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => {
                return Err(failure(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"));
            }
            Err(_late) => return Err(failure(StatusCode::REQUEST_TIMEOUT, "the body is too slow")),
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            entry.outcome = "refused";
            entry.reason = Some("json".to_owned());
            let (line, column) = (error.line(), error.column());
            let text = format!("invalid JSON at line {line}, column {column}");
            self.audited(entry, failure(StatusCode::BAD_REQUEST, &text))
        })
    }

    /// Asks the desk, and hands its record to the journal before anybody else asks.
    fn grant<T, E>(
        &self,
        ask: impl FnOnce(&mut signer::SigningDesk, &Journal) -> Result<T, E>,
    ) -> Result<T, E> {
        ask(&mut lock(&self.desk), &self.journal)
    }

    /// Signs, once the record is on the disk.
    async fn signed<T: Send + 'static>(
        &self,
        written: Result<Option<Written>, JournalError>,
        entry: &mut AuditEntry,
        sign: impl FnOnce(&PrivateKey) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let waited = match written {
            Ok(Some(written)) => written.wait().await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        waited.map_err(|error| {
            let failed = self.failed(entry, &error.to_string());
            Failure { status: StatusCode::SERVICE_UNAVAILABLE, ..failed }
        })?;
        let key = self.key.clone();
        let signed = tokio::task::spawn_blocking(move || sign(&key)).await;
        signed.map_err(|_| self.failed(entry, UNSIGNED))
    }

    /// An answer that leaves once it is in the audit.
    fn answered(&self, entry: AuditEntry, answer: &impl Serialize) -> Answer {
        self.audit(entry)?;
        Ok(Json(answer).into_response())
    }

    fn refused(
        &self,
        entry: &mut AuditEntry,
        refusal: &Refusal,
        orchestrator: Option<String>,
    ) -> Failure {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
        entry.outcome = "refused";
        let answer = refusal.answer();
        let limit = answer.error.limit.as_deref();
        let reason =
            limit.map_or_else(|| refusal.code().to_owned(), |limit| format!("limit {limit}"));
        entry.reason = Some(reason);
        self.audited(entry, Failure { status, body: Box::new(answer), orchestrator })
    }

    /// What is nobody's fault but the signer's. It stays counted.
    fn failed(&self, entry: &mut AuditEntry, text: &str) -> Failure {
        entry.outcome = "failed";
        entry.reason = Some(text.to_owned());
        self.audited(entry, failure(StatusCode::INTERNAL_SERVER_ERROR, text))
    }

    /// A failure that is told once it is in the audit.
    fn audited(&self, entry: &AuditEntry, failure: Failure) -> Failure {
        self.audit(entry.clone()).err().unwrap_or(failure)
    }

    fn audit(&self, mut entry: AuditEntry) -> Result<(), Failure> {
        entry.time = now_ms();
        self.audit.write(&entry).map_err(|error| {
            tracing::error!(%error, "the audit can't be written: nothing is signed");
            failure(StatusCode::SERVICE_UNAVAILABLE, "the audit can't be written")
        })
    }
}

fn note(entry: &mut AuditEntry, batch: Option<&UnsignedBatch>) {
    let Some(batch) = batch else { return };
    entry.ev = Some(batch.expected_value().to_string());
    entry.tickets = Some(batch.count().get());
    entry.first_nonce = Some(batch.first_nonce());
    entry.recipient = Some(batch.params().recipient.to_checksum(None));
}

fn failure(status: StatusCode, text: &str) -> Failure {
    Failure { status, body: Box::new(ErrorAnswer::new(text)), orchestrator: None }
}

fn now_ms() -> u64 {
    let now = media::wall_clock_now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> Response {
        let retry_after = self.body.error.retry_after;
        let mut response = (self.status, Json(*self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status.as_u16() == live::STATUS_REFRESH
            && let Some(url) = self.orchestrator.and_then(|url| HeaderValue::try_from(url).ok())
        {
            headers.insert(ORCHESTRATOR_URL, url);
        }
        response
    }
}
