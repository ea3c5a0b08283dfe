//! `PUT|POST /live/{manifest}/{seq}.{ts|mp4}`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
    routing::any,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use media::StreamName;
use tokio::{sync::Semaphore, time::timeout};
use tracing::debug;

use super::{
    PushContext,
    answer_body::AnswerBody,
    receive,
    work::{self, Known, Outcome},
};
use crate::push::{
    CONFIGURATION, LedgerBook, PushRefusal, PushRequest, SegmentError, SegmentHasher,
};

/// How often quiet streams are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);
/// When a client that met a bound may try again, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const METHODS: HeaderValue = HeaderValue::from_static("POST, PUT");

struct Service {
    context: PushContext,
    memory: Arc<Semaphore>,
    known: Arc<Known>,
}

/// Takes segments below `/live/`: merge it with other routers. To be called within a tokio runtime.
///
/// Where the client's address is wanted, the listener puts a `ConnectInfo<SocketAddr>` into each
/// request's extensions.
pub fn push_service(context: PushContext) -> Router {
    let known = Arc::new(Known::new(LedgerBook::new(context.config.ledger)));
    context.tasks.spawn(sweep(context.shutdown.clone(), Arc::clone(&known)));
    let memory = receive::memory(&context.config);
    let service = Arc::new(Service { context, memory, known });
    Router::new().route("/live/{*segment}", any(respond)).with_state(service)
}

/// Lets go of answers that nobody will ask for again.
async fn sweep(shutdown: tokio_util::sync::CancellationToken, known: Arc<Known>) {
    while timeout(SWEEP_INTERVAL, shutdown.cancelled()).await.is_err() {
        known.expire();
    }
}

async fn respond(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let head = PushRequest::read(&parts.method, &parts.uri, &parts.headers, peer);
    let (wants, sequence, outcome) = match head {
        Ok(request) => {
            let (wants, sequence) = (request.wants_renditions, request.sequence);
            // Apart from the connection: FFmpeg's HLS muxer hangs up with the last byte of a segment.
            let serving = Arc::clone(&service);
            let serve = async move { serving.outcome(request, &parts.headers, body).await };
            let served = service.context.tasks.spawn(serve).await;
            let broken = |_| Err(PushRefusal::Transient("the request broke off".to_owned()));
            (wants, sequence, served.unwrap_or_else(broken))
        }
        Err(refusal) => {
            turn_away(&parts.headers, body).await;
            (false, 0, Err(refusal))
        }
    };
    service.context.metrics.answered(outcome.as_ref().err());
    match outcome {
        Ok(answer) if wants && !answer.renditions.is_empty() => {
            let boundary = format!("{:032x}", rand::random::<u128>());
            let body = answer.multipart(sequence, &boundary);
            let limit = service.context.config.send_limit;
            let mut response = Response::new(Body::new(AnswerBody::new(body, limit)));
            let kind = HeaderValue::try_from(format!("multipart/mixed; boundary={boundary}"));
            if let Ok(kind) = kind {
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
            }
            response
        }
        Ok(_) => Response::new(Body::empty()),
        Err(refusal) => refused(&refusal),
    }
}

impl Service {
    async fn outcome(&self, request: PushRequest, headers: &HeaderMap, body: Body) -> Outcome {
        let stream = match self.admit(&request).await {
            Ok(stream) => stream,
            Err(refusal) => {
                turn_away(headers, body).await;
                return Err(refusal);
            }
        };
        let (config, metrics) = (&self.context.config, &self.context.metrics);
        let received = receive::receive(body, hasher(&request, headers), config, &self.memory);
        let received = received.await?;
        metrics.received_bytes.inc_by(u64::try_from(received.bytes.len()).unwrap_or(u64::MAX));
        if received.bytes.is_empty() {
            return Err(SegmentError::Empty.into());
        }
        if let Some(configuration) = &request.configuration
            && !configuration.ignored.is_empty()
        {
            let fields = configuration.ignored.join(" ");
            debug!(%stream, fields, "the configuration asks for what is not done");
        }
        Box::pin(work::outcome(&self.context, &self.known, stream, request, received)).await
    }

    async fn admit(&self, request: &PushRequest) -> Result<StreamName, PushRefusal> {
        if self.context.shutdown.is_cancelled() {
            return Err(PushRefusal::ShuttingDown);
        }
        let admitted = self.context.admission.admit(request);
        let late = |_| PushRefusal::Transient("admission takes too long".to_owned());
        timeout(self.context.config.admit_limit, admitted).await.map_err(late)?
    }
}

/// For a digest of what is asked for, too.
fn hasher(request: &PushRequest, headers: &HeaderMap) -> SegmentHasher {
    let mut asked = request.container.extension().as_bytes().to_vec();
    asked.push(u8::from(request.wants_renditions));
    if let Some(configuration) = headers.get(CONFIGURATION) {
        asked.extend_from_slice(configuration.as_bytes());
    }
    SegmentHasher::new(&asked)
}

/// Reads the body of a refused request, unless its client waits for leave to send it.
async fn turn_away(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(header::EXPECT) {
        receive::drain(body).await;
    }
}

fn refused(refusal: &PushRefusal) -> Response {
    debug!(status = refusal.status().as_u16(), %refusal, "push refused");
    let mut response = Response::new(Body::from(format!("{refusal}\n")));
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    if *refusal == PushRefusal::Method {
        headers.insert(header::ALLOW, METHODS);
    }
    response
}
