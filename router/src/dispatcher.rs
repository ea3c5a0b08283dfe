//! Segments out to orchestrators, renditions back in, sequence numbers released in step.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use media::{GapReason, Ladder, RenditionName, Segment, SequenceNumber, VideoCodec};

use crate::{
    attempt::{Attempt, AttemptId, Delivery},
    config::RouterConfig,
    decision::PaymentFacts,
    extra_work::ExtraWork,
    fault::{AttemptFault, DiscoveryFault},
    fleet::{Fleet, StreamId},
    output::Output,
    pool::StreamPolicy,
    reason::Reason,
    released_inits::ReleasedInits,
    roster::Roster,
    session::{SessionId, SessionOffer},
    waiting::{Outcome, Waiting},
};

mod attempts;
mod endings;
mod release;
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
    /// Of these, after another had failed.
    pub retries: u64,
    /// Of these, beside another that took long.
    pub hedges: u64,
    /// Of these, beside another to see whether a slow orchestrator has healed.
    pub probes: u64,
    /// Results that came when nobody waited for them any more.
    pub discarded: u64,
    /// Segments released early because too many were waiting.
    pub overflowed: u64,
}

/// The routing of one stream, without I/O.
///
/// Call `push`, the `set_` and the `handle_` methods as things happen, then take every
/// [`poll_output`](Self::poll_output), and wake it with [`handle_timeout`](Self::handle_timeout) at
/// [`poll_timeout`](Self::poll_timeout). Time must not go back. The [`Fleet`] is the one all streams
/// of a gateway share.
///
/// A segment is sent at once, sent to a second orchestrator when the first takes longer than it should,
/// tried elsewhere when it fails, and released with its renditions or, at its deadline, with gaps;
/// numbers are released in order, each exactly once. All attempts share that one deadline: while
/// another orchestrator could still take over, an attempt gets two thirds of the time left, which with
/// the default hold is the segment's own duration.
#[derive(Debug)]
pub struct Dispatcher {
    config: Arc<RouterConfig>,
    stream: StreamId,
    roster: Roster,
    /// At most `config.waiting_segments`; when full, the oldest is released with gaps.
    waiting: VecDeque<Waiting>,
    /// At most two per waiting segment.
    attempts: Vec<Attempt>,
    next_attempt: u64,
    extra_work: ExtraWork,
    ladder: Arc<Ladder>,
    /// What the last segment with media was to be transcoded to: the ladder without the rungs that came
    /// with it.
    wanted: Arc<Ladder>,
    /// The layer that the last segment was to be transcoded from, where that was not `source`.
    layer: Option<RenditionName>,
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
    /// A stream with an empty ladder. `seed` decides every choice that is left to chance: with equal
    /// inputs, equal seeds give equal outputs.
    #[must_use]
    pub fn new(
        config: Arc<RouterConfig>,
        stream: StreamId,
        policy: StreamPolicy,
        seed: u64,
    ) -> Self {
        Self {
            roster: Roster::new(Arc::clone(&config), policy, seed),
            extra_work: ExtraWork::new(config.extra_work_percent),
            config,
            stream,
            waiting: VecDeque::new(),
            attempts: Vec::new(),
            next_attempt: 0,
            ladder: Arc::default(),
            wanted: Arc::default(),
            layer: None,
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

    /// Segments that are not released yet.
    #[must_use]
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Attempts in flight.
    #[must_use]
    pub fn attempts_len(&self) -> usize {
        self.attempts.len()
    }

    /// The segment an attempt in flight is for.
    #[must_use]
    pub fn sequence_of(&self, attempt: AttemptId) -> Option<SequenceNumber> {
        self.attempts.iter().find(|it| it.id == attempt).map(|it| it.sequence)
    }

    // What the stream decides.

    /// Sets what segments pushed from now on are transcoded to.
    pub fn set_ladder(&mut self, now: Instant, fleet: &mut Fleet, ladder: Arc<Ladder>) {
        if *ladder != *self.ladder {
            self.wanted = Arc::clone(&ladder);
            self.ladder = ladder;
            self.epoch += 1;
            self.advance(now, fleet);
        }
    }

    /// Sets how the pictures of segments pushed from now on are coded. Sessions with orchestrators were
    /// asked for with the codec before in mind: they end, and new ones are asked for.
    pub fn set_source(&mut self, now: Instant, fleet: &mut Fleet, codec: VideoCodec) {
        if self.roster.set_source(codec, &mut self.outputs) {
            self.epoch += 1;
            self.advance(now, fleet);
        }
    }

    /// Sets the presentation's `EXT-X-TARGETDURATION`, which bounds the time between publications.
    pub fn set_target_duration(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        target_duration: Duration,
    ) {
        self.publication_interval = Some(self.config.publication_interval(target_duration));
        self.advance(now, fleet);
    }

    /// Takes a closed segment, or a stand-in. Never refuses: see [`RouterConfig::waiting_segments`].
    pub fn push(&mut self, now: Instant, fleet: &mut Fleet, segment: Arc<Segment>) {
        self.follow_pools(fleet);
        if segment.discontinuity {
            self.epoch += 1;
        }
        while self.waiting.len() >= self.config.waiting_segments.max(1) {
            self.stats.overflowed += 1;
            self.release_head(now, fleet);
        }
        let percent = self.roster.policy().hold_percent.unwrap_or(self.config.hold_percent);
        let own = segment.closed + self.config.hold(segment.duration, percent);
        let due = self.waiting.back().map_or(own, |ahead| ahead.due.max(own));
        let ladder = self.follow_source(&segment);
        let outcome = self.outcome_without_attempt(now, fleet, &segment, &ladder, due);
        self.waiting.push_back(Waiting::new(segment, ladder, self.epoch, due, outcome));
        self.advance(now, fleet);
    }

    /// Notes what a segment is to be transcoded from, and to what: rungs that come with it are not asked for.
    fn follow_source(&mut self, segment: &Segment) -> Arc<Ladder> {
        let comes = |name: &RenditionName| segment.ready_made.iter().any(|it| it.name == *name);
        let partly = self.ladder.profiles().iter().any(|profile| comes(&profile.name));
        let wanted = if partly {
            Arc::new(self.ladder.without(|profile| comes(&profile.name)))
        } else {
            Arc::clone(&self.ladder)
        };
        let layer = segment.layer_to_transcode().map(|layer| layer.name.clone());
        let media = !segment.is_gap() && !segment.filler;
        if media && (*wanted != *self.wanted || layer != self.layer) {
            self.epoch += 1;
            self.layer = layer;
            self.wanted = Arc::clone(&wanted);
        }
        wanted
    }

    /// What a segment's renditions come to, where that is known without sending it.
    fn outcome_without_attempt(
        &self,
        now: Instant,
        fleet: &Fleet,
        segment: &Segment,
        wanted: &Ladder,
        due: Instant,
    ) -> Option<Outcome> {
        if wanted.is_empty() || !self.transcoding {
            return Some(Outcome::SourceOnly);
        }
        let (duration, hold) = (segment.duration.to_std(), due.saturating_duration_since(now));
        let has_pictures = segment.to_transcode().is_some_and(|video| !video.samples.is_empty());
        if segment.is_gap() || segment.filler {
            Some(Outcome::Gaps(GapReason::PublisherAway))
        } else if !has_pictures || !segment.independent {
            Some(Outcome::Gaps(GapReason::NotTranscodable))
        } else if self.roster.is_empty() {
            Some(Outcome::Gaps(GapReason::NoOrchestrator))
        } else if fleet.is_full(now, self.stream, self.roster.orchestrators(), duration, hold) {
            Some(Outcome::Gaps(GapReason::FleetFull))
        } else {
            None
        }
    }

    /// Ends the stream: what is in flight may end within the configured grace, then everything is
    /// released and every session ended. Push nothing after it.
    pub fn finish(&mut self, now: Instant, fleet: &mut Fleet) {
        self.finish_by.get_or_insert(now + self.config.finish_grace);
        self.advance(now, fleet);
    }

    /// Gives back what the stream holds of the fleet, at once. For a stream that ends without
    /// [`finish`](Self::finish).
    pub fn abandon(&mut self, fleet: &mut Fleet) {
        for attempt in self.attempts.drain(..) {
            fleet.ended(attempt.address());
        }
        fleet.stop_waiting(self.stream);
    }

    // What the shell reports.

    /// Takes the answer to [`Output::Discover`]. False when the session is not wanted (any more).
    pub fn handle_discovered(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        session: SessionId,
        answer: Result<SessionOffer, DiscoveryFault>,
    ) -> bool {
        let accepted = self.roster.answered(now, fleet, session, answer, &mut self.outputs);
        self.advance(now, fleet);
        accepted
    }

    /// An attempt is paid for, and is sent now. One that is not known any more is ignored.
    pub fn handle_paid(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        id: AttemptId,
        facts: Option<PaymentFacts>,
    ) {
        self.attempt_paid(now, id, facts);
        self.advance(now, fleet);
    }

    /// Takes the end of an attempt: one track per rung of its ladder, in the ladder's order, already
    /// on the source's timeline; or what went wrong. The end of a cancelled attempt is ignored.
    pub fn handle_attempt(
        &mut self,
        now: Instant,
        fleet: &mut Fleet,
        id: AttemptId,
        result: Result<Delivery, AttemptFault>,
    ) {
        let Some(index) = self.attempts.iter().position(|it| it.id == id) else {
            self.stats.discarded += 1;
            return;
        };
        let attempt = self.attempts.swap_remove(index);
        self.attempt_ended(now, fleet, &attempt, result);
        self.advance(now, fleet);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, fleet: &mut Fleet) {
        self.advance(now, fleet);
    }

    // What comes out.

    /// The next thing to do. Take all of them after each call that changes something.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and what for.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant, fleet: &Fleet) -> Option<(Instant, Reason)> {
        let release =
            self.waiting.front().map(|head| (self.release_time(head), Reason::ReleaseDeadline));
        let attempts = self.attempts.iter().map(|it| (it.give_up, Reason::AttemptTimeout));
        let hedges = self.attempts.iter().filter_map(|it| Some((it.hedge_at?, Reason::Hedge)));
        let hedges = hedges.filter(|(at, _)| *at > now);
        let lost = self.attempts.iter().filter_map(|it| endings::lost_at(fleet, it));
        let lost = lost.filter(|at| *at > now).map(|at| (at, Reason::AttemptTimeout));
        let roster = self.roster.timeouts(now, fleet, self.wants_sessions());
        let all = release.into_iter().chain(attempts).chain(hedges).chain(lost).chain(roster);
        all.min_by_key(|(at, _)| *at)
    }

    /// What was not taken yet.
    pub(crate) fn pending_outputs(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter()
    }

    fn wants_sessions(&self) -> bool {
        !self.ladder.is_empty() && self.finish_by.is_none()
    }

    fn follow_pools(&mut self, fleet: &Fleet) {
        self.roster.follow_pools(fleet, &mut self.outputs);
        self.transcoding |= !self.roster.is_empty();
    }

    /// Brings everything up to `now`. Each turn that changes something emits an output, and a turn
    /// can't repeat itself at one instant: a failed attempt or question sets its orchestrator aside.
    fn advance(&mut self, now: Instant, fleet: &mut Fleet) {
        self.follow_pools(fleet);
        loop {
            let before = self.outputs.len();
            self.release(now, fleet);
            self.expire_attempts(now, fleet);
            self.roster.set_losing(self.misses > 0);
            self.roster.maintain(now, fleet, self.wants_sessions(), &mut self.outputs);
            self.send(now, fleet);
            self.send_twice(now, fleet);
            self.give_up(now, fleet);
            self.release(now, fleet);
            if self.finish_by.is_some() && self.waiting.is_empty() {
                self.cancel_all(now, fleet);
                self.roster.close(&mut self.outputs);
            }
            if self.outputs.len() == before {
                return;
            }
        }
    }

    fn is_in_flight(&self, sequence: SequenceNumber) -> bool {
        self.attempts.iter().any(|attempt| attempt.sequence == sequence)
    }

    fn waiting_for(&mut self, sequence: SequenceNumber) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|it| it.segment.sequence == sequence)
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
