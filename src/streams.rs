//! Which streams there are, who publishes them, and who may.

mod barred;
mod figures;
mod health;
mod push_admission;
mod pushed;

use barred::Barred;
use figures::StreamFigures;
pub(crate) use figures::{Figures, LiveStream};

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use ingest::{
    Activity, Admission, BoxFuture, ConnectionId, IngestHealth, PublishRequest, PublisherSeat,
    Refusal, StreamKey,
};
use media::{Ladder, PlaybackId, PresentationSegment, SequenceNumber, StreamName};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{KeyDigest, PublisherPolicy, StreamConfig},
    publish_auth::PublishAuth,
    push::{Grants, Pushed},
    stream_task::{Feed, Publisher, Registry, StreamParts, StreamTask},
    webhook::Manifest,
};

/// Events a publisher may be ahead of its stream: about three seconds of 30 fps video with audio.
/// When full, ingest drops to the next key frame and counts it.
const EVENTS_QUEUED: usize = 256;
/// Publishers that may wait for their stream to notice them; one takes over from another.
const PUBLISHERS_QUEUED: usize = 4;

/// The registry of streams, and the one place that decides who may publish.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Arc<StreamParts>,
    configured: HashMap<KeyDigest, Arc<StreamConfig>>,
    other_keys: OtherKeys,
    grants: Grants,
    streams_max: AtomicUsize,
    live: Mutex<HashMap<StreamName, Live>>,
    barred: Barred,
    draining: CancellationToken,
    tasks: TaskTracker,
}

/// What becomes of publishers whose key is not one of a configured stream.
#[derive(Clone, Debug)]
pub enum OtherKeys {
    /// Nobody knows them.
    Unknown,
    /// Any key that can be a playback id may publish, on these terms.
    Open(PublisherPolicy),
    /// The operator's webhook is asked.
    Webhook {
        /// What asks it.
        auth: PublishAuth,
        /// The terms for those it lets in.
        policy: PublisherPolicy,
    },
}

/// A stream with a task.
#[derive(Debug)]
struct Live {
    playback_id: PlaybackId,
    arrivals: mpsc::Sender<Publisher>,
    holder: Option<Holder>,
    /// `Some` where segments are pushed over HTTP: nobody else publishes then.
    pushes: Option<Pushes>,
    figures: StreamFigures,
    /// How the latest publisher's media arrives.
    health: IngestHealth,
    /// The key of that publisher.
    key: KeyDigest,
}

/// Where a stream's pushed segments go.
#[derive(Debug)]
struct Pushes {
    segments: mpsc::Sender<Pushed>,
    /// The key it is pushed with.
    key: KeyDigest,
    /// When a segment came last.
    last: Instant,
    /// Cancelled when the stream ends before its time; no segment is taken then.
    ended: CancellationToken,
}

/// A live stream, for the operator.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StreamStatus {
    /// Its name.
    pub id: String,
    /// The public id under which it plays.
    pub playback_id: String,
    /// Whether somebody publishes it now; else it waits for a publisher to come back.
    pub published: bool,
    /// How it arrives: `good`, `fair`, `bad`, or `away` where nobody publishes.
    pub health: &'static str,
    /// The publisher's connection.
    pub connection: Option<u64>,
    /// How long the publisher has been silent, in milliseconds.
    pub silent_ms: Option<u64>,
}

/// The publisher that has the stream.
#[derive(Debug)]
struct Holder {
    connection: ConnectionId,
    activity: Arc<Activity>,
    ended: CancellationToken,
}

impl Streams {
    /// A registry without a live stream. Declares every configured playback id.
    #[must_use]
    pub fn new(
        parts: StreamParts,
        configured: Vec<StreamConfig>,
        other_keys: OtherKeys,
        streams_max: usize,
    ) -> Self {
        for stream in &configured {
            parts.directory.declare(stream.playback_id.clone());
        }
        let configured =
            configured.into_iter().map(|stream| (stream.key, Arc::new(stream))).collect();
        Self(Arc::new(Shared {
            parts: Arc::new(parts),
            configured,
            other_keys,
            grants: Grants::default(),
            streams_max: AtomicUsize::new(streams_max),
            live: Mutex::default(),
            barred: Barred::default(),
            draining: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Ends every stream: publishers first, then what they sent is published to its end.
    /// Returns when the last stream's playlists are final.
    pub async fn drain(&self) {
        self.0.draining.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Streams with a task now, by name.
    #[must_use]
    pub fn list(&self) -> Vec<StreamStatus> {
        let now = tokio::time::Instant::now().into_std();
        let mut streams: Vec<_> =
            self.live().iter().map(|(name, live)| live.status(name, now)).collect();
        streams.sort_by(|a, b| a.id.cmp(&b.id));
        streams
    }

    /// Looks up where the stream goes on counting, unless it is live.
    pub(crate) async fn look_up_numbers(&self, stream: &StreamName) {
        if !self.live().contains_key(stream) {
            self.0.parts.sequences.look_up(stream).await;
        }
    }

    /// Streams that may be live at the same time.
    fn streams_max(&self) -> usize {
        self.0.streams_max.load(Ordering::Relaxed)
    }

    /// From now on, no stream starts while so many are live.
    pub(crate) fn set_streams_max(&self, most: usize) {
        self.0.streams_max.store(most, Ordering::Relaxed);
    }

    /// Ends a stream's publisher; the stream waits for another as always, unless it is pushed: then it
    /// ends. False when it has none.
    pub fn kick(&self, stream: &StreamName) -> bool {
        let live = self.live();
        let publisher = live.get(stream).and_then(Live::publisher);
        publisher.inspect(|ended| ended.cancel()).is_some()
    }

    fn live(&self) -> MutexGuard<'_, HashMap<StreamName, Live>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configured stream a key opens. A key may come alone, or as the last part of a path
    /// (`rtmp://host/manifest/key`).
    fn find(&self, key: &StreamKey) -> Option<Arc<StreamConfig>> {
        let whole = key.expose();
        let configured = &self.0.configured;
        let known = [whole, last_part(key)].into_iter();
        known.map(KeyDigest::of).find_map(|key| configured.get(&key)).map(Arc::clone)
    }

    /// The stream a key opens without a word of the webhook.
    fn find_without_asking(&self, key: &StreamKey) -> Option<Arc<StreamConfig>> {
        if let Some(configured) = self.find(key) {
            return Some(configured);
        }
        let OtherKeys::Open(policy) = &self.0.other_keys else { return None };
        let manifest = Manifest::new(last_part(key)).ok()?;
        self.unconfigured(manifest, None, policy, key)
    }

    /// The stream of a key that is not configured. Asks the webhook, where there is one: the registry
    /// is not held meanwhile.
    async fn find_other(&self, request: &PublishRequest) -> Result<Arc<StreamConfig>, Refusal> {
        let last = last_part(&request.key);
        let (manifest, ladder, policy) = match &self.0.other_keys {
            OtherKeys::Unknown => return Err(Refusal::UnknownKey),
            OtherKeys::Open(policy) => {
                (Manifest::new(last).map_err(|_| Refusal::UnknownKey)?, None, policy)
            }
            OtherKeys::Webhook { auth, policy } => {
                let terms = auth.ask(request).await?;
                (terms.manifest, terms.ladder, policy)
            }
        };
        let found = self.unconfigured(manifest, ladder, policy, &request.key);
        found.ok_or(Refusal::UnknownKey)
    }

    /// A stream on the terms of those that are not configured. A configured stream is published with
    /// its key only, however open the rest is.
    fn unconfigured(
        &self,
        manifest: Manifest,
        ladder: Option<Ladder>,
        policy: &PublisherPolicy,
        key: &StreamKey,
    ) -> Option<Arc<StreamConfig>> {
        let Manifest { name, playback_id } = manifest;
        let mut configured = self.0.configured.values();
        if configured.any(|other| other.name == name || other.playback_id == playback_id) {
            tracing::warn!(stream = %name, "refused a publisher: the stream has a key of its own");
            return None;
        }
        Some(Arc::new(StreamConfig {
            name,
            key: KeyDigest::of(last_part(key)),
            playback_id,
            ladder,
            policy: policy.clone(),
            routing: self.0.parts.routing.clone(),
        }))
    }

    fn seat(
        &self,
        stream: &Arc<StreamConfig>,
        request: &PublishRequest,
        now: Instant,
    ) -> Result<PublisherSeat, Refusal> {
        if self.0.draining.is_cancelled() {
            return Err(Refusal::ShuttingDown);
        }
        self.let_in(now, &stream.name)?;
        let (events, received) = mpsc::channel(EVENTS_QUEUED);
        let holder = Holder {
            connection: request.connection,
            activity: Arc::new(Activity::new(now)),
            ended: CancellationToken::new(),
        };
        let seat = PublisherSeat {
            stream: stream.name.clone(),
            events,
            ended: holder.ended.clone(),
            activity: Arc::clone(&holder.activity),
            health: self.measure(now),
            watch_page: Some(format!("/watch/{}", stream.playback_id)),
        };
        let publisher = Publisher {
            connection: request.connection,
            feed: Feed::Events(received),
            ended: holder.ended.clone(),
        };
        let mut live = self.live();
        if let Some(live) = live.get_mut(&stream.name) {
            live.replace(holder, publisher, &stream.policy, now)?;
            live.conclude_health(&stream.name, now);
            (live.health, live.key) = (seat.health.clone(), stream.key);
            return Ok(seat);
        }
        if live.len() >= self.streams_max() {
            return Err(Refusal::TooManyStreams);
        }
        let arrivals = self.start(stream, self.0.parts.sequences.begin(&stream.name), publisher);
        live.insert(
            stream.name.clone(),
            Live {
                playback_id: stream.playback_id.clone(),
                arrivals,
                holder: Some(holder),
                pushes: None,
                figures: StreamFigures::starting(now),
                health: seat.health.clone(),
                key: stream.key,
            },
        );
        Ok(seat)
    }

    /// Starts the stream's task with its first publisher.
    fn start(
        &self,
        stream: &Arc<StreamConfig>,
        first: SequenceNumber,
        publisher: Publisher,
    ) -> mpsc::Sender<Publisher> {
        let (arrivals, received) = mpsc::channel(PUBLISHERS_QUEUED);
        let task = StreamTask::new(
            Arc::new(self.clone()),
            Arc::clone(stream),
            Arc::clone(&self.0.parts),
            first,
            received,
            self.0.draining.clone(),
            publisher.pushes(),
        );
        let guard =
            Guard { streams: self.clone(), name: stream.name.clone(), arrivals: arrivals.clone() };
        self.0.tasks.spawn(async move {
            let guard = guard;
            task.run(publisher).await;
            drop(guard);
        });
        arrivals
    }
}

/// Counts a stream's task, and frees the stream's name when the task ends without having retired: it
/// panicked.
struct Guard {
    streams: Streams,
    name: StreamName,
    arrivals: mpsc::Sender<Publisher>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(stream = %self.name, "the stream's task failed; the stream has ended");
        self.streams.0.parts.metrics.task_failures.inc();
        let mut live = self.streams.live();
        // A later task of the same stream is none of this one's business.
        let ours = |found: &mut Live| found.arrivals.same_channel(&self.arrivals);
        if !live.get_mut(&self.name).is_some_and(ours) {
            return;
        }
        let holder = live.remove(&self.name).and_then(|found| found.holder);
        drop(live);
        self.streams.0.grants.ended(&self.name);
        if let Some(holder) = holder {
            holder.ended.cancel();
        }
    }
}

impl Live {
    /// What ends its publisher, if it has one.
    fn publisher(&self) -> Option<&CancellationToken> {
        let holder = self.holder.as_ref().map(|holder| &holder.ended);
        holder.or_else(|| self.pushes.as_ref().map(|pushes| &pushes.ended))
    }

    fn status(&self, name: &StreamName, now: Instant) -> StreamStatus {
        let holder = self.holder.as_ref().filter(|holder| !holder.activity.has_ended());
        let silent = holder.map(|holder| holder.activity.silent_for(now).as_millis());
        StreamStatus {
            id: name.to_string(),
            playback_id: self.playback_id.to_string(),
            published: self.is_published(),
            health: self.health_word().as_str(),
            connection: holder.map(|holder| holder.connection.0),
            silent_ms: silent.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        }
    }

    /// Seats a further publisher, if the one before has left or may be taken over from.
    fn replace(
        &mut self,
        holder: Holder,
        publisher: Publisher,
        policy: &PublisherPolicy,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.pushes.is_some() {
            return Err(Refusal::AlreadyPublishing);
        }
        let present = self.holder.as_ref().filter(|holder| !holder.activity.has_ended());
        let silent = present.map(|holder| holder.activity.silent_for(now));
        let may = match (silent, policy.takeover_after) {
            (None, _) => true,
            (Some(silent), Some(after)) => silent >= after,
            (Some(_), None) => false,
        };
        if !may {
            return Err(Refusal::AlreadyPublishing);
        }
        self.arrivals.try_send(publisher).map_err(|_full| Refusal::AlreadyPublishing)?;
        if let Some(before) = self.holder.replace(holder) {
            before.ended.cancel();
        }
        Ok(())
    }
}

impl Registry for Streams {
    fn listed(&self, stream: &StreamName, segment: &PresentationSegment) {
        if let Some(live) = self.live().get_mut(stream) {
            live.figures.count(segment);
            live.note_decoders(segment);
        }
    }

    /// The publisher of this connection has left; another may come.
    fn publisher_left(&self, stream: &StreamName, connection: ConnectionId) {
        if let Some(live) = self.live().get_mut(stream) {
            live.holder.take_if(|holder| holder.connection == connection);
        }
    }

    /// Takes a stream off the registry, unless a publisher has just arrived for it: then returns that one.
    fn retire(
        &self,
        stream: &StreamName,
        arrivals: &mut mpsc::Receiver<Publisher>,
    ) -> Option<Publisher> {
        let mut live = self.live();
        if let Ok(publisher) = arrivals.try_recv() {
            return Some(publisher);
        }
        let ended = live.remove(stream);
        drop(live);
        if let Some(ended) = ended {
            ended.conclude_health(stream, tokio::time::Instant::now().into_std());
        }
        self.0.grants.ended(stream);
        None
    }

    /// Takes a stream off the registry for good: the gateway drains, and lets nobody in.
    fn retire_for_good(&self, stream: &StreamName) {
        self.live().remove(stream);
    }
}

impl Admission for Streams {
    fn admit(&self, request: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>> {
        Box::pin(async move {
            let stream = match self.find(&request.key) {
                Some(stream) => stream,
                None => self.find_other(&request).await?,
            };
            self.look_up_numbers(&stream.name).await;
            self.seat(&stream, &request, tokio::time::Instant::now().into_std())
        })
    }
}

fn last_part(key: &StreamKey) -> &str {
    key.expose().rsplit('/').next().unwrap_or_default()
}
