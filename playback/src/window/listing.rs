//! Which renditions there are, and which of them the multivariant playlist lists.

use std::{cmp::Reverse, sync::Arc, time::SystemTime};

use media::{PresentationSegment, RenditionName, RenditionOutcome, TrackSegment};

use super::{
    AUDIO, SOURCE, Window,
    entry::{Entry, Slot},
    rendition::Rendition,
    replace,
};
use crate::{RenditionId, multivariant_playlist};

impl Window {
    /// The media of a segment by index of their rendition; names that are new get theirs.
    pub(super) fn tracks(
        &mut self,
        segment: &PresentationSegment,
    ) -> Vec<(usize, Option<Arc<TrackSegment>>)> {
        let source = &segment.source;
        let ready_made = source.ready_made.iter().map(|it| (&it.name, it.media.as_ref()));
        let transcoded = segment.renditions.iter().map(|it| match &it.outcome {
            RenditionOutcome::Media(track) => (&it.name, Some(track)),
            RenditionOutcome::Gap(_) => (&it.name, None),
        });
        let named: Vec<_> = ready_made.chain(transcoded).collect();
        // No place of a name in this segment is free for another one of it.
        let mut in_use: Vec<_> = named.iter().filter_map(|(name, _)| self.place_of(name)).collect();
        let mut tracks = vec![(SOURCE, source.video.clone()), (AUDIO, source.audio.clone())];
        for (name, track) in named {
            let index = self.named(name, &in_use);
            in_use.push(index);
            tracks.push((index, track.cloned()));
        }
        tracks
    }

    fn place_of(&self, name: &RenditionName) -> Option<usize> {
        let is_it = |it: &Rendition| matches!(&it.id, RenditionId::Named(known) if known == name);
        self.renditions.iter().position(is_it)
    }

    /// Index of a rendition that has a name. A new one takes the place of one that is over, unless that is
    /// `in_use`, so that their number is bounded whatever publishers come.
    pub(super) fn named(&mut self, name: &RenditionName, in_use: &[usize]) -> usize {
        if let Some(known) = self.place_of(name) {
            return known;
        }
        let new = Rendition::new(RenditionId::Named(name.clone()), None);
        let mut places = AUDIO + 1..self.renditions.len();
        let Some(free) = places.find(|place| !in_use.contains(place) && self.is_over(*place))
        else {
            self.renditions.push(new);
            return self.renditions.len() - 1;
        };
        if let Some(place) = self.renditions.get_mut(free) {
            *place = new;
        }
        // Headers of the one before are not the new one's.
        for slot in self.entries.iter_mut().filter_map(|entry| entry.slots.get_mut(free)) {
            *slot = Slot::default();
        }
        free
    }

    /// Whether a rendition is no rung, and nothing of it is kept.
    fn is_over(&self, index: usize) -> bool {
        let is_rung = self.renditions.get(index).is_some_and(|it| it.profile.is_some());
        !is_rung && !self.entries.iter().any(|entry| entry.has_media_of(index))
    }

    /// Whether the multivariant playlist lists a rendition: what comes ready made only while a playlist has
    /// media of it, everything else from its first media on.
    fn is_alive(&self, index: usize) -> bool {
        index <= AUDIO
            || self.renditions.get(index).is_some_and(|it| it.profile.is_some())
            || self.listed().any(|entry| entry.has_media_of(index))
    }

    /// Renders the multivariant playlist anew. It stays while no playlist has media at all: the publisher is
    /// away, and nobody knows what it will come back with.
    pub(super) fn render_multivariant(&mut self, wall: SystemTime) {
        if self.multivariant.is_some() && !self.listed().any(Entry::has_media) {
            return;
        }
        let base = self.id.as_str();
        let alive = |index: &usize| self.is_alive(*index);
        let named = (AUDIO..self.renditions.len()).filter(alive);
        let audio: Vec<_> =
            named.filter_map(|index| self.renditions.get(index)?.audio_variant(base)).collect();
        let video: Vec<_> =
            self.listing_order().filter_map(|rendition| rendition.video_variant(base)).collect();
        let independent = self.config.independent_segments;
        if let Some(text) = multivariant_playlist::render(&video, &audio, independent) {
            replace(&mut self.multivariant, text, wall);
        }
    }

    /// The video renditions to list: many players start with the first, so that is a middle one (HLS rule
    /// MV-8) of those with media in the newest segment; then the source, then the others, larger pictures
    /// first.
    fn listing_order(&self) -> impl Iterator<Item = &Rendition> + '_ {
        let newest = self.entries.back();
        let now = |index: usize| newest.is_some_and(|entry| entry.has_media_of(index));
        let named = self.renditions.iter().enumerate().skip(AUDIO + 1);
        let mut order: Vec<_> =
            named.filter(|(index, it)| it.pixels().is_some() && self.is_alive(*index)).collect();
        order.sort_by_key(|(_, rendition)| Reverse(rendition.pixels()));
        let places = |suits: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let suitable = order.iter().enumerate().filter(|(_, (index, _))| suits(*index));
            suitable.map(|(place, _)| place).collect()
        };
        let mut candidates = places(&now);
        if candidates.is_empty() {
            candidates = places(&|_| true);
        }
        let middle = candidates.get(candidates.len().saturating_sub(1) / 2);
        let middle = middle.map(|place| order.remove(*place));
        let others = order.into_iter().map(|(_, rendition)| rendition);
        let middle = middle.map(|(_, rendition)| rendition);
        middle.into_iter().chain(self.renditions.get(SOURCE)).chain(others)
    }
}
