//! Streams whose publisher pushes whole segments.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ingest::{
    StreamKey,
    push::{PushRefusal, PushRequest},
};
use media::{Ladder, StreamName};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Live, OtherKeys, Pushes, StreamFigures, Streams};
use crate::{
    config::{KeyDigest, StreamConfig},
    publish_auth::PublishTerms,
    push::{Pushed, presented},
    stream_task::{Feed, Publisher},
};

/// Pushed segments that may wait for their stream; the push service has no more of one stream under
/// way. When full, the client is told to come again.
const PUSHES_QUEUED: usize = 16;

/// A client that pushes is silent for as long as a segment lasts: another one waits for this at least
/// before it takes the stream over, in place of a shorter `takeover_after`.
const TAKEOVER_MIN: Duration = Duration::from_secs(6);

impl Streams {
    /// The stream that a push is for: a bearer token or the manifest is its key. Where there is an auth
    /// webhook, what it once said of a client holds. `otherwise` is what nobody's push is told.
    fn pushed_stream(
        &self,
        request: &PushRequest,
        otherwise: impl FnOnce() -> PushRefusal,
    ) -> Result<Arc<StreamConfig>, PushRefusal> {
        if self.0.draining.is_cancelled() {
            return Err(PushRefusal::ShuttingDown);
        }
        if let Some(stream) = self.find_without_asking(key_of(request)) {
            return Ok(stream);
        }
        let granted = self.0.grants.find(now(), presented(request), |name| self.is_pushed(name));
        granted.ok_or_else(otherwise)
    }

    /// The same, of a client that may be new: the webhook is asked about it.
    async fn asked_stream(&self, request: &PushRequest) -> Result<Arc<StreamConfig>, PushRefusal> {
        let OtherKeys::Webhook { auth, policy } = &self.0.other_keys else {
            return self.pushed_stream(request, unknown);
        };
        // A configured key is nobody else's business, whatever token comes with it.
        if self.0.draining.is_cancelled()
            || self.find(key_of(request)).is_some()
            || self.find(&request.manifest).is_some()
        {
            return self.pushed_stream(request, unknown);
        }
        let ask = async {
            let PublishTerms { manifest, ladder } = auth.ask_push(request).await?;
            let stream = self.unconfigured(manifest, ladder, policy, &request.manifest);
            stream
                .ok_or_else(|| PushRefusal::Forbidden("the stream has a key of its own".to_owned()))
        };
        let is_pushed = |name: &StreamName| self.is_pushed(name);
        let stream = self.0.grants.find_or_ask(now(), presented(request), is_pushed, ask).await?;
        match (&stream.ladder, ladder_of(request)) {
            (Some(told), Some(wanted))
                if !told.is_empty() && !wanted.is_empty() && told != wanted =>
            {
                Err(PushRefusal::LaddersDisagree)
            }
            _ => Ok(stream),
        }
    }

    fn is_pushed(&self, stream: &StreamName) -> bool {
        self.live().get(stream).is_some_and(|live| live.pushes.is_some())
    }

    /// The stream that a push is for, if the registry lets it: asked before the body is read.
    pub(crate) async fn admit_push(
        &self,
        request: &PushRequest,
    ) -> Result<Arc<StreamConfig>, PushRefusal> {
        let stream = self.asked_stream(request).await?;
        self.let_push(now(), &stream.name)?;
        self.may_push(&mut self.live(), &stream)?;
        Ok(stream)
    }

    /// Where the stream's segments go, if it has started; or why none may be pushed now.
    fn may_push<'a>(
        &self,
        live: &'a mut HashMap<StreamName, Live>,
        stream: &StreamConfig,
    ) -> Result<Option<&'a mut Pushes>, PushRefusal> {
        let room = live.len() < self.streams_max();
        match live.get_mut(&stream.name) {
            Some(Live { pushes: Some(pushes), .. }) if pushes.ended.is_cancelled() => Err(ending()),
            Some(Live { pushes: Some(pushes), .. }) => {
                pushes.may_be_taken(stream)?;
                Ok(Some(pushes))
            }
            Some(Live { pushes: None, .. }) => {
                Err(PushRefusal::Forbidden("the stream is published over RTMP".to_owned()))
            }
            None if room => Ok(None),
            None => Err(PushRefusal::NoStreamSlot),
        }
    }

    /// Hands a segment to its stream, which starts with the first one.
    pub(crate) fn push_segment(
        &self,
        request: &PushRequest,
        pushed: Pushed,
    ) -> Result<(), PushRefusal> {
        // It was admitted; only what the webhook said can have run out since.
        let stream = self.pushed_stream(request, ending)?;
        let before = self.hand_over(&stream, pushed)?;
        // The registry is not held: what is granted looks into it.
        self.0.grants.used(now(), presented(request));
        if before.is_some_and(|key| key != stream.key) {
            tracing::info!(stream = %stream.name, "pushed under another manifest from now on");
            self.0.grants.taken_over(&stream);
        }
        Ok(())
    }

    /// Returns the key with which the stream was pushed before.
    fn hand_over(
        &self,
        stream: &Arc<StreamConfig>,
        pushed: Pushed,
    ) -> Result<Option<KeyDigest>, PushRefusal> {
        let now = now();
        let mut live = self.live();
        let known = live.get(&stream.name).map(|live| live.health.clone());
        let health = known.unwrap_or_else(|| self.measure(now));
        if let Some(pushes) = self.may_push(&mut live, stream)? {
            let place = pushes.segments.try_reserve().map_err(|error| match error {
                mpsc::error::TrySendError::Full(()) => {
                    PushRefusal::Full("the stream is behind with earlier segments")
                }
                mpsc::error::TrySendError::Closed(()) => ending(),
            })?;
            // What is refused comes again.
            health.take_segment(now, &pushed.segment);
            place.send(pushed);
            pushes.last = now;
            return Ok(Some(std::mem::replace(&mut pushes.key, stream.key)));
        }
        let (segments, received) = mpsc::channel(PUSHES_QUEUED);
        health.take_segment(now, &pushed.segment);
        // The channel is new and has room.
        drop(segments.try_send(pushed));
        let ended = CancellationToken::new();
        let pushes = Pushes { segments, key: stream.key, last: now, ended };
        let publisher = Publisher::pushing(received, pushes.ended.clone());
        let arrivals = self.start(stream, self.0.parts.sequences.begin(&stream.name), publisher);
        let playback_id = stream.playback_id.clone();
        let figures = StreamFigures::starting(now);
        let pushes = Some(pushes);
        let key = stream.key;
        let entry = Live { playback_id, arrivals, holder: None, pushes, figures, health, key };
        live.insert(stream.name.clone(), entry);
        Ok(None)
    }
}

impl Pushes {
    /// Whoever comes with another key waits until the client before has been silent: two at a time would
    /// be mixed up.
    fn may_be_taken(&self, stream: &StreamConfig) -> Result<(), PushRefusal> {
        if self.key == stream.key {
            return Ok(());
        }
        let silent = now().saturating_duration_since(self.last);
        match stream.policy.takeover_after {
            Some(after) if silent >= after.max(TAKEOVER_MIN) => Ok(()),
            Some(_) => {
                let text = "the stream is pushed by another client; try again when it is silent";
                Err(PushRefusal::Transient(text.to_owned()))
            }
            None => {
                Err(PushRefusal::Forbidden("the stream is pushed by another client".to_owned()))
            }
        }
    }
}

/// A bearer token, where there is one; else the manifest.
fn key_of(request: &PushRequest) -> &StreamKey {
    request.bearer.as_ref().unwrap_or(&request.manifest)
}

/// The ladder that the client asks for.
fn ladder_of(request: &PushRequest) -> Option<&Ladder> {
    request.configuration.as_ref()?.ladder.as_ref()
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn unknown() -> PushRefusal {
    PushRefusal::Forbidden("no stream has this key".to_owned())
}

fn ending() -> PushRefusal {
    PushRefusal::Transient("the stream is just ending".to_owned())
}

impl Publisher {
    fn pushing(segments: mpsc::Receiver<Pushed>, ended: CancellationToken) -> Self {
        Self { connection: ingest::ConnectionId(0), feed: Feed::Segments(segments), ended }
    }
}

#[cfg(test)]
mod tests;
