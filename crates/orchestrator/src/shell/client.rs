//! The gateway's side of the wire.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint},
};

use super::{
    config::ClientConfig,
    connector::{OrchestratorConnector, Traffic},
    download,
    http_client::{self, HttpClient},
    upload,
};
use crate::{
    AttemptTiming, ClientSetupError, DiscoveryError, JobCapabilities, OrchestratorAddress,
    OrchestratorInfo, SegmentJob, SessionError, TranscodeError, TranscodeResult,
    error::clip,
    proto::{self, orchestrator_client::OrchestratorClient as GrpcClient},
};

/// The gateway's address off-chain.
const NO_ADDRESS: [u8; 20] = [0; 20];
/// Largest gRPC answer read.
const MAX_GRPC_MESSAGE: usize = 1 << 20;
/// Channels kept; opening one more drops another, which reconnects when it is needed again.
const MAX_CHANNELS: usize = 256;

/// Talks to orchestrators. Cheap to clone; connections are shared and kept.
#[derive(Clone, Debug)]
pub struct OrchestratorClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    http: HttpClient,
    grpc: OrchestratorConnector,
    channels: Mutex<HashMap<OrchestratorAddress, Channel>>,
}

impl OrchestratorClient {
    /// A client without any connection yet.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: ClientConfig) -> Result<Self, ClientSetupError> {
        let http = http_client::new(&config)?;
        let grpc = OrchestratorConnector::new(Traffic::Grpc, config.grpc_connect_timeout)?;
        let shared = Shared { config, http, grpc, channels: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens a session for a job with these needs. The session is not counted by the orchestrator
    /// until its first segment.
    ///
    /// # Errors
    /// When the orchestrator can't be reached in time, refuses, or can't do the job.
    pub async fn get_orchestrator(
        &self,
        address: &OrchestratorAddress,
        capabilities: &JobCapabilities,
    ) -> Result<OrchestratorInfo, DiscoveryError> {
        let request = proto::OrchestratorRequest {
            address: Bytes::from_static(&NO_ADDRESS),
            capabilities: Some(capabilities.to_wire()),
            ..proto::OrchestratorRequest::default()
        };
        let mut client = self.grpc(address);
        let answer = self.within(address, client.get_orchestrator(Request::new(request))).await;
        let wire = answer.map_err(discovery_error)?;
        let received = tokio::time::Instant::now().into_std();
        let wall = media::wall_clock_now();
        let info = OrchestratorInfo::from_discovery(address, wire, received, wall)?;
        if info.capabilities().allow(capabilities) {
            Ok(info)
        } else {
            Err(DiscoveryError::Incompatible)
        }
    }

    /// Has one segment transcoded: uploads it, waits for the result and fetches every rendition in
    /// parallel. Dropping the future cancels it all.
    ///
    /// # Errors
    /// See [`TranscodeError`]; its `retry` says what to do next.
    pub async fn transcode(
        &self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
    ) -> Result<TranscodeResult, TranscodeError> {
        let Shared { config, http, .. } = &*self.shared;
        let done = upload::upload(http, info, job).await?;
        let renditions = download::renditions(http, config, info, job, &done.renditions).await?;
        let downloaded = tokio::time::Instant::now().into_std();
        let timing = AttemptTiming {
            first_byte_sent: done.first_byte_sent,
            uploaded: done.uploaded,
            transcoded: done.transcoded,
            downloaded,
        };
        let wall = media::wall_clock_now();
        // An unusable update leaves the session as it was: the renditions are here.
        let info = done.info.and_then(|wire| info.adopt(wire, done.transcoded, wall).ok());
        Ok(TranscodeResult { renditions, info, timing })
    }

    /// Gives the session's place back.
    ///
    /// # Errors
    /// When the orchestrator can't be reached in time or refuses; the session then idles out there.
    pub async fn end_session(&self, info: &OrchestratorInfo) -> Result<(), SessionError> {
        let request =
            proto::EndTranscodingSessionRequest { auth_token: Some(info.token().clone()) };
        let address = info.transcoder();
        let mut client = self.grpc(address);
        let call = client.end_transcoding_session(Request::new(request));
        self.within(address, call).await.map(drop).map_err(session_error)
    }

    /// Asks for a sign of life; the answer is the orchestrator's signature over the value, which is
    /// empty off-chain.
    ///
    /// # Errors
    /// When the orchestrator can't be reached in time or refuses.
    pub async fn ping(
        &self,
        address: &OrchestratorAddress,
        value: Bytes,
    ) -> Result<Bytes, SessionError> {
        let mut client = self.grpc(address);
        let call = client.ping(Request::new(proto::PingPong { value }));
        self.within(address, call).await.map(|pong| pong.value).map_err(session_error)
    }

    /// A stub over the channel kept for this orchestrator, which connects when it is first used.
    fn grpc(&self, address: &OrchestratorAddress) -> GrpcClient<Channel> {
        let origin = address.origin();
        let mut channels = self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if !channels.contains_key(&origin) && channels.len() >= MAX_CHANNELS {
            let any = channels.keys().next().cloned();
            any.and_then(|key| channels.remove(&key));
        }
        let channel = channels.entry(origin).or_insert_with_key(|origin| self.channel(origin));
        GrpcClient::new(channel.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE)
    }

    fn channel(&self, origin: &OrchestratorAddress) -> Channel {
        let connector = &self.shared.grpc;
        let connector =
            if origin.is_plaintext() { connector.clone() } else { connector.over_tls() };
        let uri = http::Uri::builder()
            .scheme(http::uri::Scheme::HTTP)
            .authority(origin.authority())
            .path_and_query("/")
            .build()
            .unwrap_or_default();
        Endpoint::from(uri).connect_with_connector_lazy(connector)
    }

    /// One call under the deadline. After a timeout the channel is given up: its connection may be
    /// dead without the system having noticed.
    async fn within<T>(
        &self,
        address: &OrchestratorAddress,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let limit = self.shared.config.call_timeout;
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => {
                let mut channels =
                    self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner);
                channels.remove(&address.origin());
                Err(CallError::Timeout(limit))
            }
        }
    }
}

/// Why a gRPC call failed.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("{0}")]
    Status(#[from] Status),
}

/// The status with its causes: the library's own text for a refused connection is only "transport
/// error".
fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    clip(&text)
}

fn discovery_error(error: CallError) -> DiscoveryError {
    match error {
        CallError::Timeout(limit) => DiscoveryError::Timeout(limit),
        CallError::Status(status) if status.message().contains("OrchestratorCapped") => {
            DiscoveryError::Capped
        }
        // Orchestrators refuse with code Unknown; what never reached one has another.
        CallError::Status(status)
            if status.code() == Code::Unknown && std::error::Error::source(&status).is_none() =>
        {
            DiscoveryError::Refused(clip(status.message()))
        }
        CallError::Status(status) => DiscoveryError::Unreachable(describe(&status)),
    }
}

fn session_error(error: CallError) -> SessionError {
    match error {
        CallError::Timeout(limit) => SessionError::Timeout(limit),
        CallError::Status(status) => SessionError::Unreachable(describe(&status)),
    }
}
