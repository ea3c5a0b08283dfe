//! The orchestrator's services, as one router.

mod answer;
mod grpc;
mod live_session;
mod payment;
mod receive;
mod results;
mod segment;
mod till;
mod work;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{live_session::LiveSession, till::Till};
use super::{
    PaidConfig, PaymentChain, PaymentTotals, Redeemer, ServerConfig, ServerStats, Transcoder,
    refusal::Refusal, segment_request, sessions::Sessions, stats::Counters, token::TokenIssuer,
};
use crate::{
    Quote,
    proto::{self, orchestrator_server::OrchestratorServer as GrpcServer},
};

/// Largest gRPC request read.
const MAX_GRPC_MESSAGE: usize = 64 << 10;
/// Longest time for a request that needs no transcoding, its body included.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// Unit in which memory for uploads is given out.
const UPLOAD_UNIT: u64 = 1 << 20;

/// An orchestrator. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct OrchestratorServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ServerConfig,
    transcoder: Arc<dyn Transcoder>,
    tokens: TokenIssuer,
    /// None off-chain.
    till: Option<Till>,
    sessions: Mutex<Sessions<LiveSession>>,
    /// In units of [`UPLOAD_UNIT`]; when there are none, a segment is answered with
    /// `OrchestratorBusy`.
    upload_memory: Arc<Semaphore>,
    counters: Counters,
    /// Segments being transcoded, or waiting for it.
    segments: TaskTracker,
    /// One per session, to end it when it idles.
    watchers: TaskTracker,
    stopped: CancellationToken,
}

impl OrchestratorServer {
    /// An orchestrator off-chain, without sessions, under a fresh token key.
    #[must_use]
    pub fn new(config: ServerConfig, transcoder: Arc<dyn Transcoder>) -> Self {
        Self::build(config, transcoder, None)
    }

    /// One that is paid: it quotes, and takes no segment without a payment (livepeer-wire §4).
    #[must_use]
    pub fn paid(
        config: ServerConfig,
        transcoder: Arc<dyn Transcoder>,
        paid: PaidConfig,
        chain: Arc<dyn PaymentChain>,
        redeemer: Arc<dyn Redeemer>,
    ) -> Self {
        Self::build(config, transcoder, Some(Till::new(paid, chain, redeemer)))
    }

    fn build(config: ServerConfig, transcoder: Arc<dyn Transcoder>, till: Option<Till>) -> Self {
        let memory = config.upload_memory.max(config.max_segment_bytes).div_ceil(UPLOAD_UNIT);
        let memory = usize::try_from(memory).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            tokens: TokenIssuer::random(config.token_lifetime),
            till,
            sessions: Mutex::new(Sessions::new(config.max_sessions, config.session_idle)),
            upload_memory: Arc::new(Semaphore::new(memory)),
            counters: Counters::default(),
            segments: TaskTracker::new(),
            watchers: TaskTracker::new(),
            stopped: CancellationToken::new(),
            config,
            transcoder,
        };
        Self { shared: Arc::new(shared) }
    }

    /// gRPC and HTTP for one port. The caller limits connections, header sizes and header times.
    pub fn router(&self) -> Router {
        let grpc = GrpcServer::new(grpc::Service::new(Arc::clone(&self.shared)))
            .max_decoding_message_size(MAX_GRPC_MESSAGE);
        let short = Router::new()
            .route_service("/net.Orchestrator/{method}", grpc)
            .route("/stream/{session}/{rendition}/{file}", get(results::fetch))
            .route("/payment", post(payment::receive))
            .layer(middleware::from_fn(within_deadline));
        Router::new()
            .route("/segment", post(segment::receive))
            .merge(short)
            .with_state(Arc::clone(&self.shared))
    }

    /// What has been done so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        let sessions = self.shared.sessions().len();
        self.shared.counters.snapshot(sessions)
    }

    /// What was paid and charged so far; `None` off-chain.
    pub async fn payment_totals(&self) -> Option<PaymentTotals> {
        let till = self.shared.till.as_ref()?;
        Some(till.totals().await)
    }

    /// The credit of a sender's session; `None` off-chain.
    pub async fn balance(&self, key: &tickets::SessionKey) -> Option<tickets::Wei> {
        let till = self.shared.till.as_ref()?;
        Some(till.balance(key).await)
    }

    /// Takes no new session, waits for the segments that have arrived, then ends every session. The
    /// caller bounds the wait; dropping the future leaves the rest running.
    pub async fn shutdown(&self) {
        self.shared.sessions().close();
        self.shared.segments.close();
        self.shared.segments.wait().await;
        self.shared.stopped.cancel();
        self.shared.watchers.close();
        self.shared.watchers.wait().await;
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, Sessions<LiveSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this orchestrator says of itself, with this token and these terms.
    fn info(&self, token: proto::AuthToken, quote: Option<&Quote>) -> proto::OrchestratorInfo {
        // Off-chain nothing is signed, and the key's address is zero.
        let address = self.till.as_ref().map(Till::address).unwrap_or_default();
        let mut info = proto::OrchestratorInfo {
            transcoder: self.config.service_uri.to_string(),
            address: bytes::Bytes::copy_from_slice(address.as_slice()),
            capabilities: Some(segment_request::capabilities().to_wire()),
            auth_token: Some(token),
            ..proto::OrchestratorInfo::default()
        };
        if let Some(quote) = quote {
            quote.write(&mut info);
        }
        info
    }

    /// Checks a token that came back.
    fn verify<'a>(
        &self,
        token: Option<&'a proto::AuthToken>,
    ) -> Result<&'a proto::AuthToken, Refusal> {
        let verified = self.tokens.verify(token, media::wall_clock_now());
        verified.map_err(|error| Refusal::forbidden(error.to_string()))
    }
}

async fn within_deadline(request: Request, next: Next) -> Response {
    tokio::time::timeout(REQUEST_DEADLINE, next.run(request))
        .await
        .unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}
