//! One stream's filler: when it is made, and whether it is being shown.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use media::{PresentationSegment, Segment};
use prometheus_client::metrics::counter::Counter;
use router::BoxFuture;
use segmenter::Filler;

use super::{FillerMaking, NoFiller, shown::Shown};
use crate::config::{FillerKind, PublisherPolicy};

/// Times filler is asked for in one absence: it is refused where too many streams want some.
const TRIES: u8 = 4;

/// Remembers what a stream showed, and has filler made of it. One thing is in the making at a time; the work
/// ends with the absence it is for.
pub(crate) struct StreamFiller {
    /// `None`: stand-ins stay gaps.
    maker: Option<Arc<dyn FillerMaking>>,
    policy: PublisherPolicy,
    length: Duration,
    shown: Shown,
    work: Option<Work>,
    tries: u8,
    /// It is there, or in the making, for the absence that goes on.
    state: State,
    segments: Counter,
}

struct Work {
    /// Never locked: a stream's task may be looked at from several threads, a future may not.
    made: Mutex<BoxFuture<'static, Result<Filler, NoFiller>>>,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Media come, as far as anyone knows.
    Media,
    /// There are none, and no filler yet.
    Wanted,
    /// It could not be made, this time.
    Refused,
    /// It was handed over.
    Ready,
    /// Viewers have it.
    Shown,
}

impl std::fmt::Debug for StreamFiller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamFiller").field("state", &self.state).finish_non_exhaustive()
    }
}

impl StreamFiller {
    /// Filler for stand-ins of `length`, made by `maker`. `segments` counts it.
    pub(crate) fn new(
        maker: Option<Arc<dyn FillerMaking>>,
        policy: &PublisherPolicy,
        length: Duration,
        segments: Counter,
    ) -> Self {
        Self {
            maker: maker.filter(|_| policy.filler != FillerKind::Off),
            policy: policy.clone(),
            length,
            shown: Shown::default(),
            work: None,
            tries: 0,
            state: State::Media,
            segments,
        }
    }

    /// The publisher's media have come this far, or a stand-in was due.
    pub(crate) fn cut(&mut self, segment: &Segment) {
        if self.maker.is_none() {
            return;
        }
        if segment.filler {
            self.segments.inc();
            if self.state != State::Shown {
                tracing::info!(sequence = %segment.sequence, "filler begins");
                self.state = State::Shown;
            }
        } else if segment.is_gap() {
            // Nobody said that the publisher is gone, the maker had no room for it, or media came in between
            // that were too little for a segment.
            self.state = State::Wanted;
        } else {
            if self.state == State::Shown {
                tracing::info!(sequence = %segment.sequence, "filler ends");
            }
            (self.work, self.tries, self.state) = (None, 0, State::Media);
            self.shown.cut(segment);
        }
    }

    /// Viewers have this from now on.
    pub(crate) fn listed(&mut self, segment: &PresentationSegment) {
        if self.maker.is_some() && !segment.source.filler {
            self.shown.listed(segment);
        }
    }

    /// There are no media any more.
    pub(crate) fn wanted(&mut self) {
        if self.state == State::Media {
            self.state = State::Wanted;
        }
    }

    /// Has it made, where it is wanted and not in the making. Call it when all that was cut is known.
    pub(crate) fn begin(&mut self, now: Instant) {
        let Some(maker) = &self.maker else { return };
        if self.state != State::Wanted || self.work.is_some() || self.tries >= TRIES {
            return;
        }
        let slate =
            if self.policy.filler == FillerKind::Slate { self.policy.slate.clone() } else { None };
        let Some(order) = self.shown.order(self.length, slate) else { return };
        self.tries += 1;
        self.work = Some(Work { made: Mutex::new(maker.make(order)), since: now });
    }

    /// Waits until what is in the making is done.
    ///
    /// # Errors
    /// When it can't be made, this time or for the whole absence.
    pub(crate) async fn ready(&mut self) -> Result<Filler, NoFiller> {
        let Some(work) = &mut self.work else { return std::future::pending().await };
        work.made.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().await
    }

    /// Takes note of what [`Self::ready`] gave, before it is handed over.
    pub(crate) fn made(&mut self, now: Instant, made: Result<&Filler, &NoFiller>) {
        let took = self.work.take().map(|work| now.saturating_duration_since(work.since));
        match made {
            Ok(filler) => {
                let renditions = filler.ready_made.len();
                tracing::debug!(
                    ?took,
                    renditions,
                    source = filler.video.is_some(),
                    "filler is made"
                );
                self.state = State::Ready;
            }
            Err(why) => {
                tracing::debug!(?took, tries = self.tries, ?why, "no filler was made");
                if *why == NoFiller::Ever {
                    self.tries = TRIES;
                }
                self.state = State::Refused;
            }
        }
    }
}
