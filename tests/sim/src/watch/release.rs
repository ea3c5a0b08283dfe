//! What must hold when a number is released.

use std::{sync::Arc, time::Duration};

use media::{GapReason, Ladder, PresentationSegment, RenditionOutcome};
use router::{AttemptId, StreamClass};

use super::{Ended, Watch, stream::StreamBook};
use crate::{
    publisher::Push,
    tiny_media::Content,
    violation::{Checked, ensure},
};

/// A segment between its push and its decision.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    pub(super) sequence: u64,
    pub(super) at: Duration,
    pub(super) closed: Duration,
    pub(super) duration: Duration,
    /// When its hold ends.
    pub(super) due: Duration,
    pub(super) epoch: u64,
    pub(super) ladder: Arc<Ladder>,
    pub(super) content: Content,
    /// It goes to orchestrators, when there are any.
    pub(super) transcodable: bool,
    /// It goes out without renditions.
    pub(super) source_only: bool,
    pub(super) poison: bool,
    pub(super) punctual: bool,
    /// The queue was full while it waited.
    pub(super) overflowed: bool,
    pub(super) blamed_by: Vec<usize>,
    /// The attempt whose result has to be used.
    pub(super) delivered_by: Option<AttemptId>,
    /// What it came to, once released.
    pub(super) outcome: &'static str,
}

impl StreamBook {
    /// Another picture to decode, or other rungs to make, need an encoder that starts anew.
    fn follow_source(&mut self, push: &Push, ladder: &Arc<Ladder>) {
        if push.content == Content::Nothing {
            return;
        }
        let paused = push.layers.is_some_and(|layers| layers.source_paused);
        let other = self.wanted != *ladder || paused != self.source_paused;
        self.epoch += u64::from(other);
        self.wanted = Arc::clone(ladder);
        self.source_paused = paused;
    }

    /// When a segment that waits has to be listed; `None` when it does not wait.
    pub(super) fn deadline(&self, sequence: u64) -> Option<Duration> {
        let place = self.waiting.iter().position(|it| it.sequence == sequence)?;
        let due = self.waiting.get(place)?.due;
        let due = self.finish_by.map_or(due, |by| due.min(by));
        let by_interval = self.interval.zip(self.last_release).filter(|_| place == 0);
        Some(by_interval.map_or(due, |(interval, last)| due.min(last + interval)))
    }
}

impl Watch {
    /// A segment is about to be pushed.
    pub(crate) fn pushed(
        &mut self,
        at: Duration,
        stream: usize,
        sequence: u64,
        push: &Push,
        ladder: &Arc<Ladder>,
    ) -> Checked {
        let config = self.config.clone();
        let any = !self.members(stream).is_empty();
        let book = self.stream(stream)?;
        book.transcoding |= any;
        book.epoch += u64::from(push.discontinuity);
        book.follow_source(push, ladder);
        let percent = book.policy.hold_percent.unwrap_or(config.hold_percent);
        let own = push.closed + (push.duration * percent / 100).max(config.minimum_hold);
        // A full queue lets its oldest go before the new one comes in.
        let ahead = if config.waiting_segments > 1 { book.waiting.back() } else { None };
        let due = ahead.map_or(own, |ahead| ahead.due.max(own));
        let overflows = book.waiting.len() >= config.waiting_segments;
        book.waiting.push_back(Pushed {
            sequence,
            at,
            closed: push.closed,
            duration: push.duration,
            due,
            epoch: book.epoch,
            ladder: Arc::clone(ladder),
            content: push.content,
            transcodable: push.content == Content::Pictures,
            source_only: ladder.is_empty() || !book.transcoding,
            poison: push.poison,
            punctual: push.punctual,
            overflowed: overflows,
            blamed_by: Vec::new(),
            delivered_by: None,
            outcome: "",
        });
        if overflows {
            // It is let go whatever its state.
            book.waiting.iter_mut().for_each(|it| it.overflowed = true);
        }
        Ok(())
    }

    /// A number is released.
    pub(crate) fn released(
        &mut self,
        at: Duration,
        stream: usize,
        segment: &PresentationSegment,
    ) -> Checked {
        let sequence = segment.source.sequence.0;
        let what = format!("stream {stream} releases {sequence}");
        let (lag, percent) = (self.timer_lag, self.config.cushion_percent);
        let book = self.stream(stream)?;
        ensure!(at, book.undecided.is_none(), "{what} before the decision about the one before");
        ensure!(at, sequence == book.next, "{what} where {} comes next", book.next);
        let deadline = book.deadline(sequence);
        let Some((mut pushed, deadline)) = book.waiting.pop_front().zip(deadline) else {
            ensure!(at, false, "{what}, which was not pushed");
            return Ok(());
        };
        // Who wakes late releases late.
        let latest = deadline.max(pushed.at) + lag;
        ensure!(at, at <= latest, "{what} {:?} after its deadline", at - latest);
        book.next += 1;
        book.last_release = Some(at);
        pushed.outcome = check_renditions(at, &what, book, &pushed, segment)?;
        let has_cushion = book.policy.class != StreamClass::LowLatency && book.finish_by.is_none();
        if pushed.outcome == "complete" && has_cushion && !pushed.overflowed {
            let earliest = deadline.min(pushed.closed + pushed.duration * percent / 100);
            ensure!(at, at >= earliest, "{what} {:?} before its time", earliest - at);
        }
        book.undecided = Some(pushed.clone());
        self.check_presence(at, stream, &pushed, &what)?;
        self.summary.segments += 1;
        self.summary.complete += u64::from(pushed.outcome == "complete");
        let missing = pushed.transcodable && pushed.outcome != "complete" && !pushed.source_only;
        self.summary.missing += u64::from(missing);
        Ok(())
    }

    /// The target duration is known: publications follow one another within 1.5 of it.
    pub(crate) fn set_interval(&mut self, stream: usize, target: Duration) -> Checked {
        let margin = self.config.publication_margin;
        self.stream(stream)?.interval = Some((target * 3 / 2).saturating_sub(margin));
        Ok(())
    }

    /// The stream has another ladder from now on, if it `changes`.
    pub(crate) fn set_ladder(
        &mut self,
        stream: usize,
        changes: bool,
        ladder: &Arc<Ladder>,
    ) -> Checked {
        let any = !self.members(stream).is_empty();
        let book = self.stream(stream)?;
        book.epoch += u64::from(changes);
        if changes {
            book.wanted = Arc::clone(ladder);
        }
        book.transcoding |= changes && any;
        Ok(())
    }

    /// The stream begins.
    pub(crate) fn begun(&mut self, at: Duration, stream: usize) -> Checked {
        let members = self.members(stream);
        let book = self.stream(stream)?;
        book.follow(at, &members);
        book.begun = Some(at);
        Ok(())
    }

    /// The stream's publisher is gone for good.
    pub(crate) fn finishing(&mut self, at: Duration, stream: usize) -> Checked {
        let grace = self.config.finish_grace;
        self.stream(stream)?.finish_by = Some(at + grace);
        Ok(())
    }

    /// The stream says that everything is out.
    pub(crate) fn finished(&mut self, at: Duration, stream: usize) -> Checked {
        let book = self.stream(stream)?;
        ensure!(at, book.waiting.is_empty(), "stream {stream} ends before its segments are out");
        book.over = true;
        Ok(())
    }
}

/// All renditions have media of the one result to be used, or all have the same gap.
fn check_renditions(
    at: Duration,
    what: &str,
    book: &StreamBook,
    pushed: &Pushed,
    segment: &PresentationSegment,
) -> Checked<&'static str> {
    if pushed.source_only {
        ensure!(at, segment.renditions.is_empty(), "{what} with renditions nobody can make");
        return Ok("source_only");
    }
    let names = segment.renditions.iter().map(|it| &it.name);
    let expected = pushed.ladder.profiles().iter().map(|it| &it.name);
    ensure!(at, names.eq(expected), "{what} with other renditions than its ladder's");
    let mut tags = Vec::new();
    let mut gaps = Vec::new();
    for rendition in &segment.renditions {
        match &rendition.outcome {
            RenditionOutcome::Media(track) => tags.push(track.base_decode_time),
            RenditionOutcome::Gap(reason) => gaps.push(*reason),
        }
    }
    ensure!(at, tags.is_empty() || gaps.is_empty(), "{what} out of step");
    if let Some(reason) = gaps.first() {
        ensure!(at, gaps.iter().all(|it| it == reason), "{what} with several reasons");
        ensure!(at, pushed.delivered_by.is_none(), "{what} without what was delivered");
        check_reason(at, what, pushed, *reason)?;
        return Ok(reason.as_str());
    }
    let attempt = pushed.delivered_by.and_then(|id| book.attempts.get(&id));
    let Some(attempt) = attempt else {
        ensure!(at, false, "{what} with media that nobody delivered");
        return Ok("");
    };
    ensure!(at, tags.iter().all(|tag| *tag == attempt.tag), "{what} with another one's media");
    let delivered = matches!(attempt.ended, Some((_, Ended::Delivered)));
    ensure!(at, delivered, "{what} with the result of an attempt that was over");
    Ok("complete")
}

fn check_reason(at: Duration, what: &str, pushed: &Pushed, reason: GapReason) -> Checked {
    let fits = match reason {
        GapReason::PublisherAway => pushed.content == Content::Nothing,
        GapReason::NotTranscodable => {
            matches!(pushed.content, Content::Dependent | Content::Sound)
        }
        GapReason::Quarantined => pushed.blamed_by.len() == 2,
        GapReason::Deadline
        | GapReason::AttemptsFailed
        | GapReason::NoOrchestrator
        | GapReason::NoDecoder
        | GapReason::FleetFull => pushed.transcodable,
    };
    ensure!(at, fits, "{what} as {}", reason.as_str());
    Ok(())
}
