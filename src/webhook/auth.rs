//! Asks the operator who may publish (livepeer-gateway §6).

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Bytes;
use http::{Method, StatusCode};
use media::{Redacted, wall_clock_now};
use tokio::sync::Semaphore;

use super::{
    auth_answer::{Admitted, AnswerError, BYTES_MAX},
    client::{Answer, HookClient, HookError, Question},
    endpoint::HookEndpoint,
    signature::HookSecret,
};

/// Publishers asked about at the same time. Further ones are refused, not queued: a crowd of unknown
/// publishers must not become one at the operator's server.
const CALLS_MAX: usize = 64;

/// Why a publisher is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The webhook said no.
    #[error("refused by the auth webhook: status {0}")]
    Refused(StatusCode),
    /// The webhook gave no answer.
    #[error("auth webhook: {0}")]
    Hook(#[from] HookError),
    /// The webhook's answer makes no sense.
    #[error("the auth webhook's answer: {0}")]
    Malformed(#[from] AnswerError),
    /// Too many are being asked about.
    #[error("{CALLS_MAX} publishers wait for the auth webhook already")]
    Busy,
}

impl AuthError {
    /// A short, bounded name for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Hook(HookError::Unreachable(_)) => "unreachable",
            Self::Hook(HookError::Timeout) => "timeout",
            Self::Hook(HookError::Oversized { .. }) => "oversized",
            Self::Malformed(_) => "malformed",
            Self::Busy => "busy",
        }
    }
}

/// The operator's auth webhook. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AuthWebhook(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: HookClient,
    endpoint: HookEndpoint,
    secret: Option<HookSecret>,
    calls: Semaphore,
    /// Fields that were answered, are not followed, and have been logged.
    logged: Mutex<BTreeSet<&'static str>>,
}

impl AuthWebhook {
    /// A webhook at `endpoint`. With a secret every call is signed ([`HookSecret::sign`]).
    #[must_use]
    pub fn new(client: HookClient, endpoint: HookEndpoint, secret: Option<HookSecret>) -> Self {
        let calls = Semaphore::new(CALLS_MAX);
        Self(Arc::new(Shared { client, endpoint, secret, calls, logged: Mutex::default() }))
    }

    /// Asks about a publisher by its full publish URL, query included. Answers within three seconds.
    ///
    /// # Errors
    /// When the publisher is not admitted.
    pub async fn admit(&self, publish_url: &Redacted<String>) -> Result<Admitted, AuthError> {
        let _slot = self.0.calls.try_acquire().map_err(|_| AuthError::Busy)?;
        let body = serde_json::json!({ "url": publish_url.expose() }).to_string();
        let secret = self.0.secret.as_ref();
        let question = Question {
            method: Method::POST,
            signature: secret.map(|secret| secret.sign(wall_clock_now(), body.as_bytes())),
            body: Bytes::from(body),
            answer_max: BYTES_MAX,
        };
        let admitted = judge(&self.0.client.ask(&self.0.endpoint, question).await?)?;
        self.log_ignored(&admitted.ignored);
        Ok(admitted)
    }

    fn log_ignored(&self, fields: &[&'static str]) {
        let mut logged = self.0.logged.lock().unwrap_or_else(PoisonError::into_inner);
        for field in fields {
            if logged.insert(field) {
                tracing::warn!(
                    field,
                    "the auth webhook's answer asks for something that is not done"
                );
            }
        }
    }
}

/// Any status but 200 refuses.
fn judge(answer: &Answer) -> Result<Admitted, AuthError> {
    if answer.status == StatusCode::OK {
        Ok(Admitted::read(&answer.body)?)
    } else {
        Err(AuthError::Refused(answer.status))
    }
}

#[cfg(test)]
mod tests;
