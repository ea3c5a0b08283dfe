//! The gRPC service.

use std::sync::Arc;

use bytes::Bytes;
use tonic::{Request, Response, Status};

use super::Shared;
use crate::{
    proto::{
        EndTranscodingSessionRequest, EndTranscodingSessionResponse, OrchestratorInfo,
        OrchestratorRequest, PingPong, orchestrator_server::Orchestrator,
    },
    server::stats::count,
};

#[derive(Clone, Debug)]
pub(super) struct Service {
    shared: Arc<Shared>,
}

impl Service {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// An id nobody can guess: it is the only key to a session's renditions.
fn session_id() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}

/// Refusals have code Unknown: gateways match on the text (livepeer-wire §2.6).
#[tonic::async_trait]
impl Orchestrator for Service {
    async fn get_orchestrator(
        &self,
        request: Request<OrchestratorRequest>,
    ) -> Result<Response<OrchestratorInfo>, Status> {
        let shared = &self.shared;
        let sender = match &shared.till {
            Some(till) => Some(till.identify(request.get_ref()).ok_or_else(|| {
                count(&shared.counters.refused);
                Status::unknown("orchestrator req sig check failed")
            })?),
            None => None,
        };
        let open = match &shared.till {
            Some(till) => till.is_open().await,
            None => true,
        };
        if !open || !shared.sessions().has_room() {
            count(&shared.counters.capped);
            return Err(Status::unknown("OrchestratorCapped"));
        }
        let token = shared.tokens.issue(session_id(), media::wall_clock_now());
        let quote = match shared.till.as_ref().zip(sender) {
            Some((till, sender)) => {
                let quote = till.quote(sender, &token.session_id).await;
                Some(quote.map_err(|refusal| Status::unknown(refusal.to_string()))?)
            }
            None => None,
        };
        Ok(Response::new(shared.info(token, quote.as_ref())))
    }

    async fn end_transcoding_session(
        &self,
        request: Request<EndTranscodingSessionRequest>,
    ) -> Result<Response<EndTranscodingSessionResponse>, Status> {
        let token = request.into_inner().auth_token;
        let token = self
            .shared
            .tokens
            .verify(token.as_ref(), media::wall_clock_now())
            .map_err(|error| Status::unknown(error.to_string()))?;
        self.shared.end(&token.session_id, "ended by the gateway");
        Ok(Response::new(EndTranscodingSessionResponse {}))
    }

    /// The answer is a signature; off-chain there is none.
    async fn ping(&self, request: Request<PingPong>) -> Result<Response<PingPong>, Status> {
        let value = match &self.shared.till {
            Some(till) => {
                let signature = till.pong(&request.get_ref().value);
                let signature =
                    signature.ok_or_else(|| Status::unknown("the value is too long"))?;
                Bytes::copy_from_slice(&signature.to_bytes())
            }
            None => Bytes::new(),
        };
        Ok(Response::new(PingPong { value }))
    }
}
