//! The ACME library's calls, made by our client: bounded, and with a deadline each.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::RETRY_AFTER};
use http_body_util::{BodyExt as _, Full};
use https::{HttpsClient, HttpsError, read_body};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

/// Longest wait for a whole answer.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Most bytes of an answer: chains of certificates are a few thousand.
const ANSWER_MAX: usize = 256 << 10;

/// Carries the library's calls. Clones share what was heard.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: HttpsClient,
    /// How long the last answer asked us to wait, if it was an error that did.
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl Transport {
    pub(super) fn new(client: HttpsClient) -> Self {
        Self { client, retry_after: Arc::default() }
    }

    /// How long the last answer asked us to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, retry_after: Option<Duration>) {
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = retry_after;
    }

    async fn call(&self, request: Request<Bytes>) -> Result<Response<Full<Bytes>>, HttpsError> {
        self.note(None);
        let (head, body) = self.client.send(request).await?.into_parts();
        if head.status.is_client_error() || head.status.is_server_error() {
            self.note(seconds(&head.headers));
        }
        let body = read_body(body, ANSWER_MAX).await?;
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let host = head.uri.host().unwrap_or_default().to_owned();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let call = this.call(Request::from_parts(head, body));
            match tokio::time::timeout(CALL_LIMIT, call).await {
                Ok(Ok(answer)) => Ok(BytesResponse::from(answer)),
                Ok(Err(error)) => Err(Error::Other(format!("{host}: {error}").into())),
                Err(_late) => {
                    Err(Error::Other(format!("{host}: no answer in {CALL_LIMIT:?}").into()))
                }
            }
        })
    }
}

/// `Retry-After` in seconds; its other form, a date, is not asked for by those we know.
fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
