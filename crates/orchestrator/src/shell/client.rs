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
    connector::{Met, OrchestratorConnector, Traffic},
    download,
    http_client::{self, HttpClient, MAX_HEADER_LIST},
    upload,
};
use crate::{
    AttemptTiming, ClientSetupError, DiscoveryError, GatewayIdentity, JobCapabilities,
    NetworkPolicy, OrchestratorAddress, OrchestratorInfo, SegmentJob, SegmentPayment, SessionError,
    TranscodeError, TranscodeResult,
    error::{clip, forbidden, with_causes},
    proto::{self, orchestrator_client::OrchestratorClient as GrpcClient},
};

/// The gateway's address off-chain.
const NO_ADDRESS: [u8; 20] = [0; 20];
/// Largest gRPC answer read. Decoding multiplies it: a repeated field of empty messages grows some
/// fiftyfold.
const MAX_GRPC_MESSAGE: usize = 256 << 10;
/// Channels kept; opening one more drops another, which reconnects when it is needed again.
const MAX_CHANNELS: usize = 256;

/// Talks to orchestrators. Cheap to clone; connections are shared and kept.
///
/// It connects to addresses the operator configured; [`OrchestratorClient::with_policy`] gives the
/// client for those that came from elsewhere. A session remembers where it may lead.
#[derive(Clone, Debug)]
pub struct OrchestratorClient {
    shared: Arc<Shared>,
    policy: NetworkPolicy,
    identity: Option<GatewayIdentity>,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    public_only: Transport,
    anywhere: Transport,
    lines: Mutex<HashMap<LineKey, Line>>,
}

/// What opens connections under one policy. Connections are never shared between policies: one that
/// stands already is not checked again.
#[derive(Debug)]
struct Transport {
    http: HttpClient,
    grpc: OrchestratorConnector,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LineKey {
    origin: OrchestratorAddress,
    public_only: bool,
}

/// The gRPC channel kept for an orchestrator, which connects when it is first used.
#[derive(Clone, Debug)]
struct Line {
    channel: Channel,
    met: Met,
}

impl Transport {
    fn new(config: &ClientConfig, policy: NetworkPolicy) -> Result<Self, ClientSetupError> {
        let limit = config.grpc_connect_timeout;
        let grpc = OrchestratorConnector::new(Traffic::Grpc, policy, limit)?;
        Ok(Self { http: http_client::new(config, policy)?, grpc })
    }

    fn line(&self, origin: &OrchestratorAddress) -> Line {
        let (connector, met) = self.grpc.for_one(!origin.is_plaintext());
        let uri = http::Uri::builder()
            .scheme(http::uri::Scheme::HTTP)
            .authority(origin.authority())
            .path_and_query("/")
            .build()
            .unwrap_or_default();
        let channel = Endpoint::from(uri)
            .http2_max_header_list_size(MAX_HEADER_LIST)
            .connect_with_connector_lazy(connector);
        Line { channel, met }
    }
}

impl Shared {
    const fn transport(&self, policy: NetworkPolicy) -> &Transport {
        if policy.is_public_only() { &self.public_only } else { &self.anywhere }
    }
}

impl LineKey {
    fn new(address: &OrchestratorAddress, policy: NetworkPolicy) -> Self {
        Self { origin: address.origin(), public_only: policy.is_public_only() }
    }
}

impl Line {
    fn grpc(&self) -> GrpcClient<Channel> {
        GrpcClient::new(self.channel.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE)
    }
}

impl OrchestratorClient {
    /// A client without any connection yet, under [`NetworkPolicy::AsConfigured`].
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: ClientConfig) -> Result<Self, ClientSetupError> {
        let shared = Shared {
            public_only: Transport::new(&config, NetworkPolicy::PublicOnly)?,
            anywhere: Transport::new(&config, NetworkPolicy::Anywhere)?,
            config,
            lines: Mutex::default(),
        };
        let policy = NetworkPolicy::default();
        Ok(Self { shared: Arc::new(shared), policy, identity: None })
    }

    /// The same client for addresses under another policy, such as those a webhook named. It decides
    /// where [`Self::get_orchestrator`] and [`Self::ping`] connect; all else follows the session's.
    #[must_use]
    pub fn with_policy(&self, policy: NetworkPolicy) -> Self {
        Self { policy, ..self.clone() }
    }

    /// The same client as a gateway that pays: [`Self::get_orchestrator`] says who asks. Without an
    /// identity it asks as an off-chain gateway does, whom orchestrators that are paid refuse.
    #[must_use]
    pub fn with_identity(&self, identity: GatewayIdentity) -> Self {
        Self { identity: Some(identity), ..self.clone() }
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
        let (address_field, sig) = match &self.identity {
            Some(identity) => (
                Bytes::copy_from_slice(identity.address().as_slice()),
                Bytes::copy_from_slice(&identity.signature().to_bytes()),
            ),
            None => (Bytes::from_static(&NO_ADDRESS), Bytes::new()),
        };
        let request = proto::OrchestratorRequest {
            address: address_field,
            sig,
            capabilities: Some(capabilities.to_wire()),
            ..proto::OrchestratorRequest::default()
        };
        let line = self.line(address, self.policy);
        let mut client = line.grpc();
        let call = client.get_orchestrator(Request::new(request));
        let answer = self.within(address, self.policy, call).await;
        let wire = answer.map_err(discovery_error)?;
        // What answered is a connection; one whose address is not known is trusted least.
        let met = line.met.address();
        let policy = met.map_or(NetworkPolicy::PublicOnly, |met| self.policy.beyond(met));
        let received = tokio::time::Instant::now().into_std();
        let wall = media::wall_clock_now();
        let info = OrchestratorInfo::from_discovery(address, policy, wire, received, wall)?;
        if info.capabilities().allow(capabilities) {
            Ok(info)
        } else {
            Err(DiscoveryError::Incompatible)
        }
    }

    /// As [`Self::transcode`], and pays for it. However it ends, `payment.progress` tells afterwards
    /// whether the orchestrator has the payment, also when the future was dropped.
    ///
    /// # Errors
    /// See [`TranscodeError`]; a payment that is refused is [`TranscodeError::Refused`] with status
    /// 400 and the texts of livepeer-wire §4.8.
    pub async fn transcode_paid(
        &self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
        payment: &SegmentPayment,
    ) -> Result<TranscodeResult, TranscodeError> {
        self.attempt(info, job, Some(payment)).await
    }

    /// Has one segment transcoded without paying: uploads it, waits for the result and fetches every rendition in
    /// parallel. Dropping the future cancels it all.
    ///
    /// # Errors
    /// See [`TranscodeError`]; its `retry` says what to do next.
    pub async fn transcode(
        &self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
    ) -> Result<TranscodeResult, TranscodeError> {
        self.attempt(info, job, None).await
    }

    async fn attempt(
        &self,
        info: &OrchestratorInfo,
        job: &SegmentJob,
        payment: Option<&SegmentPayment>,
    ) -> Result<TranscodeResult, TranscodeError> {
        let config = &self.shared.config;
        let http = &self.shared.transport(info.policy()).http;
        let done = upload::upload(http, info, job, payment).await?;
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
        let sizes = renditions.iter().map(|it| u64::try_from(it.data.len()).unwrap_or(u64::MAX));
        let bytes_received = sizes.fold(0, u64::saturating_add);
        let bytes_sent = done.bytes_sent;
        Ok(TranscodeResult { renditions, info, timing, bytes_sent, bytes_received })
    }

    /// Gives the session's place back.
    ///
    /// # Errors
    /// When the orchestrator can't be reached in time or refuses; the session then idles out there.
    pub async fn end_session(&self, info: &OrchestratorInfo) -> Result<(), SessionError> {
        let request =
            proto::EndTranscodingSessionRequest { auth_token: Some(info.token().clone()) };
        let address = info.transcoder();
        let mut client = self.line(address, info.policy()).grpc();
        let call = client.end_transcoding_session(Request::new(request));
        self.within(address, info.policy(), call).await.map(drop).map_err(session_error)
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
        let mut client = self.line(address, self.policy).grpc();
        let call = client.ping(Request::new(proto::PingPong { value }));
        self.within(address, self.policy, call).await.map(|pong| pong.value).map_err(session_error)
    }

    /// The channel kept for this orchestrator under this policy.
    fn line(&self, address: &OrchestratorAddress, policy: NetworkPolicy) -> Line {
        let key = LineKey::new(address, policy);
        let mut lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if !lines.contains_key(&key) && lines.len() >= MAX_CHANNELS {
            let any = lines.keys().next().cloned();
            any.and_then(|key| lines.remove(&key));
        }
        let transport = self.shared.transport(policy);
        lines.entry(key).or_insert_with_key(|key| transport.line(&key.origin)).clone()
    }

    /// One call under the deadline. After a timeout the channel is given up: its connection may be
    /// dead without the system having noticed.
    async fn within<T>(
        &self,
        address: &OrchestratorAddress,
        policy: NetworkPolicy,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let limit = self.shared.config.call_timeout;
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => {
                let mut lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.remove(&LineKey::new(address, policy));
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
    with_causes(status.message(), status)
}

fn discovery_error(error: CallError) -> DiscoveryError {
    if let CallError::Status(status) = &error
        && let Some(forbidden) = forbidden(status)
    {
        return DiscoveryError::ForbiddenAddress(forbidden);
    }
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
        // What never reached one has a cause of its own.
        CallError::Status(status) if std::error::Error::source(&status).is_none() => {
            SessionError::Refused(clip(status.message()))
        }
        CallError::Status(status) => SessionError::Unreachable(describe(&status)),
    }
}
