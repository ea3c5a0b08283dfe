//! Segments out to orchestrators, renditions back in, sequence numbers released in step.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use media::{GapReason, Ladder, PresentationSegment, Segment, SequenceNumber, TrackSegment};
use orchestrator::Retry;

use crate::{
    attempt::{Attempt, AttemptFault, AttemptId, AttemptStart, Blame},
    config::RouterConfig,
    output::Output,
    reason::Reason,
    released_inits::ReleasedInits,
    roster::{Roster, Verdict},
    session::{ConfiguredOrchestrator, DiscoveryFault, SessionId, SessionOffer},
    waiting::{Outcome, Waiting, gaps},
};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// Segments in a row without renditions after which nothing is held for an orchestrator to appear.
const OUTAGE: u32 = 2;

/// Counters of one stream since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sequence numbers released.
    pub released: u64,
    /// Of these, with media in every rendition.
    pub complete: u64,
    /// Attempts begun.
    pub attempts: u64,
    /// Of these, after the segment's first.
    pub retries: u64,
    /// Results that came when nobody waited for them any more.
    pub discarded: u64,
    /// Segments released early because too many were waiting.
    pub overflowed: u64,
}

/// The routing of one stream, without I/O.
///
/// Call `push`, the `set_` and the `handle_` methods as things happen, then take every
/// [`poll_output`](Self::poll_output), and wake it with [`handle_timeout`](Self::handle_timeout) at
/// [`poll_timeout`](Self::poll_timeout). Time must not go back.
///
/// A segment is sent at once, tried again elsewhere when that fails, and released with its
/// renditions or, at its deadline, with gaps; numbers are released in order, each exactly once. All
/// attempts share that one deadline: while another orchestrator could still take over, an attempt
/// gets two thirds of the time left, which with the default hold is the segment's own duration.
#[derive(Debug)]
pub struct Dispatcher {
    config: Arc<RouterConfig>,
    roster: Roster,
    /// At most `config.waiting_segments`; when full, the oldest is released with gaps.
    waiting: VecDeque<Waiting>,
    /// At most one per waiting segment.
    attempts: Vec<Attempt>,
    next_attempt: u64,
    ladder: Arc<Ladder>,
    epoch: u64,
    inits: ReleasedInits,
    /// An orchestrator was configured at some time: the presentation has the ladder's renditions.
    transcoding: bool,
    /// Segments in a row that should have renditions and were released without.
    misses: u32,
    publication_interval: Option<Duration>,
    last_publication: Option<Instant>,
    finish_by: Option<Instant>,
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Dispatcher {
    /// A stream without orchestrators and with an empty ladder. `seed` decides every choice that is
    /// left to chance: with equal inputs, equal seeds give equal outputs.
    #[must_use]
    pub fn new(config: Arc<RouterConfig>, seed: u64) -> Self {
        Self {
            roster: Roster::new(Arc::clone(&config), seed),
            config,
            waiting: VecDeque::new(),
            attempts: Vec::new(),
            next_attempt: 0,
            ladder: Arc::default(),
            epoch: 0,
            inits: ReleasedInits::default(),
            transcoding: false,
            misses: 0,
            publication_interval: None,
            last_publication: None,
            finish_by: None,
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    // Getters.

    /// Counters since the start.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Whether [`finish`](Self::finish) was called, every number is released and every session ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finish_by.is_some() && self.waiting.is_empty() && self.outputs.is_empty()
    }

    // What the stream decides.

    /// Sets what segments pushed from now on are transcoded to.
    pub fn set_ladder(&mut self, now: Instant, ladder: Arc<Ladder>) {
        if *ladder != *self.ladder {
            self.ladder = ladder;
            self.epoch += 1;
            self.advance(now);
        }
    }

    /// Sets the presentation's `EXT-X-TARGETDURATION`, which bounds the time between publications.
    pub fn set_target_duration(&mut self, now: Instant, target_duration: Duration) {
        self.publication_interval = Some(self.config.publication_interval(target_duration));
        self.advance(now);
    }

    /// Takes over the operator's list, in the operator's order.
    pub fn set_orchestrators(&mut self, now: Instant, configured: Vec<ConfiguredOrchestrator>) {
        self.transcoding |= !configured.is_empty();
        self.roster.set_orchestrators(configured, &mut self.outputs);
        self.advance(now);
    }

    /// Takes a closed segment, or a stand-in. Never refuses: see [`RouterConfig::waiting_segments`].
    pub fn push(&mut self, now: Instant, segment: Arc<Segment>) {
        if segment.discontinuity {
            self.epoch += 1;
        }
        while self.waiting.len() >= self.config.waiting_segments.max(1) {
            self.stats.overflowed += 1;
            self.release_head(now);
        }
        let own = segment.closed + self.config.hold(segment.duration);
        let due = self.waiting.back().map_or(own, |ahead| ahead.due.max(own));
        self.waiting.push_back(Waiting {
            outcome: self.outcome_without_attempt(&segment),
            segment,
            ladder: Arc::clone(&self.ladder),
            epoch: self.epoch,
            due,
            attempts: 0,
            sent: false,
            tried: Vec::new(),
        });
        self.advance(now);
    }

    /// What a segment's renditions come to, where that is known without sending it.
    fn outcome_without_attempt(&self, segment: &Segment) -> Option<Outcome> {
        if self.ladder.is_empty() || !self.transcoding {
            return Some(Outcome::SourceOnly);
        }
        let has_pictures = segment.video.as_ref().is_some_and(|video| !video.samples.is_empty());
        if segment.is_gap() {
            Some(Outcome::Gaps(GapReason::PublisherAway))
        } else if !has_pictures || !segment.independent {
            Some(Outcome::Gaps(GapReason::NotTranscodable))
        } else if self.roster.is_empty() {
            Some(Outcome::Gaps(GapReason::NoOrchestrator))
        } else {
            None
        }
    }

    /// Ends the stream: what is in flight may end within the configured grace, then everything is
    /// released and every session ended. Push nothing after it.
    pub fn finish(&mut self, now: Instant) {
        self.finish_by.get_or_insert(now + self.config.finish_grace);
        self.advance(now);
    }

    // What the shell reports.

    /// Takes the answer to [`Output::Discover`]. False when the session is not wanted (any more).
    pub fn handle_discovered(
        &mut self,
        now: Instant,
        session: SessionId,
        answer: Result<SessionOffer, DiscoveryFault>,
    ) -> bool {
        let accepted = self.roster.answered(now, session, answer, &mut self.outputs);
        self.advance(now);
        accepted
    }

    /// Takes the end of an attempt: one track per rung of its ladder, in the ladder's order, already
    /// on the source's timeline; or what went wrong. The end of a cancelled attempt is ignored.
    pub fn handle_attempt(
        &mut self,
        now: Instant,
        id: AttemptId,
        result: Result<Vec<TrackSegment>, AttemptFault>,
    ) {
        let Some(index) = self.attempts.iter().position(|it| it.id == id) else {
            self.stats.discarded += 1;
            return;
        };
        let attempt = self.attempts.swap_remove(index);
        let waiting = self.waiting.iter_mut().find(|it| it.segment.sequence == attempt.sequence);
        let verdict = match (waiting, result) {
            (Some(waiting), Ok(media)) if media.len() == waiting.ladder.profiles().len() => {
                self.misses = 0;
                waiting.outcome.get_or_insert(Outcome::Media(media));
                Verdict::Delivered
            }
            (waiting, result) => {
                let fault = result.err().unwrap_or(AttemptFault::BAD_RESULT);
                waiting.map_or(Verdict::Innocent, |waiting| failed(waiting, &attempt, fault))
            }
        };
        self.roster.ended(now, attempt.session, verdict, &mut self.outputs);
        self.advance(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    // What comes out.

    /// The next thing to do. Take all of them after each call that changes something.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        let release =
            self.waiting.front().map(|head| (self.deadline(head), Reason::ReleaseDeadline));
        let attempts = self.attempts.iter().map(|it| (it.give_up, Reason::AttemptTimeout));
        let roster = self.roster.timeouts(self.wants_sessions());
        release.into_iter().chain(attempts).chain(roster).min_by_key(|(at, _)| *at)
    }

    fn wants_sessions(&self) -> bool {
        !self.ladder.is_empty() && self.finish_by.is_none()
    }

    /// Brings everything up to `now`. Each turn that changes something emits an output, and a turn
    /// can't repeat itself at one instant: a failed attempt or question sets its orchestrator aside.
    fn advance(&mut self, now: Instant) {
        loop {
            let before = self.outputs.len();
            self.release(now);
            self.expire_attempts(now);
            self.roster.maintain(now, self.wants_sessions(), &mut self.outputs);
            self.send(now);
            self.give_up(now);
            self.release(now);
            if self.finish_by.is_some() && self.waiting.is_empty() {
                self.roster.close(&mut self.outputs);
            }
            if self.outputs.len() == before {
                return;
            }
        }
    }

    fn expire_attempts(&mut self, now: Instant) {
        let (over, going): (Vec<_>, Vec<_>) =
            self.attempts.drain(..).partition(|attempt| attempt.give_up <= now);
        self.attempts = going;
        for attempt in over {
            self.outputs.push_back(Output::CancelAttempt(attempt.id));
            let sequence = attempt.sequence;
            if let Some(waiting) =
                self.waiting.iter_mut().find(|it| it.segment.sequence == sequence)
            {
                failed(waiting, &attempt, AttemptFault::TIMEOUT);
            }
            let verdict = if attempt.is_late(now) { Verdict::Late } else { Verdict::Innocent };
            self.roster.ended(now, attempt.session, verdict, &mut self.outputs);
        }
    }

    /// Sends what can be sent, oldest first.
    fn send(&mut self, now: Instant) {
        for index in 0..self.waiting.len() {
            let Some(start) = self.next_attempt(now, index) else { continue };
            self.stats.attempts += 1;
            self.stats.retries += u64::from(start.number > 1);
            self.outputs.push_back(Output::StartAttempt(start));
        }
    }

    fn next_attempt(&mut self, now: Instant, index: usize) -> Option<AttemptStart> {
        let waiting = self.waiting.get(index)?;
        if !self.may_try(now, waiting) {
            return None;
        }
        let remaining = self.deadline(waiting).saturating_duration_since(now);
        let session = self.roster.choose(&waiting.tried)?;
        let another = waiting.attempts + 1 < self.config.attempts
            && self.roster.has_other(session, &waiting.tried);
        let budget = if another { remaining * 2 / 3 } else { remaining };
        let (orchestrator, force_session_reinit) = self.roster.begin(session, waiting.epoch)?;
        let waiting = self.waiting.get_mut(index)?;
        waiting.attempts += 1;
        waiting.sent = true;
        let id = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        self.attempts.push(Attempt {
            id,
            session,
            sequence: waiting.segment.sequence,
            address: orchestrator.address.clone(),
            started: now,
            give_up: now + budget,
            real_time: waiting.segment.duration.to_std() * 3 / 4,
        });
        Some(AttemptStart {
            id,
            session,
            orchestrator,
            segment: Arc::clone(&waiting.segment),
            ladder: Arc::clone(&waiting.ladder),
            number: waiting.attempts,
            force_session_reinit,
            budget,
        })
    }

    /// Whether another attempt for a segment is allowed, and has a chance.
    fn may_try(&self, now: Instant, waiting: &Waiting) -> bool {
        let least = waiting.segment.duration.to_std() / 10;
        waiting.is_open()
            && !self.is_in_flight(waiting.segment.sequence)
            && waiting.attempts < self.config.attempts
            && self.deadline(waiting).saturating_duration_since(now) > least
    }

    fn is_in_flight(&self, sequence: SequenceNumber) -> bool {
        self.attempts.iter().any(|attempt| attempt.sequence == sequence)
    }

    /// Declares gaps where nothing is in flight and nothing more can be tried in time.
    fn give_up(&mut self, now: Instant) {
        let none_left = self.roster.is_empty();
        let opportunity = self.roster.earliest_opportunity(now);
        let outage = !self.roster.has_live()
            && (self.misses >= OUTAGE || self.finish_by.is_some() || none_left);
        for index in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.get(index) else { return };
            if !waiting.is_open() || self.is_in_flight(waiting.segment.sequence) {
                continue;
            }
            let deadline = self.deadline(waiting);
            let in_time = opportunity.is_some_and(|at| at < deadline);
            if outage || !in_time || !self.may_try(now, waiting) {
                let reason = waiting.reason(&self.roster);
                if let Some(waiting) = self.waiting.get_mut(index) {
                    waiting.give_up(reason);
                }
            }
        }
    }

    /// Releases every number that is complete or due, in order.
    fn release(&mut self, now: Instant) {
        while let Some(head) = self.waiting.front() {
            if head.is_open() && self.deadline(head) > now {
                return;
            }
            self.release_head(now);
        }
    }

    /// Releases the oldest number with what there is.
    fn release_head(&mut self, now: Instant) {
        let Some(mut head) = self.waiting.pop_front() else { return };
        let sequence = head.segment.sequence;
        if let Some(index) = self.attempts.iter().position(|it| it.sequence == sequence) {
            let attempt = self.attempts.swap_remove(index);
            self.outputs.push_back(Output::CancelAttempt(attempt.id));
            let verdict = if attempt.is_late(now) { Verdict::Late } else { Verdict::Innocent };
            self.roster.ended(now, attempt.session, verdict, &mut self.outputs);
            head.give_up(GapReason::Deadline);
        }
        let reason = head.reason(&self.roster);
        let outcome = head.outcome.take().unwrap_or(Outcome::Gaps(reason));
        let (renditions, new_header) = match outcome {
            Outcome::SourceOnly => (Vec::new(), false),
            Outcome::Gaps(reason) => {
                self.misses = self.misses.saturating_add(u32::from(head.is_miss(reason)));
                (gaps(&head.ladder, reason), false)
            }
            Outcome::Media(media) => {
                self.stats.complete += 1;
                self.inits.list(&head.ladder, media)
            }
        };
        let mut source = head.segment;
        if new_header && !source.discontinuity {
            source = Arc::new(Segment { discontinuity: true, ..Segment::clone(&source) });
        }
        self.stats.released += 1;
        self.last_publication = Some(now);
        self.outputs.push_back(Output::Release(PresentationSegment { source, renditions }));
    }

    /// When a segment has to be listed, as the head of the queue or as far as is known before that.
    fn deadline(&self, waiting: &Waiting) -> Instant {
        let by_finish = self.finish_by.unwrap_or(waiting.due);
        let due = waiting.due.min(by_finish);
        let head = self.waiting.front().map(|head| head.segment.sequence);
        if head != Some(waiting.segment.sequence) {
            return due;
        }
        let by_interval = self.publication_interval.zip(self.last_publication);
        by_interval.map_or(due, |(interval, last)| due.min(last + interval))
    }
}

/// Notes on the segment what a failed attempt means for it; tells what it means for the session.
fn failed(waiting: &mut Waiting, attempt: &Attempt, fault: AttemptFault) -> Verdict {
    match fault.retry {
        Retry::Same => return Verdict::Renew,
        Retry::Other => waiting.tried.push(attempt.address.clone()),
        Retry::Never => waiting.give_up(GapReason::AttemptsFailed),
    }
    match fault.blame {
        Blame::Orchestrator => Verdict::Fault,
        Blame::Busy => Verdict::Late,
        Blame::Capped => {
            waiting.attempts = waiting.attempts.saturating_sub(1);
            Verdict::Capped
        }
        Blame::Nobody => Verdict::Innocent,
    }
}
