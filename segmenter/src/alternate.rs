//! An audio track beside the main one.

use std::{mem, ops::RangeInclusive, sync::Arc, time::Instant};

use media::{AccessUnit, InitSegment, TrackId};

use crate::{
    audio_queue::{AudioFrame, AudioQueue},
    held_audio::HeldAudio,
    timeline::Timeline,
};

/// Most frames on their way into a segment: 43 s of AAC at 48 kHz.
const FRAMES_MAX: usize = 2_048;

/// Most bytes of them: 40 s at 1.6 Mbit/s.
const BYTES_MAX: usize = 8 << 20;

/// A frame stamped that far back is a new clock and no jitter, in seconds.
const BACKWARD_MAX_SECONDS: i64 = 1;

/// What an alternate has for a segment.
#[derive(Debug)]
pub(crate) struct AlternateCut {
    pub(crate) init: Arc<InitSegment>,
    pub(crate) frames: Vec<AudioFrame>,
    /// Where the last one ends, in ticks of the track.
    pub(crate) next: i64,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// Frames that had to go, itself perhaps among them.
    pub(crate) dropped: usize,
    /// It had to be moved against its stamp's order.
    pub(crate) moved: bool,
    /// The bounds were reached.
    pub(crate) overflowed: bool,
}

/// The frames of a further audio track, cut where the main tracks are. New parameters hold from the next
/// segment on.
#[derive(Debug)]
pub(crate) struct Alternate {
    id: TrackId,
    current: Option<(Arc<InitSegment>, AudioQueue)>,
    /// Frames before there is a timeline, or of parameters that wait for the next segment.
    held: HeldAudio,
    /// The last wait for its frames ended without any.
    idle: bool,
    /// The last frame that had come when a segment began to wait.
    seen: Option<i64>,
}

impl Alternate {
    pub(crate) fn new(id: TrackId) -> Self {
        Self { id, current: None, held: HeldAudio::default(), idle: false, seen: None }
    }

    pub(crate) const fn id(&self) -> TrackId {
        self.id
    }

    /// Keeps a frame until there is a timeline; answers how many old ones had to go.
    pub(crate) fn hold(&mut self, unit: AccessUnit) -> usize {
        self.held.push(unit)
    }

    /// What was held, for a second try.
    pub(crate) fn release(&mut self) -> impl Iterator<Item = AccessUnit> + use<> {
        mem::take(&mut self.held).into_units()
    }

    /// Takes the next frame, which `init` decodes. Within `span`, in ticks of 90 kHz, there is a place for it.
    pub(crate) fn push(
        &mut self,
        timeline: &Timeline,
        init: &Arc<InitSegment>,
        span: RangeInclusive<i64>,
        unit: AccessUnit,
    ) -> Heard {
        let (current, queue) =
            self.current.get_or_insert_with(|| (Arc::clone(init), AudioQueue::of_track(init)));
        if !Arc::ptr_eq(current, init) {
            let dropped = self.held.push(unit);
            return Heard { dropped, ..Heard::default() };
        }
        let dts = timeline.audio(&unit, queue.timescale());
        let at = queue.on_video_clock(dts);
        let overflowed = queue.len() >= FRAMES_MAX || queue.bytes() >= BYTES_MAX;
        let too_early = at < *span.start() && queue.last_dts().is_none();
        if overflowed || too_early || at < timeline.start() || at > *span.end() {
            return Heard { dropped: 1, overflowed, ..Heard::default() };
        }
        let back = i64::from(queue.timescale().get()).saturating_mul(BACKWARD_MAX_SECONDS);
        let mut dropped = 0;
        if queue.last_dts().is_some_and(|last| dts.saturating_sub(last) < -back) {
            dropped = queue.len();
            *queue = AudioQueue::of_track(init);
        }
        let moved = queue.push(dts, unit.payload, unit.arrived);
        self.idle = false;
        Heard { dropped, moved, overflowed: false }
    }

    /// Forgets everything; answers how many frames there were.
    pub(crate) fn reset(&mut self) -> usize {
        let queued = self.current.take().map_or(0, |(_, queue)| queue.len());
        queued + self.held.clear()
    }

    /// When its last frame arrived.
    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.current.as_ref()?.1.last_arrival()
    }

    fn last_dts(&self) -> Option<i64> {
        self.current.as_ref()?.1.last_dts()
    }

    /// A segment begins to wait for its tracks.
    pub(crate) fn note_waiting(&mut self) {
        self.seen = self.last_dts();
    }

    /// A segment that ends at `end` (90 kHz) has waited in vain: where nothing came, the next need not wait.
    pub(crate) fn note_waited(&mut self, end: i64) {
        self.idle |= !self.is_complete_before(end) && self.seen == self.last_dts();
    }

    /// Whether everything before `end` (90 kHz) has come, as far as it is to be waited for.
    pub(crate) fn is_complete_before(&self, end: i64) -> bool {
        let waits = !self.idle && self.held.is_empty();
        !waits || self.current.as_ref().is_none_or(|(_, queue)| queue.is_complete_before(end))
    }

    /// Takes what begins before `end` (90 kHz), and how many frames belong to no segment: new parameters
    /// that came are in force from here on. `fill`: nothing goes on behind it.
    pub(crate) fn cut(&mut self, end: i64, fill: bool) -> (Option<AlternateCut>, usize) {
        let Some((init, mut queue)) = self.current.take() else { return (None, 0) };
        let (frames, next) = queue.take(queue.count_before(end));
        let next = if fill { queue.on_own_clock(end) } else { next };
        let cut = AlternateCut { init: Arc::clone(&init), frames, next };
        let mut dropped = 0;
        if self.held.is_empty() {
            self.current = Some((init, queue));
        } else {
            dropped = queue.len();
        }
        (Some(cut).filter(|cut| !cut.frames.is_empty()), dropped)
    }

    /// Whether frames of new parameters may be pushed now.
    pub(crate) fn has_new_parameters(&self) -> bool {
        self.current.is_none() && !self.held.is_empty()
    }
}
