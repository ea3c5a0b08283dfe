//! The sliding window of a presentation: every playlist, and every file they lead to.

mod entry;
mod listing;
mod measure;
mod rendition;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use media::{Ladder, MediaDuration, PlaybackId, PresentationSegment, Timescale};

use self::{
    entry::{Entry, Map, Slot},
    rendition::Rendition,
};
use crate::{
    FileContent, FileName, MediaFile, PlaybackConfig, Rendered, RenditionId,
    media_playlist::{MediaPlaylist, MediaSegment},
};

/// Fewest segments a live playlist lists, whatever the configuration says.
const FEWEST_SEGMENTS: usize = 3;
/// A live playlist never gets shorter than this many target durations (HLS rule PL-16).
const FEWEST_TARGETS: u64 = 3;
/// Indices of what comes from the publisher. What has a name follows as it came to be known: transcoded
/// renditions in the ladder's order, further layers and audio tracks.
const SOURCE: usize = 0;
const AUDIO: usize = 1;

/// Why a segment was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The presentation has ended.
    #[error("the presentation has ended")]
    Ended,
    /// Numbers go up by one; a playlist can't say anything else.
    #[error("segment {found} where {expected} comes next")]
    OutOfSequence {
        /// The number that comes next.
        expected: u64,
        /// The segment's number.
        found: u64,
    },
}

/// Why there is no playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    /// No such rendition.
    #[error("no such rendition")]
    Unknown,
    /// It has no media yet.
    #[error("not playable yet")]
    NotYet,
}

/// A presentation's playlists and files: fed with segments in order, it answers what viewers ask.
///
/// It takes time as input and does no I/O. A number appears in all playlists in one step, its media
/// before it (HLS rules MV-10, PL-23); what was listed never changes (PL-14, PL-20).
#[derive(Debug)]
pub struct Window {
    config: Arc<PlaybackConfig>,
    id: PlaybackId,
    renditions: Vec<Rendition>,
    /// In sequence without a hole: first `removed` entries kept for late downloads, then the listed.
    entries: VecDeque<Entry>,
    removed: usize,
    discontinuity_sequence: u64,
    target_duration: Option<u8>,
    published: bool,
    ended: bool,
    multivariant: Option<Arc<Rendered>>,
}

impl Window {
    /// An empty window of the presentation `id`.
    #[must_use]
    pub fn new(config: Arc<PlaybackConfig>, id: PlaybackId) -> Self {
        let publisher = [RenditionId::Source, RenditionId::Audio];
        Self {
            config,
            id,
            renditions: publisher.into_iter().map(|id| Rendition::new(id, None)).collect(),
            entries: VecDeque::new(),
            removed: 0,
            discontinuity_sequence: 0,
            target_duration: None,
            published: false,
            ended: false,
            multivariant: None,
        }
    }

    /// Numbers discontinuities from `first` on: what [`Self::next_discontinuity_sequence`] says of
    /// the presentation before under the same id. Without effect once published, or when it is lower
    /// than what holds.
    ///
    /// The first segment needs no tag then: its number is above every one of the presentation before,
    /// as if a tagged segment had already left the playlist (HLS rule PL-15).
    pub fn continue_discontinuities(&mut self, first: u64) {
        if !self.published {
            self.discontinuity_sequence = self.discontinuity_sequence.max(first);
        }
    }

    /// The discontinuity sequence number a presentation after this one starts with: above that of
    /// every segment a playlist has listed.
    #[must_use]
    pub fn next_discontinuity_sequence(&self) -> u64 {
        if !self.published {
            return self.discontinuity_sequence;
        }
        let listed: u64 = self.listed().map(|entry| u64::from(entry.discontinuity)).sum();
        self.discontinuity_sequence.saturating_add(listed).saturating_add(1)
    }

    /// Names the transcoded renditions. Those named before stay as long as there is media of them: players
    /// may be playing them.
    pub fn set_ladder(&mut self, ladder: &Ladder) {
        self.renditions.iter_mut().for_each(|rendition| rendition.profile = None);
        for profile in ladder.profiles() {
            let index = self.named(&profile.name, &[]);
            if let Some(rendition) = self.renditions.get_mut(index) {
                rendition.profile = Some(profile.clone());
            }
        }
    }

    /// Whether appending `next` publishes the presentation while no target duration is set.
    #[must_use]
    pub fn needs_target_duration(&self, next: &PresentationSegment) -> bool {
        let media = !next.source.is_gap();
        let ticks = next.source.duration.rescale(Timescale::VIDEO).ticks();
        self.target_duration.is_none()
            && !self.published
            && self.can_start(usize::from(media), if media { ticks } else { 0 })
    }

    /// Sets `EXT-X-TARGETDURATION`, in seconds. The first value stays (HLS rule PL-10).
    pub fn set_target_duration(&mut self, seconds: u8) {
        self.target_duration.get_or_insert_with(|| seconds.max(1));
    }

    /// Lists a segment in every playlist at once, and removes what is too old.
    ///
    /// `wall` is the wall-clock time at `now`. True when this published the presentation. Where the
    /// target duration was not set by then, it is that of the longest segment so far.
    ///
    /// # Errors
    /// When the segment's number is not the next one, or the presentation has ended. Nothing changes.
    pub fn append(
        &mut self,
        now: Instant,
        wall: SystemTime,
        segment: &PresentationSegment,
    ) -> Result<bool, AppendError> {
        if self.ended {
            return Err(AppendError::Ended);
        }
        let found = segment.source.sequence.0;
        let expected = self.entries.back().map_or(found, |last| last.sequence.saturating_add(1));
        if found != expected {
            return Err(AppendError::OutOfSequence { expected, found });
        }
        self.push(wall, segment);
        if self.published {
            let newest = self.entries.len().saturating_sub(1);
            self.measure(newest);
            self.slide(now);
            self.render(wall);
            return Ok(false);
        }
        if self.can_start(0, 0) {
            self.publish(wall);
            return Ok(true);
        }
        while self.entries.len() >= self.fewest_listed() {
            self.entries.pop_front();
        }
        Ok(false)
    }

    /// Makes the playlists final (`EXT-X-ENDLIST`); publishes what was too little to start with.
    pub fn end(&mut self, wall: SystemTime) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if self.published {
            self.render(wall);
        } else if self.entries.iter().any(Entry::has_media) {
            self.publish(wall);
        }
    }

    /// Whether its playlists are there.
    #[must_use]
    pub const fn is_published(&self) -> bool {
        self.published
    }

    /// Whether it has ended.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// How long after its end the presentation must stay downloadable (HLS rules PL-22, D-7).
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.entries.iter().map(Entry::retention).max().unwrap_or_default()
    }

    /// The target duration, once published.
    #[must_use]
    pub fn target_duration(&self) -> Option<u8> {
        self.target_duration.filter(|_| self.published)
    }

    /// The multivariant playlist.
    ///
    /// # Errors
    /// When nothing is published yet.
    pub fn multivariant_playlist(&self) -> Result<Arc<Rendered>, PlaylistError> {
        self.multivariant.clone().ok_or(PlaylistError::NotYet)
    }

    /// A rendition's media playlist.
    ///
    /// # Errors
    /// When there is no such rendition, or it has had no media yet.
    pub fn media_playlist(&self, id: &RenditionId) -> Result<Arc<Rendered>, PlaylistError> {
        let rendition = self.renditions.iter().find(|rendition| rendition.id == *id);
        rendition.ok_or(PlaylistError::Unknown)?.playlist.clone().ok_or(PlaylistError::NotYet)
    }

    /// A file that is listed, or was until lately.
    #[must_use]
    pub fn file(&self, id: &RenditionId, name: &FileName<'_>) -> Option<MediaFile> {
        let rendition = self.renditions.iter().position(|rendition| rendition.id == *id)?;
        let (FileName::Segment { epoch, .. } | FileName::Init { epoch, .. }) = *name;
        if !self.published || epoch != self.config.epoch.as_str() {
            return None;
        }
        let slot = |entry: &Entry| entry.slots.get(rendition).cloned().unwrap_or_default();
        match *name {
            FileName::Segment { sequence, .. } => {
                let first = self.entries.front()?.sequence;
                let index = usize::try_from(sequence.checked_sub(first)?).ok()?;
                let entry = self.entries.get(index)?;
                let content = FileContent::Segment(slot(entry).media?);
                let retention = entry.retention();
                Some(MediaFile { content, published: entry.published, retention })
            }
            FileName::Init { number, .. } => self.entries.iter().find_map(|entry| {
                let map = slot(entry).map.filter(|map| map.number == number)?;
                let content = FileContent::Init(map.init);
                Some(MediaFile { content, published: map.since, retention: entry.retention() })
            }),
        }
    }

    fn listed(&self) -> impl ExactSizeIterator<Item = &Entry> + '_ {
        self.entries.range(self.removed..)
    }

    fn fewest_listed(&self) -> usize {
        self.config.window_segments.max(FEWEST_SEGMENTS)
    }

    /// Whether what is held, and so much more with media, is enough to be published.
    fn can_start(&self, more_segments: usize, more_ticks: u64) -> bool {
        let with_media = self.entries.iter().filter(|entry| entry.has_media());
        let (segments, ticks) = with_media.fold((more_segments, more_ticks), |sum, entry| {
            (sum.0 + 1, sum.1.saturating_add(entry.ticks()))
        });
        let enough = self.config.start_segments.clamp(1, self.fewest_listed());
        let long_enough = MediaDuration::from_std(self.config.start_duration).ticks();
        segments >= enough || (segments > 0 && ticks >= long_enough)
    }

    /// Adds an entry behind the last, not visible until the next [`Self::render`].
    fn push(&mut self, wall: SystemTime, segment: &PresentationSegment) {
        let source = &segment.source;
        let media = self.tracks(segment);
        let mut slots = vec![Slot::default(); self.renditions.len()];
        let mut discontinuity = source.discontinuity;
        for (index, track) in media {
            if let (Some(track), Some(slot)) = (track, slots.get_mut(index)) {
                let (number, init) = (source.sequence.0, Arc::clone(&track.init));
                if let Some(rendition) = self.renditions.get_mut(index)
                    && !(source.filler && rendition.described.is_some())
                {
                    rendition.described = Some(Arc::clone(&init));
                }
                discontinuity |= self.put_map(index, Map { number, init, since: wall });
                slot.media = Some(track);
            }
        }
        for (slot, rendition) in slots.iter_mut().zip(&self.renditions) {
            slot.map.clone_from(&rendition.map);
        }
        self.entries.push_back(Entry {
            sequence: source.sequence.0,
            duration: source.duration,
            program_date_time: source.program_date_time,
            // There is nothing before the first segment that it could differ from.
            discontinuity: discontinuity && !self.entries.is_empty(),
            filler: source.filler,
            slots,
            published: wall,
            longest_listing: 0,
            kept_until: None,
        });
    }

    /// Puts an init in force for a rendition; true when it replaces another one.
    ///
    /// A player that gets another init needs a discontinuity (HLS rule SEG-6), and all playlists
    /// need the same ones (MV-5), so one rendition's new init makes one in every playlist.
    fn put_map(&mut self, index: usize, map: Map) -> bool {
        let Some(rendition) = self.renditions.get_mut(index) else { return false };
        if rendition.map.as_ref().is_some_and(|in_force| in_force.covers(&map)) {
            return false;
        }
        if rendition.map.replace(map.clone()).is_some() {
            return true;
        }
        // The gaps before its first media need an init in force as well, or a player has none.
        for entry in &mut self.entries {
            if entry.slots.len() <= index {
                entry.slots.resize(index + 1, Slot::default());
            }
            if let Some(slot) = entry.slots.get_mut(index) {
                slot.map = Some(map.clone());
            }
        }
        false
    }

    fn publish(&mut self, wall: SystemTime) {
        let longest = self.entries.iter().map(|entry| entry.duration.rounded_seconds()).max();
        let longest = longest.and_then(|seconds| u8::try_from(seconds).ok()).unwrap_or(u8::MAX);
        self.set_target_duration(longest);
        self.published = true;
        for index in 0..self.entries.len() {
            self.measure(index);
        }
        for entry in &mut self.entries {
            entry.published = wall;
        }
        self.note_listing();
        self.render(wall);
    }

    fn measure(&mut self, entry: usize) {
        let target_duration = self.target_duration.unwrap_or(1);
        let Some(entry) = self.entries.get(entry) else { return };
        for (index, rendition) in self.renditions.iter_mut().enumerate() {
            rendition.measure(index, entry, target_duration);
        }
    }

    /// Removes from the playlists what they need no longer, and frees what was removed long ago.
    fn slide(&mut self, now: Instant) {
        let target = u64::from(self.target_duration.unwrap_or(1));
        let floor = FEWEST_TARGETS * target * u64::from(Timescale::VIDEO.get());
        let mut ticks: u64 = self.listed().map(Entry::ticks).sum();
        let fewest = self.fewest_listed();
        while self.entries.len() - self.removed > fewest {
            let Some(oldest) = self.entries.get_mut(self.removed) else { break };
            if ticks.saturating_sub(oldest.ticks()) < floor {
                break;
            }
            ticks -= oldest.ticks();
            oldest.kept_until = Some(now + oldest.retention());
            self.discontinuity_sequence += u64::from(oldest.discontinuity);
            self.removed += 1;
        }
        self.note_listing();
        let expired = |entry: &Entry| entry.kept_until.is_some_and(|until| until <= now);
        while self.removed > 0 && self.entries.front().is_some_and(expired) {
            self.entries.pop_front();
            self.removed -= 1;
        }
    }

    /// Remembers, for every listed entry, how long the playlist is that lists it now.
    fn note_listing(&mut self) {
        let ticks: u64 = self.listed().map(Entry::ticks).sum();
        for entry in self.entries.range_mut(self.removed..) {
            entry.longest_listing = entry.longest_listing.max(ticks);
        }
    }

    /// Renders every playlist anew; those that come out the same stay as they are.
    fn render(&mut self, wall: SystemTime) {
        for index in 0..self.renditions.len() {
            let text = self.media_playlist_text(index);
            if let (Some(text), Some(rendition)) = (text, self.renditions.get_mut(index)) {
                replace(&mut rendition.playlist, text, wall);
            }
        }
        self.render_multivariant(wall);
    }

    fn media_playlist_text(&self, index: usize) -> Option<String> {
        let rendition = self.renditions.get(index).filter(|rendition| rendition.map.is_some())?;
        let playlist = MediaPlaylist {
            target_duration: self.target_duration?,
            media_sequence: self.listed().next()?.sequence,
            discontinuity_sequence: self.discontinuity_sequence,
            independent_segments: self.config.independent_segments,
            epoch: &self.config.epoch,
            rendition: rendition.id.as_str(),
            ended: self.ended,
        };
        let segments = self.listed().map(|entry| {
            let slot = entry.slots.get(index);
            MediaSegment {
                sequence: entry.sequence,
                duration: entry.duration,
                program_date_time: entry.program_date_time,
                discontinuity: entry.discontinuity,
                map: slot.and_then(|slot| slot.map.as_ref()).map(|map| map.number),
                gap: slot.is_none_or(|slot| slot.media.is_none()),
            }
        });
        Some(playlist.render(segments))
    }
}

/// Puts a newly rendered text in place, unless it says what the old one said.
fn replace(place: &mut Option<Arc<Rendered>>, text: impl Into<bytes::Bytes>, wall: SystemTime) {
    let text = text.into();
    if place.as_ref().is_none_or(|old| *old.body() != text) {
        *place = Some(Arc::new(Rendered::new(text, wall)));
    }
}
