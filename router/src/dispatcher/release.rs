//! Numbers listed in step, in order, each once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use media::{GapReason, MediaDuration, PresentationSegment, Segment};

use super::{Dispatcher, OUTAGE};
use crate::{
    fleet::Fleet,
    output::Output,
    waiting::{Outcome, Waiting, gaps},
};

impl Dispatcher {
    /// Declares gaps where nothing is in flight and nothing more can be tried in time.
    pub(super) fn give_up(&mut self, now: Instant, fleet: &Fleet) {
        let none_left = self.roster.is_empty();
        let has_live = self.roster.has_live(now, fleet);
        let outage = !has_live && (self.misses >= OUTAGE || self.finish_by.is_some() || none_left);
        for index in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.get(index) else { return };
            if !waiting.is_open() || self.is_in_flight(waiting.segment.sequence) {
                continue;
            }
            let deadline = self.deadline(waiting);
            // While nothing works, an orchestrator that failed a segment is no reason to hold it.
            let hopeless: &[_] = if self.misses >= OUTAGE { &waiting.tried } else { &[] };
            let opportunity = self.roster.earliest_opportunity(now, fleet, hopeless);
            let in_time = opportunity.is_some_and(|at| at < deadline);
            if outage || !in_time || !self.may_try(now, waiting) {
                let reason = self.gap_reason(now, waiting, has_live);
                if let Some(waiting) = self.waiting.get_mut(index) {
                    waiting.give_up(reason);
                }
            }
        }
    }

    /// Why a segment has no renditions, where no attempt is in flight.
    fn gap_reason(&self, now: Instant, waiting: &Waiting, has_live: bool) -> GapReason {
        if !waiting.sent && !has_live && self.roster.lacks_decoders(now) {
            return GapReason::NoDecoder;
        }
        waiting.reason(!self.roster.is_empty(), has_live)
    }

    /// Releases every number that is complete or due, in order.
    pub(super) fn release(&mut self, now: Instant, fleet: &mut Fleet) {
        while let Some(head) = self.waiting.front() {
            if self.release_time(head) > now {
                return;
            }
            self.release_head(now, fleet);
        }
    }

    /// When the head is listed, as far as is known now: at its deadline; with all its renditions, after
    /// the cushion; at once where there is nothing to wait for.
    pub(super) fn release_time(&self, head: &Waiting) -> Instant {
        let deadline = self.deadline(head);
        match &head.outcome {
            None => deadline,
            Some(Outcome::Media(_)) => {
                deadline.min(head.segment.closed + self.cushion(head.segment.duration))
            }
            Some(Outcome::Gaps(_) | Outcome::SourceOnly) => head.segment.closed,
        }
    }

    /// How long after its closing a segment is listed at the earliest: a stream that ends waits for
    /// nothing.
    fn cushion(&self, duration: MediaDuration) -> Duration {
        if self.finish_by.is_some() {
            return Duration::ZERO;
        }
        let percent = self.roster.policy().cushion_percent(&self.config);
        duration.to_std().saturating_mul(percent) / 100
    }

    /// Releases the oldest number with what there is.
    pub(super) fn release_head(&mut self, now: Instant, fleet: &mut Fleet) {
        let Some(mut head) = self.waiting.pop_front() else { return };
        if self.cancel_attempts(now, fleet, &mut head, "the segment had to be listed") {
            head.give_up(GapReason::Deadline);
        }
        let reason = self.gap_reason(now, &head, self.roster.has_live(now, fleet));
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
        let source = with_discontinuity(&head.segment, new_header);
        let released = PresentationSegment { source, renditions };
        let decision = head.decision(now, self.roster.policy(), released.outcome());
        self.stats.released += 1;
        self.last_publication = Some(now);
        self.outputs.push_back(Output::Release(released));
        self.outputs.push_back(Output::Decided(Box::new(decision)));
    }
}

fn with_discontinuity(source: &Arc<Segment>, new_header: bool) -> Arc<Segment> {
    if new_header && !source.discontinuity {
        Arc::new(Segment { discontinuity: true, ..Segment::clone(source) })
    } else {
        Arc::clone(source)
    }
}
