//! A hook on the loopback, for tests: it answers as told, also badly.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{client::HookClient, endpoint::HookEndpoint};

/// How the hook answers.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// With this status and body.
    Reply(u16, Vec<u8>),
    /// With a redirect to another path of its own.
    Redirect,
    /// Not at all.
    Hang,
    /// A byte of the body every 100 ms, without end.
    Drip,
    /// As fast as it can, without end.
    Flood,
    /// With less than it promised.
    BreakOff,
}

impl Manner {
    pub(super) fn ok(body: &str) -> Self {
        Self::Reply(200, body.into())
    }
}

/// Serves until it is dropped.
#[derive(Debug)]
pub(super) struct FakeHook {
    origin: String,
    manner: Arc<Mutex<Manner>>,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl FakeHook {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(listener, origin, manner, None)
    }

    /// With TLS, as `localhost`.
    pub(super) async fn start_tls(manner: Manner, tls: rustls::ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        Self::serve(listener, origin, manner, Some(TlsAcceptor::from(Arc::new(tls))))
    }

    fn serve(
        listener: TcpListener,
        origin: String,
        manner: Manner,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let (manner, heard) = (Arc::new(Mutex::new(manner)), Arc::<Mutex<Vec<_>>>::default());
        let (manners, hears) = (Arc::clone(&manner), Arc::clone(&heard));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (manners, hears, tls) = (Arc::clone(&manners), Arc::clone(&hears), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(stream, manners, hears).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, manners, hears).await;
                            }
                        }
                    }
                });
            }
        });
        Self { origin, manner, heard, _tasks: tasks }
    }

    pub(super) fn endpoint(&self, path: &str) -> HookEndpoint {
        HookEndpoint::new(&format!("{}{path}", self.origin).parse().unwrap()).unwrap()
    }

    pub(super) fn answer(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The requests that have come, head and body.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub(super) fn client() -> HookClient {
    HookClient::new([]).unwrap()
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: Arc<Mutex<Manner>>,
    heard: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        heard.lock().unwrap().push(request);
        let manner = manner.lock().unwrap().clone();
        if write_answer(&mut stream, manner).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn write_answer(
    stream: &mut (impl AsyncWrite + Unpin),
    manner: Manner,
) -> std::io::Result<()> {
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    match manner {
        Manner::Reply(status, body) => {
            let head =
                format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await
        }
        Manner::Redirect => {
            let head = "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(head.as_bytes()).await
        }
        Manner::Hang => std::future::pending().await,
        Manner::Drip => {
            stream.write_all(endless).await?;
            loop {
                stream.write_all(b"1\r\n \r\n").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Manner::Flood => {
            stream.write_all(endless).await?;
            let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        Manner::BreakOff => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{").await?;
            stream.shutdown().await
        }
    }
}
