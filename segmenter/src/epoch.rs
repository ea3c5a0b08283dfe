//! Which tracks, with which parameters, a run of segments has.

use std::{collections::VecDeque, sync::Arc};

use container::cmaf::{self, CmafError};
use media::{InitSegment, MAX_AUDIO_TRACKS, MAX_VIDEO_TRACKS, Track, TrackId, TrackKind};

/// CMAF headers remembered: a source that alternates between two scenes keeps two per track.
const KNOWN_MAX: usize = 2 * (MAX_VIDEO_TRACKS + MAX_AUDIO_TRACKS);

/// The tracks as the publisher announced them last, each id once.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    tracks: Vec<Arc<InitSegment>>,
    known: VecDeque<Arc<InitSegment>>,
}

impl Announced {
    /// A track with its parameters.
    pub(crate) fn get(&self, id: TrackId) -> Option<&Arc<InitSegment>> {
        self.tracks.iter().find(|init| init.track.id == id)
    }

    /// The main audio track.
    pub(crate) fn audio(&self) -> Option<&Arc<InitSegment>> {
        self.get(TrackId::AUDIO).filter(|init| init.track.kind() == TrackKind::Audio)
    }

    /// What the track with this id carries.
    pub(crate) fn kind(&self, id: TrackId) -> Option<TrackKind> {
        self.get(id).map(|init| init.track.kind())
    }

    /// All tracks of a kind.
    pub(crate) fn of_kind(&self, kind: TrackKind) -> impl Iterator<Item = &Track> + '_ {
        self.tracks.iter().map(|init| &init.track).filter(move |track| track.kind() == kind)
    }

    /// Another publisher announces its own tracks.
    pub(crate) fn forget_tracks(&mut self) {
        self.tracks.clear();
    }

    /// A track is new or has new parameters; answers whether anything differs. Encoders that repeat
    /// their parameter sets change nothing (HLS rule B-1). Tracks past the bounds on their number stay
    /// unknown.
    ///
    /// # Errors
    /// When it can't be written as CMAF; its access units are then unknown.
    pub(crate) fn set(&mut self, track: Track) -> Result<bool, CmafError> {
        let (id, kind) = (track.id, track.kind());
        let init = self.header(track);
        let before = self.tracks.iter().position(|init| init.track.id == id);
        let before = before.map(|index| self.tracks.remove(index));
        let init = init?;
        let most = match kind {
            TrackKind::Video => MAX_VIDEO_TRACKS,
            TrackKind::Audio => MAX_AUDIO_TRACKS,
        };
        if self.of_kind(kind).count() >= most {
            return Ok(false);
        }
        let same = before.is_some_and(|before| Arc::ptr_eq(&before, &init));
        self.tracks.push(init);
        Ok(!same)
    }

    fn header(&mut self, track: Track) -> Result<Arc<InitSegment>, CmafError> {
        if let Some(known) = self.known.iter().find(|init| init.track == track) {
            return Ok(Arc::clone(known));
        }
        let init = Arc::new(cmaf::init_segment(&track)?);
        if self.known.len() == KNOWN_MAX {
            self.known.pop_front();
        }
        self.known.push_back(Arc::clone(&init));
        Ok(init)
    }
}

/// A run of segments with the same tracks and parameters; a discontinuity lies between two of them.
#[derive(Clone, Debug)]
pub(crate) struct Epoch {
    /// Pictures lead the cut; `None` in an audio-only run.
    pub(crate) video: Option<Arc<InitSegment>>,
    /// Set by the first audio frame, as long as no segment of the run is out.
    pub(crate) audio: Option<Arc<InitSegment>>,
    /// A segment of it is out: its tracks are final.
    pub(crate) published: bool,
}

impl Epoch {
    pub(crate) const fn of_video(video: Arc<InitSegment>, audio: Option<Arc<InitSegment>>) -> Self {
        Self { video: Some(video), audio, published: false }
    }

    pub(crate) const fn of_audio(audio: Arc<InitSegment>) -> Self {
        Self { video: None, audio: Some(audio), published: false }
    }
}

/// Whether both are the same header, or both missing.
pub(crate) fn same_header(a: Option<&Arc<InitSegment>>, b: Option<&Arc<InitSegment>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
