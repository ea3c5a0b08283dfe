//! Which streams there are, who publishes them, and who may.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ingest::{
    Activity, Admission, BoxFuture, ConnectionId, PublishRequest, PublisherEvent, PublisherSeat,
    Refusal, StreamKey,
};
use media::{PlaybackId, SequenceNumber, StreamName};
use playback::Directory;
use router::Router;
use segmenter::SegmenterConfig;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{KeyDigest, PublisherPolicy, StreamConfig},
    metrics::StreamMetrics,
    stream_task::{Publisher, StreamTask},
};

/// Events a publisher may be ahead of its stream: about three seconds of 30 fps video with audio.
/// When full, ingest drops to the next key frame and counts it.
const EVENTS_QUEUED: usize = 256;
/// Publishers that may wait for their stream to notice them; one takes over from another.
const PUBLISHERS_QUEUED: usize = 4;
/// Ended streams whose next sequence number is remembered one by one.
const REMEMBERED: usize = 65_536;

/// What every stream is made with.
#[derive(Debug)]
pub struct StreamParts {
    /// How streams are cut.
    pub segmenter: SegmenterConfig,
    /// Where segments go.
    pub router: Router,
    /// Where viewers look.
    pub directory: Directory,
    /// Counts of this gateway.
    pub metrics: StreamMetrics,
    /// How long a shutdown may wait for viewers and orchestrators.
    pub grace: Duration,
}

/// The registry of streams, and the one place that decides who may publish.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Arc<StreamParts>,
    configured: HashMap<KeyDigest, Arc<StreamConfig>>,
    /// `Some`: any key that can be a playback id may publish, on these terms.
    open: Option<PublisherPolicy>,
    streams_max: usize,
    state: Mutex<State>,
    draining: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<StreamName, Live>,
    numbering: Numbering,
}

/// A stream with a task.
#[derive(Debug)]
struct Live {
    arrivals: mpsc::Sender<Publisher>,
    holder: Option<Holder>,
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
        open: Option<PublisherPolicy>,
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
            open,
            streams_max,
            state: Mutex::default(),
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

    /// Streams with a task now.
    #[must_use]
    pub fn live_count(&self) -> usize {
        self.state().live.len()
    }

    /// The publisher of this connection has left; another may come.
    pub(crate) fn publisher_left(&self, stream: &StreamName, connection: ConnectionId) {
        if let Some(live) = self.state().live.get_mut(stream) {
            live.holder.take_if(|holder| holder.connection == connection);
        }
    }

    /// Takes a stream off the registry, unless a publisher has just arrived for it: then returns that one.
    pub(crate) fn retire(
        &self,
        stream: &StreamName,
        next: SequenceNumber,
        arrivals: &mut mpsc::Receiver<Publisher>,
    ) -> Option<Publisher> {
        let mut state = self.state();
        if let Ok(publisher) = arrivals.try_recv() {
            return Some(publisher);
        }
        state.live.remove(stream);
        state.numbering.remember(stream.clone(), next);
        None
    }

    /// Takes a stream off the registry for good: the gateway drains, and lets nobody in.
    pub(crate) fn retire_for_good(&self, stream: &StreamName) {
        self.state().live.remove(stream);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream a key opens. A key may come alone, or as the last part of a path
    /// (`rtmp://host/manifest/key`).
    fn find(&self, key: &StreamKey) -> Option<Arc<StreamConfig>> {
        let whole = key.expose();
        let last = whole.rsplit('/').next().unwrap_or(whole);
        let configured =
            [whole, last].into_iter().find_map(|key| self.0.configured.get(&KeyDigest::of(key)));
        if let Some(stream) = configured {
            return Some(Arc::clone(stream));
        }
        let policy = self.0.open.clone()?;
        Some(Arc::new(StreamConfig {
            name: StreamName::new(last).ok()?,
            key: KeyDigest::of(last),
            playback_id: PlaybackId::new(last).ok()?,
            ladder: None,
            policy,
        }))
    }

    fn admit_now(&self, request: &PublishRequest, now: Instant) -> Result<PublisherSeat, Refusal> {
        if self.0.draining.is_cancelled() {
            return Err(Refusal::ShuttingDown);
        }
        let stream = self.find(&request.key).ok_or(Refusal::UnknownKey)?;
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
        };
        let publisher = Publisher {
            connection: request.connection,
            events: received,
            ended: holder.ended.clone(),
        };
        let mut state = self.state();
        if let Some(live) = state.live.get_mut(&stream.name) {
            live.replace(holder, publisher, &stream.policy, now)?;
            return Ok(seat);
        }
        if state.live.len() >= self.0.streams_max {
            return Err(Refusal::TooManyStreams);
        }
        let first = state.numbering.recall(&stream.name);
        let arrivals = self.start(&stream, first, publisher);
        state.live.insert(stream.name.clone(), Live { arrivals, holder: Some(holder) });
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
            self.clone(),
            Arc::clone(stream),
            Arc::clone(&self.0.parts),
            first,
            received,
            self.0.draining.clone(),
        );
        let (streams, name) = (self.clone(), stream.name.clone());
        let ended = Abandoned { streams, name };
        self.0.tasks.spawn(async move {
            let ended = ended;
            task.run(publisher).await;
            drop(ended);
        });
        arrivals
    }
}

/// Frees a stream's name when its task is gone without having retired: it panicked.
struct Abandoned {
    streams: Streams,
    name: StreamName,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        tracing::error!(stream = %self.name, "the stream's task failed; the stream has ended");
        self.streams.0.parts.metrics.task_failures.inc();
        let mut state = self.streams.state();
        if let Some(live) = state.live.remove(&self.name) {
            if let Some(holder) = live.holder {
                holder.ended.cancel();
            }
            // Its true next number died with the task; skip far ahead of anything it can have used.
            let next = SequenceNumber(state.numbering.recall(&self.name).0 + 1_000_000);
            state.numbering.remember(self.name.clone(), next);
        }
    }
}

impl Live {
    /// Seats a further publisher, if the one before has left or may be taken over from.
    fn replace(
        &mut self,
        holder: Holder,
        publisher: Publisher,
        policy: &PublisherPolicy,
        now: Instant,
    ) -> Result<(), Refusal> {
        let silent = self.holder.as_ref().map(|holder| holder.activity.silent_for(now));
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

impl Admission for Streams {
    fn admit(&self, request: PublishRequest) -> BoxFuture<'_, Result<PublisherSeat, Refusal>> {
        Box::pin(async move {
            let now = tokio::time::Instant::now().into_std();
            self.admit_now(&request, now)
        })
    }
}

/// Where each stream's numbering goes on when it is published again.
#[derive(Debug)]
struct Numbering {
    next: HashMap<StreamName, SequenceNumber>,
    order: VecDeque<StreamName>,
    /// No forgotten stream has used this number or a later one.
    unused: SequenceNumber,
}

impl Default for Numbering {
    fn default() -> Self {
        Self { next: HashMap::new(), order: VecDeque::new(), unused: SequenceNumber::FIRST }
    }
}

impl Numbering {
    fn recall(&self, stream: &StreamName) -> SequenceNumber {
        self.next.get(stream).copied().unwrap_or(self.unused)
    }

    fn remember(&mut self, stream: StreamName, next: SequenceNumber) {
        if self.next.insert(stream.clone(), next).is_none() {
            self.order.push_back(stream);
        }
        while self.order.len() > REMEMBERED {
            let forgotten = self.order.pop_front().and_then(|stream| self.next.remove(&stream));
            self.unused = self.unused.max(forgotten.unwrap_or(self.unused));
        }
    }
}

/// What a stream's task receives.
pub(crate) type Events = mpsc::Receiver<PublisherEvent>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbering_goes_on_and_a_forgotten_stream_repeats_nothing() {
        let mut numbering = Numbering::default();
        let name = |n: usize| StreamName::new(&format!("s{n}")).unwrap();
        assert_eq!(numbering.recall(&name(0)), SequenceNumber(1));
        numbering.remember(name(0), SequenceNumber(90));
        assert_eq!(numbering.recall(&name(0)), SequenceNumber(90));
        for n in 1..=REMEMBERED {
            numbering.remember(name(n), SequenceNumber(2));
        }
        assert_eq!(numbering.next.len(), REMEMBERED);
        assert_eq!(numbering.recall(&name(0)), SequenceNumber(90));
    }
}
