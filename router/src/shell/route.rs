//! One stream's route: the dispatcher's outputs carried out.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use media::{
    GapReason, Ladder, PresentationSegment, RenditionName, Segment, SequenceNumber, StreamName,
    TrackSegment, VideoCodec, wall_clock_now,
};
use orchestrator::{
    DiscoveryError, JobCapabilities, NetworkPolicy, OrchestratorAddress, OrchestratorInfo,
    SegmentJob,
};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, Id, JoinError, JoinSet},
};
use tracing::{Instrument, Span};

use super::{
    attempt::{AttemptError, Attempted, Attempting, Paid, Paying, now, output_of},
    picture_check::PictureFinding,
    pulse::{Pulse, Pulses},
    request_bodies::{RequestBodies, RequestBody},
    shared::Shared,
};
use crate::{
    attempt::{AttemptId, AttemptStart, Delivery},
    call::Call,
    dispatcher::Dispatcher,
    fault::{AttemptFault, DiscoveryFault},
    fleet::StreamId,
    memory::Evidence,
    output::Output,
    pool::{ConfiguredOrchestrator, StreamPolicy},
    session::{SessionId, SessionOffer},
};

/// How much longer than an attempt's budget the client may take before it gives up by itself.
const CLIENT_SLACK: Duration = Duration::from_secs(1);

/// Payments that may wait to be noticed: more than there are attempts.
const PAID_QUEUED: usize = 64;

/// What a task of the route works on.
#[derive(Debug)]
enum Work {
    Discovery(SessionId, OrchestratorAddress),
    Attempt(AttemptId, SessionId, OrchestratorAddress, Span),
}

/// What a task of the route came to.
#[derive(Debug)]
enum Done {
    Discovered(Result<OrchestratorInfo, DiscoveryError>, Duration),
    Attempted(Result<Attempted, AttemptError>),
}

/// A session the route holds.
#[derive(Debug)]
struct HeldSession {
    info: Arc<OrchestratorInfo>,
    used: bool,
    pulse: Arc<Pulse>,
}

/// The route of one stream: closed segments in, released ones out.
///
/// It has no task of its own and no queue to a task: it lives in the stream's task, which pushes into
/// it and awaits [`next`](Self::next) at all times, and moves only while one of its methods runs.
/// Questions and attempts are tasks it owns; dropping it cancels them and ends its sessions.
#[derive(Debug)]
pub struct StreamRoute {
    shared: Arc<Shared>,
    pulses: Arc<Pulses>,
    stream: Span,
    name: StreamName,
    /// Who pays.
    owner: Option<String>,
    id: StreamId,
    manifest_id: String,
    dispatcher: Dispatcher,
    ladder: Arc<Ladder>,
    fleet_version: watch::Receiver<u64>,
    sessions: HashMap<SessionId, HeldSession>,
    /// As many tasks as the dispatcher has questions and attempts: both are bounded there.
    tasks: JoinSet<Done>,
    work: HashMap<Id, (Work, AbortHandle)>,
    /// What was paid for, from the attempts' tasks.
    paid: (mpsc::Sender<Paid>, mpsc::Receiver<Paid>),
    bodies: RequestBodies,
    segments: HashMap<SequenceNumber, Span>,
    /// When the last byte of each number's renditions came, until it is taken.
    received: BTreeMap<SequenceNumber, Instant>,
    /// The same of the number that was taken last.
    unlisted: Option<Instant>,
    /// Released and not taken yet. Each push adds at most what waits in the dispatcher, and the task
    /// that pushes is the one that takes.
    released: VecDeque<PresentationSegment>,
    /// Orchestrators whose last answer was a fault, so that each outage is reported once.
    silent: HashSet<OrchestratorAddress>,
    /// Segments in a row released without their renditions.
    missing: u64,
}

impl StreamRoute {
    pub(super) fn new(
        shared: Arc<Shared>,
        pulses: Arc<Pulses>,
        stream: &StreamName,
        manifest_id: String,
        policy: StreamPolicy,
    ) -> Self {
        let current = Span::current();
        let name = stream.clone();
        let stream =
            if current.is_none() { tracing::info_span!("stream", id = %name) } else { current };
        let fleet_version = shared.fleet_version.subscribe();
        let seed = rand::random();
        let id = shared.admit(seed, &policy);
        Self {
            owner: policy.owner.clone(),
            id,
            dispatcher: Dispatcher::new(Arc::clone(&shared.config), id, policy, seed),
            shared,
            pulses,
            stream,
            name,
            manifest_id,
            ladder: Arc::default(),
            fleet_version,
            sessions: HashMap::new(),
            tasks: JoinSet::new(),
            work: HashMap::new(),
            paid: mpsc::channel(PAID_QUEUED),
            bodies: RequestBodies::new(),
            segments: HashMap::new(),
            received: BTreeMap::new(),
            unlisted: None,
            released: VecDeque::new(),
            silent: HashSet::new(),
            missing: 0,
        }
    }

    /// One call of the dispatcher.
    fn dispatch(&mut self, call: Call) -> bool {
        self.shared.call(now(), self.id, &mut self.dispatcher, call)
    }

    /// Sets what segments pushed from now on are transcoded to; orchestrators are asked at once.
    pub fn set_ladder(&mut self, ladder: Ladder) {
        self.ladder = Arc::new(ladder);
        let ladder = Arc::clone(&self.ladder);
        self.dispatch(Call::SetLadder(ladder));
        self.act();
    }

    /// Sets how the pictures of segments pushed from now on are coded; orchestrators that decode them are
    /// asked for. Before the ladder, so that the first question is the right one.
    pub fn set_source(&mut self, codec: VideoCodec) {
        self.dispatch(Call::SetSource(codec));
        self.act();
    }

    /// Sets the presentation's `EXT-X-TARGETDURATION`: it bounds the time between releases.
    pub fn set_target_duration(&mut self, target: Duration) {
        self.dispatch(Call::SetTargetDuration(target));
        self.act();
    }

    /// Prepares what the open segment will be sent as, so that less is left to do when it closes.
    /// `bytes` is the size of the pictures that wait, `video` gives those decoded after a time in ticks
    /// of 90 kHz. Takes a fraction of a millisecond; often nothing is to be done.
    pub fn prepare_open(
        &mut self,
        bytes: usize,
        video: impl FnOnce(Option<i64>) -> Option<TrackSegment>,
    ) {
        self.bodies.write_ahead(bytes, video);
    }

    /// Takes a closed segment, or a stand-in, and sends it on its way. Never waits, never refuses.
    pub fn push(&mut self, segment: Arc<Segment>) {
        self.dispatch(Call::Push(segment));
        self.act();
        self.bodies.forget_ahead();
    }

    /// Notes that what [`next`](Self::next) handed out last is in every playlist.
    pub fn listed(&mut self) {
        if let Some(received) = self.unlisted.take() {
            self.shared.metrics.listed(now().saturating_duration_since(received));
        }
    }

    /// Ends the stream: attempts in flight may end within the grace, then [`next`](Self::next) hands
    /// out what is left, and `None`. Push nothing after it.
    pub fn finish(&mut self) {
        self.dispatch(Call::Finish);
        self.act();
    }

    /// The next sequence number to list, in order; `None` when all are out after
    /// [`finish`](Self::finish). Cancel-safe.
    pub async fn next(&mut self) -> Option<PresentationSegment> {
        loop {
            self.act();
            if let Some(segment) = self.released.pop_front() {
                let sequence = segment.source.sequence;
                self.unlisted = self.received.remove(&sequence);
                self.received = self.received.split_off(&sequence);
                return Some(segment);
            }
            if self.dispatcher.is_finished() {
                return None;
            }
            let wake = {
                let fleet = self.shared.fleet();
                self.dispatcher.poll_timeout(now(), &fleet.fleet).map(|(at, _)| at)
            };
            if wake.is_some_and(|at| at <= now()) {
                self.dispatch(Call::Timeout);
                continue;
            }
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(paid) = self.paid.1.recv() => self.was_paid(paid),
                Some(done) = self.tasks.join_next_with_id() => self.ended(done),
                Ok(()) = self.fleet_version.changed() => {
                    self.dispatch(Call::Timeout);
                }
                () = timer => {
                    self.dispatch(Call::Timeout);
                }
            }
        }
    }

    /// Carries out what the dispatcher wants done.
    fn act(&mut self) {
        while let Some(output) = self.dispatcher.poll_output() {
            match output {
                Output::Discover { session, orchestrator, source } => {
                    self.discover(session, &orchestrator, source);
                }
                Output::StartAttempt(start) => self.attempt(start),
                Output::CancelDiscovery { session } => self
                    .cancel(|work| matches!(work, Work::Discovery(asked, _) if *asked == session)),
                Output::CancelAttempt(id) => {
                    let metrics = &self.shared.metrics;
                    metrics.attempted("cancelled");
                    self.cancel(|work| matches!(work, Work::Attempt(begun, ..) if *begun == id));
                }
                Output::EndSession { session, notify } => {
                    if let Some(held) = self.sessions.remove(&session).filter(|_| notify) {
                        end_session(&self.shared, &self.stream, held.info);
                    }
                }
                Output::Release(segment) => self.release(segment),
                Output::Decided(decision) => {
                    self.shared.decisions.keep(&self.name, wall_clock_now(), *decision);
                }
            }
        }
    }

    fn spawn(&mut self, work: Work, task: impl Future<Output = Done> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.work.insert(handle.id(), (work, handle));
    }

    /// Drops the task working on this.
    fn cancel(&mut self, is_it: impl Fn(&Work) -> bool) {
        self.work.retain(|_, (work, handle)| {
            let cancelled = is_it(work);
            if cancelled {
                handle.abort();
            }
            !cancelled
        });
    }

    fn discover(
        &mut self,
        session: SessionId,
        orchestrator: &ConfiguredOrchestrator,
        source: VideoCodec,
    ) {
        let client = self.shared.client.clone();
        // What others named must not lead into the gateway's own network.
        let client = if orchestrator.trusted {
            client
        } else {
            client.with_policy(NetworkPolicy::PublicOnly)
        };
        let address = orchestrator.address.clone();
        let output = output_of(orchestrator.container);
        let needs = JobCapabilities::new(source, self.ladder.profiles(), output);
        let work = Work::Discovery(session, address.clone());
        let question = async move {
            let asked = now();
            let answer = client.get_orchestrator(&address, &needs).await;
            Done::Discovered(answer, now().saturating_duration_since(asked))
        };
        let span = self.stream.clone();
        self.spawn(work, question.instrument(span));
    }

    fn attempt(&mut self, start: AttemptStart) {
        let AttemptStart { id, session, segment, orchestrator, number, kind, .. } = &start;
        let stream = &self.stream;
        let sequence = segment.sequence;
        let parent = self
            .segments
            .entry(sequence)
            .or_insert_with(|| tracing::info_span!(parent: stream, "segment", %sequence));
        let address = orchestrator.address.clone();
        let span = tracing::info_span!(parent: &*parent, "attempt", number, kind = kind.as_str(), orchestrator = %address);
        let work = Work::Attempt(*id, *session, address, span.clone());
        match self.prepare(&start) {
            Ok(attempting) => {
                let run = async move { Done::Attempted(attempting.run().await) };
                self.spawn(work, run.instrument(span));
            }
            Err(error) => self.attempted(work, Err(error)),
        }
    }

    fn prepare(&mut self, start: &AttemptStart) -> Result<Attempting, AttemptError> {
        let segment = &start.segment;
        let video = segment.to_transcode().ok_or(AttemptError::Internal("no video to send"))?;
        let container = start.orchestrator.container;
        let RequestBody { body, hashed } = self.bodies.body(segment, video, container)?;
        let held = self.sessions.get_mut(&start.session);
        let held = held.ok_or(AttemptError::Internal("no such session"))?;
        held.used = true;
        held.pulse.segment_sent();
        let duration = segment.duration.to_std();
        // The dispatcher cancels at the end of the budget; the client's own limit only backs it.
        let timeout = start.budget + CLIENT_SLACK;
        let job = SegmentJob {
            manifest_id: self.manifest_id.clone(),
            sequence: segment.sequence.0,
            duration,
            source: source_codec(video),
            profiles: start.ladder.profiles().to_vec(),
            output: output_of(container),
            body,
            hashed,
            container,
            force_session_reinit: start.force_session_reinit,
            upload_timeout: SegmentJob::default_upload_timeout(duration).min(timeout),
            timeout,
        };
        let paying = self.shared.helpers.payments.clone().map(|payments| Paying {
            payments,
            stream: self.name.clone(),
            owner: self.owner.clone(),
            attempt: start.id,
            pool: start.pool.clone(),
            price_cap: start.price_cap,
            told: self.paid.0.clone(),
        });
        Ok(Attempting {
            paying,
            client: self.shared.client.clone(),
            metrics: self.shared.metrics.clone(),
            info: Arc::clone(&held.info),
            job,
            segment: Arc::clone(segment),
            ladder: Arc::clone(&start.ladder),
            first: start.number == 1,
            picture_check: self
                .shared
                .helpers
                .picture_check
                .clone()
                .filter(|_| start.check_picture),
        })
    }

    fn was_paid(&mut self, paid: Paid) {
        self.dispatch(Call::Paid(paid.attempt, paid.facts));
    }

    /// Takes the end of a task. One that was cancelled is no longer known.
    fn ended(&mut self, done: Result<(Id, Done), JoinError>) {
        // What the task told before its end comes first.
        while let Ok(paid) = self.paid.1.try_recv() {
            self.was_paid(paid);
        }
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some((work, _)) = self.work.remove(&id) else { return };
        match (work, done) {
            (Work::Discovery(session, address), Ok((_, Done::Discovered(answer, took)))) => {
                self.discovered(session, &address, answer, took);
            }
            (work @ Work::Attempt(..), Ok((_, Done::Attempted(result)))) => {
                self.attempted(work, result);
            }
            (Work::Discovery(session, _), _) => {
                self.offered(session, Err(DiscoveryFault::Failed));
            }
            (work @ Work::Attempt(..), _) => {
                self.attempted(work, Err(AttemptError::Internal("the attempt panicked")));
            }
        }
    }

    fn discovered(
        &mut self,
        session: SessionId,
        address: &OrchestratorAddress,
        answer: Result<OrchestratorInfo, DiscoveryError>,
        took: Duration,
    ) {
        let metrics = &self.shared.metrics;
        metrics.discovered(answer.as_ref().map_or_else(DiscoveryError::kind, |_| "session"));
        match answer {
            Ok(info) => {
                if self.silent.remove(address) {
                    self.stream.in_scope(|| tracing::info!(%address, "orchestrator is back"));
                }
                // Known before the dispatcher sends the first segment on it.
                let offer = SessionOffer {
                    refresh: Some(info.refresh_due()),
                    price: info.price(),
                    round_trip: Some(took),
                };
                let info = Arc::new(info);
                let pulse = self.pulses.feel(address, &info);
                let held = HeldSession { info, used: false, pulse };
                self.sessions.insert(session, held);
                if !self.offered(session, Ok(offer)) {
                    self.sessions.remove(&session);
                }
            }
            Err(error) => {
                let fault = if matches!(error, DiscoveryError::Incompatible) {
                    DiscoveryFault::Incapable
                } else if error.is_fault() {
                    DiscoveryFault::Failed
                } else {
                    DiscoveryFault::Capped
                };
                if self.silent.insert(address.clone()) {
                    self.stream.in_scope(|| {
                        tracing::warn!(%address, %error, "orchestrator offers no session");
                    });
                }
                self.offered(session, Err(fault));
            }
        }
    }

    fn offered(
        &mut self,
        session: SessionId,
        answer: Result<SessionOffer, DiscoveryFault>,
    ) -> bool {
        self.dispatch(Call::Discovered(session, answer))
    }

    fn attempted(&mut self, work: Work, result: Result<Attempted, AttemptError>) {
        let Work::Attempt(id, session, address, span) = work else { return };
        let result: Result<Delivery, AttemptFault> = match result {
            Ok(attempted) => {
                let price = attempted.info.as_ref().and_then(OrchestratorInfo::price);
                let held = self.sessions.get_mut(&session);
                if let Some((held, info)) = held.zip(attempted.info) {
                    held.info = Arc::new(info);
                }
                // The first to deliver is the one that counts.
                if let Some(sequence) = self.dispatcher.sequence_of(id) {
                    self.received.entry(sequence).or_insert(attempted.received);
                }
                Ok(Delivery { media: attempted.renditions, facts: attempted.facts, price })
            }
            Err(error) => {
                let fault = error.fault();
                self.shared.metrics.attempted(error.kind());
                span.in_scope(|| {
                    tracing::warn!(%address, class = fault.class.as_str(), "attempt failed: {error}");
                });
                if let AttemptError::FalseWork { name, finding } = error {
                    self.keep_evidence(&address, id, name, *finding);
                }
                Err(fault)
            }
        };
        self.dispatch(Call::Attempt(id, result));
    }

    fn keep_evidence(
        &self,
        address: &OrchestratorAddress,
        attempt: AttemptId,
        rendition: RenditionName,
        finding: PictureFinding,
    ) {
        let Some(memory) = &self.shared.helpers.evidence else { return };
        let Some(sequence) = self.dispatcher.sequence_of(attempt) else { return };
        let evidence = Evidence {
            address: address.clone(),
            at: wall_clock_now(),
            stream: self.name.to_string(),
            sequence,
            rendition: rendition.to_string(),
            kind: finding.wrong.unwrap_or("false_work"),
            detail: finding.detail,
            pictures: finding.pictures,
        };
        if memory.try_send(evidence).is_err() {
            tracing::warn!(%address, "evidence is lost: its memory is busy");
        }
    }

    fn release(&mut self, segment: PresentationSegment) {
        let sequence = segment.source.sequence;
        let delay = now().saturating_duration_since(segment.source.closed);
        let (gap, outcome) = (segment.gap(), segment.outcome());
        self.shared.metrics.released(outcome, delay);
        let span = self.segments.remove(&sequence).unwrap_or_else(|| self.stream.clone());
        span.in_scope(|| {
            tracing::debug!(%sequence, outcome, delay_ms = delay.as_millis(), "released");
            match gap {
                Some(GapReason::PublisherAway | GapReason::NotTranscodable) => {}
                Some(reason) => {
                    if self.missing == 0 {
                        let reason = reason.as_str();
                        tracing::warn!(%sequence, reason, "renditions are missing");
                    }
                    self.missing += 1;
                }
                None if self.missing > 0 && !segment.renditions.is_empty() => {
                    tracing::info!(%sequence, missing = self.missing, "renditions are back");
                    self.missing = 0;
                }
                None => {}
            }
        });
        self.bodies.forget(sequence);
        self.released.push_back(segment);
    }
}

impl Drop for StreamRoute {
    fn drop(&mut self) {
        self.dispatch(Call::Abandon);
        for (_, held) in self.sessions.drain().filter(|(_, held)| held.used) {
            end_session(&self.shared, &self.stream, held.info);
        }
    }
}

fn source_codec(video: &TrackSegment) -> VideoCodec {
    video.init.track.parameters.picture().map(|(codec, _)| codec).unwrap_or_default()
}

/// Tells an orchestrator that a session is over, so that it frees its place. Best effort: a session
/// nobody ends idles out there.
fn end_session(shared: &Arc<Shared>, stream: &Span, info: Arc<OrchestratorInfo>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let client = shared.client.clone();
    let call = async move {
        if let Err(error) = client.end_session(&info).await {
            tracing::debug!(address = %info.address(), %error, "session not ended");
        }
    };
    shared.tasks.spawn_on(call.instrument(stream.clone()), &runtime);
}
