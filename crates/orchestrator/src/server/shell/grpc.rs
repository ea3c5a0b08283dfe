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
        _: Request<OrchestratorRequest>,
    ) -> Result<Response<OrchestratorInfo>, Status> {
        let shared = &self.shared;
        if !shared.sessions().has_room() {
            count(&shared.counters.capped);
            return Err(Status::unknown("OrchestratorCapped"));
        }
        let token = shared.tokens.issue(session_id(), media::wall_clock_now());
        Ok(Response::new(shared.info(token)))
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

    /// The answer would be a signature; off-chain there is none.
    async fn ping(&self, _: Request<PingPong>) -> Result<Response<PingPong>, Status> {
        Ok(Response::new(PingPong { value: Bytes::new() }))
    }
}
