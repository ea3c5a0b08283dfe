//! The headers viewers have, per rendition.

use std::{collections::HashMap, sync::Arc};

use media::{InitSegment, Ladder, RenditionName, RenditionOutcome, RenditionSegment, TrackSegment};

/// The header last listed for each rendition.
///
/// A result whose header equals it shares it, so that playlists repeat one `EXT-X-MAP`. One that
/// differs (another orchestrator's encoder, another size) needs a discontinuity in every playlist at
/// once (HLS rules SEG-6, D-2).
#[derive(Debug, Default)]
pub(crate) struct ReleasedInits(HashMap<RenditionName, Arc<InitSegment>>);

impl ReleasedInits {
    /// The renditions of one release, and whether a header differs from the one listed before.
    pub(crate) fn list(
        &mut self,
        ladder: &Ladder,
        media: Vec<TrackSegment>,
    ) -> (Vec<RenditionSegment>, bool) {
        let mut changed = false;
        let named = ladder.profiles().iter().map(|profile| &profile.name).zip(media);
        let renditions = named.map(|(name, mut track)| {
            match self.0.get(name) {
                Some(listed) if **listed == *track.init => track.init = Arc::clone(listed),
                listed => {
                    changed |= listed.is_some();
                    self.0.insert(name.clone(), Arc::clone(&track.init));
                }
            }
            let outcome = RenditionOutcome::Media(Arc::new(track));
            RenditionSegment { name: name.clone(), outcome }
        });
        (renditions.collect(), changed)
    }
}
