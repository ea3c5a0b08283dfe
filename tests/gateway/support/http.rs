//! A small HTTP client.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use https::{Connections, HttpsClient};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Incoming};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::RootCertStore;

const LIMIT: Duration = Duration::from_secs(10);

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("an UTF-8 body")
    }
}

/// Fetches from one server.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Transport,
    /// Scheme and authority.
    server: String,
}

#[derive(Clone, Debug)]
enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(HttpsClient),
}

impl Transport {
    async fn send(&self, request: Request<Bytes>) -> Result<hyper::Response<Incoming>, String> {
        match self {
            Self::Plain(client) => {
                let sent = client.request(request.map(Full::new)).await;
                sent.map_err(|error| format!("{error:?}"))
            }
            Self::Tls(client) => client.send(request).await.map_err(|error| error.to_string()),
        }
    }
}

impl HttpClient {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let client = Transport::Plain(Client::builder(TokioExecutor::new()).build_http());
        Self { client, server: format!("http://{server}") }
    }

    /// Over TLS; `roots` sign the server's certificate.
    pub(crate) fn secure(server: SocketAddr, roots: RootCertStore) -> Self {
        let connections = Connections { connect_limit: LIMIT, idle_limit: LIMIT, idle_max: 4 };
        let client = Transport::Tls(HttpsClient::new(roots, connections).unwrap());
        Self { client, server: format!("https://{server}") }
    }

    /// `GET path`; fails the test when the server does not answer in time.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// `GET path`.
    pub(crate) async fn try_get(&self, path: &str) -> Result<Answer, String> {
        let answer = self.send(Method::GET, path, &[], Bytes::new());
        tokio::time::timeout(LIMIT, answer).await.map_err(|_| "no answer in 10 s".to_owned())?
    }

    /// Sends a request with these header fields and this body; waits as long as it takes.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let uri = format!("{}{path}", self.server);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| error.to_string())?;
        let (head, body) = self.client.send(request).await?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Polls until `path` answers 200 and `good` accepts the body, or the deadline passes.
    pub(crate) async fn wait_for(
        &self,
        path: &str,
        limit: Duration,
        good: impl Fn(&str) -> bool,
    ) -> Answer {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let last = self.try_get(path).await;
            match &last {
                Ok(answer) if answer.status == StatusCode::OK && good(answer.text()) => {
                    return answer.clone();
                }
                Ok(_) | Err(_) if tokio::time::Instant::now() > deadline => {
                    panic!("{path} was not as wanted in {limit:?}; last: {last:?}")
                }
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
