//! Work on pushed segments: each once, one stream's in order.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use media::StreamName;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};
use tracing::debug;

use super::{PushContext, receive::Received};
use crate::{
    push::{Claim, LedgerBook, PushAnswer, PushRefusal, PushRequest, PushedSegment, Ticket},
    shell::now,
};

/// Longest that a client can stretch the time for a result to, and how long work goes on at least when
/// its client has been told that it is late: the client comes again.
const RESULT_LIMIT_MAX: Duration = Duration::from_secs(300);

/// How a segment ended.
pub(super) type Outcome = Result<Arc<PushAnswer>, PushRefusal>;
/// Where a segment's outcome is, or will be.
type Handle = watch::Receiver<Option<Outcome>>;

/// What is known of all streams' segments.
#[derive(Debug)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    book: LedgerBook<Handle>,
    /// By stream, the segment handed over last or to be: resolves once it has been.
    turns: HashMap<StreamName, (Ticket, oneshot::Receiver<()>)>,
}

/// A segment that is new.
struct Job {
    stream: StreamName,
    request: PushRequest,
    received: Received,
    ticket: Ticket,
    out_of_order: bool,
    turn: Turn,
    outcome: watch::Sender<Option<Outcome>>,
}

/// A segment's place among those of its stream.
struct Turn {
    /// Resolves when the segment before has been handed over, or never will be.
    before: Option<oneshot::Receiver<()>>,
    /// Dropped when this one has been.
    done: oneshot::Sender<()>,
}

impl Known {
    pub(super) fn new(book: LedgerBook<Handle>) -> Self {
        Self(Mutex::new(Inner { book, turns: HashMap::new() }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets streams that have been quiet for long.
    pub(super) fn expire(&self) {
        self.lock().book.expire(now());
    }
}

/// The outcome of a segment: of the first like it where there was one.
pub(super) async fn outcome(
    context: &PushContext,
    known: &Arc<Known>,
    stream: StreamName,
    request: PushRequest,
    received: Received,
) -> Outcome {
    let limit = result_limit(context, &request);
    let mut handle = begin(context, known, stream, request, received)?;
    // The work goes on: whoever comes again finds it under way, or done.
    let waiting = timeout(limit, handle.wait_for(Option::is_some)).await;
    let gone = || PushRefusal::Transient("work on the segment broke off".to_owned());
    match waiting {
        Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(gone())),
        Ok(Err(_)) => Err(gone()),
        Err(_) => Err(PushRefusal::ResultLate(limit.as_secs())),
    }
}

fn result_limit(context: &PushContext, request: &PushRequest) -> Duration {
    let configuration = request.configuration.as_ref();
    let multiplier = configuration.map_or(1, |configuration| configuration.timeout_multiplier);
    let limit = context.config.result_limit;
    limit.saturating_mul(multiplier).min(RESULT_LIMIT_MAX.max(limit))
}

/// Finds the segment among those known, or sets to work on it.
fn begin(
    context: &PushContext,
    known: &Arc<Known>,
    stream: StreamName,
    request: PushRequest,
    received: Received,
) -> Result<Handle, PushRefusal> {
    let (sender, receiver) = watch::channel(None);
    let mut inner = known.lock();
    let claim = inner.book.claim(now(), &stream, request.sequence, received.digest, || receiver);
    match claim {
        Claim::Known(handle) => {
            context.metrics.repeated.inc();
            Ok(handle)
        }
        Claim::Full => Err(PushRefusal::Full("too many segments of this stream are under way")),
        Claim::New { ticket, handle, out_of_order } => {
            let (done, next) = oneshot::channel();
            let before = inner.turns.insert(stream.clone(), (ticket, next));
            drop(inner);
            let turn = Turn { before: before.map(|(_, before)| before), done };
            let outcome = sender;
            let job = Job { stream, request, received, ticket, out_of_order, turn, outcome };
            let (context, known) = (context.clone(), Arc::clone(known));
            context.tasks.clone().spawn(work(context, known, job));
            Ok(handle)
        }
    }
}

/// Settles a segment however the work on it ends.
struct Settle {
    known: Arc<Known>,
    stream: StreamName,
    ticket: Ticket,
    kept: Option<usize>,
}

impl Drop for Settle {
    fn drop(&mut self) {
        let mut inner = self.known.lock();
        inner.book.settle(now(), &self.stream, self.ticket, self.kept);
        if inner.turns.get(&self.stream).is_some_and(|(ticket, _)| *ticket == self.ticket) {
            inner.turns.remove(&self.stream);
        }
    }
}

/// Gauge of what is under way.
struct UnderWay(prometheus_client::metrics::gauge::Gauge);

impl UnderWay {
    fn new(gauge: &prometheus_client::metrics::gauge::Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn work(context: PushContext, known: Arc<Known>, job: Job) {
    let _under_way = UnderWay::new(&context.metrics.under_way);
    let Job { stream, request, received, ticket, out_of_order, turn, outcome } = job;
    let mut settle = Settle { known, stream: stream.clone(), ticket, kept: None };
    let limit = RESULT_LIMIT_MAX.max(context.config.result_limit);
    let result = result(&context, stream.clone(), request, received, out_of_order, turn);
    let result = match timeout(limit, result).await {
        Ok(result) => result.map(Arc::new),
        Err(_) => Err(PushRefusal::ResultLate(limit.as_secs())),
    };
    settle.kept = match &result {
        Ok(answer) => Some(answer.byte_len()),
        Err(refusal) => refusal.is_final().then_some(0),
    };
    match &result {
        Ok(answer) => debug!(%stream, bytes = answer.byte_len(), "pushed segment answered"),
        Err(refusal) => debug!(%stream, %refusal, "pushed segment not answered"),
    }
    drop(settle);
    outcome.send_replace(Some(result));
}

async fn result(
    context: &PushContext,
    stream: StreamName,
    request: PushRequest,
    received: Received,
    out_of_order: bool,
    turn: Turn,
) -> Result<PushAnswer, PushRefusal> {
    let Received { bytes, memory: _memory, .. } = received;
    let (container, declared, arrived) = (request.container, request.declared_duration, now());
    let reading = tokio::task::spawn_blocking(move || {
        PushedSegment::read(container, bytes, declared, arrived)
    });
    let broken = |_| PushRefusal::Transient("the segment's reader broke".to_owned());
    let mut segment = reading.await.map_err(broken)??;
    if let Some(before) = turn.before {
        // An error says that it never comes.
        before.await.unwrap_or_default();
    }
    segment.out_of_order = out_of_order;
    if out_of_order {
        context.metrics.out_of_order.inc();
    }
    if segment.declared_is_off() {
        context.metrics.durations_off.inc();
        debug!(%stream, declared = ?declared, duration = %segment.duration, "the client is wrong about its segment");
    }
    let answer = context.admission.push(stream, request, segment);
    drop(turn.done);
    answer.await
}
