//! Questions to whichever node is well.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use rustls::RootCertStore;
use serde_json::Value;

use super::{http::HttpClient, rpc_url::RpcUrl};
use crate::{
    AnswerError, Block, ChainError, EndpointFault, EndpointRules, EndpointState, Endpoints,
    RpcError, RpcRequest, json_rpc, read_answer,
};

/// Nodes, waits and limits.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// Nodes in the order in which they are preferred.
    pub urls: Vec<RpcUrl>,
    /// The chain they must be of, and how far they may lag.
    pub rules: EndpointRules,
    /// Longest wait for one node's answer, connecting included.
    pub call_timeout: Duration,
    /// Longest wait for any node's answer.
    pub total_timeout: Duration,
    /// Longest answer that is read, in bytes.
    pub answer_max: usize,
    /// Tells the time of day, to judge blocks by.
    pub wall_clock: fn() -> SystemTime,
}

impl RpcConfig {
    /// The usual waits and limits.
    #[must_use]
    pub fn new(urls: Vec<RpcUrl>, chain_id: u64, wall_clock: fn() -> SystemTime) -> Self {
        Self {
            urls,
            rules: EndpointRules { chain_id, max_lag: Duration::from_secs(30) },
            call_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(20),
            answer_max: 4 << 20,
            wall_clock,
        }
    }
}

/// How a node is seen, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Scheme, host and port.
    pub name: String,
    /// How it is seen.
    pub state: EndpointState,
    /// Its latest block, if it told one in the last minute.
    pub block: Option<Block>,
}

/// Asks nodes one after the other until one answers. Cheap to clone.
#[derive(Clone)]
pub struct RpcClient(Arc<Inner>);

struct Inner {
    config: RpcConfig,
    http: HttpClient,
    endpoints: Mutex<Endpoints>,
    next_id: AtomicU64,
}

/// Why one node gave no answer that counts.
enum Failure {
    /// Another may.
    Fault(EndpointFault),
    /// It is of another chain.
    WrongChain(u64),
    /// No other will answer otherwise.
    Final(RpcError),
}

impl From<EndpointFault> for Failure {
    fn from(fault: EndpointFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<AnswerError> for Failure {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Rpc(error) if error.is_rate_limit() => {
                Self::Fault(EndpointFault::RateLimited(None))
            }
            AnswerError::Rpc(error) if error.is_of_the_node() => {
                Self::Fault(EndpointFault::Failing(error.to_string()))
            }
            AnswerError::Rpc(error) => Self::Final(error),
            AnswerError::Malformed(text) => Self::Fault(EndpointFault::Malformed(text)),
        }
    }
}

impl fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcClient").field("urls", &self.0.config.urls).finish_non_exhaustive()
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl RpcClient {
    /// A client without any connection yet; `roots` sign the certificates of `https` nodes.
    ///
    /// # Errors
    /// When TLS can't be set up.
    pub fn new(config: RpcConfig, roots: RootCertStore) -> Result<Self, rustls::Error> {
        let http = HttpClient::new(roots, config.call_timeout)?;
        let endpoints = Mutex::new(Endpoints::new(config.rules, config.urls.len()));
        Ok(Self(Arc::new(Inner { config, http, endpoints, next_id: AtomicU64::new(1) })))
    }

    /// The chain that all nodes must be of.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.0.config.rules.chain_id
    }

    /// How each node is seen, in the configured order.
    #[must_use]
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let endpoints = self.lock();
        let seen = endpoints.states(now()).into_iter().zip(endpoints.blocks(now()));
        let urls = self.0.config.urls.iter().map(ToString::to_string);
        urls.zip(seen).map(|(name, (state, block))| EndpointStatus { name, state, block }).collect()
    }

    /// Asks until a node gives an answer that `read` takes.
    pub(crate) async fn ask<T>(
        &self,
        request: &RpcRequest,
        read: impl Fn(&Value) -> Result<T, AnswerError>,
    ) -> Result<T, ChainError> {
        let deadline = now() + self.0.config.total_timeout;
        loop {
            let order = self.lock().order(now());
            for place in order {
                match self.ask_one(place, request, &read).await {
                    Ok(answer) => return Ok(answer),
                    Err(Failure::Final(error)) => return Err(error.into()),
                    Err(Failure::Fault(_) | Failure::WrongChain(_)) => {}
                }
                if now() >= deadline {
                    return Err(self.unavailable());
                }
            }
            let wake = self.lock().next_rest_end(now()).filter(|wake| *wake < deadline);
            let Some(wake) = wake else { return Err(self.unavailable()) };
            tokio::time::sleep_until(wake.into()).await;
        }
    }

    /// Asks every node that isn't resting for its latest block, all at once, and compares. Gives the best
    /// node's.
    pub(crate) async fn latest_block(&self) -> Result<Block, ChainError> {
        let places = self.lock().order(now());
        let request = RpcRequest::latest_block();
        join_all(places.into_iter().map(|place| self.ask_block(place, &request))).await;
        let best = {
            let endpoints = self.lock();
            let blocks = endpoints.blocks(now());
            let mut order = endpoints.order(now()).into_iter();
            order.find_map(|place| blocks.get(place).copied().flatten())
        };
        match best {
            Some(block) => Ok(block),
            None => self.ask(&request, Block::read).await,
        }
    }

    async fn ask_block(&self, place: usize, request: &RpcRequest) {
        if let Ok(block) = self.ask_one(place, request, &Block::read).await {
            let since_1970 = (self.0.config.wall_clock)().duration_since(UNIX_EPOCH);
            let seconds = since_1970.unwrap_or_default().as_secs();
            self.lock().handle_block(place, now(), seconds, block);
        }
    }

    /// Asks one node, and remembers how that went.
    async fn ask_one<T>(
        &self,
        place: usize,
        request: &RpcRequest,
        read: &impl Fn(&Value) -> Result<T, AnswerError>,
    ) -> Result<T, Failure> {
        let answer = self.ask_right_chain(place, request, read).await;
        match &answer {
            Ok(_) | Err(Failure::Final(_)) => self.lock().handle_success(place),
            Err(Failure::Fault(fault)) => {
                tracing::debug!(node = self.name(place), method = request.method(), %fault, "node failed");
                self.lock().handle_fault(place, now(), fault.clone());
            }
            Err(Failure::WrongChain(found)) => {
                let wanted = self.chain_id();
                tracing::warn!(
                    node = self.name(place),
                    found,
                    wanted,
                    "node of another chain is not used"
                );
            }
        }
        answer
    }

    async fn ask_right_chain<T>(
        &self,
        place: usize,
        request: &RpcRequest,
        read: &impl Fn(&Value) -> Result<T, AnswerError>,
    ) -> Result<T, Failure> {
        let unchecked = self.lock().needs_chain_id(place, now());
        if unchecked {
            let value = self.exchange(place, &RpcRequest::chain_id()).await?;
            let found = json_rpc::small_quantity(&value)?;
            self.lock().handle_chain_id(place, now(), found);
            if found != self.chain_id() {
                return Err(Failure::WrongChain(found));
            }
        }
        let value = self.exchange(place, request).await?;
        Ok(read(&value)?)
    }

    async fn exchange(&self, place: usize, request: &RpcRequest) -> Result<Value, Failure> {
        let config = &self.0.config;
        let url =
            config.urls.get(place).ok_or_else(|| EndpointFault::Unreachable(String::new()))?;
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let exchange = self.0.http.post(url, request.body(id), config.answer_max);
        let body = tokio::time::timeout(config.call_timeout, exchange)
            .await
            .unwrap_or(Err(EndpointFault::Timeout))?;
        Ok(read_answer(&body, id)?)
    }

    fn unavailable(&self) -> ChainError {
        let describe = |status: EndpointStatus| match status.state {
            EndpointState::Unchecked | EndpointState::Well => format!("{}: no answer", status.name),
            EndpointState::Demoted(why) => format!("{}: {why}", status.name),
            EndpointState::Resting(fault) => format!("{}: {fault}", status.name),
            EndpointState::WrongChain { found, wanted } => {
                format!("{}: of chain {found}, not {wanted}", status.name)
            }
        };
        let states: Vec<_> = self.endpoints().into_iter().map(describe).collect();
        ChainError::Unavailable(states.join("; "))
    }

    fn name(&self, place: usize) -> &str {
        self.0.config.urls.get(place).map(RpcUrl::as_shown).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Endpoints> {
        self.0.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
