//! What an operator is told about payments: once when it begins, once when it is over.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use media::StreamName;
use serde::Serialize;

/// Events that are kept.
const KEPT: usize = 200;
/// Streams that are remembered as refused; beyond it, one may be announced twice.
const REFUSED_MAX: usize = 4_096;

/// Something an operator should know.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PaymentEvent {
    /// Milliseconds since 1970.
    at_ms: u64,
    /// Which stream it is about; none: all of them.
    stream: Option<String>,
    /// A bounded name.
    kind: &'static str,
    /// What happened.
    detail: String,
}

/// The latest events, and what was announced and is not over.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    latest: VecDeque<PaymentEvent>,
    refused: HashMap<StreamName, &'static str>,
}

impl Events {
    /// A stream is not paid for; true when that is news.
    pub(super) fn refused(
        &self,
        at: SystemTime,
        stream: &StreamName,
        kind: &'static str,
        detail: &str,
    ) -> bool {
        let mut known = self.lock();
        if known.refused.get(stream) == Some(&kind) {
            return false;
        }
        if known.refused.len() >= REFUSED_MAX {
            known.refused.clear();
        }
        known.refused.insert(stream.clone(), kind);
        tracing::warn!(%stream, kind, "not paid: {detail}");
        known.keep(at, Some(stream), kind, detail);
        true
    }

    /// A stream is paid for.
    pub(super) fn paid(&self, at: SystemTime, stream: &StreamName) {
        let mut known = self.lock();
        if known.refused.remove(stream).is_some() {
            tracing::info!(%stream, "paid again");
            known.keep(at, Some(stream), "paid_again", "payments go on");
        }
    }

    /// Something that is not about one stream.
    pub(super) fn note(&self, at: SystemTime, kind: &'static str, detail: &str) {
        self.lock().keep(at, None, kind, detail);
    }

    /// The latest, oldest first.
    pub(super) fn latest(&self) -> Vec<PaymentEvent> {
        self.lock().latest.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn keep(
        &mut self,
        at: SystemTime,
        stream: Option<&StreamName>,
        kind: &'static str,
        detail: &str,
    ) {
        if self.latest.len() >= KEPT {
            self.latest.pop_front();
        }
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let event = PaymentEvent {
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            stream: stream.map(ToString::to_string),
            kind,
            detail: detail.to_owned(),
        };
        self.latest.push_back(event);
    }
}
