//! Under which name each track is shown.

use std::{cmp::Reverse, sync::Arc};

use media::{
    MAX_AUDIO_TRACKS, MAX_VIDEO_TRACKS, ReadyMade, RenditionName, TrackId, TrackKind, TrackSegment,
};

use crate::{epoch::Announced, follower::pixels};

/// First number of an audio track beside the main one.
const FIRST_FURTHER_AUDIO: usize = 2;

/// Which of a publisher's video tracks is `source`, and what the others and further audio are called.
///
/// A track keeps its name as long as its publisher stays. The next publisher's tracks get theirs by the
/// same rules, so that alike layers go on under the same name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    source: Option<TrackId>,
    /// The largest picture first.
    layers: Vec<(TrackId, RenditionName)>,
    audio: Vec<(TrackId, RenditionName)>,
}

impl Names {
    pub(crate) const fn source(&self) -> Option<TrackId> {
        self.source
    }

    pub(crate) fn layers(&self) -> &[(TrackId, RenditionName)] {
        &self.layers
    }

    /// The largest picture announced is `source` from now on, unless another one is.
    pub(crate) fn settle(&mut self, announced: &Announced) {
        if self.source.is_none() {
            let video = announced.of_kind(TrackKind::Video);
            let size = |id: TrackId| announced.get(id).map_or(0, |init| pixels(init));
            self.source = video.map(|track| track.id).max_by_key(|id| (size(*id), Reverse(*id)));
            self.follow(announced);
        }
    }

    /// Names tracks that are new: layers once there is a source.
    pub(crate) fn follow(&mut self, announced: &Announced) {
        for track in announced.of_kind(TrackKind::Audio).filter(|it| it.id != TrackId::AUDIO) {
            let numbers = FIRST_FURTHER_AUDIO..FIRST_FURTHER_AUDIO + MAX_AUDIO_TRACKS;
            name(&mut self.audio, track.id, numbers.map(RenditionName::of_audio));
        }
        if self.source.is_none() {
            return;
        }
        for track in announced.of_kind(TrackKind::Video).filter(|it| Some(it.id) != self.source) {
            let (width, height) =
                track.parameters.picture().map_or((0, 0), |(_, picture)| picture.display_size());
            let nth = |nth| RenditionName::of_layer(width.min(height), nth);
            name(&mut self.layers, track.id, (1..=MAX_VIDEO_TRACKS).map(nth));
        }
        let size = |id: TrackId| announced.get(id).map_or(0, |init| pixels(init));
        self.layers.sort_by_key(|(id, _)| Reverse(size(*id)));
    }

    /// Forgets the publisher's tracks.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes the media of all tracks apart: that of `source`, of the main audio, and what is ready made.
    pub(crate) fn dress(&self, mut media: Vec<Arc<TrackSegment>>) -> Dressed {
        let mut take = |id: TrackId| {
            let index = media.iter().position(|it| it.init.track.id == id)?;
            Some(media.swap_remove(index))
        };
        let video = self.source.and_then(&mut take);
        let audio = take(TrackId::AUDIO);
        let named = self.layers.iter().chain(&self.audio);
        let ready_made = named.map(|(id, name)| ReadyMade { name: name.clone(), media: take(*id) });
        Dressed { video, audio, ready_made: ready_made.collect() }
    }
}

/// The media of a segment, by what it is shown as.
#[derive(Debug)]
pub(crate) struct Dressed {
    pub(crate) video: Option<Arc<TrackSegment>>,
    pub(crate) audio: Option<Arc<TrackSegment>>,
    pub(crate) ready_made: Vec<ReadyMade>,
}

/// Gives a track the first of the names that no other has, unless it has one.
fn name(
    named: &mut Vec<(TrackId, RenditionName)>,
    id: TrackId,
    mut names: impl Iterator<Item = RenditionName>,
) {
    let is_new = named.iter().all(|(known, _)| *known != id);
    let free = names.find(|name| named.iter().all(|(_, taken)| taken != name));
    if let Some(free) = free.filter(|_| is_new) {
        named.push((id, free));
    }
}
