//! Which track a publisher's packets and reports belong to.

use std::collections::BTreeMap;

use media::TrackId;
use peers::{Layer, MediaKind};

const _: () = assert!(peers::LAYERS_MAX <= media::MAX_VIDEO_TRACKS, "each layer is a track");

/// A publisher's tracks, and the source of each. A source may change, when an encoder starts over; a layer
/// keeps its track.
#[derive(Debug)]
pub(super) struct Sources {
    /// Each layer's track; empty where there is one picture only.
    layers: Vec<(Layer, TrackId)>,
    /// The source of each track's latest packet.
    latest: BTreeMap<TrackId, u32>,
}

impl Sources {
    /// Tracks for these layers: the first is the main one.
    pub(super) fn new(layers: &[Layer]) -> Self {
        let further = (TrackId::FURTHER.0..).map(TrackId);
        let tracks = std::iter::once(TrackId::VIDEO).chain(further);
        Self { layers: layers.iter().cloned().zip(tracks).collect(), latest: BTreeMap::new() }
    }

    /// The tracks of pictures; one at least.
    pub(super) fn video(&self) -> Vec<TrackId> {
        if self.layers.is_empty() {
            return vec![TrackId::VIDEO];
        }
        self.layers.iter().map(|(_, track)| *track).collect()
    }

    /// Every track.
    pub(super) fn tracks(&self) -> Vec<TrackId> {
        let mut tracks = self.video();
        tracks.push(TrackId::AUDIO);
        tracks
    }

    /// The track of a packet of `source`.
    pub(super) fn saw(&mut self, kind: MediaKind, layer: Option<&Layer>, source: u32) -> TrackId {
        let of_layer = || {
            let of = |layer| self.layers.iter().find(|(known, _)| known == layer);
            layer.and_then(of).map_or(TrackId::VIDEO, |(_, track)| *track)
        };
        let track = match kind {
            MediaKind::Video => of_layer(),
            MediaKind::Audio => TrackId::AUDIO,
        };
        self.latest.insert(track, source);
        track
    }

    /// The track that `source` is of, if any packet came from it.
    pub(super) fn track_of(&self, source: u32) -> Option<TrackId> {
        self.latest.iter().find(|(_, latest)| **latest == source).map(|(track, _)| *track)
    }

    /// The sources of these tracks, as far as they are known.
    pub(super) fn of(&self, tracks: &[TrackId]) -> impl Iterator<Item = u32> {
        tracks.iter().filter_map(|track| self.latest.get(track)).copied()
    }
}
