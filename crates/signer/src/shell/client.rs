//! The gateway's side of a signer.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use https::printable;
use media::Redacted;
use orchestrator::{GatewayIdentity, PaymentHeader, SegmentJob, SegmentPayment};
use serde::{Serialize, de::DeserializeOwned};
use tickets::{Address, B256, Price, TicketBatch, UnsignedBatch, signed};

use super::http_client::HttpClient;
use crate::{
    Distrust, SegmentRequest, SignerError, SignerUrl,
    messages::{
        error::ErrorAnswer,
        identity::{self, IdentityAnswer, IdentityFault},
        segment::{self, PriceField, SegmentAnswer, SegmentField, TicketsField},
    },
};

/// Tickets from which on they are verified on a thread that may block: some 200 µs each.
const MANY_TICKETS: u32 = 8;

/// Whose word a signer's certificate is taken on.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// This machine's trusted certificates.
    #[default]
    System,
    /// These certificates, in PEM, and no others.
    Authority(Vec<u8>),
}

/// How to reach a signer.
#[derive(Clone, Debug)]
pub struct SignerClientConfig {
    /// Where it listens.
    pub url: SignerUrl,
    /// Sent as bearer token.
    pub token: Option<Redacted<String>>,
    /// More headers for every call, as go-livepeer's `remoteSignerHeaders`. They can hold secrets.
    pub headers: Vec<(String, Redacted<String>)>,
    /// Whom to believe about a TLS signer.
    pub trust: Trust,
    /// Longest wait for one call, connecting included. Default 2 s.
    pub deadline: Duration,
    /// How long a connection without a call stays open. Default 60 s.
    pub idle_timeout: Duration,
    /// Who pays. Where it isn't configured, the first answer says it, and it stays.
    pub address: Option<Address>,
}

impl SignerClientConfig {
    /// The defaults, for a signer without a token.
    #[must_use]
    pub const fn new(url: SignerUrl) -> Self {
        Self {
            url,
            token: None,
            headers: Vec::new(),
            trust: Trust::System,
            deadline: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(60),
            address: None,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SignerSetupError {
    /// No certificate could ever be trusted.
    #[error("no trusted certificates: install this machine's, or name the signer's authority")]
    NoRoots,
    /// The authority's file holds something else.
    #[error("the signer's authority is no certificate in PEM")]
    Authority,
    /// TLS can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A header or the token can't be sent.
    #[error("the signer's token, or a header's name or value, can't be sent")]
    Header,
}

/// What one payment is for.
#[derive(Clone, Copy, Debug)]
pub struct PayRequest<'a> {
    /// Names the payment: never twice with other content.
    pub payment_id: &'a str,
    /// Who pays, as the nonces were taken for.
    pub sender: Address,
    /// The tickets to sign, whose nonces are on record; `None` where there is credit.
    pub batch: Option<&'a UnsignedBatch>,
    /// The price that came with the params.
    pub price: Price,
    /// The segment.
    pub job: &'a SegmentJob,
    /// Digest of the job's body.
    pub hash: B256,
    /// The stream, for the signer's limits and audit.
    pub stream: &'a str,
    /// The orchestrator's session, for the audit.
    pub session_id: &'a str,
    /// The orchestrator's address, for the audit.
    pub orchestrator: &'a str,
}

/// Asks a signer, and verifies all that it gives. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct SignerClient {
    shared: Arc<Shared>,
}

struct Shared {
    http: HttpClient,
    url: SignerUrl,
    headers: HeaderMap,
    deadline: Duration,
    /// Who pays, once it is known.
    address: OnceLock<Address>,
}

impl fmt::Debug for SignerClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerClient").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

impl SignerClient {
    /// A client without a connection.
    ///
    /// # Errors
    /// When TLS can't be set up, or a header can't be sent.
    pub fn new(config: &SignerClientConfig) -> Result<Self, SignerSetupError> {
        let address = OnceLock::new();
        if let Some(configured) = config.address {
            address.get_or_init(|| configured);
        }
        let shared = Shared {
            http: HttpClient::new(config)?,
            url: config.url.clone(),
            headers: headers(config)?,
            deadline: config.deadline,
            address,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Where it asks.
    #[must_use]
    pub fn url(&self) -> &SignerUrl {
        &self.shared.url
    }

    /// Who pays, once it is known.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.shared.address.get().copied()
    }

    /// Who pays, with the signature that orchestrators want to see. Ask once, and again after an
    /// outage: it is the same as long as the signer holds the same key.
    ///
    /// # Errors
    /// See [`SignerError`]; an address other than before is [`Distrust::OtherAddress`].
    pub async fn identity(&self) -> Result<GatewayIdentity, SignerError> {
        let answer: IdentityAnswer = self.call(identity::PATH, Bytes::new()).await?;
        let identity = answer.verify().map_err(distrust)?;
        let found = identity.address();
        let expected = *self.shared.address.get_or_init(|| found);
        if expected == found {
            Ok(identity)
        } else {
            Err(Distrust::OtherAddress { expected, found }.into())
        }
    }

    /// Has the tickets and the segment's claim signed. Every signature is verified: what comes back
    /// can be sent. The same request may be repeated.
    ///
    /// # Errors
    /// See [`SignerError`].
    pub async fn pay(&self, request: PayRequest<'_>) -> Result<SegmentPayment, SignerError> {
        let known = self.address().unwrap_or(request.sender);
        if known != request.sender {
            let (expected, found) = (request.sender, known);
            return Err(Distrust::OtherAddress { expected, found }.into());
        }
        let answer: SegmentAnswer = self.call(segment::PATH, to_json(&message(&request))).await?;
        let check = Check {
            answer,
            sender: request.sender,
            price: request.price,
            batch: request.batch.cloned(),
            claim: request.job.claim(request.hash),
            hash: request.hash,
        };
        let many = request.batch.is_some_and(|batch| batch.count().get() >= MANY_TICKETS);
        if !many {
            return check.run();
        }
        let verified = tokio::task::spawn_blocking(|| check.run()).await;
        verified.unwrap_or_else(|_| Err(SignerError::unreachable("the gateway is shutting down")))
    }

    async fn call<T: DeserializeOwned>(&self, path: &str, body: Bytes) -> Result<T, SignerError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.shared.url.call(path);
        *request.headers_mut() = self.shared.headers.clone();
        let limit = self.shared.deadline;
        let answer = tokio::time::timeout(limit, self.shared.http.call(request)).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(SignerError::unreachable(format!("no answer within {limit:?}")))
        })?;
        if answer.status() != http::StatusCode::OK {
            return Err(refusal(&answer));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| Distrust::Unreadable(printable(&error.to_string())).into())
    }
}

/// What came back, and what it must be.
struct Check {
    answer: SegmentAnswer,
    sender: Address,
    price: Price,
    batch: Option<UnsignedBatch>,
    claim: Vec<u8>,
    hash: B256,
}

impl Check {
    fn run(self) -> Result<SegmentPayment, SignerError> {
        let unreadable = |what: &str| Distrust::Unreadable(what.to_owned());
        let found = self.answer.sender.parse().map_err(|_| unreadable("the sender"))?;
        if found != self.sender {
            return Err(Distrust::OtherAddress { expected: self.sender, found }.into());
        }
        let signature =
            identity::read_signature(&self.answer.segment_signature).map_err(distrust)?;
        signed::verify_hashed(&signature, self.sender, &self.claim)
            .map_err(|fault| Distrust::BadSignature(format!("of the segment: {fault}")))?;
        let theirs = PaymentHeader::from_text(&self.answer.payment)
            .map_err(|error| Distrust::Unreadable(error.to_string()))?;
        let batch = self.batch.map(|batch| signed_batch(batch, &theirs)).transpose()?;
        // What is sent is written here, from verified signatures; a header that says anything else was
        // not made for this request.
        let ours = batch.as_ref().map_or_else(
            || PaymentHeader::without_tickets(self.sender, self.price),
            |batch| PaymentHeader::with_tickets(self.price, batch),
        );
        if ours != theirs {
            return Err(unreadable("the payment is another than was asked for").into());
        }
        Ok(SegmentPayment::signed(ours, self.hash, signature))
    }
}

fn signed_batch(batch: UnsignedBatch, theirs: &PaymentHeader) -> Result<TicketBatch, Distrust> {
    let tickets = theirs
        .tickets()
        .map_err(|fault| Distrust::BadSignature(format!("of a ticket: {fault}")))?;
    let signatures = tickets.into_iter().map(|(_nonce, signature)| signature).collect();
    batch.with_signatures(signatures).map_err(|fault| Distrust::BadSignature(fault.to_string()))
}

fn distrust(fault: IdentityFault) -> Distrust {
    match fault {
        IdentityFault::Unreadable(_) => Distrust::Unreadable(fault.to_string()),
        IdentityFault::Signature(fault) => Distrust::BadSignature(fault.to_string()),
    }
}

fn message(request: &PayRequest<'_>) -> SegmentRequest {
    let profiles = request.job.profiles.iter().map(|profile| profile.name.to_string()).collect();
    SegmentRequest {
        payment_id: request.payment_id.to_owned(),
        sender: request.sender.to_checksum(None),
        stream: request.stream.to_owned(),
        orchestrator: request.orchestrator.to_owned(),
        session_id: request.session_id.to_owned(),
        price: PriceField { wei: request.price.wei(), pixels: request.price.pixels().get() },
        segment: SegmentField {
            manifest_id: request.job.manifest_id.clone(),
            sequence: request.job.sequence,
            hash: request.hash.to_string(),
            profiles,
        },
        tickets: request.batch.map(TicketsField::new),
    }
}

fn to_json(message: &impl Serialize) -> Bytes {
    serde_json::to_vec(message).unwrap_or_default().into()
}

/// What an answer other than 200 means.
fn refusal(answer: &Response<Bytes>) -> SignerError {
    let status = answer.status();
    let body = serde_json::from_slice::<ErrorAnswer>(answer.body());
    let body = body.unwrap_or_else(|_| ErrorAnswer::new(status.to_string())).error;
    let message = printable(&body.message);
    let retry_after = body.retry_after.map(Duration::from_secs);
    match (status.as_u16(), body.limit) {
        (401 | 403, _) => SignerError::Unauthorized(message),
        (_, Some(limit)) => SignerError::Limited { limit: printable(&limit), message, retry_after },
        (429 | 500..=599, None) => SignerError::Unreachable { message, retry_after },
        (status, None) => {
            let code = body.code.map_or_else(|| "request".to_owned(), |code| printable(&code));
            SignerError::Refused { status, code, message }
        }
    }
}

fn headers(config: &SignerClientConfig) -> Result<HeaderMap, SignerSetupError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let mut secret = |name: http::HeaderName, value: &str| {
        let mut value = HeaderValue::try_from(value).map_err(|_| SignerSetupError::Header)?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok::<(), SignerSetupError>(())
    };
    for (name, value) in &config.headers {
        let name = http::HeaderName::try_from(name).map_err(|_| SignerSetupError::Header)?;
        secret(name, value.expose())?;
    }
    if let Some(token) = &config.token {
        secret(header::AUTHORIZATION, &format!("Bearer {}", token.expose()))?;
    }
    Ok(headers)
}
