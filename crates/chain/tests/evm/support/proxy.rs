//! A node that misbehaves on request: passes calls on to the chain, or not.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::anvil;

/// How much higher a second-layer chain's own block numbers are than those contracts see.
pub(crate) const OFFSET: u64 = 290_000_000;

/// What the node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the chain.
    Honest,
    /// As a node of a second-layer chain: contracts see the L1 number, everything else has its own.
    SecondLayer,
    /// This status.
    Status(u16),
    /// 429 with `Retry-After`, in seconds.
    TooMany(u64),
    /// Takes the call, answers never.
    Silent,
    /// Takes transactions, but breaks off before it says so.
    LosesAnswers,
    /// Tells blocks that are so many seconds older, and so many L1 blocks lower.
    Behind(u64, u64),
    /// Of this chain.
    OtherChain(u64),
    /// More bytes than anybody wants.
    Endless,
    /// No JSON.
    Garbage,
}

struct Shared {
    chain: SocketAddr,
    mode: Mutex<Mode>,
    calls: AtomicUsize,
}

/// The node; ends with this value.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(chain: SocketAddr, mode: Mode) -> Self {
        let shared = Arc::new(Shared { chain, mode: Mutex::new(mode), calls: AtomicUsize::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, _tasks: tasks }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Calls it got so far.
    pub(crate) fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    shared.calls.fetch_add(1, Ordering::SeqCst);
    let mode = *shared.mode.lock().unwrap();
    let mut request: Value = serde_json::from_slice(&body).unwrap();
    match mode {
        Mode::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Mode::TooMany(seconds) => {
            let headers = [(header::RETRY_AFTER, seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, headers).into_response();
        }
        Mode::Silent => std::future::pending().await,
        Mode::Endless => return vec![b'['; 8 << 20].into_response(),
        Mode::Garbage => return "<html>come back later</html>".into_response(),
        Mode::SecondLayer => to_first_layer(&mut request),
        Mode::Honest | Mode::LosesAnswers | Mode::Behind(..) | Mode::OtherChain(_) => {}
    }
    let answer = anvil::post(shared.chain, request.to_string().as_bytes()).await;
    let mut answer: Value = serde_json::from_slice(&answer).unwrap();
    let method = request["method"].as_str().unwrap();
    match mode {
        Mode::LosesAnswers if method == "eth_sendRawTransaction" => {
            std::future::pending::<()>().await;
        }
        Mode::OtherChain(number) if method == "eth_chainId" => {
            answer["result"] = json!(format!("{number:#x}"));
        }
        Mode::Behind(seconds, blocks) if method == "eth_getBlockByNumber" => {
            shift(&mut answer["result"]["timestamp"], -i128::from(seconds));
            shift(&mut answer["result"]["number"], -i128::from(blocks));
        }
        Mode::SecondLayer if method == "eth_getBlockByNumber" => {
            let l1 = answer["result"]["number"].clone();
            answer["result"]["l1BlockNumber"] = l1;
            shift(&mut answer["result"]["number"], i128::from(OFFSET));
        }
        Mode::SecondLayer => to_second_layer(&mut answer["result"]),
        _ => {}
    }
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

/// The chain behind only knows its own numbers.
fn to_first_layer(request: &mut Value) {
    if request["method"] == "eth_getBlockByNumber" && request["params"][0] != "latest" {
        return shift(&mut request["params"][0], -i128::from(OFFSET));
    }
    let Some(filter) = request["params"].get_mut(0).and_then(Value::as_object_mut) else { return };
    for name in ["fromBlock", "toBlock"] {
        if let Some(number) = filter.get_mut(name) {
            shift(number, -i128::from(OFFSET));
        }
    }
}

fn to_second_layer(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(to_second_layer),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "blockNumber" {
                    shift(value, i128::from(OFFSET));
                } else {
                    to_second_layer(value);
                }
            }
        }
        _ => {}
    }
}

fn shift(number: &mut Value, by: i128) {
    let Some(digits) = number.as_str().and_then(|text| text.strip_prefix("0x")) else { return };
    let shifted = i128::from_str_radix(digits, 16).unwrap() + by;
    *number = json!(format!("{shifted:#x}"));
}

/// An address that nobody listens at.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Longest wait for something that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);
