//! Which of several tracks is used.

use std::collections::BTreeSet;

use media::TrackKind;

/// The track of one kind that is used: the first that comes, which is what encoders call the default one.
/// OBS sends its main picture and its first audio track before all others.
#[derive(Debug, Default)]
pub(super) struct ChosenTrack {
    chosen: Option<u8>,
    /// Those the operator was told of.
    told: BTreeSet<u8>,
}

impl ChosenTrack {
    /// Whether a track is the one; if not, what the operator should know of it, the first time.
    pub(super) fn admit(&mut self, kind: TrackKind, track: u8) -> Result<(), Option<String>> {
        let chosen = *self.chosen.get_or_insert(track);
        if chosen == track {
            return Ok(());
        }
        let kind = match kind {
            TrackKind::Video => "video",
            TrackKind::Audio => "audio",
        };
        let first = self.told.insert(track);
        Err(first.then(|| {
            format!(
                "{kind} track {track} is not used: of several tracks only {chosen}, the first, is"
            )
        }))
    }
}
