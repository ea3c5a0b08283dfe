//! One sequence number as a window holds it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use media::{InitSegment, MediaDuration, Timescale, TrackSegment};

/// An init and the number its URI carries.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// Sequence number of the first segment that needs it.
    pub(super) number: u64,
    pub(super) init: Arc<InitSegment>,
    /// When that segment came.
    pub(super) since: SystemTime,
}

impl Map {
    /// Whether this init decodes what `other` does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.init, &other.init) || self.init.bytes == other.init.bytes
    }
}

/// One rendition's share of an [`Entry`].
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// The init in force; for a gap, that of its neighbours.
    pub(super) map: Option<Map>,
    /// The media; `None` is a gap.
    pub(super) media: Option<Arc<TrackSegment>>,
}

/// One sequence number in every rendition.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) duration: MediaDuration,
    pub(super) program_date_time: SystemTime,
    pub(super) discontinuity: bool,
    /// Its media only stand in for the publisher's.
    pub(super) filler: bool,
    /// By index of the rendition; renditions that came later have none.
    pub(super) slots: Vec<Slot>,
    /// When it was published.
    pub(super) published: SystemTime,
    /// Length of the longest playlist that has listed it, in 90 kHz ticks.
    pub(super) longest_listing: u64,
    /// Once removed from the playlists: how long it stays downloadable.
    pub(super) kept_until: Option<Instant>,
}

impl Entry {
    /// How long it plays, in 90 kHz ticks.
    pub(super) fn ticks(&self) -> u64 {
        self.duration.rescale(Timescale::VIDEO).ticks()
    }

    /// Whether any rendition has media.
    pub(super) fn has_media(&self) -> bool {
        self.slots.iter().any(|slot| slot.media.is_some())
    }

    /// Whether the rendition with this index has media.
    pub(super) fn has_media_of(&self, index: usize) -> bool {
        self.slots.get(index).is_some_and(|slot| slot.media.is_some())
    }

    /// How long it must stay downloadable after its removal (HLS rule PL-22).
    pub(super) fn retention(&self) -> Duration {
        let ticks = self.ticks().saturating_add(self.longest_listing);
        MediaDuration::new(ticks, Timescale::VIDEO).to_std()
    }
}
