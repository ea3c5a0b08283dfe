//! One task per stream: publisher in, presentation out.

use std::{
    cmp::Reverse,
    sync::Arc,
    time::{Duration, Instant},
};

use ingest::{
    ConnectionId, EndReason, PublisherEvent,
    push::{PushAnswer, PushRefusal},
};
use media::{
    InitSegment, Ladder, PictureFormat, PresentationSegment, Segment, SequenceNumber, StreamName,
    Timestamp, TrackKind, VideoCodec, wall_clock_now,
};
use playback::{Directory, Presentation};
use prometheus_client::metrics::gauge::Gauge;
use router::{Router, StreamPolicy, StreamRoute};
use segmenter::{Cut, Filler, Output, Segmenter, SegmenterConfig};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::{
    config::StreamConfig,
    default_ladder::DefaultLadder,
    filler::{FillerMaking, NoFiller, StreamFiller},
    layered_ladder::LayeredLadder,
    metrics::StreamMetrics,
    push::{PushAnswers, Pushed},
    sequences::Sequences,
};

/// Publisher events taken at once: one wake-up serves a burst.
const EVENTS_AT_ONCE: usize = 64;
/// A connected publisher may send nothing for so long, whatever else.
const SILENCE_MIN: Duration = Duration::from_secs(1);
/// What the renditions of a segment that is cut short may take before it has to be listed.
const RENDITIONS_TAKE: Duration = Duration::from_millis(1_200);
/// A client that pushes whole segments may be silent for so long, whatever their length.
const PUSH_SILENCE_MIN: Duration = Duration::from_secs(6);
/// A stream of pushed segments ends after so long without one.
const PUSH_STREAM_ENDS: Duration = Duration::from_secs(60);
/// What pushed segments may wait for their renditions, in percent of their duration: a client waits for
/// the answer, and prefers it late to never.
const PUSH_HOLD_PERCENT: u32 = 400;
/// How long the renditions wait for the tracks that a publisher has announced. A browser may never send them
/// all.
const LAYERS_TAKE: Duration = Duration::from_secs(6);
/// How long a drain waits for a publisher's connection to end.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);

/// What every stream is made with.
#[derive(Debug)]
pub struct StreamParts {
    /// How streams are cut.
    pub segmenter: SegmenterConfig,
    /// Where segments go.
    pub router: Router,
    /// What streams that were not configured want of routing.
    pub routing: StreamPolicy,
    /// Where each stream goes on counting.
    pub(crate) sequences: Sequences,
    /// The ladder of streams that have none of their own.
    pub ladder: DefaultLadder,
    /// Where viewers look.
    pub directory: Directory,
    /// Counts of this gateway.
    pub metrics: StreamMetrics,
    /// What makes filler for streams without their publisher, where the build can.
    pub(crate) filler: Option<Arc<dyn FillerMaking>>,
    /// How long a shutdown may wait for viewers and orchestrators.
    pub grace: Duration,
}

/// What a stream's task tells the registry of streams, and asks of it.
pub(crate) trait Registry: std::fmt::Debug + Send + Sync {
    /// Every playlist of the stream lists this one from now on.
    fn listed(&self, stream: &StreamName, segment: &PresentationSegment);

    /// The publisher of this connection has left; another may come.
    fn publisher_left(&self, stream: &StreamName, connection: ConnectionId);

    /// Takes a stream off the registry, unless a publisher has just arrived for it: then returns
    /// that one.
    fn retire(
        &self,
        stream: &StreamName,
        arrivals: &mut mpsc::Receiver<Publisher>,
    ) -> Option<Publisher>;

    /// Takes a stream off the registry for good: the gateway drains, and lets nobody in.
    fn retire_for_good(&self, stream: &StreamName);
}

/// A publisher that was let in.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Its connection.
    pub connection: ConnectionId,
    /// What it sends.
    pub feed: Feed,
    /// Cancel it to end the publisher; a stream that is pushed ends then.
    pub ended: CancellationToken,
}

impl Publisher {
    /// Whether it pushes whole segments.
    pub(crate) const fn pushes(&self) -> bool {
        matches!(self.feed, Feed::Segments(_))
    }
}

/// How a publisher's media comes.
#[derive(Debug)]
pub(crate) enum Feed {
    /// One access unit after another.
    Events(mpsc::Receiver<PublisherEvent>),
    /// Whole segments, each of which is answered.
    Segments(mpsc::Receiver<Pushed>),
}

/// Owns one stream from its first publisher to the end of its playlists.
#[derive(Debug)]
pub(crate) struct StreamTask {
    span: tracing::Span,
    registry: Arc<dyn Registry>,
    config: Arc<StreamConfig>,
    parts: Arc<StreamParts>,
    segmenter: Segmenter,
    route: StreamRoute,
    presentation: Presentation,
    arrivals: mpsc::Receiver<Publisher>,
    draining: CancellationToken,
    publisher: Option<Publisher>,
    /// When the publisher was last heard; `None` once its silence is made up for.
    last_heard: Option<Instant>,
    /// When a number was last listed, and the target duration.
    listed: Option<(Instant, Duration)>,
    /// When the stream ends, if no publisher comes back.
    ends_at: Option<Instant>,
    ladder: LayeredLadder,
    /// Video tracks that the publisher has said will come.
    video_expected: usize,
    /// When the publisher's first video track came.
    video_since: Option<Instant>,
    /// How what is transcoded is coded, as the route was told last.
    source_codec: Option<VideoCodec>,
    /// A segment of the publisher has told it.
    codec_seen: bool,
    /// What stands in for the publisher while it is away.
    filler: StreamFiller,
    /// Pushed segments that wait for their answer.
    answers: PushAnswers,
    /// Where the last pushed segment ended, on the client's clock.
    pushed_end: Option<Timestamp>,
}

/// Why a turn of the loop began.
enum Turn {
    Events,
    Pushed(Box<Pushed>),
    PublisherGone(EndReason),
    Arrival(Publisher),
    Release(PresentationSegment),
    Filler(Result<Filler, NoFiller>),
    Timer,
    Drain,
}

impl StreamTask {
    pub(crate) fn new(
        registry: Arc<dyn Registry>,
        config: Arc<StreamConfig>,
        parts: Arc<StreamParts>,
        first: SequenceNumber,
        arrivals: mpsc::Receiver<Publisher>,
        draining: CancellationToken,
        pushed: bool,
    ) -> Self {
        let span = tracing::info_span!("stream", id = %config.name);
        let cut = if pushed { Cut::ByPublisher } else { Cut::AtGoal };
        let segmenter = Segmenter::new(SegmenterConfig { cut, ..parts.segmenter.clone() }, first);
        let mut policy = config.routing.clone();
        if pushed {
            policy.hold_percent = Some(PUSH_HOLD_PERCENT);
            // The client waits for its answer, and sends the next segment when it has one.
            policy.cushion_percent = Some(0);
        }
        // Whoever pushes whole segments answers for time itself.
        let maker = parts.filler.clone().filter(|_| !pushed);
        let (length, counter) = (parts.segmenter.goal, parts.metrics.filler_segments.clone());
        let filler = StreamFiller::new(maker, &config.policy, length, counter);
        let route = parts.router.open(&config.name, config.name.to_string(), policy);
        let presentation = parts.directory.open(config.playback_id.clone());
        Self {
            span,
            registry,
            config,
            parts,
            segmenter,
            route,
            presentation,
            arrivals,
            draining,
            publisher: None,
            last_heard: None,
            listed: None,
            ends_at: None,
            ladder: LayeredLadder::default(),
            video_expected: 0,
            video_since: None,
            source_codec: None,
            codec_seen: false,
            filler,
            answers: PushAnswers::default(),
            pushed_end: None,
        }
    }

    /// Runs the stream to its end, and keeps what viewers may still fetch until they have.
    pub(crate) async fn run(mut self, first: Publisher) {
        let span = self.span.clone();
        async move {
            let counted = Counted::new(&self.parts.metrics);
            self.seat(first);
            self.follow_publishers().await;
            self.finish().await;
            drop(counted);
            self.linger().await;
        }
        .instrument(span)
        .await;
    }

    /// Until no publisher came back in time, or the gateway drains.
    async fn follow_publishers(&mut self) {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let turn = self.wait(&mut events).await;
            let now = now();
            match turn {
                Turn::Events => {
                    self.last_heard = Some(now);
                    events.drain(..).for_each(|event| self.handle(now, event));
                }
                Turn::Pushed(pushed) => self.take_pushed(now, *pushed),
                Turn::PublisherGone(reason) => self.publisher_left(now, reason.as_str()),
                Turn::Arrival(publisher) => self.seat(publisher),
                Turn::Release(segment) => self.publish(now, segment),
                Turn::Filler(filler) => {
                    self.filler.made(now, filler.as_ref());
                    filler.into_iter().for_each(|filler| self.segmenter.set_filler(filler));
                }
                Turn::Timer => self.handle_timeout(now),
                Turn::Drain => return self.drain().await,
            }
            self.forward_segments();
            if self.listed.is_some() {
                self.filler.begin(now);
            }
            let segmenter = &self.segmenter;
            self.route.prepare_open(segmenter.open_bytes(), |after| segmenter.open_video(after));
            if self.ends_at.is_some_and(|end| end <= now) && self.retire(now) {
                return;
            }
        }
    }

    /// Takes what the publisher has sent until its connection has said goodbye, or what has been pushed,
    /// then ends the stream.
    async fn drain(&mut self) {
        let goodbye = async {
            match self.publisher.take().map(|publisher| publisher.feed) {
                Some(Feed::Events(mut events)) => {
                    while let Some(event) = events.recv().await {
                        if !matches!(event, PublisherEvent::Ended(_)) {
                            self.handle(now(), event);
                            self.forward_segments();
                        }
                    }
                }
                Some(Feed::Segments(mut segments)) => {
                    // Whoever pushes says no goodbye: what is queued is all that comes.
                    segments.close();
                    while let Some(pushed) = segments.recv().await {
                        self.take_pushed(now(), pushed);
                    }
                }
                None => {}
            }
        };
        if tokio::time::timeout(GOODBYE_LIMIT, goodbye).await.is_err() {
            tracing::warn!("the publisher's connection does not end");
        }
        self.segmenter.end(now());
        self.forward_segments();
        self.registry.retire_for_good(&self.config.name);
    }

    async fn wait(&mut self, events: &mut Vec<PublisherEvent>) -> Turn {
        let timers = [self.segmenter.poll_timeout(), self.silent_at(), self.ends_at];
        let timer = timers.into_iter().flatten().min();
        let from_publisher = async {
            let lost = Turn::PublisherGone(EndReason::ConnectionLost);
            let Some(Publisher { feed, ended, .. }) = &mut self.publisher else {
                return std::future::pending().await;
            };
            match feed {
                Feed::Events(feed) => match feed.recv_many(events, EVENTS_AT_ONCE).await {
                    0 => lost,
                    _ => Turn::Events,
                },
                Feed::Segments(feed) => tokio::select! {
                    biased;
                    // Nobody else hears of it: there is no connection.
                    () = ended.cancelled() => Turn::PublisherGone(EndReason::Dismissed),
                    pushed = feed.recv() => pushed.map_or(lost, |it| Turn::Pushed(Box::new(it))),
                },
            }
        };
        tokio::select! {
            biased;
            () = self.draining.cancelled() => Turn::Drain,
            Some(publisher) = self.arrivals.recv() => Turn::Arrival(publisher),
            Some(segment) = self.route.next() => Turn::Release(segment),
            turn = from_publisher => turn,
            filler = self.filler.ready() => Turn::Filler(filler),
            () = sleep_until(timer) => Turn::Timer,
        }
    }

    /// When a silent publisher has to be made up for, so that the next number is listed in time (rules
    /// PL-21, D-4): 1.5 target durations after the one before, less what its renditions take.
    fn silent_at(&self) -> Option<Instant> {
        if self.is_pushed() {
            // Whole segments come with pauses as long as they are.
            let (_, target) = self.listed?;
            return Some(self.last_heard? + (target * 3).max(PUSH_SILENCE_MIN));
        }
        let earliest = self.last_heard? + SILENCE_MIN;
        let due =
            self.listed.map(|(at, target)| at + (target * 3 / 2).saturating_sub(RENDITIONS_TAKE));
        Some(due.map_or(earliest + SILENCE_MIN, |due| due.max(earliest)))
    }

    /// A publisher that is connected and sends nothing is made up for like one that is away; its next
    /// key frame goes on from there.
    fn handle_timeout(&mut self, now: Instant) {
        if self.silent_at().is_some_and(|at| at <= now) {
            self.last_heard = None;
            if self.publisher.is_some() {
                tracing::warn!("the publisher is silent");
                self.media_stop(now);
            }
        }
        self.segmenter.handle_timeout(now, wall_clock_now());
    }

    fn seat(&mut self, publisher: Publisher) {
        if let Some(mut before) = self.publisher.replace(publisher) {
            tracing::info!(connection = %before.connection, "another publisher takes over");
            // What the one before has sent is not lost with it.
            if let Feed::Events(events) = &mut before.feed {
                while let Ok(event) = events.try_recv() {
                    if !matches!(event, PublisherEvent::Ended(_)) {
                        self.handle(now(), event);
                    }
                }
            }
        }
        let returned = self.ends_at.take().is_some();
        let connection = self.publisher.as_ref().map(|publisher| publisher.connection.0);
        tracing::info!(connection, playback_id = %self.config.playback_id, returned, "publisher seated");
        self.segmenter.new_publisher(now());
        // What is left of the one before says nothing of this one.
        self.forward_segments();
        self.video_expected = 0;
        self.video_since = None;
        self.codec_seen = false;
    }

    fn handle(&mut self, now: Instant, event: PublisherEvent) {
        match event {
            PublisherEvent::Layout { video, .. } => self.video_expected = video,
            PublisherEvent::Track(track) => {
                let kind = track.kind();
                self.segmenter.set_track(now, track);
                if kind == TrackKind::Video {
                    self.video_since.get_or_insert(now);
                    self.follow_tracks(now);
                }
            }
            PublisherEvent::AccessUnit(unit) => self.segmenter.push(now, wall_clock_now(), unit),
            PublisherEvent::Discontinuity(reason) => {
                tracing::warn!(?reason, "the publisher's timeline breaks");
                self.segmenter.discontinuity(now);
            }
            PublisherEvent::Ended(reason) => self.publisher_left(now, reason.as_str()),
        }
    }

    /// Once all video tracks are known that were announced, the largest one is the source, unless another one
    /// is. What becomes known later is shown beside it.
    fn follow_tracks(&mut self, now: Instant) {
        if self.has_all_tracks() {
            self.segmenter.settle_renditions();
            // Orchestrators that decode it are looked for before there is a segment.
            let largest = self
                .pictures()
                .min_by_key(|(_, it)| Reverse(u64::from(it.width) * u64::from(it.height)));
            if let Some((codec, _)) = largest.filter(|_| !self.codec_seen) {
                self.tell_codec(codec);
            }
        }
        self.settle_ladder(now);
    }

    fn has_all_tracks(&self) -> bool {
        self.segmenter.video_tracks() >= self.video_expected
    }

    /// The publisher's pictures, once one of its tracks is the source: that one first.
    fn pictures(&self) -> impl Iterator<Item = (VideoCodec, PictureFormat)> + '_ {
        let picture = |init: &InitSegment| init.track.parameters.picture();
        self.segmenter.source().into_iter().chain(self.segmenter.layers()).filter_map(picture)
    }

    /// Settles the renditions by the publisher's pictures, once all have come or it was time enough for them.
    /// Until then segments go on without, or with those of the publisher before.
    fn settle_ladder(&mut self, now: Instant) {
        let since = self.video_since.unwrap_or(now);
        let waits = now.saturating_duration_since(since) < LAYERS_TAKE;
        if waits && !self.has_all_tracks() {
            return;
        }
        let pictures: Vec<_> = self.pictures().map(|(_, picture)| picture).collect();
        let (own, of_all) = (&self.config.ladder, &self.parts.ladder);
        let operators = || own.clone().or_else(|| of_all.get());
        if let Some(ladder) = self.ladder.choose(operators, &pictures).cloned() {
            self.set_ladder(ladder);
        }
    }

    fn set_ladder(&mut self, ladder: Ladder) {
        let names: Vec<_> = ladder.profiles().iter().map(|profile| profile.name.as_str()).collect();
        tracing::info!(renditions = names.join(" "), "ladder");
        self.presentation.set_ladder(&ladder);
        self.route.set_ladder(ladder);
    }

    /// Orchestrators have to decode what they get, which is not always the source.
    fn follow_codec(&mut self, segment: &Segment) {
        let video = segment.to_transcode();
        if let Some((codec, _)) = video.and_then(|it| it.init.track.parameters.picture()) {
            self.codec_seen = true;
            self.tell_codec(codec);
        }
    }

    fn tell_codec(&mut self, codec: VideoCodec) {
        if self.source_codec.replace(codec) != Some(codec) {
            self.route.set_source(codec);
        }
    }

    /// The stream's own ladder, or the one of all streams; `None`: it follows the source.
    fn operators_ladder(&self) -> Option<Ladder> {
        self.config.ladder.clone().or_else(|| self.parts.ladder.get())
    }

    fn publisher_left(&mut self, now: Instant, reason: &'static str) {
        let Some(publisher) = self.publisher.take() else { return };
        // Whoever pushes has no connection to lose: the stream ends with it.
        let reconnect = self.config.policy.reconnect_window;
        let window = if publisher.pushes() { Duration::ZERO } else { reconnect };
        tracing::info!(connection = %publisher.connection, reason, ?window, "publisher left, waiting");
        self.registry.publisher_left(&self.config.name, publisher.connection);
        self.media_stop(now);
        self.ends_at = Some(now + window);
    }

    /// No media come any more. What is cut short goes on its way first: filler is asked for behind it, and
    /// shows its last picture.
    fn media_stop(&mut self, now: Instant) {
        self.segmenter.publisher_left(now, wall_clock_now());
        self.forward_segments();
        self.filler.wanted();
    }

    fn is_pushed(&self) -> bool {
        self.publisher.as_ref().is_some_and(Publisher::pushes)
    }

    /// Takes a whole segment: cut where the client cut it, answered when it is released.
    fn take_pushed(&mut self, now: Instant, pushed: Pushed) {
        let Pushed { mut segment, ladder, asked } = pushed;
        self.last_heard = Some(now);
        self.ends_at = Some(now + PUSH_STREAM_ENDS);
        if let Some(ladder) = ladder {
            if self.ladder.get().is_some_and(|settled| *settled != ladder) {
                return asked.answer(Err(PushRefusal::LaddersDisagree));
            }
            if self.ladder.give(ladder.clone()) {
                self.set_ladder(ladder);
            }
        }
        if let Some(end) = self.pushed_end {
            segment.continue_from(end);
        }
        self.pushed_end = segment.end().or(self.pushed_end);
        let copies = (!segment.has_video()).then(|| {
            if !asked.takes_renditions() {
                return PushAnswer::default();
            }
            let ladder = self.ladder.get().cloned().or_else(|| self.operators_ladder());
            let ladder = ladder.unwrap_or_default();
            let names = ladder.profiles().iter().map(|profile| profile.name.clone());
            PushAnswer::copies(&segment, names)
        });
        segment.into_events().for_each(|event| self.handle(now, event));
        self.segmenter.close(now, wall_clock_now());
        let sequences = self.forward_segments();
        match copies {
            Some(copies) => asked.answer(Ok(copies)),
            None => self.answers.expect(sequences, asked),
        }
    }

    /// Hands what was cut to the router; the numbers with media that went there. A stand-in for what
    /// came late is no part of what came.
    fn forward_segments(&mut self) -> Vec<SequenceNumber> {
        let mut forwarded = Vec::new();
        while let Some(output) = self.segmenter.poll_output() {
            match output {
                Output::Segment(segment) => {
                    tracing::debug!(sequence = %segment.sequence, duration = %segment.duration, "segment");
                    self.parts.metrics.segments.inc();
                    self.filler.cut(&segment);
                    if !segment.is_gap() && !segment.filler {
                        forwarded.push(segment.sequence);
                        self.follow_codec(&segment);
                        self.settle_ladder(now());
                    }
                    self.route.push(segment);
                }
                Output::LongGop { length, limit } => {
                    tracing::warn!(%length, %limit, "GOP too long, ending the publisher: set its key frame interval lower");
                    if let Some(publisher) = &self.publisher {
                        publisher.ended.cancel();
                    }
                }
                Output::Unwritable { track, error } => {
                    tracing::warn!(%track, %error, "track can't be shown");
                }
            }
        }
        forwarded
    }

    fn publish(&mut self, now: Instant, segment: PresentationSegment) {
        if self.presentation.needs_target_duration(&segment) {
            let seconds = self.segmenter.target_duration();
            let target = Duration::from_secs(seconds.into());
            self.presentation.set_target_duration(seconds);
            self.route.set_target_duration(target);
            self.listed = Some((now, target));
        }
        if let Some((at, _target)) = &mut self.listed {
            *at = now;
        }
        self.filler.listed(&segment);
        self.answers.released(&segment);
        self.registry.listed(&self.config.name, &segment);
        self.parts.sequences.listed(&self.config.name, segment.source.sequence);
        if self.presentation.append(now, segment) {
            tracing::info!(playback_id = %self.config.playback_id, "playing");
        }
        // Before there are playlists, numbers wait for one another.
        if self.listed.is_some() {
            self.route.listed();
        }
    }

    /// Ends the stream, unless a publisher arrives at this very moment.
    fn retire(&mut self, now: Instant) -> bool {
        if let Some(publisher) = self.registry.retire(&self.config.name, &mut self.arrivals) {
            self.seat(publisher);
            return false;
        }
        self.segmenter.end(now);
        self.forward_segments();
        true
    }

    /// Releases what is under way and makes the playlists final.
    async fn finish(&mut self) {
        self.route.finish();
        while let Some(segment) = self.route.next().await {
            self.publish(now(), segment);
        }
        self.presentation.end();
        self.parts.sequences.ended(&self.config.name);
        tracing::info!("ended");
    }

    /// Keeps the last playlists and segments for as long as they promise, or until the gateway ends.
    async fn linger(&self) {
        let until = tokio::time::Instant::from_std(now() + self.presentation.retention());
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.draining.cancelled() => {
                let grace = self.presentation.retention().min(self.parts.grace);
                tokio::time::sleep(grace).await;
            }
        }
        self.presentation.close();
    }
}

/// A stream counted among the live ones, however its task ends.
struct Counted(Gauge);

impl Counted {
    fn new(metrics: &StreamMetrics) -> Self {
        metrics.live.inc();
        Self(metrics.live.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn sleep_until(timer: Option<Instant>) {
    match timer {
        Some(timer) => tokio::time::sleep_until(timer.into()).await,
        None => std::future::pending().await,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
