//! What the auth webhook has said of clients that push, kept while their streams live.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ingest::push::PushRequest;
use media::StreamName;
use tokio::sync::OnceCell;

use crate::config::{KeyDigest, StreamConfig};

/// How long a client that was let in may take to send the segment that starts its stream; then it is
/// asked about again.
const UNUSED: Duration = Duration::from_secs(60);
/// How long the word on a client that pushes outlasts its latest segment: longer than segments are, and
/// the end of it for one whose query is never the same twice.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// Grants kept before those of streams that have ended are looked for.
const KEPT: usize = 256;

/// By what a client presents: the webhook is asked once about each while its stream lives.
#[derive(Debug, Default)]
pub(crate) struct Grants(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Those that are asked about, and those that were let in; whoever was refused leaves.
    grants: HashMap<KeyDigest, Arc<Grant>>,
    /// How many there may be before the next look at them.
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Grant {
    decided: OnceCell<Decided>,
    /// When it pushed last, if it did: the grant ends with the stream.
    used: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Decided {
    stream: Arc<StreamConfig>,
    at: Instant,
}

/// What a client presents: manifest and query of its URL. What the webhook was not asked about is
/// nothing that it let in.
pub(crate) fn presented(request: &PushRequest) -> KeyDigest {
    let query = request.query.as_ref().map_or("", |query| query.expose().as_str());
    // No control character is part of a manifest.
    KeyDigest::of(&format!("{}\n{query}", request.manifest.expose()))
}

impl Grants {
    /// The stream that a client may push, as was decided before.
    pub(crate) fn find(
        &self,
        now: Instant,
        client: KeyDigest,
        is_pushed: impl Fn(&StreamName) -> bool,
    ) -> Option<Arc<StreamConfig>> {
        let grant = self.lock().grants.get(&client).map(Arc::clone)?;
        let decided = grant.decided.get().filter(|it| grant.holds(now, it, &is_pushed))?;
        Some(Arc::clone(&decided.stream))
    }

    /// The stream that a client may push, as was decided before or as `ask` decides. Of several calls for
    /// one client, one asks.
    pub(crate) async fn find_or_ask<E>(
        &self,
        now: Instant,
        client: KeyDigest,
        is_pushed: impl Fn(&StreamName) -> bool,
        ask: impl Future<Output = Result<Arc<StreamConfig>, E>>,
    ) -> Result<Arc<StreamConfig>, E> {
        let grant = self.entry(now, client, &is_pushed);
        let asking = Asking { grants: self, client, grant: &grant };
        let decide = async { Ok(Decided { stream: ask.await?, at: now }) };
        let decided = asking.grant.decided.get_or_try_init(|| decide).await?;
        Ok(Arc::clone(&decided.stream))
    }

    /// A client has pushed: what was said of it holds until its stream ends.
    pub(crate) fn used(&self, now: Instant, client: KeyDigest) {
        if let Some(grant) = self.lock().grants.get(&client) {
            *grant.used() = Some(now);
        }
    }

    /// A stream has ended: those that pushed it are asked about anew, also when somebody else has
    /// started it again by then.
    pub(crate) fn ended(&self, stream: &StreamName) {
        self.lock().grants.retain(|_, grant| {
            let decided = grant.decided.get();
            decided.is_none_or(|it| it.stream.name != *stream || grant.used().is_none())
        });
    }

    /// A client has taken a stream over: those that pushed it under other manifests are asked about anew.
    pub(crate) fn taken_over(&self, stream: &StreamConfig) {
        self.lock().grants.retain(|_, grant| {
            let decided = grant.decided.get();
            decided.is_none_or(|it| it.stream.name != stream.name || it.stream.key == stream.key)
        });
    }

    fn entry(
        &self,
        now: Instant,
        client: KeyDigest,
        is_pushed: impl Fn(&StreamName) -> bool,
    ) -> Arc<Grant> {
        let mut inner = self.lock();
        if inner.grants.len() >= inner.sweep_at.max(KEPT) {
            inner.grants.retain(|_, grant| grant.is_kept(now, &is_pushed));
            inner.sweep_at = inner.grants.len() * 2;
        }
        let grant = inner.grants.entry(client).or_default();
        if !grant.is_kept(now, &is_pushed) {
            *grant = Arc::default();
        }
        Arc::clone(grant)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    fn used(&self) -> MutexGuard<'_, Option<Instant>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the decision still holds.
    fn holds(
        &self,
        now: Instant,
        decided: &Decided,
        is_pushed: impl Fn(&StreamName) -> bool,
    ) -> bool {
        let used = *self.used();
        match used {
            Some(at) => now.saturating_duration_since(at) < IDLE && is_pushed(&decided.stream.name),
            None => now.saturating_duration_since(decided.at) < UNUSED,
        }
    }

    fn is_kept(&self, now: Instant, is_pushed: impl Fn(&StreamName) -> bool) -> bool {
        self.decided.get().is_none_or(|decided| self.holds(now, decided, is_pushed))
    }
}

/// Forgets a client that was refused, or whose request broke off, unless another of its requests waits.
struct Asking<'a> {
    grants: &'a Grants,
    client: KeyDigest,
    grant: &'a Arc<Grant>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut inner = self.grants.lock();
        let undecided = |found: &Arc<Grant>| {
            let ours = Arc::ptr_eq(found, self.grant);
            // The map's, and ours: others are made under the lock only.
            ours && found.decided.get().is_none() && Arc::strong_count(found) <= 2
        };
        if inner.grants.get(&self.client).is_some_and(undecided) {
            inner.grants.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests;
